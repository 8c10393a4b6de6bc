"""How oracles agree: signed observations, one rule to combine them, evidence that anyone can recompute."""
