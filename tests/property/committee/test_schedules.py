# SPDX-License-Identifier: Apache-2.0
"""Rounds follow each other without a gap, turns without an end, and everyone gets his turn."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from oracle.committee.schedule import PARTS, Schedule, distance, leader
from oracle.ground.clock import EpochClock
from oracle.ground.errors import InvalidValue

pytestmark = pytest.mark.property

EPOCHS = st.integers(0, 2**32)


@st.composite
def schedules(draw: st.DrawFn) -> Schedule:
    tick = draw(st.integers(1, 60))
    clock = EpochClock(draw(st.integers(0, 2**33)), tick * draw(st.integers(1, 10_000)), tick)
    return Schedule(clock, draw(st.integers(0, 10_000)), draw(st.integers(1, 100_000)))


@given(schedules(), EPOCHS)
def test_due__from_a_rounds_begin_to_the_next__is_its_epoch(schedule: Schedule, epoch: int) -> None:
    begin, after = schedule.begin(epoch), schedule.begin(epoch + 1)
    assert after - begin == schedule.clock.length
    assert schedule.due(begin) == epoch
    assert schedule.due((begin + after) / 2) == epoch
    assert schedule.due(begin - 1) == epoch - 1 or schedule.clock.length == 1


@given(schedules(), st.floats(-(2.0**34), 2.0**34), st.floats(0, 1e6))
def test_due__time_goes_on__never_falls(schedule: Schedule, now: float, later: float) -> None:
    assert -1 <= schedule.due(now) <= schedule.due(now + later)


@given(schedules(), EPOCHS, st.integers(0, 1_000))
def test_turn__by_parts_of_the_agreement_span__counts_up_from_0(schedule: Schedule, epoch: int, count: int) -> None:
    deadline, part = schedule.deadline(epoch), schedule.agreement_span / PARTS
    assert schedule.turn(epoch, schedule.begin(epoch) - 1e5) == 0
    assert schedule.turn(epoch, deadline) == 0
    assert schedule.turn(epoch, deadline + (count + 0.5) * part) == count


@given(st.integers(4, 40), EPOCHS, st.integers(0, 2**32))
def test_leader__as_many_turns_as_members__each_leads_once(size: int, epoch: int, turn: int) -> None:
    members = tuple(bytes([one]) * 20 for one in range(size))
    leaders = [leader(members, epoch, turn + after) for after in range(size)]
    assert sorted(leaders) == list(members)
    assert [distance(members, epoch, turn, one) for one in leaders] == list(range(size))
    assert leader(members, epoch + 1, turn) == leaders[1]


@pytest.mark.parametrize(("settle", "span"), [(-1, 6), (0, 0)])
def test_schedule__times_that_make_no_sense__are_refused(settle: int, span: int) -> None:
    with pytest.raises(InvalidValue, match="give 0 or more"):
        Schedule(EpochClock(0, 10), settle, span)
