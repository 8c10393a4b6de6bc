"""The reference orchestrator: which node serves which slot, what it runs there, and what the chain is told of it."""
