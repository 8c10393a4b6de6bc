"""Jobs run by a network that speaks Ratio1's Deeploy HTTP API: requests, moves, and nothing believed before the chain.

Written from the API's public description and tried on a server that keeps to it; not tried on the live one.
"""
