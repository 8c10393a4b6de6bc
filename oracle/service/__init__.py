"""What an oracle's operator runs: settings, and the parts of an oracle put together."""
