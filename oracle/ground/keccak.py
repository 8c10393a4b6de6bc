"""Keccak-256 as Ethereum uses it (not NIST's SHA3-256, whose padding differs)."""

from __future__ import annotations

from sha3 import keccak_256


def keccak256(data: bytes) -> bytes:
    """The 32-byte Keccak-256 hash of `data`."""
    digest: bytes = keccak_256(data).digest()
    return digest
