"""Jobs, slots and nodes as JSON, for people and screens."""

from __future__ import annotations

from typing import Any

from oracle.ground.ids import show_assignment
from orchestrator.placing.choice import uptime_ppm
from orchestrator.placing.facts import Job, Rules, Slot
from orchestrator.placing.orders import running_of
from orchestrator.placing.world import World, reasons, state_of
from orchestrator.service.store import Event


def job_json(world: World, job: Job) -> dict[str, Any]:
    """A job with its slots. Amounts are texts."""
    named, current = job.named, job.current
    slots = [slot for place, slot in sorted(world.slots.items()) if place[0] == job.id]
    return {
        "job": job.id,
        "name": current.name if current else "",
        "service": current.service if current else "",
        "owner": job.owner,
        "price": str(job.price),
        "token": job.token,
        "startsAt": job.starts_at,
        "stop": job.stop,
        "closed": job.closed,
        "barred": job.barred,
        "intent": "0x" + named.hash.hex() if named else "",
        "running": "0x" + current.hash.hex() if current else "",
        "slots": [_slot_json(world, slot) for slot in slots],
    }


def detail_json(world: World, job: Job, events: list[Event], rules: Rules, now: int) -> dict[str, Any]:
    """A job with what happened to it last, and for each vacant slot why each known licence can't serve it."""
    shown = job_json(world, job)
    for one in shown["slots"]:
        if one["state"] in ("vacant", "forfeited"):
            told = reasons(world, (job.id, one["slot"]), rules, now)
            one["unfit"] = {str(licence): why for licence, why in sorted(told.items())}
    shown["events"] = [{"at": each.at, "slot": each.slot, "note": each.note} for each in events]
    return shown


def _slot_json(world: World, slot: Slot) -> dict[str, Any]:
    attempt, told = world.attempts.get(slot.place), running_of(world, slot)
    node = world.nodes.get(slot.licence)
    shown: dict[str, Any] = {
        "slot": slot.slot,
        "state": state_of(world, slot.place),
        "assignment": show_assignment(slot.assignment) if slot.generation else "",
        "licence": slot.licence,
        "node": slot.node,
        "openedAt": slot.opened_at,
        "workload": told.state if told else "",
        "healthy": bool(told and told.healthy),
        "intent": "0x" + told.intent.hex() if told else "",
        "reason": told.reason if told else "",
        "host": node.host if node and told else "",
        "ports": dict(told.ports) if told else {},
    }
    if attempt is not None and attempt.generation == slot.generation + 1:
        shown["next"] = {"licence": attempt.licence, "phase": attempt.phase.value, "since": attempt.since}
    if slot.request is not None:
        shown["request"] = {
            "id": "0x" + slot.request.id.hex(),
            "state": slot.request.state.name.lower(),
            "reason": slot.request.reason,
            "deadline": slot.request.deadline,
            "cooldownEnds": slot.request.cooldown_ends,
            "failed": slot.request.failed,
        }
    return shown


def nodes_json(world: World, now: int) -> list[dict[str, Any]]:
    """The nodes known here."""
    found = []
    for licence, one in sorted(world.candidates().items()):
        node = one.node
        found.append(
            {
                "licence": licence,
                "node": node.node,
                "holder": one.licence.holder,
                "linked": one.licence.node == node.node,
                "barred": one.licence.barred,
                "host": node.host,
                "seenSecondsAgo": now - node.seen_at,
                "uptimePpm": uptime_ppm(node),
                "failures": node.failures,
                "capacity": node.capacity.to_json(),
                "used": one.used.to_json(),
                "tags": sorted(node.tags),
                "workloads": [
                    {"assignment": show_assignment(id_), "state": each.state, "healthy": each.healthy}
                    for id_, each in sorted(node.running.items())
                ],
                "offers": len(node.offers),
            }
        )
    return found
