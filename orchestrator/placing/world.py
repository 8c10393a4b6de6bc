"""All that placing looks at, and the steps of all slots together: what one slot takes, the next one no longer has."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace

from orchestrator.placing.attempt import Attempt, Phase, Sent, Wish
from orchestrator.placing.choice import Candidate, Wanted, ranked, unfit
from orchestrator.placing.facts import Job, Licence, Node, Place, Rules, Slot
from orchestrator.placing.steps import Scene, Step, step
from orchestrator.wire.intent_parts import NOTHING, Resources


@dataclass(frozen=True, slots=True)
class World:
    """The facts at one time. `nodes` are by the licence they serve under.

    declined   of each slot: until when (UNIX seconds) a licence isn't asked; licence 0: the slot waits
    numbers    of each slot: its next attempt's number
    sent       of each attempt's key: what the journal says of its transaction
    unsettled  slots with a transaction of a former attempt at the same generation that may still be carried out
    listening_until  UNIX seconds; nobody is asked anew before, since nodes that serve may not have been heard yet
    """

    orchestrator: str
    jobs: Mapping[int, Job] = field(default_factory=dict)
    slots: Mapping[Place, Slot] = field(default_factory=dict)
    licences: Mapping[int, Licence] = field(default_factory=dict)
    nodes: Mapping[int, Node] = field(default_factory=dict)
    attempts: Mapping[Place, Attempt] = field(default_factory=dict)
    wishes: Mapping[Place, Wish] = field(default_factory=dict)
    declined: Mapping[Place, Mapping[int, int]] = field(default_factory=dict)
    numbers: Mapping[Place, int] = field(default_factory=dict)
    sent: Mapping[str, Sent] = field(default_factory=dict)
    unsettled: frozenset[Place] = frozenset()
    listening_until: int = 0

    def resources(self, job: int) -> Resources:
        """Of one replica of a job; nothing while its intent isn't known."""
        one = self.jobs.get(job)
        return NOTHING if one is None or one.current is None else one.current.resources

    def placed(self) -> Iterator[tuple[Place, int, Resources]]:
        """(slot, licence, resources) of what is open on chain or under way."""
        for place, slot in self.slots.items():
            if not slot.vacant:
                yield place, slot.licence, self.resources(slot.job)
        for place, attempt in self.attempts.items():
            if place not in self.slots or attempt.generation == self.slots[place].generation + 1:
                yield place, attempt.licence, attempt.resources

    def candidates(self) -> dict[int, Candidate]:
        """Every licence whose node is known here, with its load."""
        used: dict[int, Resources] = {}
        counts: dict[int, int] = {}
        for _, licence, resources in self.placed():
            used[licence] = used.get(licence, NOTHING) + resources
            counts[licence] = counts.get(licence, 0) + 1
        return {
            id_: Candidate(self.licences[id_], node, used.get(id_, NOTHING), counts.get(id_, 0))
            for id_, node in self.nodes.items()
            if id_ in self.licences
        }

    def wanted(self, slot: Slot, candidates: Mapping[int, Candidate]) -> Wanted:
        """What a slot needs."""
        others = [
            candidates[licence]
            for (job, number), licence, _ in self.placed()
            if job == slot.job and number != slot.slot and licence in candidates
        ]
        return Wanted(
            job=self.jobs[slot.job],
            slot=slot,
            resources=self.resources(slot.job),
            declined=self.declined.get(slot.place, {}),
            neighbours=tuple(others),
        )


def advance(world: World, rules: Rules, now: int) -> list[tuple[Place, Step]]:
    """The next step of each slot that has one to do; each reckons with those before it. `now` in UNIX seconds."""
    found: list[tuple[Place, Step]] = []
    attempts = dict(world.attempts)
    for place in sorted(world.slots.keys() | attempts.keys()):
        attempt, wish = attempts.get(place), world.wishes.get(place)
        slot = world.slots.get(place)
        if slot is None or place[0] not in world.jobs:
            continue  # not read from the chain yet
        if attempt is None and (now < world.listening_until or (wish is None and not slot.vacant)):
            continue
        world = replace(world, attempts=attempts)
        candidates = world.candidates()
        scene = Scene(
            wanted=world.wanted(slot, candidates),
            candidates=candidates,
            number=world.numbers.get(place, 1),
            orchestrator=world.orchestrator,
            sent=world.sent.get(attempt.key) if attempt else None,
            unsettled=place in world.unsettled,
            paused_until=world.declined.get(place, {}).get(0, 0),
        )
        done = step(scene, attempt, wish, rules, now)
        if done.attempt == attempt and not (done.send or done.declined or done.wish or done.note):
            continue
        found.append((place, done))
        attempts = {other: one for other, one in attempts.items() if other != place}
        if done.attempt is not None:
            attempts[place] = done.attempt
    return found


def state_of(world: World, place: Place) -> str:
    """Where a slot stands, in a word: vacant, forfeited, proposed, accepted, assigning, assigned, ready, moving."""
    slot, attempt = world.slots[place], world.attempts.get(place)
    if attempt is not None and attempt.generation != slot.generation + 1:
        attempt = None
    if not slot.vacant:
        if attempt is not None:
            return "moving"
        node = world.nodes.get(slot.licence)
        told = node.running.get(slot.assignment) if node is not None else None
        return "ready" if told is not None and told.healthy else "assigned"
    if attempt is not None:
        return attempt.phase.value
    if slot.request is not None and slot.request.state.name == "FORFEITED":
        return "forfeited"
    return "vacant"


def reasons(world: World, place: Place, rules: Rules, now: int) -> dict[int, str]:
    """Why each licence known here can't serve a slot; of those who can there is no word."""
    candidates = world.candidates()
    wanted = world.wanted(world.slots[place], candidates)
    told = {id_: unfit(one, wanted, rules, now) for id_, one in candidates.items()}
    return {id_: why for id_, why in told.items() if why}


def order(world: World, place: Place, rules: Rules, now: int) -> list[int]:
    """Licences that can serve a slot, the best first."""
    candidates = world.candidates()
    wanted = world.wanted(world.slots[place], candidates)
    return [one.licence.id for one in ranked(candidates.values(), wanted, rules, now)]


def under_way(world: World, licence: int) -> list[Attempt]:
    """Attempts with a licence whose node is to prepare the workload, or has a proposal to answer."""
    return [
        one
        for place, one in sorted(world.attempts.items())
        if one.licence == licence and place in world.slots and one.generation == world.slots[place].generation + 1
    ]


def is_prepared(attempt: Attempt) -> bool:
    """Whether its node is to start the workload before the chain has the assignment."""
    return attempt.phase is not Phase.PROPOSED
