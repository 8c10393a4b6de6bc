"""Who signs: the protocol all rooms ask for, and keys held in memory."""

from __future__ import annotations

from typing import Protocol

from coincurve import PrivateKey

from oracle.ground.address import checksummed
from oracle.ground.errors import InvalidValue
from oracle.ground.keccak import keccak256
from oracle.signing.compact import CURVE_ORDER, address_of, sign_with


class Signer(Protocol):
    """Anything that signs digests: a key in memory, a key store, a remote vault."""

    @property
    def address(self) -> str:
        """The signer's address as EIP-55 text."""

    def sign(self, digest: bytes) -> bytes:
        """The 64-byte compact signature of a 32-byte digest."""


class LocalSigner:
    """Signs with a key in this process's memory."""

    __slots__ = ("_key", "address")

    def __init__(self, private_key: bytes) -> None:
        """Takes 32 bytes; InvalidValue, which doesn't tell the key, when they are no key."""
        if len(private_key) != 32 or not 0 < int.from_bytes(private_key, "big") < CURVE_ORDER:
            raise InvalidValue("private key (not shown) is out of range: give 32 bytes of a secp256k1 key")
        self._key = PrivateKey(private_key)
        self.address = checksummed(address_of(self._key.public_key))

    def sign(self, digest: bytes) -> bytes:
        return sign_with(self._key, digest)

    def __repr__(self) -> str:
        return f"LocalSigner({self.address})"  # never the key


def derive(seed: str, label: str) -> LocalSigner:
    """The same key for the same seed and label, each time. For local networks only: a seed is guessable."""
    parts = (text.encode() for text in (seed, label))
    material = b"".join(len(part).to_bytes(8, "big") + part for part in parts)
    number = int.from_bytes(keccak256(b"Epochal local key" + material), "big") % (CURVE_ORDER - 1) + 1
    return LocalSigner(number.to_bytes(32, "big"))
