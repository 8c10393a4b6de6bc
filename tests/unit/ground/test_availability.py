# SPDX-License-Identifier: Apache-2.0
"""Licences' availability: what counts of a node's seconds, and when a leaf comes and goes."""

from __future__ import annotations

import pytest

from oracle.ground.availability import Deed, attend, availability_leaves
from oracle.ground.clock import EpochClock
from oracle.ground.duty import duty_leaves
from oracle.ground.errors import InvalidValue
from oracle.ground.leaves import Leaf
from oracle.ground.ledger import Account, Ledger
from oracle.ground.uptime import ZERO, Uptime

CLOCK = EpochClock(genesis=1_000, length=100)
NODE = b"\xaa" * 20


def deed(
    licence: int = 1, node: bytes | None = NODE, since: int = 500, linked: int = 9_000, booked: Uptime = ZERO
) -> Deed:
    return Deed(licence, node, since, linked, booked)


def test_attend__measured__is_up_of_observed_and_adds_up() -> None:
    done = attend({1: Uptime(10, 20)}, CLOCK, {3: {1: Uptime(80, 90)}, 4: {1: Uptime(0, 100)}}, [deed()])
    assert done == {1: Uptime(90, 210)}
    assert availability_leaves(done) == [Leaf(2, 1, 90, 210)]


def test_attend__not_measured__has_no_leaf_or_keeps_it() -> None:
    assert attend({}, CLOCK, {0: {1: ZERO, 7: Uptime(1, 1)}}, [deed()]) == {}
    assert attend({1: Uptime(1, 2)}, CLOCK, {0: {}}, [deed()]) == {1: Uptime(1, 2)}


def test_attend__linked_or_rewarded_since_the_middle__is_cut_at_its_ratio() -> None:
    seen = {0: {1: Uptime(50, 100)}, 1: {1: Uptime(50, 100)}}
    assert attend({}, CLOCK, seen, [deed(since=1_130)]) == {1: Uptime(35, 70)}
    assert attend({}, CLOCK, seen, [deed(since=1_200)]) == {}


def test_attend__linked_for_less__is_bounded_by_that_newest_first() -> None:
    seen = {0: {1: Uptime(100, 100)}, 1: {1: Uptime(0, 100)}}
    assert attend({}, CLOCK, seen, [deed(linked=150)]) == {1: Uptime(50, 150)}
    assert attend({1: Uptime(7, 150)}, CLOCK, seen, [deed(linked=150)]) == {1: Uptime(7, 150)}
    assert attend({1: Uptime(7, 160)}, CLOCK, seen, [deed(linked=150)]) == {1: Uptime(7, 160)}


def test_attend__unlinked__keeps_its_leaf_until_it_is_settled_and_returns_from_there() -> None:
    known = {1: Uptime(50, 60)}
    assert attend(known, CLOCK, {}, [deed(node=None)]) == known
    assert attend(known, CLOCK, {}, [deed(node=None, booked=Uptime(50, 60))]) == {}
    back = [deed(booked=Uptime(50, 60))]
    assert attend({}, CLOCK, {5: {1: Uptime(1, 10)}}, back) == {1: Uptime(51, 70)}


def test_attend__licence_missing_or_twice__is_refused() -> None:
    for deeds in ([], [deed(), deed()]):
        with pytest.raises(InvalidValue, match="twice"):
            attend({1: Uptime(1, 1)}, CLOCK, {}, deeds)


def test_ledger__all_kinds__come_back_and_have_leaves_by_kind_and_id() -> None:
    ledger = Ledger(
        4,
        {1 << 64 | 1: Account(5, 6, 1_500)},
        duties={7: Uptime(1, 2)},
        availability={2: Uptime(0, 3), 1: Uptime(3, 3)},
    )
    assert Ledger.decode(ledger.encode()) == ledger
    assert ledger.leaves() == [
        Leaf(1, 1 << 64 | 1, 5, 6),
        Leaf(2, 1, 3, 3),
        Leaf(2, 2, 0, 3),
        *duty_leaves(ledger.duties),
    ]
