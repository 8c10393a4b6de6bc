"""Choosing a licence for a slot: who may serve it, and in which order they are asked."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Final

from oracle.ground.policy import PPM
from orchestrator.placing.facts import Job, Licence, Node, Rules, Slot
from orchestrator.wire.intent_parts import NOTHING, Resources

_PRIOR_SECONDS: Final = 3_600
"""A node that is new counts as up for nine tenths of this; each failure counts as having been away for it."""
_PRIOR_PPM: Final = 900_000
_STEP_PPM: Final = 10_000
"""Nodes whose uptime lies within one such step are told apart by their free room."""


@dataclass(frozen=True, slots=True)
class Candidate:
    """A licence with its node, and what of the node is taken already: placed, promised or prepared."""

    licence: Licence
    node: Node
    used: Resources = NOTHING
    open: int = 0
    """Its assignments, with those under way."""


@dataclass(frozen=True, slots=True)
class Wanted:
    """What a slot needs of a licence.

    declined    until when (UNIX seconds) a licence isn't asked for this slot
    neighbours  candidates that serve the job's other slots, or are about to
    only        the one licence that is wanted; 0: any
    without     licences that won't do: the one to be replaced
    """

    job: Job
    slot: Slot
    resources: Resources
    declined: Mapping[int, int]
    neighbours: tuple[Candidate, ...] = ()
    only: int = 0
    without: frozenset[int] = frozenset()


def unfit(one: Candidate, wanted: Wanted, rules: Rules, now: int, taken: Resources | None = None) -> str:
    """Why a licence can't serve a slot now; "" when it can. `taken`: what others use of its node."""
    licence, node = one.licence, one.node
    if wanted.only and licence.id != wanted.only:
        return f"licence {wanted.only} is wanted"
    if licence.id in wanted.without:
        return "it is the one to be replaced"
    if licence.barred:
        return licence.barred
    if not licence.node:
        return "its licence isn't linked"
    if licence.node != node.node:
        return f"its licence is linked to {licence.node} now"
    if now - node.seen_at > rules.alive:
        return f"it wasn't heard of for {now - node.seen_at} s"
    request = wanted.slot.request
    if request is not None and licence.id == request.failed and now < request.cooldown_ends:
        return f"it failed in this slot, and cools down for {request.cooldown_ends - now} s"
    if now < wanted.declined.get(licence.id, 0):
        return f"it declined or failed in this slot, and isn't asked for {wanted.declined[licence.id] - now} s"
    intent = wanted.job.current
    if intent is not None:
        if missing := sorted(set(intent.tags) - node.tags):
            return f"it lacks the tag {missing[0]}"
        named = (*intent.targets, *intent.spares)
        if intent.targets and intent.spares and licence.id not in named and not wanted.only:
            return "it is neither among the intent's targets nor its spares"
    if not ((one.used if taken is None else taken) + wanted.resources).fits(node.capacity):
        return "it has no room left"
    return ""


def ranked(candidates: Iterable[Candidate], wanted: Wanted, rules: Rules, now: int) -> list[Candidate]:
    """Those who can serve a slot now, the best first: a total order, the same for the same facts."""
    fit = [one for one in candidates if not unfit(one, wanted, rules, now)]
    return sorted(fit, key=lambda one: _order(one, wanted))


def uptime_ppm(node: Node) -> int:
    """A node's uptime as this orchestrator saw it, in millionths; whoever is hardly known is neither good nor bad."""
    heard = node.heard * PPM + _PRIOR_SECONDS * _PRIOR_PPM
    return heard // (node.watched + _PRIOR_SECONDS * (1 + node.failures))


def clashes(one: Candidate, neighbours: Iterable[Candidate]) -> tuple[int, int, int]:
    """How many of a job's other slots share the licence, the host and the holder with it."""
    others = list(neighbours)
    return (
        sum(other.licence.id == one.licence.id for other in others),
        sum(other.node.host == one.node.host for other in others),
        sum(other.licence.holder == one.licence.holder for other in others),
    )


def _order(one: Candidate, wanted: Wanted) -> tuple[object, ...]:
    tier, rank, named = _preference(one.licence.id, wanted.job)
    # Of those the intent names, the one that spreads the replicas best; those it doesn't name come after all of them.
    return (
        not named,
        clashes(one, wanted.neighbours),
        tier,
        rank,
        -(uptime_ppm(one.node) // _STEP_PPM),
        -_room_ppm(one, wanted.resources),
        one.licence.id,
    )


def _preference(licence: int, job: Job) -> tuple[int, int, bool]:
    """(0 for targets, 1 for spares; place in that list; whether the intent wants it at all rather than bears it)."""
    intent = job.current
    if intent is None:
        return 0, 0, True
    if licence in intent.targets:
        return 0, intent.targets.index(licence), True
    if licence in intent.spares:
        return 1, intent.spares.index(licence), True
    return (1 if intent.targets else 0), len(intent.spares), not intent.targets


def _room_ppm(one: Candidate, needed: Resources) -> int:
    """The scarcest resource's free share once the workload is there."""
    after, has = one.used + needed, one.node.capacity
    pairs = (
        (after.cpu_millis, has.cpu_millis),
        (after.memory_mb, has.memory_mb),
        (after.storage_mb, has.storage_mb),
    )
    return min((max(0, total - used) * PPM // total for used, total in pairs if total), default=0)
