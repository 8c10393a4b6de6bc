# SPDX-License-Identifier: Apache-2.0
"""Bytes of peers: either malformed, or exactly what the same view encodes to."""

from __future__ import annotations

import struct

from hypothesis import given
from hypothesis import strategies as st

from oracle.committee.errors import Malformed
from oracle.committee.observation import View
from oracle.ground.uptime import Uptime

UINT64 = st.integers(0, 2**64 - 1)
TICKS = st.integers(0, 2**32 - 1)
UPTIMES = st.tuples(TICKS, TICKS).map(lambda pair: Uptime(min(pair), max(pair)))
SEEN = st.dictionaries(st.integers(0, 2**128 - 1), UPTIMES, max_size=8)
VIEWS = st.builds(View, UINT64, UINT64, SEEN, SEEN)
# Bytes with a right header and length, so that the fuzz gets past them.
ENTRIES = st.lists(st.tuples(st.integers(0, 3), st.integers(0, 3), st.integers(0, 5), st.integers(0, 5)), max_size=4)
FRAMED = st.builds(
    lambda epoch, committee, entries, count: (
        struct.pack(">4sQQI", b"EOB1", epoch, committee, len(entries) if count is None else count)
        + b"".join(struct.pack(">QQII", *entry) for entry in entries)
    ),
    UINT64,
    UINT64,
    ENTRIES,
    st.one_of(st.none(), st.integers(0, 2**32 - 1)),
)
WIDE = st.builds(
    lambda epoch, committee, first, second: (
        struct.pack(">4sQQII", b"EOB2", epoch, committee, len(first), len(second))
        + b"".join(struct.pack(">QQII", *entry) for entry in (*first, *second))
    ),
    UINT64,
    UINT64,
    ENTRIES,
    ENTRIES,
)


@given(VIEWS)
def test_encode__any_view__is_decoded_to_the_same(view: View) -> None:
    assert View.decode(view.encode()) == view


@given(VIEWS, st.randoms(use_true_random=False))
def test_encode__ticks_in_any_order__is_the_same(view: View, random: object) -> None:
    ticks, licences = list(view.ticks.items()), list(view.licences.items())
    for items in (ticks, licences):
        random.shuffle(items)  # type: ignore[attr-defined]
    assert View(view.epoch, view.committee, dict(ticks), dict(licences)).encode() == view.encode()


@given(st.one_of(st.binary(max_size=100), st.binary(max_size=80).map(b"EOB1".__add__), FRAMED, WIDE))
def test_decode__any_bytes__is_malformed_or_encodes_back_to_them(content: bytes) -> None:
    assert_canonical(content)


@given(VIEWS, st.data())
def test_decode__one_byte_changed__is_malformed_or_encodes_back(view: View, data: st.DataObject) -> None:
    content = bytearray(view.encode())
    content[data.draw(st.integers(0, len(content) - 1))] ^= data.draw(st.integers(1, 255))
    assert_canonical(bytes(content))


def assert_canonical(content: bytes) -> None:
    try:
        view = View.decode(content)
    except Malformed:
        return
    assert view.encode() == content
