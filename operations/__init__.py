"""What people do to a network with their keys: planned, shown, tried, confirmed, and sent exactly once."""
