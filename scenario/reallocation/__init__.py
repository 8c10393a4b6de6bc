"""A replay in which failing nodes are replaced: what happens when, its calls, its figures, its picture."""
