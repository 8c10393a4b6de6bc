"""What oracles send each other: the envelope that every message travels in, and the kinds of message of a round.

    envelope = "EPM1" | kind u8 | epoch u64 | committee u64 | turn u32 | length u32 | payload | signature, 64 bytes

    ref      = epoch u64 | content hash 32 | signature 64
    HAVE     = refs | appeals
    PROPOSAL = parent 32 | anchor 32 | refs | appeals
    VOTE     = proposal 32 | root 32 | parent 32 | anchor 32 | evidence 32 | signature 64
    REFUSAL  = proposal 32 | reason u8 | refs | appeals | length u16 | text, UTF-8

    refs     = count u16 | count x ref                appeals = count u16 | count x hash 32

Numbers are big-endian, and every byte has its one meaning: what decodes encodes to the same bytes. The signature is
over the EIP-712 message `PeerMessage`; its signer is recovered, never read. A ref names an observation by the hash of
its content and carries its author's signature: who holds the content serves it to those who lack it. The kinds with
which other nodes are asked for are in `reallocation_messages`.
"""

from __future__ import annotations

import struct
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from enum import IntEnum
from typing import ClassVar, Final

from oracle.committee.errors import Malformed
from oracle.committee.kinds import Kind as Kind
from oracle.committee.reallocation_messages import REALLOCATION_BODIES, ReallocationBody
from oracle.ground.keccak import keccak256
from oracle.ground.typed_data import Domain, Observation, PeerMessage
from oracle.signing.compact import recover
from oracle.signing.signer import Signer

MAGIC: Final = b"EPM1"
MAX_ENVELOPE: Final = 1 << 20
MAX_TEXT: Final = 500
MAX_ITEMS: Final = 8_192

_HEAD: Final = struct.Struct(">4sBQQII")
_SIGNATURE: Final = 64
_COUNT: Final = struct.Struct(">H")
_REF: Final = struct.Struct(">Q32s64s")
_VOTE: Final = struct.Struct(">32s32s32s32s32s64s")


class Reason(IntEnum):
    """Why a proposal was refused."""

    OMITS = 1
    """It leaves out observations or appeals that the member received before the deadline: the refusal names them."""
    DISAGREES = 2
    """It breaks a rule, or the member reads another parent, anchor or state; the text says what."""


@dataclass(frozen=True, slots=True)
class Ref:
    """An observation by its content's keccak-256, and its author's signature of it."""

    epoch: int
    content_hash: bytes
    signature: bytes

    def author(self, domain: Domain, committee: int) -> bytes:
        """The 20-byte address that signed this observation for the set `committee`; InvalidSignature."""
        return recover(Observation(self.epoch, committee, self.content_hash).digest(domain), self.signature)


@dataclass(frozen=True, slots=True)
class Have:
    """What the sender can serve for this epoch's round."""

    KIND: ClassVar[Kind] = Kind.HAVE
    refs: tuple[Ref, ...]
    appeals: tuple[bytes, ...] = ()

    def encode(self) -> bytes:
        return _refs(self.refs) + _hashes(self.appeals)


@dataclass(frozen=True, slots=True)
class Proposed:
    """A leader's proposal, by reference. Refs in order of (epoch, author), appeals ascending."""

    KIND: ClassVar[Kind] = Kind.PROPOSAL
    parent: bytes
    anchor: bytes
    refs: tuple[Ref, ...]
    appeals: tuple[bytes, ...] = ()

    def encode(self) -> bytes:
        return _bytes32(self.parent) + _bytes32(self.anchor) + _refs(self.refs) + _hashes(self.appeals)

    @property
    def hash(self) -> bytes:
        """What votes and refusals call it by."""
        return keccak256(self.encode())


@dataclass(frozen=True, slots=True)
class Vote:
    """The sender's signature of the report that follows from a proposal: epoch and committee are the envelope's."""

    KIND: ClassVar[Kind] = Kind.VOTE
    proposal: bytes
    root: bytes
    parent: bytes
    anchor: bytes
    evidence: bytes
    signature: bytes

    def encode(self) -> bytes:
        parts = (self.proposal, self.root, self.parent, self.anchor, self.evidence)
        return b"".join(map(_bytes32, parts)) + _exactly(self.signature, _SIGNATURE)


@dataclass(frozen=True, slots=True)
class Refusal:
    """The sender doesn't sign a proposal. Where it omits something, the sender holds what `refs` and `appeals` name."""

    KIND: ClassVar[Kind] = Kind.REFUSAL
    proposal: bytes
    reason: Reason
    refs: tuple[Ref, ...] = ()
    appeals: tuple[bytes, ...] = ()
    text: str = ""

    def encode(self) -> bytes:
        said = self.text.encode()[:MAX_TEXT].decode(errors="ignore").encode()
        return (
            _bytes32(self.proposal)
            + bytes((self.reason,))
            + _refs(self.refs)
            + _hashes(self.appeals)
            + _COUNT.pack(len(said))
            + said
        )


Body = Have | Proposed | Vote | Refusal | ReallocationBody


@dataclass(frozen=True, slots=True)
class Message:
    """A message and what it is about: an epoch's round, the set that agrees, and the turn in which it was sent."""

    epoch: int
    committee: int
    turn: int
    body: Body

    def seal(self, signer: Signer, domain: Domain) -> bytes:
        """The envelope, signed."""
        payload = self.body.encode()
        typed = PeerMessage(int(self.body.KIND), self.epoch, self.committee, self.turn, payload)
        head = _HEAD.pack(MAGIC, self.body.KIND, self.epoch, self.committee, self.turn, len(payload))
        return head + payload + signer.sign_typed(typed, domain)


@dataclass(frozen=True, slots=True)
class Envelope:
    """An envelope as it came: its payload isn't looked at before the sender is known to be a member."""

    kind: Kind
    epoch: int
    committee: int
    turn: int
    payload: bytes
    signature: bytes

    @staticmethod
    def open(raw: bytes) -> Envelope:
        """The envelope in exactly these bytes; Malformed for any others."""
        if len(raw) > MAX_ENVELOPE:
            raise Malformed(f"a message of {len(raw)} bytes; the longest has {MAX_ENVELOPE}")
        if len(raw) < _HEAD.size + _SIGNATURE:
            raise Malformed(f"a message of {len(raw)} bytes; the shortest has {_HEAD.size + _SIGNATURE}")
        magic, kind, epoch, committee, turn, length = _HEAD.unpack_from(raw)
        if magic != MAGIC:
            raise Malformed(
                f"a message that starts with {magic!r}; this version reads {MAGIC!r}: update one of the two"
            )
        if kind not in Kind._value2member_map_:
            raise Malformed(f"a message of kind {kind}; known are {[int(one) for one in Kind]}")
        if len(raw) != _HEAD.size + length + _SIGNATURE:
            raise Malformed(f"a message of {len(raw)} bytes whose payload is said to have {length}")
        return Envelope(Kind(kind), epoch, committee, turn, raw[_HEAD.size : -_SIGNATURE], raw[-_SIGNATURE:])

    def sender(self, domain: Domain) -> bytes:
        """The 20-byte address that signed it; InvalidSignature."""
        typed = PeerMessage(int(self.kind), self.epoch, self.committee, self.turn, self.payload)
        return recover(typed.digest(domain), self.signature)

    def message(self) -> Message:
        """What is in it; Malformed unless the payload is exactly one of its kind."""
        body: Body
        if self.kind in REALLOCATION_BODIES:
            body = REALLOCATION_BODIES[self.kind](self.payload)
        else:
            reader = _Reader(self.payload)
            body = _READ[self.kind](reader)
            reader.end()
        return Message(self.epoch, self.committee, self.turn, body)


class _Reader:
    """Takes a payload apart, and never reads beyond it."""

    def __init__(self, raw: bytes) -> None:
        self._raw = raw
        self._at = 0

    def take(self, size: int) -> bytes:
        part = self._raw[self._at : self._at + size]
        if len(part) != size:
            raise Malformed(f"a payload of {len(self._raw)} bytes is cut short")
        self._at += size
        return part

    def number(self) -> int:
        return int(_COUNT.unpack(self.take(2))[0])

    def refs(self) -> tuple[Ref, ...]:
        raw = self.take(_limited(self.number()) * _REF.size)
        return tuple(Ref(*fields) for fields in _REF.iter_unpack(raw))

    def hashes(self) -> tuple[bytes, ...]:
        count = _limited(self.number())
        return tuple(self.take(32) for _ in range(count))

    def end(self) -> None:
        if self._at != len(self._raw):
            raise Malformed(f"a payload of {len(self._raw)} bytes has {len(self._raw) - self._at} too many")


def _limited(count: int) -> int:
    if count > MAX_ITEMS:
        raise Malformed(f"a list of {count} items; the longest has {MAX_ITEMS}")
    return count


def _have(reader: _Reader) -> Have:
    return Have(reader.refs(), reader.hashes())


def _proposed(reader: _Reader) -> Proposed:
    return Proposed(reader.take(32), reader.take(32), reader.refs(), reader.hashes())


def _vote(reader: _Reader) -> Vote:
    return Vote(*_VOTE.unpack(reader.take(_VOTE.size)))


def _refusal(reader: _Reader) -> Refusal:
    proposal, reason = reader.take(32), reader.take(1)[0]
    if reason not in Reason._value2member_map_:
        raise Malformed(f"a refusal for reason {reason}; known are {[int(one) for one in Reason]}")
    refs, appeals = reader.refs(), reader.hashes()
    length = reader.number()
    if length > MAX_TEXT:
        raise Malformed(f"a refusal with {length} bytes of text; the longest has {MAX_TEXT}")
    try:
        text = reader.take(length).decode()
    except UnicodeDecodeError as error:
        raise Malformed(f"a refusal whose text isn't UTF-8: {error}") from error
    return Refusal(proposal, Reason(reason), refs, appeals, text)


_READ: Final[dict[Kind, Callable[[_Reader], Body]]] = {
    Kind.HAVE: _have,
    Kind.PROPOSAL: _proposed,
    Kind.VOTE: _vote,
    Kind.REFUSAL: _refusal,
}


def _refs(refs: Sequence[Ref]) -> bytes:
    packed = b"".join(
        _REF.pack(one.epoch, _bytes32(one.content_hash), _exactly(one.signature, _SIGNATURE)) for one in refs
    )
    return _COUNT.pack(_limited(len(refs))) + packed


def _hashes(hashes: Sequence[bytes]) -> bytes:
    return _COUNT.pack(_limited(len(hashes))) + b"".join(map(_bytes32, hashes))


def _bytes32(value: bytes) -> bytes:
    return _exactly(value, 32)


def _exactly(value: bytes, size: int) -> bytes:
    if len(value) != size:
        raise Malformed(f"a field of {len(value)} bytes where {size} belong")
    return value
