"""The pure ground every room shares: domain words, integer maths, no I/O.

Time is in whole UTC seconds, shares in parts per million, hashes are 32 raw bytes. Nothing here reads a
clock, a file or a socket, and nothing depends on the order of a mapping.
"""
