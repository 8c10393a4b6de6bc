"""The hash of a job's terms, which acceptances name."""

from __future__ import annotations

from oracle.ground.address import raw_address
from oracle.ground.keccak import keccak256
from oracle.ground.widths import bytes32, uint


def terms_hash(token: str, price: int, policy: bytes, intent: bytes) -> bytes:
    """`keccak(abi.encode(token, price, policy's hash, intent's hash))`; InvalidValue for what doesn't fit."""
    return keccak256(
        bytes(12)
        + raw_address(token)
        + uint("price", price, 96).to_bytes(32, "big")
        + bytes32("policy", policy)
        + bytes32("intent", intent)
    )
