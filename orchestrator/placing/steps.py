"""The next step of a slot: from what is the case, what is to be done. Called again and again; nothing is remembered but
the attempt."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, replace

from oracle.ground.ids import show_assignment
from orchestrator.placing.attempt import Attempt, Phase, Sent, Wish
from orchestrator.placing.choice import Candidate, Wanted, ranked, unfit
from orchestrator.placing.facts import Job, RequestState, Rules, Slot
from orchestrator.wire.intent_parts import Resources
from orchestrator.wire.polling import Running, SignedOffer

_OWN_FAULT = re.compile(r"NodeLicense_|Placements_(?!SlotForfeited|NotOrchestrator|WrongTerms)")
"""Refusals for which the next licence may be taken; with the others, none would be."""
_CLOSED_BEFORE = "JobEscrow_AlreadyClosed"


@dataclass(frozen=True, slots=True)
class Scene:
    """What a step looks at: one slot, and the candidates with their present loads.

    wanted      without the licence to be replaced
    unsettled   whether a transaction for the slot's next generation is still under way, of an attempt before
    sent        what became of the present attempt's transaction; None: there is none
    number      for the next attempt
    orchestrator   this one's address, lower case
    """

    wanted: Wanted
    candidates: Mapping[int, Candidate]
    number: int
    orchestrator: str
    sent: Sent | None = None
    unsettled: bool = False
    paused_until: int = 0

    @property
    def job(self) -> Job:
        """The slot's."""
        return self.wanted.job

    @property
    def slot(self) -> Slot:
        """As the chain has it."""
        return self.wanted.slot


@dataclass(frozen=True, slots=True)
class Step:
    """What is to be done.

    attempt   that stands now; None: none
    send      whether its transaction is to be planned, under `attempt.key`; doing it again does nothing
    declined  (licence, until): not to be asked for this slot before then; licence 0: the slot waits
    failed    a licence that took the slot and never came to run it
    wish      what became of the wish; "": it stands
    note      for the log; "": nothing happened
    """

    attempt: Attempt | None
    send: bool = False
    declined: tuple[int, int] | None = None
    failed: int = 0
    wish: str = ""
    note: str = ""


def step(scene: Scene, attempt: Attempt | None, wish: Wish | None, rules: Rules, now: int) -> Step:
    """The slot's next step; `now` in UNIX seconds."""
    if attempt is None:
        return _begin(scene, wish, rules, now)
    if attempt.generation != scene.slot.generation + 1:
        # The chain has an assignment of that generation: this one, or another that was first.
        landed = scene.slot.licence == attempt.licence
        told = f"{show_assignment(attempt.assignment)} is on chain" + ("" if landed else ", another licence's")
        return Step(None, wish="done" if wish and landed else "", note=told)
    if attempt.phase is Phase.ASSIGNING:
        return _assigning(scene, attempt, rules, now)
    if why := _closed_to_all(scene, rules, now):
        return Step(None, note=f"gave up licence {attempt.licence}: {why}", wish=_wish_gone(scene, wish))
    if now > attempt.expiry:
        return _next(attempt, rules, now, "its acceptance has expired")
    one = scene.candidates.get(attempt.licence)
    taken = None if one is None else _less(one.used, attempt.resources)
    barred = "it isn't known" if one is None else unfit(one, _anyhow(scene.wanted), rules, now, taken)
    if barred:
        return _next(attempt, rules, now, barred)
    if attempt.phase is Phase.PROPOSED:
        return _proposed(attempt, rules, now)
    assert one is not None
    return _accepted(scene, attempt, one, wish, rules, now)


def accepted(attempt: Attempt, signature: bytes, now: int) -> Attempt:
    """The attempt once its node has signed."""
    return replace(attempt, phase=Phase.ACCEPTED, signature=signature, since=now)


def _begin(scene: Scene, wish: Wish | None, rules: Rules, now: int) -> Step:
    slot, wanted = scene.slot, scene.wanted
    if wish is not None:
        if slot.vacant or slot.licence != wish.away_from or slot.licence == wish.licence:
            return Step(None, wish="the slot isn't served by that licence any more")
        wanted = replace(wanted, only=wish.licence, without=frozenset({slot.licence}))
    elif not slot.vacant:
        return Step(None)
    if _closed_to_all(scene, rules, now):
        return Step(None, wish=_wish_gone(scene, wish))
    if scene.unsettled or now < scene.paused_until:
        return Step(None)
    order = ranked(scene.candidates.values(), wanted, rules, now)
    if not order:
        if wish is not None and wish.licence:
            one = scene.candidates.get(wish.licence)
            why = "it isn't known here" if one is None else unfit(one, wanted, rules, now)
            return Step(None, wish=f"licence {wish.licence} can't serve it: {why}")
        if wish is not None and now - wish.since > rules.declined:
            return Step(None, wish="no other licence can serve it now")
        return Step(None)
    best = order[0]
    offer = usable_offer(best, scene.job, scene.orchestrator, now)
    attempt = Attempt(
        job=slot.job,
        slot=slot.slot,
        generation=slot.generation + 1,
        licence=best.licence.id,
        node=best.node.node,
        phase=Phase.ACCEPTED if offer else Phase.PROPOSED,
        number=scene.number,
        since=now,
        expiry=offer.offer.expiry if offer else now + rules.valid,
        resources=wanted.resources,
        offer=offer,
        closes=slot.assignment if wish is not None else 0,
    )
    return Step(attempt, note=f"licence {best.licence.id} is {'taken by its offer' if offer else 'asked'}")


def _proposed(attempt: Attempt, rules: Rules, now: int) -> Step:
    if attempt.asked >= rules.polls or now - attempt.since > rules.accept:
        return _next(attempt, rules, now, f"it didn't accept in {attempt.asked} polls and {now - attempt.since} s")
    return Step(attempt)


def _accepted(scene: Scene, attempt: Attempt, one: Candidate, wish: Wish | None, rules: Rules, now: int) -> Step:
    if attempt.closes and scene.slot.vacant:
        attempt = replace(attempt, closes=0)  # the old one is closed already: nothing is to be kept running
    if not attempt.closes:
        if now < scene.job.starts_at:
            return Step(attempt)
        return Step(replace(attempt, phase=Phase.ASSIGNING, since=now), send=True, note="assigning")
    told = one.node.running.get(attempt.assignment)
    if told is not None and told.healthy and told.state == "running":
        return Step(replace(attempt, phase=Phase.ASSIGNING, since=now), send=True, note="prepared; assigning")
    intent = scene.job.current
    patience = rules.prepare + (intent.health.timeout_seconds + intent.health.delay_seconds if intent else 0)
    why = _failed(told)
    if not why and now - attempt.since > patience:
        why = f"the workload wasn't healthy within {patience} s"
    if not why:
        return Step(attempt)
    gone = _next(attempt, rules, now, f"it couldn't prepare the workload: {why}")
    if wish is not None and wish.licence:
        gone = replace(gone, wish=gone.note)
    return replace(gone, failed=attempt.licence)


def _assigning(scene: Scene, attempt: Attempt, rules: Rules, now: int) -> Step:
    sent = scene.sent
    if sent is None:
        return Step(attempt, send=True)  # it was planned, or is to be: a crash may lie between
    if not sent.settled or sent.done:
        return Step(attempt)  # what is done shows in the next look at the chain
    if _CLOSED_BEFORE in sent.reason and attempt.closes:
        # The old assignment was closed meanwhile. The acceptance still stands.
        again = replace(attempt, phase=Phase.ACCEPTED, closes=0, number=scene.number, since=now)
        return Step(again, note="the old assignment was closed meanwhile")
    if _OWN_FAULT.search(sent.reason):
        return _next(attempt, rules, now, sent.reason)
    return Step(None, declined=(0, now + rules.retry), note=f"not assigned: {sent.reason}")


def _closed_to_all(scene: Scene, rules: Rules, now: int) -> str:
    """Why nobody can be placed in the slot now; "": somebody can."""
    job, slot = scene.job, scene.slot
    if job.closed or now >= job.stop:
        return "the job has stopped"
    if job.barred:
        return job.barred
    if slot.slot >= job.slots:
        return "the job has no such slot any more"
    if now < job.starts_at - rules.lead:
        return "the job hasn't begun"
    if job.current is None:
        return "the job's intent isn't known"
    request = slot.request
    if slot.vacant and request is not None:
        late = request.state is RequestState.OPEN and now > request.deadline
        if late or request.state is RequestState.FORFEITED:
            return f"its request wasn't answered until {request.deadline}; the CSP may reopen the slot"
    return ""


def _wish_gone(scene: Scene, wish: Wish | None) -> str:
    return "" if wish is None or not (scene.job.closed or scene.slot.vacant) else "the slot can't be served any more"


def _anyhow(wanted: Wanted) -> Wanted:
    """For a licence that was chosen already: declining was before."""
    return replace(wanted, declined={})


def _next(attempt: Attempt, rules: Rules, now: int, why: str) -> Step:
    until = (attempt.licence, now + rules.declined)
    return Step(None, declined=until, note=f"gave up licence {attempt.licence}: {why}")


def _failed(told: Running | None) -> str:
    if told is None or told.state != "failed":
        return ""
    return told.reason or "it failed"


def usable_offer(one: Candidate, job: Job, orchestrator: str, now: int) -> SignedOffer | None:
    """A standing offer of the licence's node under which it can be placed into the job now; None: it is to be asked."""
    policy = job.named.policy.hash() if job.named is not None else b""
    for signed in one.node.offers:
        offer = signed.offer
        fits = (
            offer.licence == one.licence.id
            and offer.orchestrator == orchestrator
            and offer.token == job.token
            and offer.minPrice <= job.price
            and offer.policy == policy
            and offer.nonce == one.licence.offer_nonce
            and offer.expiry > now + 60
        )
        if fits and max(one.open, one.licence.open) < offer.capacity:
            return signed
    return None


def _less(used: Resources, by: Resources) -> Resources:
    return Resources(used.cpu_millis - by.cpu_millis, used.memory_mb - by.memory_mb, used.storage_mb - by.storage_mb)
