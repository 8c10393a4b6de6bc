"""Compact signatures and who makes them."""
