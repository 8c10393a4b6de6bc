"""The orchestrator as a daemon: its store, its HTTP server, its view of the chain and its transactions."""
