"""EIP-2098 signatures: 64 bytes, `r` and then `s` with the parity of R's y in its top bit.

A signer is always *recovered* from a signature, never read from a message.
"""

from __future__ import annotations

from typing import Final

from oracle.ground.errors import EpochalError
from oracle.ground.keccak import keccak256
from oracle.ground.widths import bytes32

try:
    from coincurve import PrivateKey, PublicKey
except ImportError as error:  # eth-account would fall back to pure Python, 200 times slower, without a word
    raise ImportError("coincurve is missing: pip install 'coincurve>=21'") from error

CURVE_ORDER: Final = 0xFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFEBAAEDCE6AF48A03BBFD25E8CD0364141
_PARITY: Final = 1 << 255


class InvalidSignature(EpochalError):
    """Bytes that are no signature of the digest by anybody."""


class MalleableSignature(InvalidSignature):
    """A signature with a high s: anyone could have made it from the real one."""


def sign(private_key: bytes, digest: bytes) -> bytes:
    """The 64-byte signature of a 32-byte digest; the same each time (RFC 6979)."""
    return sign_with(PrivateKey(private_key), digest)


def sign_with(key: PrivateKey, digest: bytes) -> bytes:
    """As `sign`, with a key already loaded."""
    signature = key.sign_recoverable(bytes32("digest", digest), hasher=None)
    if signature[64] > 1:
        # r beyond the order, one in 2^127 signatures: neither EIP-2098 nor ecrecover can express it.
        raise InvalidSignature("the digest's signature has no compact form: sign another message")
    s = int.from_bytes(signature[32:64], "big") | signature[64] << 255  # libsecp256k1 makes s low itself
    return signature[:32] + s.to_bytes(32, "big")


def recover(digest: bytes, signature: bytes) -> bytes:
    """The 20-byte address that signed `digest`.

    InvalidSignature for a wrong length, an r or s out of range or an r that is on no curve point;
    MalleableSignature for a high s.
    """
    bytes32("digest", digest)
    if len(signature) != 64:
        raise InvalidSignature(f"signature has {len(signature)} bytes: give the 64 of EIP-2098")
    r = int.from_bytes(signature[:32], "big")
    packed = int.from_bytes(signature[32:], "big")
    s = packed & ~_PARITY
    if not 0 < r < CURVE_ORDER or not 0 < s < CURVE_ORDER:
        raise InvalidSignature("signature has an r or s out of range: have it signed again")
    if s > CURVE_ORDER // 2:
        raise MalleableSignature("signature has a high s: have it signed again with a low one")
    full = signature[:32] + s.to_bytes(32, "big") + bytes((packed >> 255,))
    try:
        key = PublicKey.from_signature_and_message(full, digest, hasher=None)
    except Exception as error:  # coincurve raises bare Exception and ValueError
        raise InvalidSignature("signature belongs to no key: have it signed again") from error
    return address_of(key)


def address_of(key: PublicKey) -> bytes:
    """The 20-byte address of a public key."""
    return keccak256(key.format(compressed=False)[1:])[12:]
