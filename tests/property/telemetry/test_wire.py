# SPDX-License-Identifier: Apache-2.0
"""What travels: any value comes back as it was, any bytes are read exactly or refused by name, and nothing that was
altered passes for the node's."""

from __future__ import annotations

import struct
from collections.abc import Callable
from contextlib import suppress
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from oracle.ground.keccak import keccak256
from oracle.ground.typed_data import Heartbeat
from oracle.signing.compact import InvalidSignature
from oracle.signing.signer import LocalSigner, derive
from oracle.telemetry.wire import frames, heartbeat, receipt, session, workloads
from oracle.telemetry.wire.errors import MalformedHeartbeat, UnknownVersion
from oracle.telemetry.wire.workloads import Health

DOMAIN = Heartbeat.domain(31337, "0x" + "11" * 20)
ORACLE = derive("test", "oracle")
NODE = derive("test", "node")
CHALLENGE = b"c" * 32
SECRET = b"o" * 32
ORACLE_KEY = session.session_public_key(SECRET)
OPENING, SESSION = session.open_session(NODE, DOMAIN, ORACLE.address, CHALLENGE, ORACLE_KEY, b"n" * 32)
REPORT = {1: Health.STARTING, 2**100: Health.HEALTHY}
SIGNED = heartbeat.sign(NODE, DOMAIN, ORACLE.address, 7, CHALLENGE, REPORT)
SEALED = session.seal(SESSION, CHALLENGE, 7, REPORT)
RECEIPT = receipt.issue(ORACLE, DOMAIN, NODE.address, 17, 0b1011 << 30, 8_640)

UINT64 = st.integers(0, 2**64 - 1)
BYTES32 = st.binary(min_size=32, max_size=32)
SECRETS = BYTES32.map(keccak256)
ADDRESSES = st.binary(min_size=20, max_size=20).map(lambda raw: "0x" + raw.hex())
REPORTS = st.dictionaries(st.integers(0, 2**128 - 1), st.sampled_from(Health), max_size=64)
ENTRIES = REPORTS.map(workloads.encode)
SIGNATURES = st.binary(min_size=64, max_size=64)
KEYS = st.binary(min_size=33, max_size=33)

BEATS = st.builds(heartbeat.SignedHeartbeat, ADDRESSES, UINT64, BYTES32, ENTRIES, SIGNATURES)
OPENINGS = st.builds(session.SessionOpening, ADDRESSES, BYTES32, KEYS, KEYS, SIGNATURES)
RECEIPTS = st.builds(
    receipt.SignedReceipt,
    ADDRESSES,
    UINT64,
    st.integers(0, 2**20 - 1).map(lambda byte: 8 * byte),
    st.binary(max_size=200),
    SIGNATURES,
)


def around(*examples: bytes) -> st.SearchStrategy[bytes]:
    """Any bytes, and bytes near to these: changed, cut, prolonged, so that they get past the first checks."""
    change = st.tuples(st.sampled_from(examples), st.integers(0, 300), st.binary(max_size=20), st.integers(0, 20))
    near = change.map(lambda each: each[0][: each[1]] + each[2] + each[0][each[1] + each[3] :])
    return st.one_of(st.binary(max_size=300), near)


def encode_sealed(beat: session.SealedHeartbeat) -> bytes:
    """From the fields alone, so that a field read wrongly shows."""
    head = b"\x04" + beat.session + struct.pack(">QB", beat.sequence, len(beat.workloads) // 17) + beat.workloads
    assert head == beat.head
    return head + beat.tag


FORMS: list[tuple[Any, Callable[[bytes], Any], Callable[[Any], bytes], tuple[type[Exception], ...]]] = [
    (around(SIGNED), heartbeat.decode, heartbeat.encode, (MalformedHeartbeat, UnknownVersion)),
    (around(OPENING), session.decode_opening, session.encode_opening, (MalformedHeartbeat, UnknownVersion)),
    (around(SEALED), session.decode_sealed, encode_sealed, (MalformedHeartbeat, UnknownVersion)),
    (around(RECEIPT), receipt.decode, receipt.encode, (receipt.MalformedReceipt,)),
    (
        around(workloads.encode(REPORT), bytes(16) + b"\3"),
        workloads.decode,
        lambda entries: workloads.encode(dict(entries)),
        (MalformedHeartbeat,),
    ),
]
NAMES = ["heartbeat", "opening", "sealed", "receipt", "workloads"]


@pytest.mark.parametrize(("raws", "decode", "encode", "errors"), FORMS, ids=NAMES)
def test_decode__any_bytes__read_exactly_or_refused_by_name(
    raws: Any, decode: Any, encode: Any, errors: tuple[type[Exception], ...]
) -> None:
    @settings(deadline=None)
    @given(raw=raws)
    def check(raw: bytes) -> None:
        try:
            value = decode(raw)
        except errors:
            return
        assert encode(value) == raw

    check()


@settings(deadline=None)
@given(beat=BEATS, opening=OPENINGS, given_receipt=RECEIPTS, report=REPORTS)
def test_encode__any_value__decodes_to_it(
    beat: heartbeat.SignedHeartbeat,
    opening: session.SessionOpening,
    given_receipt: receipt.SignedReceipt,
    report: dict[int, Health],
) -> None:
    assert heartbeat.decode(heartbeat.encode(beat)) == beat
    assert session.decode_opening(session.encode_opening(opening)) == opening
    assert receipt.decode(receipt.encode(given_receipt)) == given_receipt
    assert workloads.decode(workloads.encode(report)) == tuple(sorted(report.items()))


@settings(max_examples=60, deadline=None)
@given(sequence=UINT64, challenge=BYTES32, report=REPORTS, secret=SECRETS)
def test_sign__any_values__recover_to_the_signer(
    sequence: int, challenge: bytes, report: dict[int, Health], secret: bytes
) -> None:
    signer = LocalSigner(secret)
    beat = heartbeat.decode(heartbeat.sign(signer, DOMAIN, ORACLE.address, sequence, challenge, report))
    assert (beat.oracle, beat.sequence, beat.challenge) == (ORACLE.address.lower(), sequence, challenge)
    assert dict(workloads.decode(beat.workloads)) == report
    assert heartbeat.signed_by(beat, DOMAIN) == signer.address.lower()


@settings(max_examples=60, deadline=None)
@given(oracle_secret=SECRETS, node_secret=SECRETS, challenge=BYTES32, report=REPORTS)
def test_session__any_secrets__both_sides_agree_and_nobody_else(
    oracle_secret: bytes, node_secret: bytes, challenge: bytes, report: dict[int, Health]
) -> None:
    oracle_key = session.session_public_key(oracle_secret)
    raw, ours = session.open_session(NODE, DOMAIN, ORACLE.address, challenge, oracle_key, node_secret)
    opening = session.decode_opening(raw)
    node, theirs = session.accept_session(opening, DOMAIN, oracle_secret)
    assert (node, theirs) == (NODE.address.lower(), ours)
    beat = session.decode_sealed(session.seal(ours, challenge, 1, report))
    assert session.tag(theirs.key, challenge, beat.head) == beat.tag
    with pytest.raises(session.WrongSessionKey):
        session.accept_session(opening, DOMAIN, keccak256(oracle_secret))
    # Another node that signs for the same two keys gets a session, but not this one.
    _, stranger = session.open_session(ORACLE, DOMAIN, ORACLE.address, challenge, oracle_key, node_secret)
    assert stranger.id != ours.id
    assert stranger.key != ours.key


@settings(max_examples=300, deadline=None)
@given(at=st.integers(0, len(SIGNED) - 1), flip=st.integers(1, 255))
def test_signed__altered_byte__is_not_the_nodes(at: int, flip: int) -> None:
    with suppress(MalformedHeartbeat, UnknownVersion, InvalidSignature):
        assert heartbeat.signed_by(heartbeat.decode(_altered(SIGNED, at, flip)), DOMAIN) != NODE.address.lower()


@settings(max_examples=300, deadline=None)
@given(at=st.integers(0, len(OPENING) - 1), flip=st.integers(1, 255))
def test_opening__altered_byte__is_not_the_nodes(at: int, flip: int) -> None:
    try:
        opening = session.decode_opening(_altered(OPENING, at, flip))
        node, opened = session.accept_session(opening, DOMAIN, SECRET)
    except (MalformedHeartbeat, UnknownVersion, InvalidSignature, session.WrongSessionKey):
        return
    assert node != NODE.address.lower()
    assert opened.id != SESSION.id
    assert opened.key != SESSION.key


@settings(max_examples=300, deadline=None)
@given(at=st.integers(0, len(SEALED) - 1), flip=st.integers(1, 255))
def test_sealed__altered_byte__has_another_tag_or_session(at: int, flip: int) -> None:
    try:
        beat = session.decode_sealed(_altered(SEALED, at, flip))
    except (MalformedHeartbeat, UnknownVersion):
        return
    assert session.tag(SESSION.key, CHALLENGE, beat.head) != beat.tag


@settings(max_examples=300, deadline=None)
@given(at=st.integers(0, len(RECEIPT) - 1), flip=st.integers(1, 255))
def test_receipt__altered_byte__is_not_the_oracles(at: int, flip: int) -> None:
    with suppress(receipt.MalformedReceipt, InvalidSignature):
        assert receipt.signed_by(receipt.decode(_altered(RECEIPT, at, flip)), DOMAIN) != ORACLE.address.lower()


@settings(max_examples=60, deadline=None)
@given(epoch=UINT64, up=st.sets(st.integers(0, 8_639), max_size=50))
def test_receipt__any_ticks__are_the_ones_it_was_issued_for(epoch: int, up: set[int]) -> None:
    bits = sum(1 << tick for tick in up)
    given_receipt = receipt.decode(receipt.issue(ORACLE, DOMAIN, NODE.address, epoch, bits, 8_640))
    assert (given_receipt.bits, given_receipt.epoch) == (bits, epoch)
    assert receipt.signed_by(given_receipt, DOMAIN) == ORACLE.address.lower()


PIECES = st.one_of(
    st.sampled_from([SIGNED, SEALED, SIGNED[:61] + b"\0" + SIGNED[-64:], session.seal(SESSION, CHALLENGE, 8)]),
    st.sampled_from([OPENING, RECEIPT, b"\2", b"\4", SIGNED[:61] + b"\xff" * 100]),
    st.binary(max_size=40),
)


@settings(max_examples=300, deadline=None)
@given(pieces=st.one_of(st.lists(PIECES, max_size=8), PIECES.map(lambda piece: [piece] * 5)))
def test_split__any_body__is_its_frames_and_all_but_the_last_are_whole(pieces: list[bytes]) -> None:
    body = b"".join(pieces)
    split = frames.split(body)
    assert b"".join(split) == body
    assert split == slowly(body)


def slowly(body: bytes) -> list[bytes]:
    """As the page of the protocol tells it: one heartbeat after the other."""
    frames = []
    while body:
        count_at, size = {2: (61, 126), 4: (17, 34)}.get(body[0], (0, len(body) + 1))
        size += 17 * (body + bytes(62))[count_at]
        frames.append(body[:size])
        body = body[size:]
    return frames


def _altered(raw: bytes, at: int, flip: int) -> bytes:
    return raw[:at] + bytes([raw[at] ^ flip]) + raw[at + 1 :]
