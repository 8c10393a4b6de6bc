# SPDX-License-Identifier: Apache-2.0
"""A committee that asks for other nodes, in virtual time: nodes fail, messages get lost, clocks differ, some lie."""

from __future__ import annotations

import heapq
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from random import Random

from chain.client import RpcError
from oracle.committee.committee import Committee
from oracle.committee.effects import Effect, Note, Send, SubmitRequests
from oracle.committee.errors import Disagreement, Malformed
from oracle.committee.messages import Envelope, Message
from oracle.committee.reallocating import Reallocating
from oracle.committee.reallocation_messages import Asked, Batch, Claims, Endorsement
from oracle.ground.breaches import Breach, Reason, Seen, outage, request_id
from oracle.ground.clock import EpochClock
from oracle.ground.ids import pack
from oracle.ground.keccak import keccak256
from oracle.ground.median import quorum
from oracle.ground.merkle import verify
from oracle.ground.policy import Policy
from oracle.ground.reallocations import RequestTree
from oracle.ground.typed_data import EpochReport, ReallocationBatch
from oracle.signing.compact import recover
from oracle.signing.signer import derive

GENESIS, TICK, TICKS = 1_700_000_000, 10, 720
CLOCK = EpochClock(GENESIS, TICK * TICKS, TICK)
SLOT = 60
POLICY = Policy(outage_seconds=300, answer_seconds=600, cooldown_seconds=900)
CONTRACT = "0x" + "22" * 20
REPORTS = EpochReport.domain(31_337, "0x" + "11" * 20)
BATCHES = ReallocationBatch.domain(31_337, CONTRACT)
NODES = 8


@dataclass
class Truth:
    """When each node is down: [from, to) in UNIX seconds."""

    down: dict[int, list[tuple[float, float]]] = field(default_factory=dict)

    def up(self, assignment: int, start: float, end: float) -> bool:
        """Whether a heartbeat of the node came in [start, end): it sends one at each tick's middle."""
        middle = (start + end) / 2
        return not any(since <= middle < until for since, until in self.down.get(assignment, []))


@dataclass
class FakeChain:
    """What of the contract Reallocations matters here."""

    members: tuple[bytes, ...]
    now: Callable[[], float]
    closed: dict[int, tuple[int, Reason]] = field(default_factory=dict)
    """By assignment: as of when it was closed, and why."""
    when: dict[int, float] = field(default_factory=dict)
    carried_out: set[bytes] = field(default_factory=set)
    refused: list[str] = field(default_factory=list)
    forged: list[str] = field(default_factory=list)

    def submit(self, wanted: SubmitRequests) -> None:
        """As `requestMany` does: nothing without a quorum, and what can't be carried out is skipped."""
        batch, now = wanted.batch, self.now()
        given = [member for index, member in enumerate(self.members) if wanted.signers >> index & 1]
        digest = batch.digest(BATCHES)
        for place, member in enumerate(given):
            if recover(digest, wanted.signatures[64 * place : 64 * place + 64]) != member:
                self.forged.append("a signature is not its member's")
                return
        if len(given) < quorum(len(self.members)):
            self.forged.append("no quorum")
            return
        if now > batch.expiry or CLOCK.epoch_at(int(now)) != batch.epoch or batch.committee != 1:
            self.refused.append("expired or of another epoch")
            return
        tree = RequestTree(wanted.requests)
        for place in wanted.places:
            one = wanted.requests[place]
            assert verify(batch.root, one.leaf(), tree.proof(place))
            if one.id in self.carried_out or one.assignment in self.closed:
                self.refused.append("replayed, or closed before")
            elif not CLOCK.start(batch.epoch) < one.as_of <= now:
                self.forged.append("as-of out of bounds")
            else:
                self.carried_out.add(one.id)
                self.closed[one.assignment] = one.as_of, Reason(one.reason)
                self.when[one.assignment] = now


class Sight:
    """What one oracle sees: the truth through its own ticks, some of which it was blind in, and the chain. What happens
    to nodes is told before it looks."""

    def __init__(self, world: World, number: int) -> None:
        self.world = world
        self.number = number
        self.blind: list[tuple[float, float]] = []
        self.chain_out: list[tuple[float, float]] = []
        self.jitter = world.chance.choice((0, 0, 1))
        """Ticks by which it is late to see a node's state."""
        self._seen: dict[tuple[int, int], tuple[int, int]] = {}

    def committee(self) -> Committee:
        self._ask()
        return Committee(1, self.world.members)

    def breaches(self, epoch: int, now: float) -> Mapping[tuple[int, Reason], Breach]:
        self._ask()
        found = {}
        newest = (int(now) - CLOCK.start(epoch)) // TICK - 1
        for assignment in self.world.assignments:
            if assignment in self.world.chain.closed:
                continue
            up, observed = self._masks(assignment, epoch)
            past = (1 << newest + 1) - 1
            up, observed = up & past, observed & past
            breach = outage(assignment, POLICY, CLOCK, epoch, Seen(up, observed, range(TICKS), newest))
            if breach is not None:
                found[assignment, breach.reason] = breach
        return found

    def _masks(self, assignment: int, epoch: int) -> tuple[int, int]:
        """What it sees of a whole epoch, up and observed."""
        if (assignment, epoch) not in self._seen:
            up = observed = 0
            for tick in range(TICKS):
                start = CLOCK.start(epoch) + (tick - self.jitter) * TICK
                if not any(since < start + TICK and start < until for since, until in self.blind):
                    observed |= 1 << tick
                    up |= self.world.truth.up(assignment, start, start + TICK) << tick
            self._seen[assignment, epoch] = up, observed
        return self._seen[assignment, epoch]

    def askable(self, requests: Sequence[Asked], now: float) -> list[Asked]:
        self._ask()
        return [one for one in requests if one.assignment not in self.world.chain.closed]

    def _ask(self) -> None:
        now = self.world.now
        if any(since <= now < until for since, until in self.chain_out):
            raise RpcError("the chain doesn't answer")


class LyingSight(Sight):
    """Claims whatever it likes; or `spoils`: it claims what is true, as of a time that not all may agree to, and signs
    nothing, so that batches which count on it fail."""

    def __init__(self, world: World, number: int) -> None:
        super().__init__(world, number)
        self.spoils = world.chance.random() < 0.5

    def breaches(self, epoch: int, now: float) -> Mapping[tuple[int, Reason], Breach]:
        chance, found = self.world.chance, {}
        if self.spoils:
            edge = chance.choice(("earliest", "latest"))
            seen = super().breaches(epoch, now)
            return {key: replace(one, as_of=getattr(one, edge)) for key, one in seen.items()}
        for assignment in self.world.assignments:
            for reason in Reason:
                if chance.random() < 0.6:
                    as_of = chance.randint(CLOCK.start(epoch), int(now))
                    spread = chance.choice((0, 50, 10_000))
                    found[assignment, reason] = Breach(
                        assignment, reason, max(0, as_of - spread), as_of, as_of + spread
                    )
        return found


class World:
    """Runs the machines. `silent` say nothing at all; `liars` claim at random, sign at random and send nonsense."""

    def __init__(self, seed: int, size: int, silent: int = 0, liars: int = 0, loss: float = 0.0) -> None:
        self.chance = Random(seed)
        self.now = float(GENESIS)
        self.truth = Truth()
        self.assignments = [pack(1 + index, 0, 1) for index in range(NODES)]
        signers = [derive("reallocating", f"oracle {index}") for index in range(size)]
        signers.sort(key=lambda one: one.address.lower())
        self.signers = signers
        self.members = tuple(bytes.fromhex(one.address[2:]) for one in signers)
        self.chain = FakeChain(self.members, lambda: self.now)
        order = self.chance.sample(range(size), size)
        self.silent, self.liars = set(order[:silent]), set(order[silent : silent + liars])
        self.loss = loss
        self.skew = [self.chance.uniform(-2, 2) for _ in signers]
        kinds = [LyingSight if index in self.liars else Sight for index in range(size)]
        self.sights = [kind(self, index) for index, kind in enumerate(kinds)]
        self.machines = [
            Reallocating(signer, BATCHES, sight, CLOCK) for signer, sight in zip(signers, self.sights, strict=True)
        ]
        self.notes: list[tuple[float, int, Note]] = []
        self.rude: list[str] = []
        """What honest members refused of honest ones."""
        self._events: list[tuple[float, int, Callable[[], None]]] = []
        self._count = 0

    @property
    def honest(self) -> list[int]:
        """Those who are there and don't lie."""
        return [one for one in range(len(self.members)) if one not in self.silent | self.liars]

    def after(self, seconds: float, do: Callable[[], None]) -> None:
        """Have something happen later."""
        self._count += 1
        heapq.heappush(self._events, (self.now + seconds, self._count, do))

    def run(self, until: float) -> None:
        """Go on to that time."""
        for index in range(len(self.machines)):
            if index not in self.silent:
                self.after(self.chance.uniform(0, 2), lambda index=index: self._tick(index, until))  # type: ignore[misc]
        while self._events and self._events[0][0] <= until:
            self.now, _, do = heapq.heappop(self._events)
            do()
        self._events.clear()
        self.now = until

    def _tick(self, index: int, until: float) -> None:
        self._perform(index, self.machines[index].tick(self.now + self.skew[index]))
        if self.now + 2 < until:
            self.after(2, lambda: self._tick(index, until))

    def _perform(self, index: int, effects: Sequence[Effect]) -> None:
        for effect in effects:
            match effect:
                case Send():
                    for message in self._twisted(index, effect.message):
                        raw = message.seal(self.signers[index], REPORTS)
                        for peer in effect.to:
                            self._post(index, self.members.index(peer), raw)
                case SubmitRequests() if index not in self.liars or self.chance.random() < 0.5:
                    self.after(self.chance.uniform(1, 14), lambda one=effect: self.chain.submit(one))  # type: ignore[misc]
                case Note():
                    self.notes.append((self.now, index, effect))

    def _twisted(self, index: int, message: Message) -> list[Message]:
        """What a liar makes of a message."""
        if index not in self.liars:
            return [message]
        chance, body, sight = self.chance, message.body, self.sights[index]
        if isinstance(sight, LyingSight) and sight.spoils:
            return [] if isinstance(body, Endorsement) else [message]
        if chance.random() < 0.2:
            return []
        if isinstance(body, Batch) and chance.random() < 0.5:
            lies = tuple(Asked(one, chance.choice(list(Reason)), int(self.now) - 400) for one in self.assignments)
            body = Batch(body.expiry + chance.choice((0, 10_000)), lies)
        elif isinstance(body, Endorsement):
            if chance.random() < 0.7:
                return []
            body = replace(body, root=keccak256(body.root)) if chance.random() < 0.5 else body
        elif isinstance(body, Claims) and chance.random() < 0.3:
            expiry = int(self.now) + 600
            lies = tuple(Asked(one, Reason.OUTAGE, int(self.now) - 400) for one in self.assignments)
            return [message, replace(message, body=Batch(expiry, lies))]
        return [replace(message, body=body)]

    def _post(self, sender: int, to: int, raw: bytes) -> None:
        if self.chance.random() < self.loss:
            return
        for _ in range(1 + (self.chance.random() < 0.1)):
            self.after(self.chance.uniform(0.05, 3), lambda: self._deliver(sender, to, raw))

    def _deliver(self, sender: int, to: int, raw: bytes) -> None:
        if to in self.silent:
            return
        envelope = Envelope.open(raw)
        try:
            effects = self.machines[to].take(envelope.sender(REPORTS), envelope.message(), self.now + self.skew[to])
        except (Disagreement, Malformed) as error:
            if sender in self.honest:
                self.rude.append(str(error))
            return
        self._perform(to, effects)

    def true_id(self, assignment: int, epoch: int, reason: Reason) -> bytes:
        """What every oracle calls a request."""
        return request_id(31_337, CONTRACT, assignment, epoch, reason.value)
