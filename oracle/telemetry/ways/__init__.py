"""Ways in: thin adapters between a transport and the intake."""
