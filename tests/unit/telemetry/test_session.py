# SPDX-License-Identifier: Apache-2.0
"""Sessions: what a node signs for one, what it seals under it, and what an oracle refuses."""

from __future__ import annotations

from dataclasses import replace

import pytest

from oracle.ground import typed_data
from oracle.ground.errors import InvalidValue
from oracle.ground.typed_data import Heartbeat
from oracle.signing.compact import CURVE_ORDER, InvalidSignature
from oracle.signing.signer import derive
from oracle.telemetry.wire import session
from oracle.telemetry.wire.errors import MalformedHeartbeat, UnknownVersion
from oracle.telemetry.wire.workloads import Health

DOMAIN = Heartbeat.domain(31337, "0x" + "11" * 20)
ORACLE = "0x" + "22" * 20
NODE = derive("test", "node")
CHALLENGE = b"c" * 32
ORACLE_SECRET, NODE_SECRET = b"o" * 32, b"n" * 32
ORACLE_KEY = session.session_public_key(ORACLE_SECRET)
WIRE, AGREED = session.open_session(NODE, DOMAIN, ORACLE, CHALLENGE, ORACLE_KEY, NODE_SECRET)
SEALED = session.seal(AGREED, CHALLENGE, 7, {5: Health.HEALTHY})


def accept(raw: bytes, secret: bytes = ORACLE_SECRET) -> tuple[str, session.Session]:
    return session.accept_session(session.decode_opening(raw), DOMAIN, secret)


def with_node_key(node_key: bytes) -> bytes:
    """An opening that the node signed for a key of its own making."""
    digest = typed_data.Session(ORACLE, CHALLENGE, ORACLE_KEY, node_key).digest(DOMAIN)
    opening = session.SessionOpening(ORACLE, CHALLENGE, ORACLE_KEY, node_key, NODE.sign(digest))
    return session.encode_opening(opening)


def test_opening__layout__is_fixed() -> None:
    opening = session.decode_opening(WIRE)
    node_key = session.session_public_key(NODE_SECRET)
    assert b"\x03" + b"\x22" * 20 + CHALLENGE + ORACLE_KEY + node_key + opening.signature == WIRE
    assert len(WIRE) == 183
    assert session.encode_opening(opening) == WIRE


def test_accept__opening__gives_the_node_and_its_session() -> None:
    assert accept(WIRE) == (NODE.address.lower(), AGREED)
    assert (len(AGREED.id), len(AGREED.key)) == (8, 32)
    assert AGREED.key.hex() not in repr(AGREED)
    assert repr(AGREED.key) not in repr(AGREED)


def test_accept__opening_for_another_session_key__refused() -> None:
    with pytest.raises(session.WrongSessionKey):
        accept(WIRE, b"p" * 32)


def test_accept__another_network__is_not_the_node() -> None:
    other = Heartbeat.domain(1, DOMAIN.contract)
    node, agreed = session.accept_session(session.decode_opening(WIRE), other, ORACLE_SECRET)
    assert node != NODE.address.lower()
    assert agreed.key != AGREED.key


def test_accept__opening_signed_again_by_another_node__is_another_session() -> None:
    opening = session.decode_opening(WIRE)
    digest = typed_data.Session(ORACLE, CHALLENGE, ORACLE_KEY, opening.node_key).digest(DOMAIN)
    copied = replace(opening, signature=derive("test", "thief").sign(digest))
    thief, taken = session.accept_session(copied, DOMAIN, ORACLE_SECRET)
    assert thief == derive("test", "thief").address.lower()
    assert taken.id != AGREED.id
    assert taken.key != AGREED.key


@pytest.mark.parametrize("node_key", [bytes(33), b"\x02" + b"\xff" * 32, b"\x04" + ORACLE_KEY[1:]])
def test_accept__node_key_is_no_point__malformed(node_key: bytes) -> None:
    with pytest.raises(MalformedHeartbeat, match="is no key: make another"):
        accept(with_node_key(node_key))


@pytest.mark.parametrize("oracle_key", [b"", bytes(33), ORACLE_KEY[:32], ORACLE_KEY + b"\0"])
def test_open__oracle_key_is_no_point__refused(oracle_key: bytes) -> None:
    with pytest.raises(session.WrongSessionKey, match="is no key: ask it again"):
        session.open_session(NODE, DOMAIN, ORACLE, CHALLENGE, oracle_key, NODE_SECRET)


@pytest.mark.parametrize("secret", [b"", bytes(32), b"s" * 31, CURVE_ORDER.to_bytes(32, "big")])
def test_open__secret_is_no_key__refused_without_telling_it(secret: bytes) -> None:
    with pytest.raises(InvalidValue, match="not shown"):
        session.open_session(NODE, DOMAIN, ORACLE, CHALLENGE, ORACLE_KEY, secret)


def test_accept__nobody_signed__refused() -> None:
    with pytest.raises(InvalidSignature):
        accept(WIRE[:-64] + bytes(64))


@pytest.mark.parametrize(
    ("raw", "error"),
    [
        (b"", MalformedHeartbeat),
        (WIRE[:-1], MalformedHeartbeat),
        (WIRE + b"\0", MalformedHeartbeat),
        (b"\x02" + WIRE[1:], UnknownVersion),
    ],
)
def test_decode_opening__other_bytes__refused(raw: bytes, error: type[Exception]) -> None:
    with pytest.raises(error):
        session.decode_opening(raw)


def test_seal__layout__is_fixed() -> None:
    beat = session.decode_sealed(SEALED)
    entries = (5).to_bytes(16, "big") + b"\2"
    assert b"\x04" + AGREED.id + (7).to_bytes(8, "big") + b"\1" + entries + beat.tag == SEALED
    assert (beat.session, beat.sequence, beat.workloads) == (AGREED.id, 7, entries)
    assert beat.head + beat.tag == SEALED
    assert len(session.seal(AGREED, CHALLENGE, 2**64 - 1)) == 34


def test_tag__any_byte_or_the_challenge_or_the_key_differs__differs() -> None:
    beat = session.decode_sealed(SEALED)
    assert session.tag(AGREED.key, CHALLENGE, beat.head) == beat.tag
    others = {session.tag(AGREED.key, b"d" * 32, beat.head), session.tag(b"k" * 32, CHALLENGE, beat.head)}
    for at in range(len(beat.head)):
        others.add(session.tag(AGREED.key, CHALLENGE, SEALED[:at] + bytes([SEALED[at] ^ 1]) + beat.head[at + 1 :]))
    assert len(others) == 2 + len(beat.head)
    assert beat.tag not in others


@pytest.mark.parametrize(
    ("raw", "error"),
    [
        (b"", MalformedHeartbeat),
        (b"\x04", MalformedHeartbeat),
        (SEALED[:-1], MalformedHeartbeat),
        (SEALED + b"\0", MalformedHeartbeat),
        (SEALED[:17] + b"\0" + SEALED[18:], MalformedHeartbeat),
        (SEALED[:17] + b"\x41" + bytes(65 * 17 + 16), MalformedHeartbeat),
        (b"\x02" + SEALED[1:], UnknownVersion),
        (b"\x02", UnknownVersion),
    ],
)
def test_decode_sealed__other_bytes__refused(raw: bytes, error: type[Exception]) -> None:
    with pytest.raises(error):
        session.decode_sealed(raw)


@pytest.mark.parametrize(("sequence", "challenge"), [(-1, CHALLENGE), (2**64, CHALLENGE), (1, CHALLENGE[:31])])
def test_seal__wrong_widths__refused(sequence: int, challenge: bytes) -> None:
    with pytest.raises(InvalidValue):
        session.seal(AGREED, challenge, sequence)
