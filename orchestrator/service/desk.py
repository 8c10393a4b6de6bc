"""Where everything meets: the chain's facts, the nodes' polls, the CSPs' wishes; and what follows from them.

Everything is written down before it is told or sent, so the process may be killed between any two lines of this.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Final, Protocol

from oracle.ground.address import raw_address
from oracle.ground.errors import EpochalError, InvalidValue
from oracle.ground.ids import show_assignment
from oracle.ground.typed_data import Domain
from oracle.signing.compact import recover
from orchestrator.placing.attempt import Attempt, Phase, Sent
from orchestrator.placing.facts import Job, Licence, Node, Place, Rules
from orchestrator.placing.orders import proposals_for, work_for
from orchestrator.placing.steps import Step, accepted
from orchestrator.placing.world import World, advance
from orchestrator.service.chain_watch import Snapshot
from orchestrator.service.errors import NotAllowed, NotReady
from orchestrator.service.store import Event, NodeRow, Store
from orchestrator.wire.intent import Intent
from orchestrator.wire.polling import CLOCK_SECONDS, Poll, PollAnswer, Refused, SignedAcceptance, SignedOffer
from orchestrator.wire.terms import terms_hash

_FADE_SECONDS: Final = 7 * 86_400
"""A node's history is halved when it is that long: what was long ago counts ever less."""
_UNUSED_SECONDS: Final = 600
"""How long an intent that no job names is kept."""


class Outbox(Protocol):
    """Where attempts become transactions: `service.sending.Assignments`."""

    def plan(self, attempt: Attempt, job: Job) -> None:
        """Write it down; the first time counts."""

    def sent(self, key: str) -> Sent | None:
        """What became of it; None: never planned."""

    def drop(self, key: str) -> None:
        """Not wanted any more, if that is in time."""


class Desk:
    """The orchestrator's mind. Every method may be called from any thread."""

    def __init__(
        self,
        store: Store,
        outbox: Outbox,
        orchestrator: str,
        domain: Domain,
        rules: Rules,
        poll_seconds: int,
        checkpoint: Callable[[str], None] = lambda _: None,
    ) -> None:
        """`domain` is that of Placements, in which nodes sign acceptances and offers. `checkpoint` is called with the
        name of each step that was made durable, for tests that end the process there."""
        self.store = store
        self.rules = rules
        self.orchestrator = orchestrator.lower()
        self.lock = threading.RLock()
        self.snapshot: Snapshot | None = None
        self.poll_seconds = poll_seconds
        self._outbox = outbox
        self._domain = domain
        self._checkpoint = checkpoint
        self._intent_of: dict[bytes, bytes] = {}
        self._tried: dict[bytes, set[bytes]] = {}
        self._listening_until = 0

    # The chain

    def looked(self, snapshot: Snapshot, now: int) -> None:
        """The chain was read."""
        with self.lock, self.store.changes():
            if self.snapshot is None:
                # Before, polls were refused: whoever polls first would be given every slot that waits.
                self._listening_until = now + self.poll_seconds + 1
            self.snapshot = snapshot
            for place, slot in snapshot.slots.items():
                request = slot.request
                if request is not None and self.store.put_request(request.id, place, now):
                    self.store.note_failure(request.failed)
                    self._note(place, now, f"another node is asked for in place of licence {request.failed}")
            for place in [place for place in self.store.attempts if place[0] not in snapshot.jobs]:
                self.store.put_attempt(place, None)  # of a job that is over, or was in a block taken back
            jobs = self.jobs()
            used = {job.named.hash for job in jobs.values() if job.named is not None} | set(self.store.updates.values())
            self.store.keep_intents(used, now - _UNUSED_SECONDS)
            self.store.forget_declined(now)
            self._fade()

    def jobs(self) -> dict[int, Job]:
        """The jobs, each with its intent if that is known here."""
        snapshot = self._ready()
        found = {}
        for id_, job in snapshot.jobs.items():
            intent = self._named(job)
            current = self.store.intents.get(self.store.updates.get(id_, b""), intent)
            found[id_] = replace(job, named=intent, current=current)
        return found

    def _named(self, job: Job) -> Intent | None:
        """The chain keeps a hash over the intent's: the document is found by trying those that are here, each once."""
        intents = self.store.intents
        if (found := self._intent_of.get(job.terms)) is not None:
            return intents.get(found)
        tried = self._tried.setdefault(job.terms, set())
        for hash_ in intents.keys() - tried:
            tried.add(hash_)
            if terms_hash(job.token, job.price, intents[hash_].policy.hash(), hash_) == job.terms:
                self._intent_of[job.terms] = hash_
                return intents[hash_]
        return None

    def licences(self) -> set[int]:
        """Those whose nodes are known."""
        with self.lock:
            return set(self.store.nodes)

    def world(self, now: int) -> World:
        """All facts at `now` (UNIX seconds). NotReady before the chain was read."""
        with self.lock:
            snapshot, store = self._ready(), self.store
            sent = {one.key: told for one in store.attempts.values() if (told := self._outbox.sent(one.key))}
            return World(
                orchestrator=self.orchestrator,
                jobs=self.jobs(),
                slots=snapshot.slots,
                licences=snapshot.licences,
                nodes={id_: _node(id_, row) for id_, row in store.nodes.items()},
                attempts=dict(store.attempts),
                wishes=dict(store.wishes),
                declined=dict(store.declined),
                numbers=dict(store.numbers),
                sent=sent,
                unsettled=self._unsettled(snapshot),
                listening_until=self._listening_until,
            )

    def _unsettled(self, snapshot: Snapshot) -> frozenset[Place]:
        """Slots for whose next generation an attempt given up may still be carried out."""
        found = set()
        for key, (place, generation) in list(self.store.sent.items()):
            slot, attempt = snapshot.slots.get(place), self.store.attempts.get(place)
            if attempt is not None and attempt.key == key:
                continue
            told = self._outbox.sent(key)
            if told is None or (told.settled and not told.done) or (slot is not None and slot.generation > generation):
                self.store.forget_sent(key)
            elif slot is not None and generation == slot.generation + 1:
                self._outbox.drop(key)
                found.add(place)
        return frozenset(found)

    # Steps

    def advance(self, now: int) -> int:
        """Do the next step of every slot; how many there were. NotReady before the chain was read."""
        with self.lock:
            world = self.world(now)
            steps = advance(world, self.rules, now)
            for place, one in steps:
                self._apply(place, one, world.jobs[place[0]], now)
            return len(steps)

    def _apply(self, place: Place, one: Step, job: Job, now: int) -> None:
        attempt = one.attempt
        with self.store.changes():
            if attempt != self.store.attempts.get(place):
                self.store.put_attempt(place, attempt)
            if one.declined:
                self.store.put_declined(place, *one.declined)
            if one.failed:
                self.store.note_failure(one.failed)
            if one.wish:
                self.store.put_wish(place, None)
                self._note(place, now, f"move: {one.wish}")
            if one.note:
                self._note(place, now, one.note)
            if one.send and attempt is not None:
                self.store.put_sent(attempt)
        if attempt is not None and attempt.phase is Phase.PROPOSED:
            self._checkpoint("proposed")
        if one.send and attempt is not None:
            self._checkpoint("assigning")
            self._outbox.plan(attempt, job)
            self._checkpoint("planned")
        if attempt is None and one.note.endswith("on chain"):
            self._checkpoint("landed")

    # Polls

    def take_poll(self, poll: Poll, licence: Licence, now: int) -> PollAnswer:
        """A node told of itself; `poll` is signed by it, `licence` as the chain has it now.

        NotAllowed for another's node, InvalidValue for a time that is off or was told before, NotReady.
        """
        if licence.node != poll.node:
            linked = licence.node or "no node"
            raise NotAllowed(f"licence {poll.licence} is linked to {linked}, not to {poll.node}: link it first")
        if abs(poll.time - now) > CLOCK_SECONDS:
            raise InvalidValue(f"poll.time is {poll.time}, but here it is {now}: set the clock")
        with self.lock:
            snapshot = self._ready()
            former = self.store.nodes.get(poll.licence)
            if former is not None and former.poll.node == poll.node and poll.time <= former.poll.time:
                raise InvalidValue(
                    f"poll.time is {poll.time}, but {former.poll.time} was told before: tell a later one"
                )
            self.snapshot = replace(snapshot, licences={**snapshot.licences, licence.id: licence})
            with self.store.changes():
                self._heard(poll, former, now)
                refused = self._take_acceptances(poll, now)
            self._checkpoint("accepted" if poll.acceptances else "heard")
            self.advance(now)
            return self._answer(poll, refused, now)

    def _heard(self, poll: Poll, former: NodeRow | None, now: int) -> None:
        offers = tuple(one for one in poll.offers if self._is_own(poll, one))
        poll = replace(poll, offers=offers)
        if former is None or former.poll.node != poll.node:
            self.store.put_node(poll.licence, NodeRow(poll, now))
            return
        passed = max(0, now - former.seen_at)
        heard = former.heard + (passed if passed <= self.rules.alive else 0)
        watched = former.watched + passed
        self.store.put_node(poll.licence, NodeRow(poll, now, watched, heard, former.failures))

    def _is_own(self, poll: Poll, one: SignedOffer) -> bool:
        if one.offer.licence != poll.licence:
            return False
        return _signed_by(poll.node, one.offer.digest(self._domain), one.signature)

    def _take_acceptances(self, poll: Poll, now: int) -> tuple[Refused, ...]:
        refused = []
        for one in poll.acceptances:
            if why := self._take_acceptance(poll, one, now):
                what = f"acceptance {one.acceptance.job}/{one.acceptance.slot}/{one.acceptance.generation}"
                refused.append(Refused(what, why))
        refused += [
            Refused("offer", "not of this licence, or not signed by its node")
            for one in poll.offers
            if not self._is_own(poll, one)
        ]
        return tuple(refused)

    def _take_acceptance(self, poll: Poll, one: SignedAcceptance, now: int) -> str:
        """Why an acceptance isn't taken; "" when it is, or was."""
        said = one.acceptance
        attempt = self.store.attempts.get((said.job, said.slot))
        if attempt is None or (attempt.generation, attempt.licence) != (said.generation, poll.licence):
            slot = self._ready().slots.get((said.job, said.slot))
            carried_out = slot is not None and (slot.generation, slot.licence) == (said.generation, poll.licence)
            return "" if carried_out else "it isn't asked for any more"
        if attempt.phase is not Phase.PROPOSED:
            return ""
        job = self._ready().jobs.get(said.job)
        if job is None or (said.licence, said.terms, said.expiry) != (poll.licence, job.terms, attempt.expiry):
            return "it isn't what was asked for: licence, terms and expiry are to be those of the proposal"
        if not _signed_by(poll.node, said.digest(self._domain), one.signature):
            return f"it isn't signed by {poll.node} for this network's Placements"
        self.store.put_attempt(attempt.place, accepted(attempt, one.signature, now))
        self._note(attempt.place, now, f"licence {poll.licence} accepts {show_assignment(attempt.assignment)}")
        return ""

    def _answer(self, poll: Poll, refused: tuple[Refused, ...], now: int) -> PollAnswer:
        world = self.world(now)
        proposals = proposals_for(world, poll.licence)
        with self.store.changes():
            for one in proposals:
                attempt = self.store.attempts[one.job, one.slot]
                self.store.put_attempt(attempt.place, replace(attempt, asked=attempt.asked + 1))
        intents: Mapping[bytes, Intent] = self.store.intents
        work = work_for(world, poll.licence, intents, self.rules, now)
        return PollAnswer(now, self.poll_seconds, tuple(proposals), tuple(work), refused)

    # Small things

    def _ready(self) -> Snapshot:
        if self.snapshot is None:
            raise NotReady("the chain wasn't read yet: ask again in a few seconds")
        return self.snapshot

    def _note(self, place: Place, now: int, note: str) -> None:
        self.store.add_event(Event(now, *place, note))

    def _fade(self) -> None:
        """What was long ago counts less."""
        for licence, row in list(self.store.nodes.items()):
            if row.watched > _FADE_SECONDS:
                halved = replace(row, watched=row.watched // 2, heard=row.heard // 2, failures=row.failures // 2)
                self.store.put_node(licence, halved)


def _node(licence: int, row: NodeRow) -> Node:
    poll = row.poll
    return Node(
        licence=licence,
        node=poll.node,
        host=poll.host,
        capacity=poll.capacity,
        tags=frozenset(poll.tags),
        seen_at=row.seen_at,
        watched=row.watched,
        heard=row.heard,
        failures=row.failures,
        offers=poll.offers,
        running={one.assignment: one for one in poll.running},
    )


def _signed_by(node: str, digest: bytes, signature: bytes) -> bool:
    try:
        return recover(digest, signature) == raw_address(node)
    except EpochalError:
        return False
