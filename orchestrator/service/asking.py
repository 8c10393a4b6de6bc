"""What is asked of the orchestrator by others than nodes: intents, wishes of CSPs, deliveries of requests.

Each of these reads the chain and may take a moment; none believes what the chain doesn't say.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final

from oracle.ground.address import checksummed
from oracle.ground.errors import InvalidValue
from oracle.ground.ids import show_assignment
from orchestrator.placing.attempt import Wish
from orchestrator.placing.facts import Job, Licence, RequestState
from orchestrator.service.chain_watch import ChainWatch
from orchestrator.service.desk import Desk
from orchestrator.service.errors import NotAllowed, Unknown
from orchestrator.service.store import Event
from orchestrator.wire.intent import Intent, parse
from orchestrator.wire.intent_parts import Resources
from orchestrator.wire.reallocation import ReallocationNotice
from orchestrator.wire.typed_data import IntentUpdate, SlotMove

_MOST_UNUSED: Final = 1_000
"""Intents that no job names, kept at a time."""


@dataclass(frozen=True, slots=True)
class Answer:
    """What became of a delivery, as of the chain at this moment."""

    status: str
    detail: str

    def to_json(self) -> dict[str, Any]:
        """For the answer's body."""
        return {"status": self.status, "detail": self.detail}


class Asking:
    """Answers those requests. Every method may be called from any thread."""

    def __init__(self, desk: Desk, watch: ChainWatch, checkpoint: Callable[[str], None] = lambda _: None) -> None:
        self.desk = desk
        self._watch = watch
        self._watching = threading.Lock()
        self._began = -1.0
        self._checkpoint = checkpoint

    # The chain

    def look(self, now: int) -> None:
        """Read the chain and take the steps that follow; of those who ask while it is read, one reads it for all.
        RpcError."""
        asked = time.monotonic()
        with self._watching:
            if self._began < asked:
                began = time.monotonic()
                snapshot = self._watch.look(self.desk.licences())
                self.desk.looked(snapshot, now)
                self._began = began
        self.desk.advance(now)

    def licence(self, id_: int) -> Licence:
        """A licence, as the last look had it, or as it is now. Unknown, RpcError."""
        snapshot = self.desk.snapshot
        known = snapshot.licences.get(id_) if snapshot is not None else None
        if known is not None:
            return known
        return self.fresh_licence(id_)

    def fresh_licence(self, id_: int) -> Licence:
        """A licence as it is now. Unknown, RpcError."""
        with self._watching:
            found = self._watch.licence(id_)
        if found is None:
            raise Unknown(f"there is no licence {id_} on chain: check poll.licence")
        return found

    # Intents

    def add_intent(self, document: bytes, now: int) -> Intent:
        """Keep a document. InvalidValue for none, NotAllowed while too many wait for a job."""
        intent = parse(document)
        with self.desk.lock:
            store = self.desk.store
            unused = len(store.intents) - len(store.kept)
            if intent.hash not in store.intents and unused >= _MOST_UNUSED:
                raise NotAllowed(f"{unused} intents wait for a job that names them: bring it again in ten minutes")
            store.put_intent(intent, now)
            if self.desk.snapshot is not None:
                self.desk.advance(now)
        return intent

    def intent(self, hash_: bytes) -> Intent:
        """A document. Unknown."""
        found = self.desk.store.intents.get(hash_)
        if found is None:
            raise Unknown(f"there is no intent 0x{hash_.hex()} here: bring it by POST /v1/intents")
        return found

    # Wishes of CSPs

    def update(self, asked: IntentUpdate, signer: bytes, now: int) -> None:
        """Let a job run another intent, one slot after the other.

        NotAllowed for a signer who may not, a passed expiry or a sequence used before; InvalidValue for an intent that
        doesn't go with the job; Unknown for one that wasn't brought; RpcError.
        """
        job = self._allowed(asked.job, signer, asked.expiry, now)
        intent = self.intent(asked.intent)
        if job.named is not None and intent.policy != job.named.policy:
            raise InvalidValue("intent.policy isn't the job's: a job's policy never changes, use the same")
        with self.desk.lock, self.desk.store.changes():
            self._use_sequence(asked.job, asked.sequence)
            self._require_room(job, intent, now)
            self.desk.store.put_update(asked.job, asked.intent)
            self.desk.store.keep_intents({asked.intent}, 0)
            self._note(asked.job, 0, now, f"update to intent 0x{asked.intent.hex()}")

    def move(self, asked: SlotMove, signer: bytes, now: int) -> None:
        """Let another node serve a slot, without a gap. Errors as of `update`."""
        self._allowed(asked.job, signer, asked.expiry, now)
        with self.desk.lock, self.desk.store.changes():
            slot = self.desk.world(now).slots.get((asked.job, asked.slot))
            if slot is None:
                raise Unknown(f"job {asked.job} has no slot {asked.slot}: see GET /v1/jobs/{asked.job}")
            if slot.vacant:
                raise NotAllowed(f"nobody serves slot {asked.slot}: the orchestrator looks for a node already")
            if slot.licence == asked.toLicence:
                raise NotAllowed(f"licence {asked.toLicence} serves slot {asked.slot} already")
            self._use_sequence(asked.job, asked.sequence)
            wish = Wish(asked.job, asked.slot, asked.toLicence, slot.licence, now)
            self.desk.store.put_wish(slot.place, wish)
            self._note(asked.job, asked.slot, now, f"move to licence {asked.toLicence or 'any'} is wished")
        self.desk.advance(now)

    def _allowed(self, id_: int, signer: bytes, expiry: int, now: int) -> Job:
        with self.desk.lock:
            job = self.desk.jobs().get(id_)
        if job is None:
            raise Unknown(f"job {id_} isn't this orchestrator's, or not known yet: POST /v1/jobs/{id_}/look")
        if now > expiry:
            raise NotAllowed(f"expiry was {expiry}, now it is {now}: sign it again")
        who = checksummed(signer)
        with self._watching:
            allowed = self._watch.may_place(job.account, who, now)
        if not allowed:
            raise NotAllowed(
                f"{who} signed: it neither owns the CSP's account {job.account} nor may place for it; sign with the "
                "owner's key or a delegate's who may place, for this chain and this network's Placements"
            )
        return job

    def _use_sequence(self, job: int, sequence: int) -> None:
        last = self.desk.store.sequences.get(job, 0)
        if sequence <= last:
            raise NotAllowed(f"sequence is {sequence}, but {last} was used: sign with a higher one")
        self.desk.store.put_sequence(job, sequence)

    def _require_room(self, job: Job, intent: Intent, now: int) -> None:
        world = self.desk.world(now)
        candidates = world.candidates()
        more = _more(intent.resources, world.resources(job.id))
        for place, slot in sorted(world.slots.items()):
            one = candidates.get(slot.licence)
            if place[0] == job.id and one is not None and not (one.used + more).fits(one.node.capacity):
                raise InvalidValue(
                    f"intent.resources don't fit on licence {slot.licence}, which serves slot {slot.slot}: ask for "
                    "less, or move the slot first"
                )

    def _note(self, job: int, slot: int, now: int, note: str) -> None:
        self.desk.store.add_event(Event(now, job, slot, note))

    # Requests for another node

    def deliver(self, notice: ReallocationNotice, now: int) -> Answer:
        """A request was delivered, perhaps again, perhaps late. The chain says what there is to do. RpcError."""
        network = self._watch.network
        here = (network.chain.chain_id, network.addresses.reallocations.lower())
        if (notice.chain_id, notice.reallocations) != here:
            return Answer("unknown", f"this orchestrator is for Reallocations {here[1]} on chain {here[0]}")
        self.look(now)
        with self.desk.lock:
            self.desk.store.count_delivery(notice.id)
            self._checkpoint("delivered")
            snapshot = self.desk.snapshot
            assert snapshot is not None
            slot = snapshot.slots.get((notice.job, notice.slot))
        if notice.job not in snapshot.jobs:
            return Answer("unknown", f"job {notice.job} isn't this orchestrator's")
        request = slot.request if slot is not None else None
        if slot is None or request is None or request.id != notice.id:
            return self._of_former(notice)
        if request.state is RequestState.ANSWERED:
            served = "nobody" if slot.vacant else f"licence {slot.licence}"
            return Answer("answered", f"{show_assignment(slot.assignment)}: {served} serves the slot")
        if request.state is RequestState.FORFEITED or now > request.deadline:
            return Answer("expired", f"the deadline was {request.deadline}; the CSP may reopen the slot")
        attempt = self.desk.store.attempts.get(slot.place)
        if attempt is None:
            return Answer("taken", "no licence fits at present; one is looked for until the deadline")
        return Answer("taken", f"licence {attempt.licence} is {attempt.phase.value}")

    def _of_former(self, notice: ReallocationNotice) -> Answer:
        with self._watching:
            known = self._watch.carried_out(notice.id)
        if known:
            return Answer("answered", "a later request of the slot has taken its place")
        return Answer("unknown", "the chain has no request of that id, or not yet")


def _more(new: Resources, old: Resources) -> Resources:
    return Resources(new.cpu_millis - old.cpu_millis, new.memory_mb - old.memory_mb, new.storage_mb - old.storage_mb)
