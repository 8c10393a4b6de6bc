# SPDX-License-Identifier: Apache-2.0
"""What oracles send each other: any message comes back as it was, and any bytes are read exactly or refused by name."""

from __future__ import annotations

import struct
from contextlib import suppress
from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from oracle.committee.errors import Malformed
from oracle.committee.messages import (
    MAX_TEXT,
    Body,
    Envelope,
    Have,
    Kind,
    Message,
    Proposed,
    Reason,
    Ref,
    Refusal,
    Vote,
)
from oracle.committee.reallocation_messages import Asked, Batch, Claims, Endorsement, Objection
from oracle.ground.breaches import Breach
from oracle.ground.breaches import Reason as Why
from oracle.ground.typed_data import EpochReport
from oracle.signing.compact import InvalidSignature
from oracle.signing.signer import derive

pytestmark = pytest.mark.property

DOMAIN = EpochReport.domain(31_337, "0x" + "11" * 20)
SIGNER = derive("test", "oracle")
ADDRESS = bytes.fromhex(SIGNER.address[2:])

HASHES = st.binary(min_size=32, max_size=32)
SIGNATURES = st.binary(min_size=64, max_size=64)
U64 = st.integers(0, 2**64 - 1)
REFS = st.lists(st.builds(Ref, U64, HASHES, SIGNATURES), max_size=4).map(tuple)
APPEALS = st.lists(HASHES, max_size=4).map(tuple)
# Texts of which nothing is cut off.
TEXTS = st.text(st.characters(exclude_categories=["Cs"]), max_size=MAX_TEXT // 4)
U40, U128, WHY = st.integers(0, 2**40 - 1), st.integers(0, 2**128 - 1), st.sampled_from(Why)
BREACHES = st.builds(lambda one, why, times: Breach(one, why, *sorted(times)), U128, WHY, st.tuples(U40, U40, U40))
CLAIMED = st.lists(BREACHES, max_size=4, unique_by=lambda one: (one.assignment, one.reason)).map(sorted).map(tuple)
ASKED = st.lists(st.builds(Asked, U128, WHY, U40), min_size=1, max_size=4, unique_by=lambda one: one.assignment)
BODIES = st.one_of(
    st.builds(Claims, CLAIMED),
    st.builds(Batch, U64, ASKED.map(sorted).map(tuple)),
    st.builds(Endorsement, HASHES, U64, SIGNATURES),
    st.builds(Objection, HASHES, TEXTS),
    st.builds(Have, REFS, APPEALS),
    st.builds(Proposed, HASHES, HASHES, REFS, APPEALS),
    st.builds(Vote, HASHES, HASHES, HASHES, HASHES, HASHES, SIGNATURES),
    st.builds(Refusal, HASHES, st.sampled_from(Reason), REFS, APPEALS, TEXTS),
)
MESSAGES = st.builds(Message, U64, U64, st.integers(0, 2**32 - 1), BODIES)


def read(raw: bytes) -> Message:
    return Envelope.open(raw).message()


def encoded(message: Message, signature: bytes) -> bytes:
    """The envelope by the words of the specification, with any signature."""
    payload = message.body.encode()
    head = struct.pack(
        ">4sBQQII", b"EPM1", message.body.KIND, message.epoch, message.committee, message.turn, len(payload)
    )
    return head + payload + signature


@settings(max_examples=150)
@given(MESSAGES)
def test_message__sealed__comes_back_as_it_was_from_its_sender(message: Message) -> None:
    raw = message.seal(SIGNER, DOMAIN)
    assert raw == encoded(message, raw[-64:])
    assert read(raw) == message
    assert Envelope.open(raw).sender(DOMAIN) == ADDRESS


@settings(max_examples=150)
@given(MESSAGES, st.data())
def test_message__altered_anywhere__is_never_its_senders(message: Message, data: st.DataObject) -> None:
    raw = bytearray(message.seal(SIGNER, DOMAIN))
    at = data.draw(st.integers(0, len(raw) - 1))
    raw[at] ^= data.draw(st.integers(1, 255))
    with suppress(Malformed, InvalidSignature):
        assert Envelope.open(bytes(raw)).sender(DOMAIN) != ADDRESS


@settings(max_examples=300)
@given(MESSAGES, SIGNATURES, st.data())
def test_open__any_bytes__decode_and_encode_to_the_same_or_are_malformed(
    message: Message, signature: bytes, data: st.DataObject
) -> None:
    raw = encoded(message, signature)
    start = data.draw(st.integers(0, len(raw)))
    stop = data.draw(st.integers(start, min(len(raw), start + 4)))
    raw = raw[:start] + data.draw(st.binary(max_size=4)) + raw[stop:]
    with suppress(Malformed):
        assert encoded(read(raw), raw[-64:]) == raw


@settings(max_examples=300)
@given(st.sampled_from(Kind), st.binary(max_size=300), SIGNATURES)
def test_open__any_payload__decodes_and_encodes_to_the_same_or_is_malformed(
    kind: Kind, payload: bytes, signature: bytes
) -> None:
    raw = struct.pack(">4sBQQII", b"EPM1", kind, 1, 2, 3, len(payload)) + payload + signature
    assert Envelope.open(raw).payload == payload
    with suppress(Malformed):
        assert encoded(read(raw), signature) == raw


@given(st.binary(max_size=400))
def test_open__random_bytes__is_malformed(raw: bytes) -> None:
    with suppress(Malformed):
        read(raw)


@settings(max_examples=50)
@given(st.text(max_size=3 * MAX_TEXT))
def test_refusal__text_of_any_length__is_cut_at_a_character(text: str) -> None:
    with suppress(UnicodeEncodeError):
        text.encode()
        message = Message(1, 1, 0, Refusal(bytes(32), Reason.DISAGREES, text=text))
        told = read(encoded(message, bytes(64)))
        assert isinstance(told.body, Refusal)
        assert text.startswith(told.body.text)
        assert len(told.body.text.encode()) <= MAX_TEXT


@given(BODIES, BODIES)
def test_proposed__other_proposal__has_another_hash(one: Body, other: Body) -> None:
    if isinstance(one, Proposed) and isinstance(other, Proposed):
        assert (one.hash == other.hash) == (one == other)
    if isinstance(one, Proposed):
        assert replace(one, parent=bytes(31) + b"\1").hash != replace(one, parent=bytes(32)).hash
