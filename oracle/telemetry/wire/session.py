"""Sessions: a node signs once, then seals its heartbeats with a key that only it and one oracle hold.

    opening   version u8 = 3 | oracle, 20 bytes | challenge, 32 bytes | oracle key, 33 bytes | node key, 33 bytes
              | signature, 64 bytes                                                                     183 bytes
    sealed    version u8 = 4 | session, 8 bytes | sequence u64 | count u8 | workloads, 17 bytes each
              | tag, 16 bytes                                                                   34 + 17 n bytes

Integers are big-endian, keys are compressed points of secp256k1. The tag also covers the oracle's current challenge,
which isn't sent. A sealed heartbeat convinces its oracle and nobody else: the oracle could have made it too.

    bound   = keccak256(EIP-712 digest of the opening | the node's address, 20 bytes)
    session = first 8 bytes of bound
    key     = keccak256("Epochal session" | ECDH of the two keys | bound)

The node's address is in them because the digest doesn't name it: else another node could sign for the same keys and be
credited with what this one seals.
"""

from __future__ import annotations

import struct
from collections.abc import Mapping
from dataclasses import dataclass, field
from hashlib import blake2b
from typing import Final

from coincurve import PrivateKey

from oracle.ground import typed_data
from oracle.ground.address import raw_address
from oracle.ground.errors import EpochalError, InvalidValue
from oracle.ground.keccak import keccak256
from oracle.ground.typed_data import Domain
from oracle.ground.widths import bytes32, uint
from oracle.signing import compact
from oracle.signing.signer import Signer
from oracle.telemetry.wire import workloads as entries
from oracle.telemetry.wire.errors import MalformedHeartbeat, UnknownVersion
from oracle.telemetry.wire.heartbeat import NO_WORKLOADS
from oracle.telemetry.wire.workloads import ENTRY_SIZE, MAX_WORKLOADS, Health

OPENING: Final = 3
"""The version of an opening."""
OPENING_SIZE: Final = 183
SEALED: Final = 4
"""The version of a sealed heartbeat."""
SEALED_MIN_SIZE: Final = 34
SEALED_COUNT_AT: Final = 17
"""Where a sealed heartbeat's number of workloads stands."""

SESSION_ID_SIZE: Final = 8
TAG_SIZE: Final = 16

_OPENING: Final = struct.Struct(">B20s32s33s33s64s")
_HEAD: Final = struct.Struct(">B8sQB")
_PURPOSE: Final = b"Epochal session"


class WrongSessionKey(EpochalError):
    """A session with an oracle key that isn't this oracle's: it restarted, or the key is no key at all."""


@dataclass(frozen=True, slots=True)
class Session:
    """What both sides hold: an `id` of 8 bytes and a secret `key` of 32."""

    id: bytes
    key: bytes = field(repr=False)


@dataclass(frozen=True, slots=True)
class SessionOpening:
    """An opening as it travels. `oracle` is an address in text, lower case when decoded."""

    oracle: str
    challenge: bytes
    oracle_key: bytes
    node_key: bytes
    signature: bytes


@dataclass(slots=True)  # not frozen: that would double the time of decoding, thousands of times a second
class SealedHeartbeat:
    """A heartbeat under a session. `head` is all that stands before `tag`; `workloads` are entries for
    `wire.workloads.decode`."""

    session: bytes
    sequence: int
    workloads: bytes
    head: bytes
    tag: bytes


def session_public_key(secret: bytes) -> bytes:
    """The 33 bytes of the public key of 32 secret ones; InvalidValue, which doesn't tell them, when they are no key."""
    return _private(secret).public_key.format()


def open_session(
    signer: Signer, domain: Domain, oracle: str, challenge: bytes, oracle_key: bytes, secret: bytes
) -> tuple[bytes, Session]:
    """The node's side: the opening to send, and the session that exists once the oracle has taken it.

    `secret` is 32 fresh random bytes, `domain` as for a heartbeat. WrongSessionKey when `oracle_key` is no key;
    InvalidValue for a value of the wrong width.
    """
    own = _private(secret)
    node_key = own.public_key.format()
    message = typed_data.Session(oracle, challenge, oracle_key, node_key)
    try:
        session = _session(own, oracle_key, message.digest(domain), raw_address(signer.address))
    except ValueError as error:
        raise WrongSessionKey(f"the oracle's session key 0x{oracle_key.hex()} is no key: ask it again") from error
    signature = signer.sign_typed(message, domain)
    return encode_opening(SessionOpening(oracle, challenge, oracle_key, node_key, signature)), session


def accept_session(opening: SessionOpening, domain: Domain, secret: bytes) -> tuple[str, Session]:
    """The oracle's side: (the node as a lower-case 0x address, its session). `secret` is the oracle's session secret.

    WrongSessionKey when the opening was made for another one; InvalidSignature where nobody signed;
    MalformedHeartbeat when the node's key is no key. The caller has checked oracle and challenge before, and asks
    afterwards whether it knows the node.
    """
    own = _private(secret)
    if opening.oracle_key != own.public_key.format():
        raise WrongSessionKey("the opening names another session key of this oracle: ask for the challenge again")
    digest = _opening_type(opening).digest(domain)
    node = compact.recover(digest, opening.signature)
    try:
        return "0x" + node.hex(), _session(own, opening.node_key, digest, node)
    except ValueError as error:
        raise MalformedHeartbeat(
            f"the node's session key 0x{opening.node_key.hex()} is no key: make another"
        ) from error


def encode_opening(opening: SessionOpening) -> bytes:
    """The 183 bytes of the opening. MalformedHeartbeat for a field of the wrong width."""
    widths = tuple(map(len, (opening.challenge, opening.oracle_key, opening.node_key, opening.signature)))
    if widths != (32, 33, 33, 64):
        raise MalformedHeartbeat(
            f"challenge, oracle key, node key and signature have {widths} bytes: give 32, 33, 33 and 64"
        )
    oracle = raw_address(opening.oracle)
    return _OPENING.pack(OPENING, oracle, opening.challenge, opening.oracle_key, opening.node_key, opening.signature)


def decode_opening(raw: bytes) -> SessionOpening:
    """The opening in exactly these bytes; its keys and its signature are not checked here.

    UnknownVersion for another version, else MalformedHeartbeat for another length.
    """
    if raw and raw[0] != OPENING:
        raise UnknownVersion(f"version of the opening is {raw[0]}, this one reads {OPENING}: update the node agent")
    if len(raw) != OPENING_SIZE:
        raise MalformedHeartbeat(f"opening of a session has {len(raw)} bytes: send {OPENING_SIZE}")
    _, oracle, challenge, oracle_key, node_key, signature = _OPENING.unpack(raw)
    return SessionOpening("0x" + oracle.hex(), challenge, oracle_key, node_key, signature)


def seal(session: Session, challenge: bytes, sequence: int, workloads: Mapping[int, Health] = NO_WORKLOADS) -> bytes:
    """A heartbeat under this session, encoded. InvalidValue for a value of the wrong width, MalformedHeartbeat for too
    many workloads."""
    written = entries.encode(workloads)
    count = len(written) // ENTRY_SIZE
    head = _HEAD.pack(SEALED, session.id, uint("sequence", sequence, 64), count) + written
    return head + tag(session.key, bytes32("challenge", challenge), head)


def tag(key: bytes, challenge: bytes, head: bytes) -> bytes:
    """The 16 bytes that end a sealed heartbeat. Compare with `hmac.compare_digest`."""
    return blake2b(challenge + head, key=key, digest_size=TAG_SIZE).digest()


def decode_sealed(raw: bytes) -> SealedHeartbeat:
    """The sealed heartbeat in exactly these bytes. Neither its tag nor its workloads are checked here: those are for
    `tag` and `wire.workloads.decode`.

    UnknownVersion for another version, else MalformedHeartbeat for another length.
    """
    size = len(raw)
    if size >= SEALED_MIN_SIZE:
        version, session, sequence, count = _HEAD.unpack_from(raw)
        if version == SEALED and count <= MAX_WORKLOADS and size == SEALED_MIN_SIZE + ENTRY_SIZE * count:
            return SealedHeartbeat(session, sequence, raw[18:-16], raw[:-16], raw[-16:])
    if raw and raw[0] != SEALED:
        raise UnknownVersion(
            f"version of the sealed heartbeat is {raw[0]}, this one reads {SEALED}: update the node agent"
        )
    raise MalformedHeartbeat(
        f"sealed heartbeat has {size} bytes: send {SEALED_MIN_SIZE} and {ENTRY_SIZE} for each of at most "
        f"{MAX_WORKLOADS} workloads"
    )


def _opening_type(opening: SessionOpening) -> typed_data.Session:
    return typed_data.Session(opening.oracle, opening.challenge, opening.oracle_key, opening.node_key)


def _session(own: PrivateKey, other: bytes, digest: bytes, node: bytes) -> Session:
    """ValueError when the other side's key is no point of the curve."""
    if len(other) != 33:  # the library would also take other forms of a key
        raise ValueError("not compressed")
    bound = keccak256(digest + node)
    return Session(bound[:SESSION_ID_SIZE], keccak256(_PURPOSE + own.ecdh(other) + bound))


def _private(secret: bytes) -> PrivateKey:
    if len(secret) != 32 or not 0 < int.from_bytes(secret, "big") < compact.CURVE_ORDER:
        raise InvalidValue("session secret (not shown) is out of range: give 32 random bytes")
    return PrivateKey(secret)
