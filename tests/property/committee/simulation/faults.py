# SPDX-License-Identifier: Apache-2.0
"""What goes wrong in an epoch's round, by its mood; all of it is mended when the round is over."""

from __future__ import annotations

from collections.abc import Callable
from random import Random
from typing import TYPE_CHECKING

from oracle.ground.median import fault_bound
from tests.property.committee.simulation.plan import Mood

if TYPE_CHECKING:
    from tests.property.committee.simulation.oracle import SimOracle
    from tests.property.committee.simulation.simulation import Simulation

SQUALL = 25.0
"""Seconds that a squall lasts from the beginning of a round: messages sent in its first moments are given up then."""
AFTER_SILENCE = 4.0
"""Seconds that a silence lasts beyond the next round's beginning: clocks differ by a little."""


class Faults:
    """Arranges them beforehand."""

    def __init__(self, world: Simulation) -> None:
        self.world = world
        self.chance = Random(f"{world.plan.seed} faults")
        self.count = 0

    def arrange(self, epoch: int, mood: Mood) -> None:
        """What goes wrong from the beginning of an epoch's round to that of the next."""
        plan, time = self.world.plan, self.world.time
        begin, end = plan.schedule.begin(epoch), plan.schedule.begin(epoch + 1)
        after = [*plan.moods, Mood.CALM][epoch + 1]
        if mood is Mood.SILENCE:
            time.at(begin - 3, self._silence)
            if after is not Mood.SILENCE:  # those who are cut off stay so
                time.at(end + AFTER_SILENCE, self.mend)
        elif mood is Mood.SQUALL:
            for _ in range(self.chance.randint(1, 3)):
                time.at(begin + self.chance.uniform(-3, 5), self.chance.choice((self._scatter, self._crash)))
            time.at(begin + SQUALL, self.mend)
        elif mood is Mood.CHAOS:
            for _ in range(self.chance.randint(2, 7)):
                fault = self.chance.choice(self._faults())
                time.at(self.chance.uniform(begin, end - 5), fault)
            if after is not Mood.CHAOS:
                time.at(end - 4, self.mend)

    def mend(self) -> None:
        """Everything is as it should be. Who is down comes up."""
        world = self.world
        world.network.calm(world.plan.swift)
        world.lazy_miners = 0.0
        for oracle in world.oracles:
            oracle.reader.late = int(self.chance.random() < 0.3)
            oracle.reader.out = False
            oracle.reader.failing = 0.0
            oracle.store.disk.writes_left = None
            if oracle.number not in world.plan.lost:
                oracle.skew = self.chance.uniform(-2.5, 2.5)
                oracle.start()
        world.trace(-1, "all is mended")

    def _silence(self) -> None:
        world = self.world
        state = world.chain.head.state.at(int(world.time.now))
        members = state.sets[state.current - 1]
        good = [one for one in world.oracles if one.honest and one.address in members]
        good = [one for one in good if one.number not in world.plan.lost]
        for one in self.chance.sample(good, fault_bound(len(members)) + 1):
            if self.chance.random() < 0.3:
                one.crash(back_after=1e9)  # or when all is mended
            else:
                world.network.islands[one.number] = 1 + one.number
                world.trace(one.number, "is cut off")

    def _faults(self) -> list[Callable[[], None]]:
        return [
            self._crash,
            self._crash,
            self._crash_at_a_write,
            self._part,
            self._part,
            self._lose,
            self._clock,
            self._provider,
            self._provider,
            self._reorganise,
            self._miners,
            self._veto,
            self._change,
            self._change,
        ]

    def _some(self) -> list[SimOracle]:
        known = [one for one in self.world.oracles if one.number not in self.world.plan.lost]
        return self.chance.sample(known, self.chance.randint(1, len(known)))

    def _crash(self) -> None:
        for one in self._some():
            one.crash(self.chance.uniform(0.5, 40))

    def _crash_at_a_write(self) -> None:
        for one in self._some():
            one.store.disk.writes_left = self.chance.randint(1, 6)
            one.store.disk.crash_before = self.chance.random() < 0.5

    def _part(self) -> None:
        ways = self.chance.randint(2, 4)
        islands = {one.number: self.chance.randrange(ways) for one in self.world.oracles}
        self.world.network.islands = islands
        self.world.trace(-1, f"parted: {islands}")
        self.world.time.after(self.chance.uniform(3, 60), islands.clear)  # these alone: others may have followed

    def _scatter(self) -> None:
        self.world.network.islands = {one.number: 1 + one.number for one in self.world.oracles}

    def _lose(self) -> None:
        network = self.world.network
        network.loss, network.doubling = self.chance.uniform(0, 0.8), self.chance.uniform(0, 0.5)
        network.slow = self.chance.uniform(0.5, 20)

    def _clock(self) -> None:
        for one in self._some():
            one.skew = self.chance.choice((1, -1)) * self.chance.choice((3.0, 9.0, 30.0, 600.0, 7_200.0))
            self.world.trace(one.number, f"has its clock wrong by {one.skew}")

    def _provider(self) -> None:
        for one in self._some():
            kind = self.chance.randint(0, 2)
            one.reader.out = kind == 0
            one.reader.failing = 0.2 if kind == 1 else 0.0
            one.reader.late = self.chance.randint(1, 8) if kind == 2 else 0

    def _reorganise(self) -> None:
        chain = self.world.chain
        depth = min(self.world.plan.finality, len(chain.blocks) - 1)
        if depth:
            chain.reorganise(self.chance.randint(1, depth))
            self.world.trace(-1, "the chain is reorganised")

    def _miners(self) -> None:
        self.world.lazy_miners = self.chance.uniform(0.3, 0.95)

    def _veto(self) -> None:
        self.count += 1
        self.world.chain.send(self.world.chain.veto(f"veto {self.count}"))

    def _change(self) -> None:
        """Another committee: a member more, a member less, or another in its place."""
        world, chance = self.world, self.chance
        self.count += 1
        head = world.chain.head
        state = head.state.at(head.timestamp)
        first = {world.oracles[one].address for one in world.plan.members}
        spare = {world.oracles[one].address for one in world.plan.spares}
        if not spare or state.announced:
            return
        another = (first | spare) - {chance.choice(sorted(first))}
        members = tuple(sorted(chance.choice((first, first | spare, first | spare, another))))
        if chance.random() < 0.6:
            made = world.chain.schedule(f"schedule {self.count}", members)
        else:
            made = world.chain.supplant(f"supplant {self.count}", members)
        world.chain.send(made)
        world.trace(-1, f"another committee: {len(members)} members, {made.name}")
