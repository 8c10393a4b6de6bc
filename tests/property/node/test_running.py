# SPDX-License-Identifier: Apache-2.0
"""Restarts, steps and ports for any history, order and host."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from node.running.errors import TryAgain
from node.running.plan import Wanted, plan, room
from node.running.ports import choose
from node.running.restart import History, Verdict, backoff, decide
from oracle.ground.ids import pack
from orchestrator.wire.intent_parts import RESTART_POLICIES, Resources, Restart

RULES = st.builds(
    lambda policy, most, pauses, reset: Restart(policy, most, min(pauses), max(pauses), reset),
    st.sampled_from(RESTART_POLICIES),
    st.integers(0, 20),
    st.tuples(st.integers(0, 86_400), st.integers(0, 86_400)),
    st.integers(0, 1_000),
)
ENDS = st.lists(st.tuples(st.booleans(), st.integers(0, 2_000)), max_size=60)
ASSIGNMENTS = st.builds(pack, st.integers(1, 3), st.integers(0, 2), st.integers(1, 3))
ORDERS = st.dictionaries(
    ASSIGNMENTS, st.builds(Wanted, st.sampled_from([b"a" * 32, b"b" * 32]), st.sampled_from([(), ("h:1",)]))
)
AMOUNTS = st.builds(Resources, *[st.integers(0, 50)] * 3)


@given(rule=RULES, ends=ENDS)
def test_decide__any_life__keeps_to_its_rule(rule: Restart, ends: list[tuple[bool, int]]) -> None:
    now, history, in_a_row = 1_000_000, History(0, 1_000_000), 0
    for failed, lived in ends:
        history = History(history.restarts, now)
        now += lived
        in_a_row = 0 if lived >= rule.reset_seconds else in_a_row
        found = decide(rule, history, failed, now)
        if found.verdict is not Verdict.AGAIN:
            ended_well = rule.policy in ("no", "on-failure") and not failed
            assert (found.verdict is Verdict.STOPPED) == ended_well
            assert ended_well or rule.policy == "no" or in_a_row == rule.max_restarts > 0
            return
        assert rule.policy != "no"
        assert failed or rule.policy != "on-failure"
        pause = found.at - now
        assert pause == min(rule.backoff_longest_seconds, rule.backoff_seconds * 2**in_a_row)
        in_a_row += 1
        assert not rule.max_restarts or in_a_row <= rule.max_restarts
        now, history = found.at, found.history


@given(first=st.integers(0, 10**6), longest=st.integers(0, 10**6), failures=st.integers(0, 10**6))
def test_backoff__more_failures__never_shorter_nor_beyond(first: int, longest: int, failures: int) -> None:
    pause = backoff(first, longest, failures)
    assert min(first, longest) <= pause <= longest
    assert pause <= backoff(first, longest, failures + 1)


@given(wanted=ORDERS, running=ORDERS, fenced=st.sets(ASSIGNMENTS))
def test_plan__carried_out__runs_what_is_wanted_and_nothing_fenced(
    wanted: dict[int, Wanted], running: dict[int, Wanted], fenced: set[int]
) -> None:
    steps = plan(wanted, running, fenced)
    every = [*steps.stop, *steps.start, *steps.change, *steps.tell]
    assert len(set(every)) == len(every)
    after = {one: each for one, each in running.items() if one not in steps.stop}
    for one in (*steps.start, *steps.change, *steps.tell):
        assert (one in after) == (one not in steps.start)
        assert one not in steps.tell or after[one].intent == wanted[one].intent
        after[one] = wanted[one]
    assert after == {one: each for one, each in wanted.items() if one not in fenced}
    again = plan(wanted, after, fenced)
    assert again == plan({}, {}, ())


@given(capacity=AMOUNTS, others=st.lists(AMOUNTS, max_size=5), asked=AMOUNTS)
def test_room__what_fits_into_it__never_goes_beyond_the_capacity(
    capacity: Resources, others: list[Resources], asked: Resources
) -> None:
    total = asked
    for each in others:
        total = total + each
    left = room(capacity, others)
    assert total.fits(capacity) <= asked.fits(left)
    for name in ("cpu_millis", "memory_mb", "storage_mb"):
        if getattr(asked, name) and getattr(asked, name) <= getattr(left, name):
            assert getattr(total, name) <= getattr(capacity, name)


NUMBERS = st.integers(1020, 1040)
PORTS = st.dictionaries(st.sampled_from(["main", "a", "b", "c"]), NUMBERS)


@given(
    wished=PORTS,
    before=PORTS,
    taken=st.sets(st.integers(1020, 1040)),
    busy=st.sets(st.integers(1020, 1040)),
    size=st.integers(1, 9),
)
def test_choose__any_host__free_ports_all_different_or_none(
    wished: dict[str, int], before: dict[str, int], taken: set[int], busy: set[int], size: int
) -> None:
    offered = range(1030, 1030 + size)
    try:
        found = choose(wished, before, taken, offered, lambda port: port not in busy)
    except TryAgain:
        assert len(set(offered) - taken - busy) < len(wished)
        return
    assert found.keys() == wished.keys()
    assert len(set(found.values())) == len(found)
    assert not set(found.values()) & (taken | busy)
    assert all(port >= 1024 for port in found.values())


def test_choose__had_one_before__has_it_again() -> None:
    assert choose({"main": 0}, {"main": 1035}, (), range(1030, 1040), lambda port: True) == {"main": 1035}
    with pytest.raises(TryAgain, match="widen --ports"):
        choose({"main": 0}, {}, {1030}, range(1030, 1031), lambda port: True)
