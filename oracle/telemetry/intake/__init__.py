"""One intake for all ways in: what a heartbeat is worth, and in which ticks this oracle could have received one."""
