"""Who signs: the protocol all rooms ask for, and keys held in memory."""

from __future__ import annotations

from typing import Protocol

from coincurve import PrivateKey

from oracle.ground.address import checksummed
from oracle.ground.errors import InvalidValue
from oracle.ground.keccak import keccak256
from oracle.ground.typed_data import Domain, TypedStruct
from oracle.signing.compact import CURVE_ORDER, address_of, sign_with


class Signer(Protocol):
    """Anything that signs: a key in memory, a key store, a remote vault.

    Messages of the system are signed by `sign_typed`, which every signer can. A vault hashes what it signs by itself,
    so `sign` is for keys in memory alone.
    """

    @property
    def address(self) -> str:
        """The signer's address as EIP-55 text."""

    def sign(self, digest: bytes) -> bytes:
        """The 64-byte compact signature of a 32-byte digest. `remote.SignsNoDigest` by a signer that hashes itself."""

    def sign_typed(self, message: TypedStruct, domain: Domain) -> bytes:
        """The 64-byte compact signature of a message in its domain.

        InvalidValue for a domain of another purpose or a field of wrong width; `remote.SignerUnavailable` and
        `remote.WrongSignature` by a signer elsewhere.
        """


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
        """See Signer."""
        return sign_with(self._key, digest)

    def sign_typed(self, message: TypedStruct, domain: Domain) -> bytes:
        """See Signer."""
        return sign_with(self._key, message.digest(domain))

    def __repr__(self) -> str:
        return f"LocalSigner({self.address})"  # never the key


def derive(seed: str, label: str) -> LocalSigner:
    """The same key for the same seed and label, each time. For local networks only: a seed is guessable."""
    return LocalSigner(derived_key(seed, label))


def derived_key(seed: str, label: str) -> bytes:
    """The 32-byte key of `derive`."""
    parts = (text.encode() for text in (seed, label))
    material = b"".join(len(part).to_bytes(8, "big") + part for part in parts)
    number = int.from_bytes(keccak256(b"Epochal local key" + material), "big") % (CURVE_ORDER - 1) + 1
    return number.to_bytes(32, "big")
