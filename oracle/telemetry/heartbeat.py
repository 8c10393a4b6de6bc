"""The heartbeat on the wire: 125 bytes that a node signs and one oracle can check.

    version u8 = 1 | oracle, 20 bytes | sequence u64 | challenge, 32 bytes | signature, 64 bytes

Integers are big-endian. The message names its oracle, so it is worth nothing to another one, and carries
that oracle's current challenge, so it can't be made ahead of time. It does not name its node: that is
whoever signed.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass

from oracle.ground.address import raw_address
from oracle.ground.errors import EpochalError
from oracle.ground.typed_data import Domain, Heartbeat
from oracle.signing import compact
from oracle.signing.signer import Signer

VERSION = 1
SIZE = 125

_LAYOUT = struct.Struct(">B20sQ32s64s")


class MalformedHeartbeat(EpochalError):
    """The bytes can't be a heartbeat."""


class UnknownVersion(EpochalError):
    """The bytes are a heartbeat of a version that this code doesn't read."""


@dataclass(frozen=True, slots=True)
class SignedHeartbeat:
    """A heartbeat as it travels.

    `oracle` is an address in text (lower case when decoded), `sequence` a u64, `challenge` has 32 bytes and
    `signature` 64 (EIP-2098).
    """

    oracle: str
    sequence: int
    challenge: bytes
    signature: bytes


def sign(signer: Signer, domain: Domain, oracle: str, sequence: int, challenge: bytes) -> bytes:
    """A heartbeat for that oracle, signed and encoded.

    `domain` is `typed_data.Heartbeat.domain(chain id, Attestations)`. InvalidValue for a value of the wrong
    width or a domain of another purpose.
    """
    digest = Heartbeat(oracle, sequence, challenge).digest(domain)
    return encode(SignedHeartbeat(oracle, sequence, challenge, signer.sign(digest)))


def signed_by(beat: SignedHeartbeat, domain: Domain) -> str:
    """The node, as a lower-case 0x address, recovered from the signature.

    `signing.compact.InvalidSignature` where nobody signed. A heartbeat altered or made for another domain
    recovers to an address that no licence knows.
    """
    digest = Heartbeat(beat.oracle, beat.sequence, beat.challenge).digest(domain)
    return "0x" + compact.recover(digest, beat.signature).hex()


def encode(beat: SignedHeartbeat) -> bytes:
    """The 125 bytes of the heartbeat. MalformedHeartbeat for a field of the wrong width."""
    if (len(beat.challenge), len(beat.signature)) != (32, 64):
        raise MalformedHeartbeat(
            f"challenge has {len(beat.challenge)} bytes, signature {len(beat.signature)}: give 32 and 64"
        )
    if not 0 <= beat.sequence < 2**64:
        raise MalformedHeartbeat(f"sequence is {beat.sequence}: give a whole number from 0 to 2^64 - 1")
    return _LAYOUT.pack(VERSION, raw_address(beat.oracle), beat.sequence, beat.challenge, beat.signature)


def decode(raw: bytes) -> SignedHeartbeat:
    """The heartbeat in exactly these bytes; its signature is not checked here.

    UnknownVersion for another version, else MalformedHeartbeat for another length.
    """
    if raw and raw[0] != VERSION:
        raise UnknownVersion(f"heartbeat version is {raw[0]}, this one reads {VERSION}: update the node agent")
    if len(raw) != SIZE:
        raise MalformedHeartbeat(f"heartbeat has {len(raw)} bytes: send the {SIZE} that `encode` makes")
    _, oracle, sequence, challenge, signature = _LAYOUT.unpack(raw)
    return SignedHeartbeat("0x" + oracle.hex(), sequence, challenge, signature)
