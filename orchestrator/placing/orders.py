"""What a node is told to do: its proposals and its work."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from orchestrator.placing.attempt import Phase
from orchestrator.placing.facts import Job, Node, Rules, Slot
from orchestrator.placing.world import World, is_prepared, under_way
from orchestrator.wire.intent import Intent
from orchestrator.wire.polling import Proposal, Running, Work

_MAIN: Final = "main"


def proposals_for(world: World, licence: int) -> list[Proposal]:
    """What the node of a licence is asked to accept."""
    found = []
    for attempt in under_way(world, licence):
        job = world.jobs[attempt.job]
        if attempt.phase is not Phase.PROPOSED or job.named is None:
            continue
        found.append(
            Proposal(
                job=attempt.job,
                slot=attempt.slot,
                generation=attempt.generation,
                terms=job.terms,
                expiry=attempt.expiry,
                price=job.price,
                token=job.token,
                intent=job.named.hash,
                policy=job.named.policy,
            )
        )
    return found


def work_for(world: World, licence: int, intents: Mapping[bytes, Intent], rules: Rules, now: int) -> list[Work]:
    """What the node of a licence is to run, to prepare and to stop. `intents` are the known ones, by hash."""
    node = world.nodes[licence]
    work: dict[int, Work] = {}
    for place, slot in sorted(world.slots.items()):
        if slot.licence != licence or slot.node != node.node:
            continue
        job = world.jobs[place[0]]
        if job.closed or now >= job.stop:
            continue
        intent = _to_run(world, job, slot, intents, rules, now)
        # Without its document (this orchestrator's store was lost) a node goes on with what it has.
        document = {} if intent is None else intent.document
        work[slot.assignment] = Work(slot.assignment, "run", document, peers_of(world, slot))
    for attempt in under_way(world, licence):
        job = world.jobs[attempt.job]
        if is_prepared(attempt) and job.current is not None:
            peers = peers_of(world, world.slots[attempt.place])
            work[attempt.assignment] = Work(attempt.assignment, "prepare", job.current.document, peers)
    for assignment in sorted(node.running):
        if assignment not in work:
            work[assignment] = Work(assignment, "stop")
    return list(work.values())


def peers_of(world: World, slot: Slot) -> tuple[str, ...]:
    """HOST:PORT of the job's other replicas that run, in the order of their slots."""
    found = []
    for place, other in sorted(world.slots.items()):
        told = running_of(world, other)
        if place[0] == slot.job and place[1] != slot.slot and told is not None and _MAIN in told.ports:
            found.append(f"{world.nodes[other.licence].host}:{told.ports[_MAIN]}")
    return tuple(found)


def running_of(world: World, slot: Slot) -> Running | None:
    """What the node says that serves a slot; None: nothing, or nobody serves it."""
    node: Node | None = None if slot.vacant else world.nodes.get(slot.licence)
    return None if node is None else node.running.get(slot.assignment)


def _to_run(
    world: World, job: Job, slot: Slot, intents: Mapping[bytes, Intent], rules: Rules, now: int
) -> Intent | None:
    """An update rolls from slot to slot: the next one gets it once those before it run it and are healthy, so that an
    intent that doesn't work stops one replica and no more."""
    told = running_of(world, slot)
    if job.current is None or told is None or told.intent == job.current.hash:
        return job.current
    for number in range(slot.slot):
        other = world.slots.get((job.id, number))
        if other is None or other.vacant:
            continue
        node = world.nodes.get(other.licence)
        if node is None or now - node.seen_at > rules.alive:
            continue  # whoever is away would hold up all the others
        there = running_of(world, other)
        if there is None or there.intent != job.current.hash or not there.healthy:
            return intents.get(told.intent, job.current)
    return job.current
