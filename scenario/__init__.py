"""Whole runs put together: the demonstration, and replays of traces."""
