"""The `epochal` command."""
