# SPDX-License-Identifier: Apache-2.0
"""One oracle of the simulation: a real core on a real member, and what its daemon does for them."""

from __future__ import annotations

import math
import traceback
from collections.abc import Callable, Sequence
from functools import lru_cache
from random import Random
from typing import TYPE_CHECKING, Final

from chain.endpoint import RpcError
from oracle.committee.agreement import Draft, Proposal
from oracle.committee.anchor import FinalReport
from oracle.committee.appeal import Appeal
from oracle.committee.core import Core
from oracle.committee.effects import (
    Alarm,
    Effect,
    Ended,
    FetchAppeal,
    FetchEvidence,
    FetchObservation,
    Note,
    Outcome,
    Send,
    Submit,
)
from oracle.committee.errors import Malformed
from oracle.committee.member import Member
from oracle.committee.messages import Envelope, Have, Message, Proposed, Ref, Refusal
from oracle.ground.errors import EpochalError
from oracle.ground.keccak import keccak256
from oracle.signing.compact import InvalidSignature
from tests.property.committee.simulation.chain import Reverted, Transaction
from tests.property.committee.simulation.plan import REPORTS, address_of, key_of
from tests.property.committee.simulation.reader import SimReader
from tests.property.committee.simulation.store import Crash, SimStore

if TYPE_CHECKING:
    from tests.property.committee.simulation.simulation import Simulation

POLL: Final = 1.2
"""Seconds between two ticks, more or less."""


class WatchedMember(Member):
    """A member whose drafts, and what it signs, are seen by the simulation."""

    on_draft: Callable[[Draft], None]
    on_signed: Callable[[Proposal, set[bytes]], None]

    def sign(self, proposal: Proposal, by: float = math.inf) -> tuple[Draft, bytes]:
        made, signature = super().sign(proposal, by)
        self.on_signed(proposal, set(self.pool.of(proposal.epoch, made.report.committee, by)))
        return made, signature

    def _remember(self, made: Draft) -> None:
        self.on_draft(made)
        super()._remember(made)


class SimOracle:
    """What lasts is the store, the journal of transactions and the outcomes; the rest goes with a crash."""

    core: Core

    def __init__(self, number: int, world: Simulation) -> None:
        self.number = number
        self.world = world
        self.chance = Random(f"{world.plan.seed} oracle {number}")
        self.signer = key_of(number)
        self.address = address_of(number)
        self.store = SimStore(world.plan.seed, number, world.plan.clock.ticks_per_epoch)
        self.reader = SimReader(world.chain, world.plan.finality, Random(self.chance.random()))
        self.skew = 0.0
        self.up = False
        self.life = 0
        self.outcomes: list[Outcome] = []
        self.journal: dict[str, Transaction] = {}
        self.alarms: list[Alarm] = []
        self.released: dict[tuple[int, int], bytes] = {}
        """By epoch and set, the content of its own observation that others were told of."""
        self.down_from = 0.0
        self.downs: list[tuple[float, float]] = []
        """From when to when it was down."""

    @property
    def honest(self) -> bool:
        """Whether it follows the protocol."""
        return True

    @property
    def now(self) -> float:
        """The time by its own clock."""
        return self.world.time.now + self.skew

    # Life.

    def start(self) -> None:
        """Begin, or begin again with what lasts."""
        if self.up:
            return
        self.life += 1
        self.store.lives += 1
        self.up = True
        self.downs.append((self.down_from, self.world.time.now))
        try:
            self.boot()
        except Crash:
            self.crash()
            return
        self._again(self.life)

    def boot(self) -> None:
        """Make the core anew."""
        member = self.make_member()
        member.on_draft = lambda made: self.world.audit.drafted(self, made)
        member.on_signed = lambda proposal, known: self.world.audit.signed(self, proposal, known)
        self.core = Core(member, self.world.plan.schedule, ended=self.outcomes)

    def make_member(self) -> WatchedMember:
        """A member on what lasts."""
        return WatchedMember(self.signer, self.store, self.reader, self.world.plan.clock, keep=1)  # type: ignore[arg-type]

    def crash(self, back_after: float = 8.0) -> None:
        """Lose all that is in memory, and come back later."""
        if not self.up:
            return
        self.up = False
        self.store.disk.writes_left = None
        self.down_from = self.world.time.now
        self.world.trace(self.number, "crashes")
        since = self.down_from
        self.world.time.after(back_after, lambda: self.start() if self.down_from == since else None)

    def _again(self, life: int) -> None:
        if not self.up or life != self.life:
            return
        self.world.time.after(POLL * self.chance.uniform(0.7, 1.3), lambda: self._again(life))
        self.tick()

    def tick(self) -> None:
        """What a daemon does now and then."""
        self.do(lambda: self.core.tick(self.now))
        self.step_journal()

    def do(self, step: Callable[[], Sequence[Effect]]) -> EpochalError | None:
        """Let the core do something, and do what it wants done. What isn't an error of ours is a defect."""
        if not self.up:
            return None
        try:
            self.perform(step())
        except Crash:
            self.crash(self.chance.uniform(1, 15))
        except EpochalError as error:
            self.world.trace(self.number, f"refuses: {error}")
            return error
        except Exception:
            if self.honest:
                self.world.audit.wrong(f"oracle {self.number} broke: {traceback.format_exc(limit=-4)}")
        return None

    # What the core wants done.

    def perform(self, effects: Sequence[Effect]) -> None:
        """Do it, in order."""
        life = self.life
        for effect in effects:
            match effect:
                case Send():
                    self.note_release(effect.message)
                    raw = effect.message.seal(self.signer, REPORTS)
                    self.world.trace(self.number, f"sends {type(effect.message.body).__name__}")
                    for peer in effect.to:
                        self.world.post(self, peer, raw)
                case FetchObservation():
                    self.fetch_observation(effect, life)
                case FetchAppeal():
                    self.fetch_appeal(effect, life)
                case FetchEvidence():
                    self.fetch_evidence(effect.report, life)
                case Submit():
                    self.submit(effect)
                case Ended():
                    self.outcomes = self.core.outcomes
                    self.store.put_state("outcomes", repr(self.outcomes).encode())
                    self.world.audit.ended(self, effect.outcome)
                case Alarm():
                    self.alarms.append(effect)
                    self.world.trace(self.number, f"alarm {effect.kind}: {effect.text}")
                case Note():
                    self.world.trace(self.number, f"{effect.kind} {effect.epoch}: {effect.text}")

    def note_release(self, message: Message) -> None:
        """Remember which own observation a message tells of: there may be one for each epoch and set."""
        body = message.body
        if not isinstance(body, Have | Proposed | Refusal):
            return
        for ref in body.refs:
            if author_of(ref, message.committee) == self.address:
                place = (ref.epoch, message.committee)
                if self.released.setdefault(place, ref.content_hash) != ref.content_hash:
                    self.world.audit.wrong(f"oracle {self.number} released two observations of {place}")

    def submit(self, wanted: Submit) -> None:
        """Plan the transaction."""
        made = self.world.chain.submit(wanted.report, wanted.signers, wanted.signatures)
        self.world.trace(self.number, f"submits epoch {wanted.report.epoch} root {wanted.report.root.hex()[:8]}")
        self.journal[made.name] = made
        self.step_journal()

    def step_journal(self) -> None:
        """Bring planned transactions on their way: none that would fail, and again those that were lost."""
        for name, planned in list(self.journal.items()):
            try:
                block = self.reader.newest()
                if any(name in one.done for one in self.world.chain.blocks[-12:]):
                    continue
                if name not in self.world.chain.waiting:
                    self.world.chain.try_out(planned, block)
                    self.world.chain.send(planned)
            except RpcError:
                return
            except Reverted as why:
                self.world.trace(self.number, f"transaction refused: {why}")
                del self.journal[name]

    # What comes from peers, and what they ask for.

    def receive(self, raw: bytes) -> None:
        """What came, as the peers' server takes it."""
        opened = opened_by(raw)
        if opened is None:
            return
        sender, message = opened
        if not self.up or not self.world.is_member(sender):
            return
        self.do(lambda: self.core.take(sender, message, self.now))

    def serve_observation(self, ref: Ref) -> bytes | None:
        """An observation's content."""
        found = self.core.member.pool.content(ref.epoch, ref.content_hash) if self.up else None
        return found.content if found else None

    def serve_appeal(self, key: bytes) -> bytes | None:
        """An appeal."""
        found = self.core.member.appeals.get(key) if self.up else None
        return found.encode() if found else None

    def serve_evidence(self, key: bytes) -> bytes | None:
        """Evidence."""
        return self.core.member.evidence_by_hash(key) if self.up else None

    def fetch_observation(self, wanted: FetchObservation, life: int) -> None:
        """Ask a peer for a content; what doesn't hash to what was asked for didn't come."""
        peer, ref = self.world.by_address(wanted.peer), wanted.ref

        def done(content: bytes | None) -> None:
            if not self.up or life != self.life:
                return
            if content is not None and keccak256(content) == ref.content_hash:
                self.do(lambda: self.core.take_content(ref, content, self.now))
            if self.up and life == self.life:
                self.do(lambda: self.core.answered(wanted.peer, ref.content_hash))

        self.world.network.fetch(self.number, peer.number, lambda: peer.serve_observation(ref), done)

    def fetch_appeal(self, wanted: FetchAppeal, life: int) -> None:
        """Ask a peer for an appeal."""
        peer = self.world.by_address(wanted.peer)

        def done(raw: bytes | None) -> None:
            if not self.up or life != self.life:
                return
            if raw is not None and keccak256(raw) == wanted.hash:
                self.hand_in(raw)
            if self.up and life == self.life:
                self.do(lambda: self.core.answered(wanted.peer, wanted.hash))

        self.world.network.fetch(self.number, peer.number, lambda: peer.serve_appeal(wanted.hash), done)

    def hand_in(self, raw: bytes) -> None:
        """An appeal, from a node or a peer."""
        try:
            appeal = Appeal.decode(raw)
        except Malformed:
            return
        self.do(lambda: self.core.take_appeal(appeal, self.now))

    def fetch_evidence(self, report: FinalReport, life: int) -> None:
        """Ask one peer after the other for evidence."""
        peers = [one for one in self.world.oracles if one is not self]
        self.chance.shuffle(peers)

        def ask() -> None:
            if peers and self.up and life == self.life:
                peer = peers.pop()
                self.world.network.fetch(self.number, peer.number, lambda: peer.serve_evidence(report.evidence), done)

        def done(raw: bytes | None) -> None:
            if not self.up or life != self.life:
                return
            if raw is None or keccak256(raw) != report.evidence:
                ask()
            else:
                self.do(lambda: self.core.take_evidence(report, raw, self.now))

        ask()


@lru_cache(maxsize=4_096)
def opened_by(raw: bytes) -> tuple[bytes, Message] | None:
    """The sender and the message in an envelope; None where the peers' server refuses it."""
    try:
        envelope = Envelope.open(raw)
        return envelope.sender(REPORTS), envelope.message()
    except (Malformed, InvalidSignature):
        return None


@lru_cache(maxsize=8_192)
def author_of(ref: Ref, committee: int) -> bytes:
    """Who signed an observation; empty if nobody did."""
    try:
        return ref.author(REPORTS, committee)
    except InvalidSignature:
        return b""
