"""Measuring uptime and agreeing on it; knows nothing of money."""
