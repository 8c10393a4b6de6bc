# SPDX-License-Identifier: Apache-2.0
"""A model of chain, journal and nodes around the pure placing: what it decides is carried out, refused or delayed as
the test draws it."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import Any

from oracle.ground.ids import pack, unpack
from oracle.ground.policy import Policy
from orchestrator.placing.attempt import Attempt, Phase, Sent, Wish
from orchestrator.placing.facts import Job, Licence, Node, Place, Request, RequestState, Rules, Slot
from orchestrator.placing.orders import work_for
from orchestrator.placing.steps import Step, accepted
from orchestrator.placing.world import World, advance
from orchestrator.wire.intent import Intent, from_document
from orchestrator.wire.intent_parts import NOTHING, Resources
from orchestrator.wire.polling import Running

RULES = Rules(alive=30, accept=20, valid=3_600, prepare=10, declined=60, retry=5, lead=10, polls=3)
STOP = 10_000
COOLDOWN = 120
ANSWER = 60
POLICY = Policy(outage_seconds=1, answer_seconds=ANSWER, cooldown_seconds=COOLDOWN)
_TOKEN = "0x" + "11" * 20


def intent_of(name: str, replicas: int, resources: Resources, **changes: Any) -> Intent:
    """A small intent."""
    given = {
        "version": 1,
        "name": name,
        "service": "car",
        "replicas": replicas,
        "resources": resources.to_json(),
        "policy": {"outage_seconds": 1, "answer_seconds": ANSWER, "cooldown_seconds": COOLDOWN},
        "image": {"folder": "x"},
        "command": ["x"],
        "health": {"timeout_seconds": 5},
    }
    return from_document({**given, **changes})


@dataclass
class Town:
    """The state that a daemon keeps, and the world it acts in. `under_way` are transactions not mined yet."""

    jobs: dict[int, Job] = field(default_factory=dict)
    slots: dict[Place, Slot] = field(default_factory=dict)
    licences: dict[int, Licence] = field(default_factory=dict)
    nodes: dict[int, Node] = field(default_factory=dict)
    attempts: dict[Place, Attempt] = field(default_factory=dict)
    wishes: dict[Place, Wish] = field(default_factory=dict)
    declined: dict[Place, dict[int, int]] = field(default_factory=dict)
    numbers: dict[Place, int] = field(default_factory=dict)
    sent: dict[str, Sent] = field(default_factory=dict)
    planned: dict[str, Attempt] = field(default_factory=dict)
    served: dict[Place, list[int]] = field(default_factory=dict)
    now: int = 1_000

    def add_licence(self, id_: int, host: str, holder: str, capacity: Resources) -> None:
        node = f"0x{id_:040x}"
        self.licences[id_] = Licence(id_, holder, node)
        self.nodes[id_] = Node(id_, node, host, capacity, seen_at=self.now)

    def add_job(self, id_: int, intent: Intent) -> None:
        self.jobs[id_] = Job(id_, 1, "0x", _TOKEN, 10, intent.replicas, 900, STOP, bytes(32), intent, intent)
        for slot in range(intent.replicas):
            self.slots[id_, slot] = Slot(id_, slot)

    def world(self) -> World:
        unsettled = {
            (one.job, one.slot)
            for key, one in self.planned.items()
            if not self.sent[key].settled
            and one.generation == self.slots[one.place].generation + 1
            and self.attempts.get(one.place) != one
        }
        return World(
            orchestrator="0x" + "22" * 20,
            jobs=self.jobs,
            slots=self.slots,
            licences=self.licences,
            nodes=self.nodes,
            attempts=self.attempts,
            wishes=self.wishes,
            declined=self.declined,
            numbers=self.numbers,
            sent=self.sent,
            unsettled=frozenset(unsettled),
        )

    def advance(self) -> list[tuple[Place, Step]]:
        """All steps that are due, checked and carried out."""
        world = self.world()
        steps = advance(world, RULES, self.now)
        for place, one in steps:
            self._check(place, one)
            self._apply(place, one)
        self._check_loads()
        return steps

    def _check(self, place: Place, one: Step) -> None:
        attempt, slot = one.attempt, self.slots[place]
        if attempt is None:
            return
        former = self.attempts.get(place)
        chosen = former is None or (former.licence, former.number) != (attempt.licence, attempt.number)
        if not chosen and not one.send:
            return
        if one.send and former is not None and former.phase is Phase.ASSIGNING:
            assert attempt == former, "planned once more after a crash: it must be the same"
            return
        licence, node = self.licences[attempt.licence], self.nodes[attempt.licence]
        assert not licence.barred
        assert licence.node == node.node == attempt.node
        assert self.now - node.seen_at <= RULES.alive
        request = slot.request
        if request is not None and request.failed == attempt.licence:
            assert self.now >= request.cooldown_ends
        assert attempt.generation == slot.generation + 1
        assert self.now < STOP
        if chosen:
            assert self.declined.get(place, {}).get(attempt.licence, 0) <= self.now
            assert all(
                self.sent[key].settled
                for key, each in self.planned.items()
                if (each.place, each.generation) == (place, attempt.generation)
            )
        if one.send:
            if attempt.closes:
                assert slot.assignment == attempt.closes
                assert not slot.vacant
                assert node.running[attempt.assignment].healthy
            else:
                assert slot.vacant
                assert request is None or request.state is not RequestState.FORFEITED

    def _apply(self, place: Place, one: Step) -> None:
        if one.attempt is None:
            self.attempts.pop(place, None)
        else:
            self.attempts[place] = one.attempt
            self.numbers[place] = max(one.attempt.number + 1, self.numbers.get(place, 1))
        if one.declined:
            self.declined.setdefault(place, {})[one.declined[0]] = one.declined[1]
        if one.wish:
            self.wishes.pop(place, None)
        if one.send and one.attempt is not None and one.attempt.key not in self.planned:
            self.planned[one.attempt.key] = one.attempt
            self.sent[one.attempt.key] = Sent(False, False)

    def _check_loads(self) -> None:
        used: dict[int, Resources] = {}
        for place, slot in self.slots.items():
            if not slot.vacant:
                used[slot.licence] = used.get(slot.licence, NOTHING) + self.world().resources(place[0])
        for place, attempt in self.attempts.items():
            if attempt.generation == self.slots[place].generation + 1:
                used[attempt.licence] = used.get(attempt.licence, NOTHING) + attempt.resources
        for licence, load in used.items():
            assert load.fits(self.nodes[licence].capacity), f"licence {licence} holds {load}"

    # What others do

    def poll(self, licence: int, *, accepts: bool, healthy: bool) -> None:
        """A node tells of itself, runs what it is told, and answers its proposals."""
        node = replace(self.nodes[licence], seen_at=self.now)
        self.nodes[licence] = node
        work = work_for(self.world(), licence, {}, RULES, self.now)
        state = "running" if healthy else "failed"
        running = {
            one.assignment: Running(one.assignment, bytes(32), state, healthy) for one in work if one.order != "stop"
        }
        self.nodes[licence] = replace(node, running=running)
        for place, attempt in list(self.attempts.items()):
            if attempt.licence == licence and attempt.phase is Phase.PROPOSED:
                asked = replace(attempt, asked=attempt.asked + 1)
                self.attempts[place] = accepted(asked, bytes(64), self.now) if accepts else asked

    def mine(self, key: str, *, refuse: str = "") -> None:
        """The chain takes a transaction, or refuses it for its own reasons or that one."""
        attempt = self.planned[key]
        if self.sent[key].settled:
            return
        slot, licence = self.slots[attempt.place], self.licences[attempt.licence]
        why = refuse or self._refusal(attempt, slot, licence)
        if why:
            self.sent[key] = Sent(True, False, why)
            return
        self.sent[key] = Sent(True, True)
        request = slot.request
        if request is not None:
            request = replace(request, state=RequestState.ANSWERED)
        self.slots[attempt.place] = Slot(
            *attempt.place, attempt.generation, attempt.licence, attempt.node, self.now, request
        )
        self.served.setdefault(attempt.place, []).append(attempt.generation)

    def _refusal(self, attempt: Attempt, slot: Slot, licence: Licence) -> str:
        request = slot.request
        if attempt.closes and slot.assignment == attempt.closes and slot.vacant:
            return "multicall: JobEscrow_AlreadyClosed(assignment=1)"
        if not attempt.closes and not slot.vacant:
            return "assign: JobEscrow_SlotTaken(assignment=1)"
        if slot.generation + 1 != attempt.generation:
            return "assign: Placements_WrongAcceptance(recovered=0x0, node=0x1)"
        if request is not None and request.state is RequestState.FORFEITED:
            return "assign: Placements_SlotForfeited(job=1, slot=0, deadline=1)"
        if request is not None and request.failed == licence.id and self.now < request.cooldown_ends:
            return "assign: Placements_LicenceCoolingDown(licence=1, until=1)"
        if licence.barred:
            return "assign: Placements_SubjectBarred(subject=1, status=2)"
        if licence.node != attempt.node:
            return "assign: NodeLicense_NotLinked(licence=1)"
        return ""

    def request(self, place: Place) -> None:
        """The committee asks for another node in a slot that is served."""
        slot = self.slots[place]
        if slot.vacant or (slot.request is not None and self.now < slot.request.cooldown_ends):
            return
        id_ = bytes([slot.generation]) * 32
        asked = Request(id_, RequestState.OPEN, self.now + ANSWER, self.now + COOLDOWN, slot.licence, 2)
        self.slots[place] = Slot(*place, slot.generation, request=asked)

    def pass_time(self, seconds: int) -> None:
        self.now += seconds
        for place, slot in self.slots.items():
            request = slot.request
            if request is not None and request.state is RequestState.OPEN and self.now > request.deadline:
                self.slots[place] = replace(slot, request=replace(request, state=RequestState.FORFEITED))

    def wish(self, place: Place, licence: int) -> None:
        slot = self.slots[place]
        if not slot.vacant and slot.licence != licence:
            self.wishes[place] = Wish(*place, licence, slot.licence, self.now)


__all__ = ["COOLDOWN", "RULES", "Town", "intent_of", "pack", "unpack"]
