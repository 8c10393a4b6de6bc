"""Which licence serves which slot, and how it gets there. Pure: facts in, decisions out; no clock, no I/O."""
