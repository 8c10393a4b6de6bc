"""Telemetry: what an oracle sees of the nodes, tick by tick, and keeps. It knows nothing of money."""
