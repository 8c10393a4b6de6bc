# SPDX-License-Identifier: Apache-2.0
"""A committee, its chain and its network in virtual time: what a seed settles happens, and is looked at."""

from __future__ import annotations

import zlib
from dataclasses import dataclass
from functools import lru_cache
from random import Random

from oracle.committee.appeal import gather
from oracle.committee.messages import Envelope, Kind
from oracle.ground.address import raw_address
from oracle.telemetry.wire import receipt
from tests.property.committee.simulation.audit import Audit
from tests.property.committee.simulation.chain import SimChain
from tests.property.committee.simulation.faults import Faults
from tests.property.committee.simulation.liar import Liar
from tests.property.committee.simulation.memory import remembered_signers
from tests.property.committee.simulation.network import Network, Time
from tests.property.committee.simulation.oracle import SimOracle
from tests.property.committee.simulation.plan import BLOCK, GENESIS, HEARTBEATS, Plan, address_of, planned
from tests.property.committee.simulation.reader import NODES, placed
from tests.property.committee.simulation.store import seen

OVERHEARD = 200


@dataclass(frozen=True, slots=True)
class Result:
    """How a seed went. `digest` is the same whenever the same code runs the same seed."""

    seed: int
    violations: tuple[str, ...]
    final: int
    failed: int
    digest: int
    trace: tuple[str, ...]


def simulate(seed: int, *, tell: bool = False) -> Result:
    """Run one seed; with `tell`, its whole story is in the result's trace."""
    with remembered_signers():
        return Simulation(planned(seed), tell).run()


class Simulation:
    """The world of one seed."""

    def __init__(self, plan: Plan, tell: bool = False) -> None:
        self.plan = plan
        self.tell = tell
        self.story: list[str] = []
        self.digest = 0
        self.chance = Random(f"{plan.seed} world")
        self.time = Time(Random(self.chance.random()), float(GENESIS))
        self.chain = SimChain(plan.clock, tuple(map(address_of, plan.members)))
        self.audit = Audit(self)
        self.chain.on_submitted = self.audit.on_chain
        self.placed = placed(self.chain)
        self.network = Network(
            self.time,
            Random(self.chance.random()),
            plan.swift,
            plan.swift,
            lambda to, raw: self.oracles[to].receive(raw),
            lambda one: self.oracles[one].up,
        )
        self.oracles = [(Liar if one in plan.liars else SimOracle)(one, self) for one in plan.oracles]
        self._by_address = {one.address: one for one in self.oracles}
        self.overheard: list[bytes] = []
        self.faults = Faults(self)
        self.lazy_miners = 0.0
        """How likely a transaction is to wait for another block."""

    def run(self) -> Result:
        """All of it."""
        plan = self.plan
        last = len(plan.moods)
        for oracle in self.oracles:
            wrong = plan.lost.get(oracle.number)
            oracle.skew = self.chance.uniform(-2.5, 2.5) if wrong is None or oracle.number in plan.shaky else wrong
            if oracle.number in plan.shaky:
                self._shake(oracle)
            if wrong != 0 or oracle.number in plan.shaky:
                self.time.after(self.chance.uniform(0, 3), oracle.start)
        self.time.after(BLOCK, self._mine)
        for epoch, mood in enumerate(plan.moods):
            self.time.at(plan.clock.end(epoch), lambda epoch=epoch: self._epoch_over(epoch))  # type: ignore[misc]
            self.faults.arrange(epoch, mood)
        self.time.run(plan.schedule.begin(last) + 4 * BLOCK)
        self.audit.finish()
        told = self.audit
        return Result(
            plan.seed, tuple(told.violations), len(told.final), last - len(told.final), self.digest, tuple(self.story)
        )

    def _shake(self, oracle: SimOracle) -> None:
        """Let an oracle crash at one write or another, for ever."""
        oracle.store.disk.writes_left = self.chance.randint(1, 5)
        oracle.store.disk.crash_before = self.chance.random() < 0.5
        self.time.after(self.chance.uniform(2, 40), lambda: self._shake(oracle))

    def _mine(self) -> None:
        self.time.after(BLOCK, self._mine)
        waiting = sorted(self.chain.waiting.values(), key=lambda one: one.name)
        chosen = [one for one in waiting if self.chance.random() >= self.lazy_miners]
        self.chance.shuffle(chosen)
        self.chain.mine(chosen)

    def _epoch_over(self, epoch: int) -> None:
        for oracle in self.oracles:
            oracle.store.epoch = epoch
        if self.plan.appeals and self.chance.random() < 0.7:
            self._appeal(epoch)

    def _appeal(self, epoch: int) -> None:
        """A node hands in what honest oracles acknowledged, some of it, to some of them, at some moment."""
        node = self.chance.choice(NODES)
        ticks = self.plan.clock.ticks_per_epoch
        state = self.chain.head.state.at(self.plan.clock.end(epoch))
        members = [one for one in self.oracles if one.address in state.sets[state.current - 1]]
        signers = [one for one in members if one.honest]
        some = self.chance.sample(signers, self.chance.randint(len(signers) // 2, len(signers)))
        receipts = []
        for one in some:
            up = seen(self.plan.seed, one.number, ticks, epoch, one.store.lives).up(raw_address(node))
            receipts.append(receipt.issue(one.signer, HEARTBEATS, node, epoch, up, ticks))
        raw = gather(raw_address(node), epoch, receipts, HEARTBEATS).encode()
        for oracle in self.chance.sample(self.oracles, self.chance.randint(1, 2)):
            self.time.after(self.chance.uniform(1, 60), lambda oracle=oracle: oracle.hand_in(raw))  # type: ignore[misc]

    # What oracles ask of the world.

    def post(self, sender: SimOracle, to: bytes, raw: bytes) -> None:
        """A message for a peer."""
        if len(self.overheard) < OVERHEARD or self.chance.random() < 0.1:
            self.overheard.append(raw)
            del self.overheard[: -2 * OVERHEARD]
        self.network.post(sender.number, self.by_address(to).number, raw, slot_of(raw))

    def by_address(self, address: bytes) -> SimOracle:
        """The oracle with that address."""
        return self._by_address[address]

    def is_member(self, address: bytes) -> bool:
        """Whether the peers' servers let an address in."""
        return address in self._by_address

    def anchor_time(self, epoch: int) -> int:
        """The timestamp of an epoch's anchor."""
        return -(-(self.plan.clock.end(epoch) - GENESIS) // BLOCK) * BLOCK + GENESIS

    def live(self, since: float, until: float) -> list[SimOracle]:
        """Honest oracles with a right clock that were up all the time."""
        return [
            one
            for one in self.oracles
            if one.honest
            and one.up
            and one.number not in self.plan.lost
            and not any(begin < until and end > since for begin, end in one.downs)
        ]

    def trace(self, number: int, what: str) -> None:
        """A line of the story; all lines make the digest."""
        line = f"{self.time.now - GENESIS:9.3f} {number:2} {what}"
        self.digest = hash_of(self.digest, line)
        if self.tell:
            self.story.append(line)


@lru_cache(maxsize=4_096)
def slot_of(raw: bytes) -> tuple[object, ...]:
    """Of what waits in an outbox, an envelope replaces an older one with the same slot: see `peers.outbox`."""
    opened = Envelope.open(raw)
    proposal = opened.payload[:32] if opened.kind in (Kind.VOTE, Kind.REFUSAL) else b""
    return opened.kind, opened.epoch, opened.committee, opened.turn, proposal


def hash_of(before: int, line: str) -> int:
    """A running checksum: the interpreter's own hashes differ from run to run."""
    return zlib.crc32(line.encode(), before)
