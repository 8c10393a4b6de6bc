# SPDX-License-Identifier: Apache-2.0
"""Oracles' duty: who served how long, and when a leaf comes and goes."""

from __future__ import annotations

import pytest

from oracle.ground.clock import EpochClock
from oracle.ground.duty import Post, duty_leaves, serve
from oracle.ground.errors import InvalidValue
from oracle.ground.leaves import Leaf
from oracle.ground.ledger import Ledger
from oracle.ground.uptime import ZERO, Uptime

CLOCK = EpochClock(genesis=1_000, length=100)
A, B = b"\xaa" * 20, b"\xbb" * 20


def post(member: int, signer: bytes | None, served: int, booked: Uptime = ZERO) -> Post:
    return Post(member, signer, served, booked)


def test_serve__observation_used__is_duty_and_none_is_not() -> None:
    done = serve({}, CLOCK, {0: {A, B}, 1: {A}}, [post(2, B, 200), post(1, A, 200)])
    assert done == {1: Uptime(200, 200), 2: Uptime(100, 200)}
    assert duty_leaves(done) == [Leaf(3, 1, 200, 200), Leaf(3, 2, 100, 200)]


def test_serve__epoch_without_observations__counts_for_nobody() -> None:
    assert serve({1: Uptime(100, 100)}, CLOCK, {3: {A}}, [post(1, A, 400)]) == {1: Uptime(200, 200)}


def test_serve__joined_in_the_middle__has_the_newest_seconds() -> None:
    assert serve({}, CLOCK, {0: {A}, 1: {A}}, [post(1, A, 30)]) == {1: Uptime(30, 30)}
    assert serve({}, CLOCK, {0: {A}, 1: set()}, [post(1, A, 30)]) == {1: Uptime(0, 30)}
    assert serve({}, CLOCK, {0: {A}}, [post(1, A, 0)]) == {}


def test_serve__left__keeps_its_leaf_until_it_is_settled() -> None:
    known = {1: Uptime(150, 200)}
    assert serve(known, CLOCK, {2: {B}}, [post(1, None, 200), post(2, B, 100)]) == {**known, 2: Uptime(100, 100)}
    assert serve(known, CLOCK, {2: {B}}, [post(1, None, 200, Uptime(150, 200)), post(2, B, 0)]) == {}


def test_serve__returns__goes_on_from_what_is_booked() -> None:
    assert serve({}, CLOCK, {9: {A}}, [post(1, A, 300, Uptime(150, 200))]) == {1: Uptime(250, 300)}


def test_serve__member_missing_or_twice__is_refused() -> None:
    for posts in ([], [post(1, A, 100), post(1, A, 100)]):
        with pytest.raises(InvalidValue, match="twice"):
            serve({1: Uptime(1, 1)}, CLOCK, {0: {A}}, posts)


def test_ledger__with_duties__has_a_tag_of_its_own_and_comes_back() -> None:
    plain, paid = Ledger(4), Ledger(4, duties={7: Uptime(1, 2), (1 << 160) - 1: Uptime(3, 3)})
    assert plain.encode()[:4] == b"EpL2"
    assert paid.encode()[:4] == b"EpL3"
    assert Ledger.decode(paid.encode()) == paid
    assert paid.leaves() == [Leaf(3, 7, 1, 2), Leaf(3, (1 << 160) - 1, 3, 3)]
    assert plain.leaves() == [Leaf(0, 0, 0, 0)]


def test_ledger__duties_of_nothing__are_refused() -> None:
    raw = Ledger(4, duties={7: Uptime(1, 2)}).encode()
    empty = b"EpL3" + raw[4:32] + bytes(8)
    nothing = raw[:-8] + bytes(8)
    for wrong in (empty, raw[:-1], nothing, b"EpL2" + raw[4:]):
        with pytest.raises(InvalidValue):
            Ledger.decode(wrong)
