"""A keeper at work: the chain is read, plans are made, and what they say is sent exactly once."""
