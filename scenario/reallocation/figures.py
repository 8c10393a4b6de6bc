"""What reallocation came to: seconds served, how fast slots were healed, money moved. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from oracle.ground.bitmap import span
from oracle.telemetry.traces.trace import Trace
from scenario.options import Schedule, Span
from scenario.reallocation.facts import Moves
from settlement.money import Rates

PPM = 1_000_000


@dataclass(frozen=True, slots=True)
class Told:
    """Slot-seconds by epoch. Of those wanted (the trace enrols the slot's first node) some are placed, of these some
    observed, of these some up."""

    wanted: tuple[int, ...]
    placed: tuple[int, ...]
    observed: tuple[int, ...]
    up: tuple[int, ...]

    def sums(self) -> dict[str, int]:
        """wanted = up + down + unmeasured + empty; and the share that was up of what is known, which is all but the
        unmeasured, in millionths."""
        wanted, placed, observed, up = (sum(each) for each in (self.wanted, self.placed, self.observed, self.up))
        known = wanted - placed + observed
        return {
            "wanted": wanted,
            "up": up,
            "down": observed - up,
            "unmeasured": placed - observed,
            "empty": wanted - placed,
            "up_ppm": up * PPM // known if known else 0,
        }


def told(plan: Schedule, trace: Trace) -> Told:
    """By the trace's whole ticks, as oracles count them, where every node keeps its slot."""
    clock, epochs = plan.clock, range(plan.first, plan.after)
    observed, up = dict.fromkeys(epochs, 0), dict.fromkeys(epochs, 0)
    for one in plan.spans:
        for epoch in _epochs(plan, one):
            ticks = span(clock.whole_ticks(epoch, one.start, one.end))
            bits = trace.bits(one.node, clock, epoch)
            up[epoch] += (bits.up & ticks).bit_count() * clock.tick
            observed[epoch] += (bits.seen & ticks).bit_count() * clock.tick
    wanted = _lengths(plan, plan.spans)
    return Told(wanted, wanted, tuple(observed.values()), tuple(up.values()))


def as_agreed(plan: Schedule, wanted: tuple[int, ...], spans: Sequence[Span], uptime: Sequence[Sequence[Any]]) -> Told:
    """By the rows of uptime.csv of a replay with these spans."""
    epochs = range(plan.first, plan.after)
    observed, up = dict.fromkeys(epochs, 0), dict.fromkeys(epochs, 0)
    for _, epoch, seconds_up, seconds_observed in uptime:
        up[int(epoch)] += int(seconds_up)
        observed[int(epoch)] += int(seconds_observed)
    return Told(wanted, _lengths(plan, spans), tuple(observed.values()), tuple(up.values()))


def _epochs(plan: Schedule, one: Span) -> range:
    last = plan.clock.covering(one.end)
    return range(max(plan.first, plan.clock.epoch_at(one.start)), min(plan.after, last + 1))


def _lengths(plan: Schedule, spans: Iterable[Span]) -> tuple[int, ...]:
    seconds = dict.fromkeys(range(plan.first, plan.after), 0)
    for one in spans:
        for epoch in _epochs(plan, one):
            seconds[epoch] += max(0, min(one.end, plan.clock.end(epoch)) - max(one.start, plan.clock.start(epoch)))
    return tuple(seconds.values())


def spread(seconds: Sequence[int]) -> dict[str, int]:
    """Least, median, 90th percentile, greatest (nearest rank) and mean, rounded down; empty for none."""
    if not seconds:
        return {}
    order = sorted(seconds)

    def rank(percent: int) -> int:
        return order[max(0, -(-percent * len(order) // 100) - 1)]

    return {"min": order[0], "median": rank(50), "p90": rank(90), "max": order[-1], "mean": sum(order) // len(order)}


def requests(moves: Moves) -> dict[str, Any]:
    """How many asked for another node, why, and what came of it; spans in seconds."""
    healed = [one for one in moves.moves if one.outcome == "healed" and one.answered_at is not None]
    outcomes = [one.outcome for one in moves.moves]
    return {
        "requests": len(outcomes),
        "by_reason": {
            reason.name.lower(): sum(one.reason is reason for one in moves.moves)
            for reason in sorted({one.reason for one in moves.moves})
        },
        **{name: outcomes.count(name) for name in ("healed", "forfeited", "over")},
        "reopened": len(moves.reopenings),
        "answered_after_reopening": sum(
            one.outcome == "forfeited" and one.answered_at is not None for one in moves.moves
        ),
        "held_back_by_cooldown": moves.cooling,
        "refills": moves.refills,
        "declined": moves.declined,
        "batches": len(moves.batches),
        "seconds_to_request": spread([one.asked_at - one.down_since for one in moves.moves]),
        "seconds_to_answer": spread([(one.answered_at or 0) - one.asked_at for one in healed]),
        "seconds_to_heal": spread([(one.answered_at or 0) - one.down_since for one in healed]),
    }


def outages(plan: Schedule, spans: Iterable[Span], trace: Trace) -> int:
    """How often a node was seen to go down while it served: runs of ticks seen down, by whole ticks."""
    found = 0
    for one in spans:
        was_down = 0
        for epoch in _epochs(plan, one):
            bits = trace.bits(one.node, plan.clock, epoch)
            down = bits.seen & ~bits.up & span(plan.clock.whole_ticks(epoch, one.start, one.end))
            found += (down & ~(down << 1 | was_down)).bit_count()
            was_down = down >> plan.clock.ticks_per_epoch - 1 & 1
    return found


def spares_up_ppm(plan: Schedule, trace: Trace) -> int:
    """How much of the observed time the spares were up, wherever the trace enrols them; millionths."""
    up = observed = 0
    for name in plan.nodes[plan.slots :]:
        for epoch in range(plan.first, plan.after):
            bits = trace.bits(name, plan.clock, epoch)
            up, observed = up + bits.up.bit_count(), observed + bits.seen.bit_count()
    return up * PPM // observed if observed else 0


def stand_ins(settlement: Iterable[Sequence[Any]], rates: Rates, homes: Sequence[str]) -> dict[str, int]:
    """What was earned in slots by others than their first node: seconds, and what was paid for them."""
    earned: dict[int, int] = {}
    for _, slot, key, node, _, seconds, _, _ in settlement:
        if node != homes[slot]:
            earned[key] = earned.get(key, 0) + seconds
    return {"earned_seconds": sum(earned.values()), "paid": sum(rates.net(one) for one in earned.values())}


def compared(
    payouts: Sequence[Sequence[Any]], without: Sequence[Sequence[Any]], names: Sequence[str]
) -> Mapping[str, Any]:
    """Where the money went in a replay without reallocation and in this one, and who has more or less by it."""
    sums = [
        dict(zip(names, (sum(int(row[place]) for row in rows) for place in range(1, 5)), strict=True))
        for rows in (without, payouts)
    ]
    before = {row[0]: int(row[1]) for row in without if row[0]}
    changes = [int(row[1]) - before[row[0]] for row in payouts if row[0]]
    return {
        "without": sums[0],
        "with": sums[1],
        "nodes_paid_less": -sum(one for one in changes if one < 0),
        "nodes_paid_more": sum(one for one in changes if one > 0),
    }
