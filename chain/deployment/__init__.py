"""Deploying a network: a plan of contracts, the run that follows it, the roles, and what is written down of it."""
