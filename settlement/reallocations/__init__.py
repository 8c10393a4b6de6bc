"""Bringing the chain's requests for another node to the orchestrators of their jobs."""
