"""What travels between nodes and oracles, byte by byte. docs/heartbeats.md is its specification."""
