"""What both sides of Epochal stand on: the compiler, anvil, the client, deployment and contract bindings."""
