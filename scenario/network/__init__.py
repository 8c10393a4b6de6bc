"""`epochal network`: anvil, oracles and nodes as real processes, and faults between them."""
