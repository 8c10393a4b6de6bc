# SPDX-License-Identifier: Apache-2.0
"""Whatever the bits: all ticks are told, in a page's width, and what is told is what counts."""

from __future__ import annotations

import json

from hypothesis import given, settings
from hypothesis import strategies as st

from oracle.ground.clock import EpochClock
from oracle.ground.policy import EVIDENCE_CODES, Policy
from oracle.telemetry.store.records import EpochRecord, Kind, Line
from oracle.telemetry.strip import LOST, Assigned, TickClass, as_dict, explain, spans, totals
from oracle.telemetry.strip_text import text

NODES = [bytes([number]) * 20 for number in range(1, 8)]
ASSIGNMENT = 77


Case = tuple[EpochRecord, EpochClock, Assigned, int | None, int]

policies = st.builds(
    lambda evidence, shares, window, least: Policy(evidence, max(1, *shares), min(shares), window, least),
    st.sampled_from(sorted(EVIDENCE_CODES)),
    st.tuples(st.integers(0, 10**6), st.integers(0, 10**6)),
    st.integers(1, 65_535),
    st.integers(0, 2**32 - 1),
)


@st.composite
def cases(draw: st.DrawFn) -> Case:
    tick = draw(st.sampled_from([1, 2, 7, 10, 60, 3600]))
    ticks = draw(st.one_of(st.integers(1, 40), st.sampled_from([360, 8640])))
    clock = EpochClock(draw(st.integers(0, 2 * 10**9)), ticks * tick, tick)
    runs = st.lists(st.tuples(st.integers(0, ticks), st.integers(0, ticks)), max_size=4).map(
        lambda pairs: sum({1 << i for a, b in pairs for i in range(min(a, b), min(max(a, b), min(a, b) + 300))})
    )
    ways = tuple((f"way{number}", draw(runs)) for number in range(draw(st.integers(0, 2))))

    def line() -> Line:
        return Line(draw(runs), draw(runs), draw(st.integers(0, (1 << len(ways)) - 1)))

    name = ASSIGNMENT.to_bytes(16, "big")
    lines = {
        Kind.LIVENESS: {node: line() for node in NODES},
        Kind.REFUSED: {NODES[0]: line()},
        Kind.HEALTH: {NODES[0] + name: line()},
        Kind.UNHEALTHY: {NODES[0] + name: line()},
        Kind.PROBE: {name: line()},
        Kind.PULLED: {NODES[0]: line()},
        Kind.VOID: {b"": Line(seen=draw(runs))},
    }
    start, stop = sorted((draw(st.integers(0, ticks)), draw(st.integers(0, ticks))))
    over = draw(st.none() | st.integers(0, ticks))
    before = draw(st.integers(0, ticks))
    assigned = Assigned(ASSIGNMENT, range(start, stop), note=draw(st.text()), failure=draw(st.text(max_size=300)))
    return EpochRecord(3, ticks, ways, lines), clock, assigned, over, before


@settings(max_examples=60, deadline=None)
@given(cases(), policies)
def test_explain__any_epoch__is_told_whole_and_as_it_counts(case: Case, policy: Policy) -> None:
    record, clock, assigned, over, before = case
    told = explain(record, clock, NODES[0], [assigned], over=over, before=before, policy=policy)
    for track in told.tracks:
        assert len(track.classes) == sum(totals(track.classes).values()) == record.ticks
        assert sum(one.stop - one.first for one in spans(track.classes)) == record.ticks
        ticks = range(record.ticks) if track.assignment is None else assigned.ticks
        ticks = range(ticks.start, max(ticks.start, min(ticks.stop, record.ticks if over is None else over)))
        uptime = record.uptime(track.evidence, NODES[0], ASSIGNMENT, ticks)
        assert track.uptime == uptime
        money = track.money(policy, clock.tick)
        assert money.earned + money.withheld == uptime.observed * clock.tick
        assert money.earned + money.withheld + money.unmeasured == len(ticks) * clock.tick
        assert track.classes.count(TickClass.UP) == uptime.up
        assert sum(track.classes.count(kind) for kind in (*LOST, TickClass.UP)) == uptime.observed
    drawn = text(told)
    assert drawn.isascii()
    assert all(len(line) <= 100 for line in drawn.splitlines())
    for track in json.loads(json.dumps(as_dict(told)))["tracks"]:
        assert sum(one["to"] - one["from"] for one in track["spans"]) == clock.length
