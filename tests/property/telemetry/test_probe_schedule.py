# SPDX-License-Identifier: Apache-2.0
"""Probes at random: every tick is seen, uptime is unbiased, and nobody gains by watching his prober."""

from __future__ import annotations

import random
from collections.abc import Callable

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from oracle.telemetry.probes.schedule import Schedule

PERIOD = 6
MEMORY = 8640
IsUp = Callable[[int, int], bool]
"""Whether a workload is up, by tick and the tick of its last probe, negative if it failed that one."""


def simulate(works: list[IsUp], ticks: int, seed: int = 1) -> tuple[list[set[int]], list[set[int]], list[int]]:
    """What the schedule says of workloads over `ticks`: seen and up ticks, and how many each was truly up."""
    schedule = Schedule(PERIOD, random.Random(seed), MEMORY)
    names = range(len(works))
    seen: list[set[int]] = [set() for _ in names]
    up: list[set[int]] = [set() for _ in names]
    true = [0] * len(works)
    probed = [-1] * len(works)
    for tick in range(ticks):
        state = [works[name](tick, probed[name]) for name in names]
        for name in names:
            true[name] += state[name]
        due = schedule.begin(tick, names)
        outcomes = {name: state[name] for name in due}
        witnesses = {name: state[name] for name in schedule.witnesses(outcomes)}
        for name in due:
            probed[name] = tick if state[name] else -tick
        for covered in schedule.end(outcomes, witnesses, due):
            assert not seen[covered.assignment] & set(covered.seen)
            assert set(covered.up) <= set(covered.seen)
            seen[covered.assignment] |= set(covered.seen)
            up[covered.assignment] |= set(covered.up)
    return seen, up, true


def always(tick: int, probed: int) -> bool:
    return True


def outages(length: int, every: int, phase: int) -> IsUp:
    """Down for `length` ticks in every `every`, all the same."""
    return lambda tick, probed: (tick + phase) % every >= length


def down_after_a_probe(ticks: int) -> IsUp:
    """Down for some ticks after each answered probe, when a prober with even gaps would seldom come back."""
    return lambda tick, probed: probed < 0 or tick - probed > ticks


def up_after_a_probe(ticks: int) -> IsUp:
    """Comes up when it is probed, to look well when the failed probe is repeated, and goes down again."""
    return lambda tick, probed: tick - abs(probed) <= ticks


# Witnesses: enough healthy workloads that the prober never suspects itself.
HEALTHY = 60


@pytest.mark.parametrize("length", [1, 2, 3, 6, 12, 40])
def test_schedule__outages_of_one_length__uptime_is_unbiased(length: int) -> None:
    chance = random.Random(length)
    count = 40
    works: list[IsUp] = [outages(length, 97 + length, chance.randrange(10**6)) for _ in range(count)]
    ticks = 3000
    seen, up, true = simulate(works + [always] * HEALTHY, ticks)
    down = sum(len(seen[name]) - len(up[name]) for name in range(count))
    really = count * ticks - sum(true[:count])
    assert down == pytest.approx(really, rel=0.06)


@pytest.mark.parametrize("workload", [down_after_a_probe(3), down_after_a_probe(6), up_after_a_probe(1)])
def test_schedule__workload_that_watches_the_prober__gains_nothing(workload: IsUp) -> None:
    count, ticks = 40, 3000
    seen, up, true = simulate([workload] * count + [always] * HEALTHY, ticks)
    measured = sum(map(len, up[:count])) / sum(map(len, seen[:count]))
    assert measured == pytest.approx(sum(true[:count]) / (count * ticks), abs=0.03)


def test_schedule__healthy_workload__every_tick_is_seen_and_up() -> None:
    seen, up, _ = simulate([always] * 20, 2000)
    assert seen == up
    # Only what comes after the last outcome that counts is still open.
    assert all(ticks == set(range(len(ticks))) and len(ticks) > 2000 - 10 * PERIOD for ticks in seen)


@settings(deadline=None, max_examples=50)
@given(st.integers(0, 400), st.integers(20, 200), st.integers(0, 2**32))
def test_schedule__one_outage__every_tick_is_seen_and_its_end_is_known_to_the_tick(
    start: int, length: int, seed: int
) -> None:
    ticks = 800
    work = [lambda tick, probed: not start <= tick < start + length] + [always] * HEALTHY
    seen, up, _ = simulate(work, ticks, seed)
    known = seen[0]
    assert known == set(range(len(known)))
    down = sorted(known - up[0])
    if not down:
        assert length < 10 * PERIOD  # no probe met it
        return
    met = [tick for tick in down if start <= tick < start + length]
    assert met[-1] == start + length - 1  # probed in every tick, to the end
    # Beyond the ticks of failed probes it is charged period - 1, whenever the first probe met it.
    first = next(tick for tick in range(start, ticks) if tick not in up[0])
    assert length - 10 * PERIOD <= len(down) <= length + PERIOD - 1
    assert first <= start + 10 * PERIOD


@settings(deadline=None, max_examples=50)
@given(st.integers(100, 300), st.integers(10, 100), st.integers(15, 40), st.integers(0, 2**32))
def test_schedule__prober_blind__nobody_is_down(start: int, length: int, count: int, seed: int) -> None:
    """All fail from within one tick to within another: thrown away, the half-blind ticks too."""
    chance = random.Random(seed)
    edges = {start, start + length - 1}
    blind = {(name, tick) for tick in edges for name in range(count) if chance.random() < 0.5}

    def work(name: int) -> IsUp:
        return lambda tick, probed: not ((start < tick < start + length - 1) or (name, tick) in blind)

    seen, up, _ = simulate([work(name) for name in range(count)], 500, seed)
    lost = sum(len(seen[name] - up[name]) for name in range(count))
    assert lost == 0


def test_schedule__most_workloads_down_one_after_another__is_downtime() -> None:
    works: list[IsUp] = [lambda tick, probed, name=name: tick < 100 + 10 * name for name in range(30)]  # type: ignore[misc]
    seen, up, _ = simulate(works + [always] * 3, 600)
    assert all(len(seen[name] - up[name]) >= 600 - 100 - 10 * name - 10 * PERIOD for name in range(30))


def test_schedule__tick_left_out__is_seen_by_nobody() -> None:
    schedule = Schedule(1, random.Random(1), MEMORY)
    seen: set[int] = set()
    for tick in [*range(10), *range(15, 25)]:
        due = schedule.begin(tick, [7])
        for covered in schedule.end(dict.fromkeys(due, True), {}, due):
            seen |= set(covered.seen)
    assert seen == {*range(9), *range(15, 24)}


def test_schedule__probe_without_its_turn__stays_due_and_is_covered_later() -> None:
    schedule = Schedule(1, random.Random(1), MEMORY)
    seen: set[int] = set()
    for tick in range(6):
        due = schedule.begin(tick, [7])
        assert due == [7]
        for covered in schedule.end({} if tick in (2, 3) else {7: True}, {}, due):
            seen |= set(covered.seen)
    assert seen == set(range(5))
