# SPDX-License-Identifier: Apache-2.0
"""What the senders know of what they sent, to hold against what the store says afterwards."""

from __future__ import annotations

import time
from array import array
from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from math import ceil
from typing import Any, Final

from oracle.ground.clock import EpochClock
from oracle.telemetry.store.records import EpochRecord, Kind

PERCENTILES: Final = (50.0, 90.0, 99.0, 99.9)


@dataclass(frozen=True, slots=True)
class Verdict:
    """A store held against its witness, in heartbeats' ticks of nodes."""

    acknowledged: int
    unanswered: int
    """Ticks in which a heartbeat may have counted that nobody acknowledged."""
    marked: int
    lost: int
    """Acknowledged but not in the store."""
    invented: int
    """In the store, but nothing was sent that could have counted there."""

    @property
    def holds(self) -> bool:
        return not self.lost and not self.invented

    def __str__(self) -> str:
        return (
            f"acknowledged {self.acknowledged:,} ticks of nodes, in the store {self.marked:,}, of which at most "
            f"{self.unanswered:,} unanswered; lost {self.lost:,}, invented {self.invented:,}"
        )


class Witness:
    """Keeps what became of each heartbeat, by node number, epoch and tick, and how long the answers took."""

    def __init__(self, clock: EpochClock, nodes: int) -> None:
        self.clock = clock
        self.nodes = nodes
        self.accepted = 0
        """Heartbeats acknowledged."""
        self.answers = 0
        self.lost = 0
        """Requests that got no answer."""
        self.refused: Counter[str] = Counter()
        self.failed: Counter[str] = Counter()
        """Requests that brought no judgement, by HTTP status or reason."""
        self.latencies = array("d")
        """Seconds of each answered request."""
        self._acknowledged: dict[int, list[int]] = defaultdict(lambda: [0] * nodes)
        self._possible: dict[int, list[int]] = defaultdict(lambda: [0] * nodes)

    def answered(self, nodes: Sequence[int], status: int, answer: dict[str, Any], took: float, sent_at: float) -> None:
        """A request with a heartbeat of each of those nodes, or with none, was answered."""
        self.answers += 1
        self.latencies.append(took)
        refused = answer.get("refused", ())
        for one in refused:
            self.refused[one["reason"]] += 1
        if status == 200 and nodes:
            masks = self._acknowledged[answer["epoch"]]
            bit = 1 << answer["tick"]
            without = {one["index"] for one in refused}
            for index, node in enumerate(nodes):
                if index not in without:
                    masks[node] |= bit
            self.accepted += len(nodes) - len(without)
        elif status != 200:
            self.failed[str(status)] += 1
            if status >= 500:  # it may have been marked before it failed
                self.unanswered(nodes, sent_at)

    def unanswered(self, nodes: Iterable[int], sent_at: float) -> None:
        """A request was sent at `sent_at` (UNIX seconds), and now it is sure that no answer comes."""
        self.lost += 1
        per_epoch, tick, genesis = self.clock.ticks_per_epoch, self.clock.tick, self.clock.genesis
        first, last = (int(moment - genesis) // tick for moment in (sent_at, time.time()))
        for node in nodes:
            for counted in range(first, last + 1):
                self._possible[counted // per_epoch][node] |= 1 << counted % per_epoch

    @property
    def epochs(self) -> list[int]:
        """The epochs in which anything was sent."""
        return sorted(self._acknowledged.keys() | self._possible.keys())

    def judge(self, records: Iterable[EpochRecord], names: Sequence[bytes]) -> Verdict:
        """Hold the store's records of `epochs` against this. `names`: the nodes' addresses, in order."""
        acknowledged = unanswered = marked = lost = invented = 0
        numbers = {name: number for number, name in enumerate(names)}
        for record in records:
            told = self._acknowledged.get(record.epoch) or [0] * self.nodes
            maybe = self._possible.get(record.epoch) or [0] * self.nodes
            lines = record.lines.get(Kind.LIVENESS, {})
            invented += sum(line.up.bit_count() for name, line in lines.items() if name not in numbers)
            for name, number in numbers.items():
                up = record.line(Kind.LIVENESS, name).up
                acknowledged += told[number].bit_count()
                unanswered += (maybe[number] & ~told[number]).bit_count()
                marked += up.bit_count()
                lost += (told[number] & ~up).bit_count()
                invented += (up & ~told[number] & ~maybe[number]).bit_count()
        return Verdict(acknowledged, unanswered, marked, lost, invented)

    def percentiles(self) -> list[tuple[str, float]]:
        """(name, seconds) of the answers' latencies."""
        if not self.latencies:
            return []
        ordered = sorted(self.latencies)
        at = [(f"p{one:g}", ordered[max(0, ceil(len(ordered) * one / 100) - 1)]) for one in PERCENTILES]
        return [*at, ("max", ordered[-1])]
