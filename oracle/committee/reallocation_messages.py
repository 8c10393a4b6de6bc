"""The messages with which a committee agrees to ask for other nodes.

    CLAIMS      = count u16 | count x (assignment 16 | reason u8 | earliest u40 | as-of u40 | latest u40)
    BATCH       = expiry u64 | count u16 | count x (assignment 16 | reason u8 | as-of u40)
    ENDORSEMENT = root 32 | expiry u64 | signature 64
    OBJECTION   = batch 32 | length u16 | text, UTF-8

Numbers are big-endian, rows rise strictly, and there is one encoding of each. The envelope names epoch and committee;
its turn is the slot of the epoch. A batch is called by the keccak of its payload.
"""

from __future__ import annotations

import struct
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any, ClassVar, Final

from oracle.committee.errors import Malformed
from oracle.committee.kinds import Kind
from oracle.ground.breaches import Breach, Reason
from oracle.ground.keccak import keccak256

MAX_CLAIMS: Final = 2_048
MAX_REQUESTS: Final = 64
MAX_OBJECTION: Final = 500

_COUNT: Final = struct.Struct(">H")
_CLAIM: Final = struct.Struct(">16sB5s5s5s")
_REQUEST: Final = struct.Struct(">16sB5s")
_EXPIRY: Final = struct.Struct(">Q")
_ENDORSEMENT: Final = struct.Struct(">32sQ64s")


@dataclass(frozen=True, slots=True)
class Claims:
    """All breaches that the sender knows of now, by assignment and reason."""

    KIND: ClassVar[Kind] = Kind.CLAIMS
    breaches: tuple[Breach, ...]

    def encode(self) -> bytes:
        return _rows(
            _CLAIM,
            MAX_CLAIMS,
            [
                (_id(one.assignment), one.reason, _time(one.earliest), _time(one.as_of), _time(one.latest))
                for one in self.breaches
            ],
        )

    @staticmethod
    def decode(payload: bytes) -> Claims:
        """Malformed unless the payload is exactly one of these."""
        found = []
        for assignment, reason, *times in _read(_CLAIM, MAX_CLAIMS, payload):
            earliest, as_of, latest = map(int.from_bytes, times)
            if not earliest <= as_of <= latest:
                raise Malformed(f"a claim as of {as_of}, which isn't from {earliest} to {latest}")
            found.append(Breach(int.from_bytes(assignment), _reason(reason), earliest, as_of, latest))
        _check_order([(one.assignment, one.reason) for one in found])
        return Claims(tuple(found))


@dataclass(frozen=True, slots=True, order=True)
class Asked:
    """A request of a batch: `as_of` in UNIX seconds. Its id follows from chain, contract, epoch and these."""

    assignment: int
    reason: Reason
    as_of: int


@dataclass(frozen=True, slots=True)
class Batch:
    """The requests that the slot's member proposes, one for an assignment, to be carried out until `expiry` (UNIX
    seconds, inclusive)."""

    KIND: ClassVar[Kind] = Kind.BATCH
    expiry: int
    requests: tuple[Asked, ...]

    def encode(self) -> bytes:
        rows = [(_id(one.assignment), one.reason, _time(one.as_of)) for one in self.requests]
        return _EXPIRY.pack(self.expiry) + _rows(_REQUEST, MAX_REQUESTS, rows)

    @staticmethod
    def decode(payload: bytes) -> Batch:
        """Malformed unless the payload is exactly one of these, with a request at least."""
        if len(payload) < _EXPIRY.size:
            raise Malformed(f"a batch of {len(payload)} bytes is cut short")
        (expiry,) = _EXPIRY.unpack_from(payload)
        rows = _read(_REQUEST, MAX_REQUESTS, payload[_EXPIRY.size :])
        found = [Asked(int.from_bytes(one), _reason(reason), int.from_bytes(as_of)) for one, reason, as_of in rows]
        if not found:
            raise Malformed("a batch of no requests")
        _check_order([one.assignment for one in found])
        return Batch(expiry, tuple(found))

    @property
    def hash(self) -> bytes:
        """What objections call it by."""
        return keccak256(self.encode())


@dataclass(frozen=True, slots=True)
class Endorsement:
    """The sender's signature of the `ReallocationBatch` of this root and expiry: epoch and committee are the
    envelope's."""

    KIND: ClassVar[Kind] = Kind.ENDORSEMENT
    root: bytes
    expiry: int
    signature: bytes

    def encode(self) -> bytes:
        return _ENDORSEMENT.pack(_exactly(self.root, 32), self.expiry, _exactly(self.signature, 64))

    @staticmethod
    def decode(payload: bytes) -> Endorsement:
        """Malformed unless the payload is exactly one of these."""
        return Endorsement(*_ENDORSEMENT.unpack(_exactly(payload, _ENDORSEMENT.size)))


@dataclass(frozen=True, slots=True)
class Objection:
    """The sender doesn't sign a batch; the text is for people."""

    KIND: ClassVar[Kind] = Kind.OBJECTION
    batch: bytes
    text: str

    def encode(self) -> bytes:
        said = self.text.encode()[:MAX_OBJECTION].decode(errors="ignore").encode()
        return _exactly(self.batch, 32) + _COUNT.pack(len(said)) + said

    @staticmethod
    def decode(payload: bytes) -> Objection:
        """Malformed unless the payload is exactly one of these."""
        if len(payload) < 34:
            raise Malformed(f"an objection of {len(payload)} bytes is cut short")
        (length,) = _COUNT.unpack_from(payload, 32)
        said = payload[34:]
        if length > MAX_OBJECTION or length != len(said):
            raise Malformed(f"an objection with {len(said)} bytes of text, said to have {length} of {MAX_OBJECTION}")
        try:
            return Objection(payload[:32], said.decode())
        except UnicodeDecodeError as error:
            raise Malformed(f"an objection whose text isn't UTF-8: {error}") from error


ReallocationBody = Claims | Batch | Endorsement | Objection
REALLOCATION_BODIES: Final[dict[Kind, Callable[[bytes], ReallocationBody]]] = {
    Kind.CLAIMS: Claims.decode,
    Kind.BATCH: Batch.decode,
    Kind.ENDORSEMENT: Endorsement.decode,
    Kind.OBJECTION: Objection.decode,
}


def _rows(row: struct.Struct, most: int, rows: Sequence[tuple[Any, ...]]) -> bytes:
    if len(rows) > most:
        raise Malformed(f"a list of {len(rows)} items; the longest has {most}")
    return _COUNT.pack(len(rows)) + b"".join(row.pack(*one) for one in rows)


def _read(row: struct.Struct, most: int, raw: bytes) -> list[tuple[Any, ...]]:
    if len(raw) < _COUNT.size:
        raise Malformed(f"a list of {len(raw)} bytes is cut short")
    (count,) = _COUNT.unpack_from(raw)
    if count > most or len(raw) != _COUNT.size + count * row.size:
        raise Malformed(
            f"a list of {count} items in {len(raw)} bytes; the longest has {most}, of {row.size} bytes each"
        )
    return list(row.iter_unpack(raw[_COUNT.size :]))


def _check_order(keys: Sequence[Any]) -> None:
    if any(one >= other for one, other in pairwise(keys)):
        raise Malformed("rows that don't rise")


def _reason(value: int) -> Reason:
    if value not in Reason._value2member_map_:
        raise Malformed(f"a request for reason {value}; known are {[int(one) for one in Reason]}")
    return Reason(value)


def _id(assignment: int) -> bytes:
    return assignment.to_bytes(16, "big")


def _time(seconds: int) -> bytes:
    return seconds.to_bytes(5, "big")


def _exactly(value: bytes, size: int) -> bytes:
    if len(value) != size:
        raise Malformed(f"a field of {len(value)} bytes where {size} belong")
    return value
