# SPDX-License-Identifier: Apache-2.0
"""A play of placing: assignments open and close, maintenance is declared, other nodes are asked for."""

from __future__ import annotations

from collections.abc import Sequence
from random import Random

from oracle.ground.breaches import Reason, request_id
from oracle.ground.ids import unpack
from oracle.ground.maintenance import Span
from oracle.ground.typed_data import Acceptance
from tests.contract.differential.acting import Act, Acting, subjects_of
from tests.contract.differential.comparing import FEW
from tests.contract.differential.histories import Event
from tests.contract.differential.placing_model import Asked, Told
from tests.contract.differential.reallocating import requests
from tests.contract.world import FOREVER, Person, halves


class Placers(Acting):
    """Orchestrators, nodes and their holders, and whoever brings requests on chain."""

    def _do_open(self, event: Event) -> list[Act]:
        return self._assign(event.who, event.how, self.linked[(event.who + event.how) % FEW].id)

    def _do_assign(self, event: Event) -> list[Act]:
        job = 1 + event.who % len(self.model.jobs)
        slots = len(self.model.jobs[job - 1].slots)
        free = [one for one in range(slots) if not self._open_in(job, one)] or list(range(slots + 1))
        return self._assign(job, free[event.how % len(free)], self.linked[event.how % FEW].id)

    def _assign(self, job: int, slot: int, licence: int) -> list[Act]:
        world, model, one = self.world, self.model, self.licence_of[licence]
        generation = len(model.of_slot(job, slot)) + 1
        message = Acceptance(job, slot, generation, licence, self.terms[job - 1], FOREVER)
        signature = one.node.signer.sign_typed(message, self.network.acceptance_domain)
        subjects = subjects_of(one)

        def open_(now: int) -> list[Told]:
            return self.placing.open(now, (job, slot), licence, subjects, one.holder.address)

        call = world.placements.assign((job, slot, licence, FOREVER), *halves(signature))
        return [Act(world.orchestrator, call, open_, tells=True)]

    def _do_close(self, event: Event) -> list[Act]:
        if not (opened := self._open()):
            return []
        key = opened[event.how % len(opened)]
        one = self.licence_of[self.model.accounts[key].licence]
        people = {"node": one.node, "holder": one.holder, "csp": self.world.csp, "stranger": self.world.stranger}
        who = (["orchestrator"] * 3 + ["node", *people])[event.who % 8]
        call = self.world.placements.closeAssignment(key)
        person = people.get(who, self.world.orchestrator)
        closing = Act(person, call, lambda now: self.placing.close(now, key, who))
        return [closing, *(self._request(event, [key]) if event.how % 3 < 2 and who != "orchestrator" else [])]

    def _do_maintain(self, event: Event) -> list[Act]:
        """A licence's window is declared, and sometimes changed at once, or a known one is; mostly by one who may."""
        chance, now = Random(repr(event)), self.next
        serving = [self.model.accounts[key].licence for key in self._open()] or [one.id for one in self.linked[:FEW]]
        licence = chance.choice(serving)
        known = self.placing.windows[licence]
        if known and chance.random() < 0.4:
            return [self._change(chance, licence, chance.choice(known))]
        opens = now + chance.choice([0, 0, 0, -1, *(chance.randrange(300) for _ in range(8))])
        span = opens, opens + chance.choice([0, 30_001, *(chance.randrange(60, 1_600) for _ in range(14))])
        acts = [self._declare(chance, licence, span)]
        if chance.random() < 0.5:
            acts.append(self._change(chance, licence, span))
        return acts

    def _change(self, chance: Random, licence: int, window: Span) -> Act:
        """A window is shortened or cancelled, or one beside it declared that may overlap."""
        (opens, ends), calls = window, self.network.maintenance.functions
        what = chance.choice(["shorten", "shorten", "cancel", "declare"])
        if what == "declare":
            after = [(first, first + chance.randrange(1, 300)) for first in (ends, ends - 1)]
            before = [(max(self.next, opens - 50), last) for last in (opens, opens + 1)]
            return self._declare(chance, licence, chance.choice(after + before))
        opens += chance.choice([0] * 9 + [1])
        who, may = self._who(chance, licence)
        if what == "cancel":
            call = calls.cancel(licence, opens)
            return Act(who, call, lambda now: self.placing.cancel(now, licence, opens, may))
        middle = (max(self.next, opens) + ends) // 2
        span = opens, chance.choice([self.next, ends, opens, ends - 1, *[middle] * 4])
        return Act(who, calls.shorten(licence, *span), lambda now: self.placing.shorten(now, licence, span, may))

    def _declare(self, chance: Random, licence: int, span: Span) -> Act:
        who, may = self._who(chance, licence)
        call = self.network.maintenance.functions.declare(licence, *span)
        return Act(who, call, lambda now: self.placing.declare(now, licence, span, may))

    def _who(self, chance: Random, licence: int) -> tuple[Person, bool]:
        """Somebody, and whether it may speak for the licence."""
        one = self.licence_of[licence]
        who = chance.choice([*[one.node] * 5, *[one.holder] * 5, self.world.csp])
        return who, who is not self.world.csp

    def _do_request(self, event: Event) -> list[Act]:
        return self._request(event, [])

    def _request(self, event: Event, sought: list[int], why: Sequence[Reason] = ()) -> list[Act]:
        """The committee asks for other nodes, for good reasons or not: one request by itself, or up to 4 in a batch,
        most of them of those `sought`. Sometimes the orchestrator answers at once."""
        chance, now = Random(repr(event)), self.next
        epoch = self.clock.epoch_at(now) - (chance.random() < 0.04)
        running = [key for key in self._open() if now < self.model.job_of(key).stop]
        if not self.model.accounts or epoch < 0 or (not running and event.how % 4):
            return []
        asked = [self._asked(chance, epoch, sought or running, why) for _ in range(chance.choice([1, 1, 2, 3, 4]))]
        acts = [self._bring(chance, epoch, asked)]
        key = asked[0].assignment
        if chance.random() < 0.5:
            acts += self._assign(*unpack(key)[:2], self.linked[event.how % FEW].id)
            if chance.random() < 0.8:
                reason = Reason.MAINTENANCE.value
                again = Asked(self._name(key + 1, epoch, reason), key + 1, reason, now)
                acts.append(self._bring(chance, epoch, [again]))
        return acts

    def _bring(self, chance: Random, epoch: int, asked: list[Asked]) -> Act:
        """A batch comes on chain; seldom one that expired or that another committee signed."""
        committee = self.committee if chance.random() < 0.96 else max(1, self.committee - 1)
        expiry = chance.choice([FOREVER] * 9 + [self.next] * 9 + [self.next - 1])
        self.asked += asked
        jobs = [self.model.job_of(one.assignment) for one in asked]
        terms = [(job.rates.price, job.policy) for job in jobs]
        single = len(asked) == 1 and chance.random() < 0.5

        def carry_out(now: int) -> list[Told]:
            self.placing.require_current(now, epoch, expiry, committee, self.committee)
            if single:
                return self.placing.request(now, epoch, asked[0])
            return self.placing.request_many(now, epoch, asked)

        call = requests(self.world, committee, epoch, asked, terms, expiry, single)
        return Act(self.world.keeper, call, carry_out, tells=True)

    def _name(self, key: int, epoch: int, reason: int) -> bytes:
        """A request's id, as all oracles name it."""
        return request_id(self.world.chain.chain_id, self.network.addresses.reallocations, key, epoch, reason)

    def _asked(self, chance: Random, epoch: int, sought: list[int], why: Sequence[Reason]) -> Asked:
        """One request: mostly of one sought or running, for a reason in its policy, as of a time that may be."""
        if self.asked and chance.random() < 0.1:
            return chance.choice(self.asked)
        now, model = self.next, self.model
        key = chance.choice(sought if sought and chance.random() < 0.8 else list(model.accounts))
        account, policy = model.accounts[key], model.job_of(key).policy
        outcast = any(self.placing.outcast[each] for each in account.subjects)
        known = [
            *why,
            *[Reason.MISSED_EPOCHS] * bool(policy.missed_epochs),
            *[Reason.OUTAGE] * (2 * bool(policy.outage_seconds)),
            *[Reason.OUTCAST] * (6 if outcast else 1),
            *[Reason.MAINTENANCE] * bool(policy.maintenance_seconds),
        ]
        reason = chance.choice(known).value if chance.random() < 0.85 else chance.randrange(6)
        first = max(self.clock.start(epoch) + 1, account.opened_at)
        as_of = chance.randint(first, max(first, min(now, account.closed_at)))
        if chance.random() < 0.12:
            as_of = chance.choice([self.clock.start(epoch), now, now + 1, account.opened_at - 1])
        if chance.random() < 0.03:
            key += 1_000  # no such generation
        marker = bytes(32) if chance.random() < 0.02 else self._name(key, epoch, reason)
        return Asked(marker, key, reason, as_of, proven=chance.random() > 0.04, terms=chance.random() > 0.04)

    def _do_reopen(self, event: Event) -> list[Act]:
        places = sorted({unpack(key)[:2] for key in self.model.accounts})
        if not places:
            return []
        now = self.next
        forfeited = [one for one in places if self.placing.state(now, one) == "forfeited"] or places
        place = forfeited[event.who % len(forfeited)]
        call = self.network.reallocations.functions.reopenSlot(*place)
        return [Act(self.world.csp, call, lambda now: self.placing.reopen(now, place))]
