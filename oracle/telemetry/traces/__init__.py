"""Recorded availability of real nodes, read tick by tick, for replays."""
