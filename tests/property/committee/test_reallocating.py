# SPDX-License-Identifier: Apache-2.0
"""Asking for other nodes, by a committee in virtual time: what is true is asked for soon, and lies never are."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from oracle.ground.breaches import TOLERANCE_TICKS, Reason
from oracle.ground.median import fault_bound
from tests.property.committee.reallocation_world import CLOCK, GENESIS, POLICY, SLOT, TICK, World
from tests.property.committee.request_runs import DUE, FAILED, NEAR, run

pytestmark = pytest.mark.property

SEEDS = st.integers(0, 2**32)
SIZES = st.integers(4, 7)


@settings(max_examples=40, deadline=None)
@given(SEEDS, SIZES, st.data())
def test_committee__an_outage_with_silent_members_and_liars__is_asked_for_soon_and_nothing_else(
    seed: int, size: int, data: st.DataObject
) -> None:
    bad = fault_bound(size)
    silent = data.draw(st.integers(0, bad))
    assert run(seed, size, silent, bad - silent).violations == ()


@settings(max_examples=25, deadline=None)
@given(SEEDS, SIZES)
def test_committee__only_lies__come_to_nothing(seed: int, size: int) -> None:
    world = World(seed, size, 0, fault_bound(size))
    world.run(GENESIS + 3_000)
    assert not world.chain.closed
    assert not world.chain.forged
    assert not world.rude


@settings(max_examples=15, deadline=None)
@given(SEEDS, SIZES)
def test_committee__more_than_f_silent__asks_for_nothing_until_they_are_back(seed: int, size: int) -> None:
    bad = fault_bound(size) + 1
    world = World(seed, size, bad)
    world.truth.down = {world.assignments[0]: [(FAILED, 1e12)]}
    world.run(DUE + 1_000)
    assert not world.chain.closed
    world.silent = set(sorted(world.silent)[1:])
    world.run(DUE + 1_000 + 20 * SLOT)
    assert set(world.chain.closed) == {world.assignments[0]}


@settings(max_examples=20, deadline=None)
@given(SEEDS, SIZES, st.floats(0.05, 0.3))
def test_committee__lost_messages__delay_and_change_nothing(seed: int, size: int, loss: float) -> None:
    world = World(seed, size, loss=loss)
    first, second = world.assignments[:2]
    world.truth.down = {first: [(FAILED, 1e12)], second: [(FAILED + 600, 1e12)]}
    world.run(CLOCK.end(0) - SLOT)
    assert set(world.chain.closed) == {first, second}
    assert not world.chain.forged


@settings(max_examples=15, deadline=None)
@given(SEEDS, SIZES)
def test_committee__a_blind_member__signs_nothing_while_blind_and_agrees_to_earlier_times_after(
    seed: int, size: int
) -> None:
    world = World(seed, size)
    down = world.assignments[0]
    world.truth.down = {down: [(FAILED, 1e12)]}
    # One saw nothing of the beginning, as many as keep a quorum away see nothing for a while later.
    world.sights[0].blind = [(FAILED - 200, FAILED + 200)]
    for sight in world.sights[1 : 2 + fault_bound(size)]:
        sight.blind = [(DUE - 100, DUE + 1_000)]
    world.run(DUE + 1_000)
    assert not world.chain.closed
    world.run(DUE + 1_000 + 25 * SLOT)
    as_of, _ = world.chain.closed[down]
    assert abs(as_of - FAILED) <= NEAR


@settings(max_examples=15, deadline=None)
@given(SEEDS, SIZES)
def test_committee__a_chain_that_loses_the_request__is_told_again(seed: int, size: int) -> None:
    world = World(seed, size)
    down = world.assignments[0]
    world.truth.down = {down: [(FAILED, 1e12)]}
    world.run(DUE + 10 * SLOT)
    assert down in world.chain.closed
    world.chain.closed.clear()
    world.chain.carried_out.clear()
    world.run(DUE + 25 * SLOT)
    assert down in world.chain.closed


@settings(max_examples=15, deadline=None)
@given(SEEDS, SIZES)
def test_committee__an_outage_over_the_end_of_an_epoch__is_asked_for_within_the_next(seed: int, size: int) -> None:
    world = World(seed, size)
    down = world.assignments[0]
    since = CLOCK.end(0) - 200
    world.truth.down = {down: [(since, 1e12)]}
    world.run(CLOCK.end(0) + POLICY.outage_seconds - 4)
    assert not world.chain.closed
    world.run(CLOCK.end(0) + POLICY.outage_seconds + 10 * SLOT)
    as_of, _ = world.chain.closed[down]
    assert 0 <= as_of - CLOCK.end(0) <= TOLERANCE_TICKS * TICK
    assert world.chain.carried_out == {world.true_id(down, 1, Reason.OUTAGE)}


@settings(max_examples=10, deadline=None)
@given(SEEDS, SIZES)
def test_committee__a_chain_that_does_not_answer_some__goes_on_with_the_others(seed: int, size: int) -> None:
    world = World(seed, size)
    down = world.assignments[0]
    world.truth.down = {down: [(FAILED, 1e12)]}
    for sight in world.sights[: fault_bound(size)]:
        sight.chain_out = [(GENESIS, 1e12)]
    world.run(DUE + 14 * SLOT)
    assert down in world.chain.closed
    assert all(machine.trouble for machine in world.machines[: fault_bound(size)])
