# SPDX-License-Identifier: Apache-2.0
"""Moves of a replay with reallocation: what always holds, whatever the trace."""

from __future__ import annotations

import csv
from itertools import pairwise
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from oracle.ground.policy import Policy
from oracle.telemetry.traces.trace import load
from scenario.options import Reallocation, ReplayOptions, schedule
from scenario.reallocation.calls import committee_of
from scenario.reallocation.facts import Moves
from scenario.reallocation.figures import outages, spread
from scenario.reallocation.moves import plan_moves

pytestmark = pytest.mark.unit

GENESIS, LENGTH, TICK, EPOCHS = 1_700_000_000, 200, 10, 4
POLICY = Policy(outage_seconds=30, missed_epochs=1, answer_seconds=40, cooldown_seconds=70)
RULES = Reallocation(answer_delay=7, reopen_after=45)
NODES = "abcde"

# Each node: lengths and states one after the other, from the genesis on; "" is not enrolled.
_PARTS = st.lists(
    st.tuples(st.integers(1, 260), st.sampled_from(["up", "up", "down", "unknown", ""])), min_size=1, max_size=12
)
_TRACES = st.fixed_dictionaries(dict.fromkeys(NODES, _PARTS))

Rows = list[tuple[str, int, int, str]]


def rows_of(told: dict[str, list[tuple[int, str]]]) -> Rows:
    """As rows of a trace of EPOCHS epochs, in whose last tick everybody is up: each node and epoch is there."""
    rows, end = [], GENESIS + EPOCHS * LENGTH
    for name, parts in told.items():
        at = GENESIS
        for length, state in parts:
            until = min(at + length, end - TICK)
            if state and at < until:
                rows.append((name, at, until, state))
            at = until
        rows.append((name, at, end, "up"))
    return rows


def moved(rows: Rows, spares: int = 2) -> Moves:
    with TemporaryDirectory() as folder:
        path = Path(folder) / "trace.csv"
        with path.open("w", encoding="utf-8", newline="") as file:
            csv.writer(file, lineterminator="\n").writerows([("node", "start", "end", "state"), *rows])
        trace = load(path)
        options = ReplayOptions(
            path, path, GENESIS, LENGTH, TICK, (0, EPOCHS), 4, POLICY, 10**6, 1, 1, 0, None, "direct", spares, RULES
        )
        return plan_moves(trace, schedule(options, trace), POLICY, RULES, committee_of(4))


@settings(max_examples=150, deadline=None)
@given(_TRACES)
def test_moves__any_trace__keep_to_what_the_contracts_allow(told: dict[str, list[tuple[int, str]]]) -> None:
    moves = moved(rows_of(told))
    by_slot = {slot: [one for one in moves.spans if one.slot == slot] for slot in range(3)}
    for spans in by_slot.values():
        assert [one.generation for one in spans] == list(range(1, len(spans) + 1))
        assert all(before.end <= after.start for before, after in pairwise(spans))
    for name in NODES:
        mine = sorted((one.start, one.end) for one in moves.spans if one.node == name)
        assert all(before[1] <= after[0] for before, after in pairwise(mine))
    reopened = {(slot, at) for at, slot in moves.reopenings}
    asked: dict[int, int] = {}
    for one in moves.moves:
        epoch_start = GENESIS + (one.asked_at - GENESIS) // LENGTH * LENGTH
        (span,) = [each for each in by_slot[one.slot] if each.generation == one.generation]
        assert span.end == one.as_of >= max(span.start, epoch_start)
        assert one.asked_at >= asked.get(one.slot, 0)
        asked[one.slot] = one.cooldown_ends
        assert one.down_since <= one.as_of < one.asked_at
        if one.answered_at is not None and one.answered_at > one.deadline:
            assert any(slot == one.slot and one.deadline < at <= one.answered_at for slot, at in reopened)
        after = [each for each in by_slot[one.slot] if one.asked_at <= each.start < one.cooldown_ends]
        assert one.node not in [each.node for each in after]


@settings(max_examples=100, deadline=None)
@given(_TRACES, _TRACES, st.data())
def test_moves__up_to_any_time__depend_on_nothing_later(
    one: dict[str, list[tuple[int, str]]], other: dict[str, list[tuple[int, str]]], data: st.DataObject
) -> None:
    """Two traces alike up to a time have the same moves a tick before it: the tick under way tells who accepts."""
    first = rows_of(one)
    whole = moved(first)
    # Just after something happened, where looking ahead would show.
    times = {each.start for each in whole.spans} | {each.asked_at for each in whole.moves}
    until = data.draw(st.sampled_from(sorted(times))) + TICK + 1

    def begins(rows: Rows) -> Rows:
        return [(name, start, min(end, until), state) for name, start, end, state in rows if start < until]

    def goes_on(rows: Rows) -> Rows:
        return [(name, max(start, until), end, state) for name, start, end, state in rows if end > until]

    pair = [whole, moved(sorted([*begins(first), *goes_on(rows_of(other))]))]
    known = until - TICK

    def past(moves: Moves) -> tuple[object, ...]:
        return (
            [(s.slot, s.generation, s.node, s.start) for s in moves.spans if s.start < known],
            [(m.slot, m.generation, m.reason, m.as_of, m.asked_at) for m in moves.moves if m.asked_at < known],
            [each for each in moves.closings if each[0] < known],
        )

    assert past(pair[0]) == past(pair[1])


def test_spread__of_some__is_by_nearest_rank() -> None:
    assert spread(range(1, 11)) == {"min": 1, "median": 5, "p90": 9, "max": 10, "mean": 5}
    assert spread([]) == {}


def test_outages__over_an_epochs_edge__count_once() -> None:
    rows = [("a", GENESIS, GENESIS + 190, "up"), ("a", GENESIS + 190, GENESIS + 215, "down")]
    rows += [("a", GENESIS + 215, GENESIS + 800, "up"), ("b", GENESIS, GENESIS + 800, "up")]
    with TemporaryDirectory() as folder:
        path = Path(folder) / "trace.csv"
        path.write_text("node,start,end,state\n" + "".join(",".join(map(str, row)) + "\n" for row in rows))
        trace = load(path)
        options = ReplayOptions(path, path, GENESIS, LENGTH, TICK, (0, EPOCHS), 4, POLICY, 10**6, 1, 1, 0, None)
        plan = schedule(options, trace)
        assert outages(plan, plan.spans, trace) == 1
