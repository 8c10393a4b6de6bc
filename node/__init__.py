"""The node agent: says "I am alive" to every oracle, each tick."""
