"""Probes: the oracle asks workloads itself whether they answer."""
