"""The Python core, the plain model of the escrow and the contracts, on the same random histories."""
