"""Bringing messages to others at least once: a queue on disk, retries, dead letters."""
