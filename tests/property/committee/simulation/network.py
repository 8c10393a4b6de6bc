# SPDX-License-Identifier: Apache-2.0
"""Virtual time, and a network that delays, reorders, loses, doubles and parts what oracles send."""

from __future__ import annotations

import heapq
from collections.abc import Callable, Hashable
from dataclasses import dataclass, field
from random import Random

from tests.property.committee.simulation.plan import PART


@dataclass(slots=True)
class Time:
    """What is to happen, by when. Of what happens at one moment, chance says which comes first."""

    chance: Random
    now: float = 0.0
    _queue: list[tuple[float, float, int, Callable[[], None]]] = field(default_factory=list)
    _count: int = 0

    def at(self, when: float, what: Callable[[], None]) -> None:
        """Have something happen; not before now."""
        self._count += 1
        heapq.heappush(self._queue, (max(when, self.now), self.chance.random(), self._count, what))

    def after(self, delay: float, what: Callable[[], None]) -> None:
        """Have something happen later."""
        self.at(self.now + delay, what)

    def run(self, until: float) -> None:
        """Let time pass."""
        while self._queue and self._queue[0][0] <= until:
            self.now, _, _, what = heapq.heappop(self._queue)
            what()
        self.now = until


@dataclass(slots=True)
class Network:
    """Who reaches whom, how fast, and how surely. Oracles are numbers.

    islands  by oracle, where it is: those of one island reach each other; all are on 0 while nothing is parted
    loss     how likely an attempt is to fail; doubling: how likely what came comes once more, later
    """

    time: Time
    chance: Random
    swift: float
    slow: float
    deliver: Callable[[int, bytes], None]
    is_up: Callable[[int], bool]
    loss: float = 0.0
    doubling: float = 0.0
    islands: dict[int, int] = field(default_factory=dict)
    newest: dict[tuple[int, int, Hashable], bytes] = field(default_factory=dict)

    def calm(self, swift: float) -> None:
        """Mend everything."""
        self.loss = self.doubling = 0.0
        self.swift = self.slow = swift
        self.islands = {}

    def reaches(self, one: int, other: int) -> bool:
        """Whether an attempt may come through now."""
        return self.is_up(other) and self.islands.get(one, 0) == self.islands.get(other, 0)

    def post(self, sender: int, to: int, raw: bytes, slot: Hashable = None) -> None:
        """Send, and try again for as long as an outbox does; not once there is something newer for the same slot."""
        place = (sender, to, raw if slot is None else slot)
        self.newest[place] = raw
        self._attempt(place, raw, self.time.now + 2 * PART)

    def _attempt(self, place: tuple[int, int, Hashable], raw: bytes, until: float) -> None:
        sender, to, _ = place

        def arrive() -> None:
            if not self.reaches(sender, to) or (self.loss and self.chance.random() < self.loss):
                if self.time.now < until and self.is_up(sender) and self.newest[place] is raw:
                    wait = self.chance.uniform(0.2, 2.0)
                    self.time.after(wait, lambda: self._attempt(place, raw, until))
                return
            if self.doubling and self.chance.random() < self.doubling:
                self.time.after(self.chance.uniform(0, 3 * PART), lambda: self.deliver(to, raw))
            self.deliver(to, raw)

        self.time.after(self._delay(), arrive)

    def fetch(
        self, asker: int, peer: int, serve: Callable[[], bytes | None], done: Callable[[bytes | None], None]
    ) -> None:
        """Ask a peer for something; `done` is told None when it doesn't come."""

        def asked() -> None:
            comes = self.reaches(asker, peer) and not (self.loss and self.chance.random() < self.loss)
            answer = serve() if comes else None
            self.time.after(self._delay(), lambda: done(answer if self.reaches(peer, asker) else None))

        self.time.after(self._delay(), asked)

    def _delay(self) -> float:
        return self.chance.uniform(0.001, self.slow if self.chance.random() < 0.3 else self.swift)
