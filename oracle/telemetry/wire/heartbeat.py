"""The signed heartbeat: a node signs it and one oracle can check it.

    version u8 = 2 | oracle, 20 bytes | sequence u64 | challenge, 32 bytes | count u8 | workloads, 17 bytes each
    | signature, 64 bytes                                                                   126 + 17 n bytes

Integers are big-endian. The message names its oracle, so it is worth nothing to another one, and carries
that oracle's current challenge, so it can't be made ahead of time. It does not name its node: that is
whoever signed.
"""

from __future__ import annotations

import struct
from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Final

from oracle.ground.address import raw_address
from oracle.ground.typed_data import Domain, Heartbeat
from oracle.signing import compact
from oracle.signing.signer import Signer
from oracle.telemetry.wire import workloads as entries
from oracle.telemetry.wire.errors import MalformedHeartbeat as MalformedHeartbeat
from oracle.telemetry.wire.errors import UnknownVersion as UnknownVersion
from oracle.telemetry.wire.workloads import ENTRY_SIZE, MAX_WORKLOADS, Health

VERSION: Final = 2
MIN_SIZE: Final = 126
COUNT_AT: Final = 61
"""Where the number of workloads stands."""

NO_WORKLOADS: Final[Mapping[int, Health]] = MappingProxyType({})

_HEAD: Final = struct.Struct(">B20sQ32sB")
_SIGNATURE: Final = 64


@dataclass(frozen=True, slots=True)
class SignedHeartbeat:
    """A heartbeat as it travels.

    `oracle` is an address in text (lower case when decoded), `sequence` a u64, `challenge` has 32 bytes,
    `workloads` are entries for `wire.workloads.decode`, `signature` has 64 bytes (EIP-2098).
    """

    oracle: str
    sequence: int
    challenge: bytes
    workloads: bytes
    signature: bytes


def sign(
    signer: Signer,
    domain: Domain,
    oracle: str,
    sequence: int,
    challenge: bytes,
    workloads: Mapping[int, Health] = NO_WORKLOADS,
) -> bytes:
    """A heartbeat for that oracle, signed and encoded; `workloads` maps assignment ids to their health.

    `domain` is `typed_data.Heartbeat.domain(chain id, Attestations)`. InvalidValue for a value of the wrong
    width or a domain of another purpose, MalformedHeartbeat for too many workloads.
    """
    written = entries.encode(workloads)
    signature = signer.sign_typed(Heartbeat(oracle, sequence, challenge, written), domain)
    return encode(SignedHeartbeat(oracle, sequence, challenge, written, signature))


def signed_by(beat: SignedHeartbeat, domain: Domain) -> str:
    """The node, as a lower-case 0x address, recovered from the signature.

    `signing.compact.InvalidSignature` where nobody signed. A heartbeat altered or made for another domain
    recovers to an address that no licence knows.
    """
    digest = Heartbeat(beat.oracle, beat.sequence, beat.challenge, beat.workloads).digest(domain)
    return "0x" + compact.recover(digest, beat.signature).hex()


def encode(beat: SignedHeartbeat) -> bytes:
    """The bytes of the heartbeat. MalformedHeartbeat for a field of the wrong width."""
    if (len(beat.challenge), len(beat.signature)) != (32, _SIGNATURE):
        raise MalformedHeartbeat(
            f"challenge has {len(beat.challenge)} bytes, signature {len(beat.signature)}: give 32 and 64"
        )
    if not 0 <= beat.sequence < 2**64:
        raise MalformedHeartbeat(f"sequence is {beat.sequence}: give a whole number from 0 to 2^64 - 1")
    count = entries.check_size(beat.workloads)
    head = _HEAD.pack(VERSION, raw_address(beat.oracle), beat.sequence, beat.challenge, count)
    return head + beat.workloads + beat.signature


def decode(raw: bytes) -> SignedHeartbeat:
    """The heartbeat in exactly these bytes. Neither its signature nor its workloads are checked here: those are for
    `signed_by` and `wire.workloads.decode`.

    UnknownVersion for another version, else MalformedHeartbeat for another length.
    """
    if raw and raw[0] != VERSION:
        raise UnknownVersion(f"heartbeat version is {raw[0]}, this one reads {VERSION}: update the node agent")
    size = len(raw)
    if size < MIN_SIZE or (count := raw[COUNT_AT]) > MAX_WORKLOADS or size != MIN_SIZE + ENTRY_SIZE * count:
        raise MalformedHeartbeat(
            f"heartbeat has {size} bytes: send {MIN_SIZE} and {ENTRY_SIZE} for each of at most {MAX_WORKLOADS} "
            "workloads"
        )
    _, oracle, sequence, challenge, _ = _HEAD.unpack_from(raw)
    return SignedHeartbeat("0x" + oracle.hex(), sequence, challenge, raw[_HEAD.size : -_SIGNATURE], raw[-_SIGNATURE:])
