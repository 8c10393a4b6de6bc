# SPDX-License-Identifier: Apache-2.0
"""Plays a history on a network and on the model at once, and compares what both have stored after each block."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from eth_utils.crypto import keccak
from web3.contract.contract import ContractFunction

from chain.transactions import Call
from oracle.ground.ids import KIND_ASSIGNMENT, unpack
from oracle.ground.leaves import Leaf
from oracle.ground.ledger import Subject
from oracle.ground.merkle import Tree
from oracle.ground.typed_data import Acceptance, EpochReport
from settlement.model import NEVER, Escrow
from settlement.model_reports import Refused, require
from settlement.planning.ranges import settle_calls
from tests.contract.differential.comparing import CSP, FEW, LICENCE, NODE, Compared
from tests.contract.differential.histories import Event, History, Round, Visit
from tests.contract.differential.oracles import Core
from tests.contract.differential.reallocating import request
from tests.contract.differential.stage import Stage
from tests.contract.world import FOREVER, GENESIS, INTENT, START, Licence, Person, halves, joined

REASON, EVIDENCE = 7, keccak(text="why")
QUORUM = (0, 1, 2)


@dataclass(frozen=True)
class Act:
    """One transaction: what the model does of it, which may refuse, and what is sent."""

    who: Person
    call: ContractFunction
    model: Callable[[int], Any]


@dataclass
class Wanted:
    """The last request for another node of one slot."""

    assignment: int
    deadline: int
    cooldown_ends: int


class Play(Compared):
    """One example. `lawful`: nothing happens that lets a keeper's ways change amounts: no lies, no early closing,
    nothing is released before what was raised is settled, and whom no keeper serves sees to his own last leaf."""

    def __init__(self, stage: Stage, history: History, visits: Sequence[Visit], lawful: bool = False) -> None:
        self.stage, self.world = stage, stage.world
        self.history, self.visits, self.lawful = history, visits, lawful
        self.place = stage.enter(history.network)
        self.network, self.linked = self.place.network, self.place.linked
        self.rules = self.place.rules
        self.clock = self.rules.clock
        self.model = Escrow(self.rules)
        self.core = Core(history.seed, self.clock, self.rules.appeal_epochs)
        self.trees: dict[int, Tree] = {}
        self.committee = 1
        self.terms: list[bytes] = []
        self.wanted: dict[tuple[int, int], Wanted] = {}
        self.licence_of = {one.id: one for one in self.linked}
        self.blocks = 0
        self.next = 0
        """When the block is mined whose transactions are being made."""
        self.seen_to = -1
        """The last report in which those who serve no more looked for their leaves."""
        self.told: list[str] = []
        """What happened, for people who look into an example."""

    def run(self) -> dict[str, Any]:
        """The final amounts, after all were compared all along."""
        self._begin()
        for time, acts in sorted(self._timeline().items()):
            self.next = time
            own = self._last_leaves() if self.lawful else []
            self._block(time, own + [act for each in acts for act in each()])
        self._end()
        return self._final()

    # Time

    def _timeline(self) -> dict[int, list[Callable[[], list[Act]]]]:
        """What happens when. People's and oracles' times are the same whatever keepers do: those take other seconds."""
        plan: dict[int, list[Callable[[], list[Act]]]] = defaultdict(list)
        for number, job in enumerate(self.history.jobs, 1):
            for slot in range(job.slots):
                event = Event(job.starts + (number * 37 + slot * 13) * (self.history.seed % 4), "open", number, slot)
                self._plan_event(plan, event)
        for event in self.history.events:
            self._plan_event(plan, event)
        for epoch, one in enumerate(self.history.rounds):
            at = self.clock.end(epoch) + one.late
            if one.fate != "skipped":
                plan[at].append(lambda epoch=epoch, one=one: self._submit(epoch, one))
            if one.fate in ("vetoed", "reviewed"):
                plan[at + 20].append(self._veto)
            if one.fate == "reviewed":
                plan[at + 50].append(lambda epoch=epoch, one=one: self._submit(epoch, one))
            if one.fate == "replaced":
                plan[at + 20].append(self._replace)
        taken = set(plan)
        for visit in self.visits:
            at = GENESIS + visit.at
            while at in taken:
                at += 1
            taken.add(at)
            plan[at].append(lambda visit=visit: self._visit(visit))
        return plan

    def _plan_event(self, plan: dict[int, list[Callable[[], list[Act]]]], event: Event) -> None:
        """One a block: what an event comes to depends on those before."""
        at = GENESIS + max(1, event.at)
        while at in plan:
            at += 1
        plan[at].append(lambda: self._event(event))

    def _block(self, time: int, acts: Sequence[Act]) -> None:
        """Mine acts at `time`; what the model refuses the contracts must refuse, by the same name. Without acts, mine
        all the same: the model's time is the chain's."""
        expected = []
        for act in acts:
            try:
                act.model(time)
                expected.append("")
            except Refused as refused:
                expected.append(refused.name)
        calls = [Call.of(act.call.fn_name, act.who.wallet, act.call) for act in acts]
        got = self.stage.mine(time, calls)
        self.blocks += 1
        for act, mine, theirs in zip(acts, expected, got, strict=True):
            at = time - GENESIS
            self.told.append(f"{at:>6} {act.call.fn_name}{act.call.args!r:.150} {theirs}")
            assert theirs == mine, f"at {at}: {act.call.fn_name}{act.call.args}: contracts {theirs!r}, model {mine!r}"
        self._compare()
        if acts:
            self._compare_bonds()

    # Beginning and end

    def _begin(self) -> None:
        world, bonds = self.world, self.network.bonds.functions
        acts = []
        for licence, amount in zip(self.linked, self.history.bonds, strict=True):
            if amount:
                acts.append(self._deposit(licence.id, amount))
        for job in self.history.jobs:
            starts = GENESIS + job.starts
            fields = {"price": job.price, "slots": job.slots, "startsAt": starts, "endsAt": starts + job.length}
            terms = world.terms(token=self.network.addresses.token, intent=INTENT, policy=job.policy, **fields)
            acts.append(
                Act(
                    world.csp,
                    world.escrow.createJob(world.account, terms),
                    lambda _, j=job, s=starts: self.model.create(
                        j.policy, j.price, CSP | world.account, j.slots, s, s + j.length
                    ),
                )
            )
        self.before = self._balances(bonds.burnable(self.network.addresses.token))
        self._block(max(world.now + 1, START + 900), acts)
        jobs = range(1, len(self.history.jobs) + 1)
        self.terms = [bytes(world.job(job)["terms"]) for job in jobs]

    def _end(self) -> None:
        """All jobs come to their end: by two last reports, or by none ever again."""
        world, model, jobs = self.world, self.model, range(1, len(self.history.jobs) + 1)
        self._wait_for_pending()
        stop = max(job.stop for job in model.jobs)
        if self.history.dying:
            self._settle_last()
            self._close_all(max(model.reports.stalled_at(world.now), stop) + self.rules.attestable_span)
        else:
            last = model.reports.final[-1].epoch if model.reports.final else -1
            covering = max(last + 1, self.clock.covering(stop))
            self._publish(covering)
            self._settle_last()
            self._close_all(model.reports.final[-1].final_at + self.rules.settle_window)
            self._publish(
                max(covering, *self._release_epochs()) + 1, lies=not self.lawful and self.history.seed % 2 == 0
            )
            self._settle_last()
        at = max(world.now + self.rules.settle_window, *(until for until in (0, *model.frozen.values())))
        everyone = list(model.accounts)
        self._block(at, [self._release(everyone), self._mark(everyone), self._claim(everyone)] if everyone else [])
        self._block(max(world.now, at) + 1, [act for job in jobs for act in self._sends(job)])
        bonds = self.network.bonds.functions
        if model.bonds.burnable:
            send = bonds.sendToBurn(self.network.addresses.token)
            self._block(world.now + 1, [Act(world.keeper, send, lambda _: model.bonds.send_to_burn())])

    def _close_all(self, at: int) -> None:
        """Close all jobs at `at`, once it was tried a second before."""
        for time in (at - 1, at):
            closing = [self._close(job) for job, one in enumerate(self.model.jobs, 1) if not one.closed]
            self._block(max(self.world.now + 1, time), closing)

    def _release_epochs(self) -> list[int]:
        marks = [mark for account in self.model.accounts.values() for mark in account.held]
        return [0, *(self.rules.release_epoch(mark) for mark in marks)]

    def _wait_for_pending(self) -> None:
        pending = self.model.reports.at(self.world.now).pending
        if pending is not None:
            self.world.wait_until(max(self.world.now + 1, pending.final_at))
            self.model.reports.at(self.world.now)

    def _publish(self, epoch: int, lies: bool = False) -> None:
        at = max(self.world.now + 1, self.clock.end(epoch) + 11)
        self.world.wait_until(at)
        self.next = at + 1
        self._block(self.next, self._submit(epoch, Round("reported", 0, lies)))
        self._wait_for_pending()

    def _settle_last(self) -> None:
        """Every leaf of the last report."""
        self.next = self.world.now + 1
        self._block(self.next, self._settling("in ranges", 2**16 - 1))

    # Oracles

    def _submit(self, epoch: int, one: Round) -> list[Act]:
        world, reports = self.world, self.model.reports
        final = reports.at(self.next).final
        last = final[-1].epoch if final else -1
        parent = self.trees[last].root if final else bytes(32)
        tree = None
        if epoch > last:
            leaves = self.core.report(last, epoch, self._subjects())
            tree = Tree.build(self.core.lies(epoch, leaves) if one.lies else leaves)
        fields = {"anchor": keccak(text=f"anchor {epoch}"), "evidence": keccak(text=f"evidence {epoch}")}
        root = tree.root if tree else keccak(text="too late")
        report = EpochReport(epoch=epoch, committee=self.committee, root=root, parent=parent, **fields)
        digest = report.digest(self.network.report_domain)
        signatures = joined([world.committee[member].sign(digest) for member in QUORUM])
        values = (epoch, report.committee, root, parent, report.anchor, report.evidence)
        call = world.attestations.submit(values, sum(1 << member for member in QUORUM), signatures)

        def take(now: int) -> None:
            reports.submit(now, epoch)
            assert tree is not None
            self.trees[epoch] = tree

        return [Act(world.keeper, call, take)]

    def _subjects(self) -> list[Subject]:
        """All assignments as the chain tells of them, as the oracles' anchor reads them."""
        views = self.world.lens.assignmentsOf(list(self.model.accounts)).call() if self.model.accounts else []
        names = [one["name"] for one in self.world.lens.assignmentsOf([]).abi["outputs"][0]["components"]]
        subjects = []
        for values in views:
            view = dict(zip(names, values, strict=True))
            fields = (view[name] for name in _SUBJECT)
            subjects.append(Subject(*fields, self.model.job_of(view["id"]).policy))
        return subjects

    def _veto(self) -> list[Act]:
        return [Act(self.world.guardian, self.world.veto(), self.model.reports.veto)]

    def _replace(self) -> list[Act]:
        def replaced(now: int) -> None:
            self.model.reports.drop(now)
            self.committee += 1

        call = self.network.registry.functions.replaceCommittee(self.place.members)
        return [Act(self.world.admin, call, replaced)]

    # People

    def _event(self, event: Event) -> list[Act]:
        """What the event comes to as things stand; perhaps nothing."""
        return getattr(self, "_do_" + event.what.replace(" ", "_"))(event)

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
        subjects = _subjects(one)

        def open_(now: int) -> None:
            last = self.wanted.get((job, slot))
            if last is not None:
                unanswered = model.of_slot(job, slot)[-1] == last.assignment
                require(not unanswered or now <= last.deadline, "Placements_SlotForfeited")
                failed = model.accounts[last.assignment].licence
                require(now >= last.cooldown_ends or licence != failed, "Placements_LicenceCoolingDown")
            assignment = model.open(now, job, slot, licence, subjects, one.holder.address)
            if any(now < model.frozen.get(each, 0) for each in (*subjects, CSP | world.account)):
                del model.accounts[assignment]
                raise Refused("Placements_SubjectBarred")

        call = world.placements.assign((job, slot, licence, FOREVER), *halves(signature))
        return [Act(world.orchestrator, call, open_)]

    def _do_close(self, event: Event) -> list[Act]:
        if not (opened := self._open()):
            return []
        key = opened[event.how % len(opened)]
        call = self.world.placements.closeAssignment(key)
        return [Act(self.world.orchestrator, call, lambda now: self.model.end(now, key))]

    def _do_reallocate(self, event: Event) -> list[Act]:
        """As of a time in this epoch; nothing where the rules of requests, which aren't about money, forbid it."""
        now = self.next
        running = [key for key in self._open() if now < self.model.job_of(key).stop]
        if not running:
            return []
        key = running[event.how % len(running)]
        account, place = self.model.accounts[key], unpack(key)[:2]
        first = max(self.clock.start(self.clock.epoch_at(now)) + 1, account.opened_at)
        last = self.wanted.get(place)
        if now < first or now <= account.opened_at or (last is not None and now < last.cooldown_ends):
            return []
        as_of = first + event.who * (now - first) // 59
        policy = self.model.job_of(key).policy

        def end(now: int) -> None:
            self.model.end(now, key, as_of)
            self.wanted[place] = Wanted(key, now + policy.answer_seconds, now + policy.cooldown_seconds)

        price = self.model.job_of(key).rates.price
        call = request(self.world, self.committee, self.clock.epoch_at(now), key, as_of, price, policy)
        return [Act(self.world.keeper, call, end)]

    def _do_grow(self, event: Event) -> list[Act]:
        world, model, now = self.world, self.model, self.next
        job = 1 + event.who % len(model.jobs)
        one = model.jobs[job - 1]
        if now < model.frozen.get(CSP | world.account, 0):
            return []
        slots, ends_at = len(one.slots) + event.how % 2, one.stop + event.how % 3 * 417
        return [
            Act(world.csp, world.escrow.growJob(job, slots, ends_at), lambda now: model.grow(now, job, slots, ends_at))
        ]

    def _do_shrink(self, event: Event) -> list[Act]:
        job = 1 + event.who % len(self.model.jobs)
        slots = max(1, len(self.model.jobs[job - 1].slots) - (event.how % 5 > 0))
        call = self.world.escrow.shrinkJob(job, slots)
        return [Act(self.world.csp, call, lambda now: self.model.shrink(now, job, slots))]

    def _do_stop(self, event: Event) -> list[Act]:
        job = 1 + event.who % len(self.model.jobs)
        return [Act(self.world.csp, self.world.escrow.stopJob(job), lambda now: self.model.stop(now, job))]

    def _do_close_job(self, event: Event) -> list[Act]:
        return [] if self.lawful else [self._close(1 + event.who % len(self.model.jobs))]

    def _do_freeze_licence(self, event: Event) -> list[Act]:
        return self._freeze(event, self._serving(event)[0])

    def _do_freeze_node(self, event: Event) -> list[Act]:
        return self._freeze(event, self._serving(event)[1])

    def _serving(self, event: Event) -> tuple[int, int]:
        """Subjects of a licence and its node, of one that served if any did."""
        served = [one.subjects for one in self.model.accounts.values()] or [_subjects(self.linked[0])]
        return served[event.who % len(served)]

    def _do_freeze_csp(self, event: Event) -> list[Act]:
        return self._freeze(event, CSP | self.world.account)

    def _freeze(self, event: Event, subject: int) -> list[Act]:
        until = self.next + 300 + event.how * 2

        def freeze(now: int) -> None:
            require(now >= self.model.frozen.get(subject, 0), "TrustRegistry_InForce")
            self.model.frozen[subject] = until

        call = self.network.trust.functions.freeze(subject, until, REASON, EVIDENCE)
        everyone = [key for key, one in self.model.accounts.items() if subject in one.subjects]
        return [Act(self.world.admin, call, freeze), *([self._mark(everyone)] if everyone and event.how % 2 else [])]

    def _do_lift(self, event: Event) -> list[Act]:
        if not (known := sorted(self.model.frozen)):
            return []
        subject = known[event.who % len(known)]

        def lift(now: int) -> None:
            require(now < self.model.frozen[subject], "TrustRegistry_NotInForce")
            self.model.frozen[subject] = 0

        return [Act(self.world.admin, self.network.trust.functions.liftFreeze(subject), lift)]

    def _do_bond(self, event: Event) -> list[Act]:
        return [self._deposit(self.linked[event.who % len(self.linked)].id, 1 + event.how**2)]

    def _deposit(self, licence: int, amount: int) -> Act:
        call = self.network.bonds.functions.deposit(LICENCE | licence, self.network.addresses.token, amount)
        return Act(self.stage.funder, call, lambda _: self.model.bonds.deposit(licence, amount))

    def _open(self) -> list[int]:
        return [key for key, one in self.model.accounts.items() if one.closed_at == NEVER]

    def _open_in(self, job: int, slot: int) -> bool:
        return any(self.model.accounts[key].closed_at == NEVER for key in self.model.of_slot(job, slot)[-1:])

    # Keepers

    def _visit(self, visit: Visit) -> list[Act]:
        model = self.model
        acts = self._settling(visit.way, visit.which)
        picked = [key for place, key in enumerate(sorted(model.accounts)) if visit.which >> place % 16 & 1]
        if not picked:
            return acts
        # What was raised in time is safe for a settle window: a lawful keeper settles first.
        last = model.reports.at(self.next).final
        settled = visit.which == 2**16 - 1 and visit.way in ("singly", "in ranges", "claiming", "twice")
        if visit.releases and (not self.lawful or settled or not last):
            acts.append(self._release(picked))
        if visit.marks:
            acts.append(self._mark(picked))
        if visit.claims:
            acts.append(self._claim(picked))
        if visit.sends:
            jobs = range(1, len(model.jobs) + 1)
            acts += [act for job in jobs for act in self._sends(job)]
            acts += [self._close(job) for job in jobs if not self.lawful]
        return acts

    def _settling(self, way: str, which: int) -> list[Act]:
        """Transactions that settle the leaves that `which` picks."""
        world, model = self.world, self.model
        final = model.reports.at(self.next).final
        if not final or way == "not at all":
            return []
        epoch = final[0].epoch if way == "the older report" else final[-1].epoch
        tree = self.trees[epoch]
        if way == "an unknown report":
            epoch += 1
        chosen = {leaf.id for place, leaf in enumerate(tree.leaves) if which >> place % 16 & 1}
        acts = []
        if way in ("in ranges", "twice"):
            for one in settle_calls(tree, lambda leaf: leaf.id in chosen, max_leaves=3):
                first = next(place for place, leaf in enumerate(tree.leaves) if _key(one, 0) == leaf.id)
                leaves = tree.leaves[first : first + len(one.leaves)]
                call = world.escrow.settleRange(epoch, one.job, one.tree_index, list(one.leaves), list(one.proof))
                acts.append(Act(world.keeper, call, self._settle(epoch, leaves)))
        if way == "in ranges":
            return acts
        for place, leaf in enumerate(tree.leaves):
            if leaf.kind != KIND_ASSIGNMENT or leaf.id not in chosen:
                continue
            claims = way == "claiming"
            function = world.escrow.settleAndClaim if claims else world.escrow.settle
            call = function(epoch, leaf.id, leaf.earned, leaf.accounted, list(tree.proof(place)))
            acts.append(Act(world.keeper, call, self._settle(epoch, [leaf], claims)))
        return acts

    def _last_leaves(self) -> list[Act]:
        """Settles leaves that raise what is settled to its end: these are in no later report, or in few."""
        model, world = self.model, self.world
        final = model.reports.at(self.next).final
        if not final or final[-1].epoch == self.seen_to:
            return []
        self.seen_to = epoch = final[-1].epoch
        tree, acts = self.trees[epoch], []
        for place, leaf in enumerate(tree.leaves):
            one = model.accounts.get(leaf.id)
            if one is None or leaf.earned <= one.earned or one.through < min(one.closed_at, model.job_of(leaf.id).stop):
                continue
            call = world.escrow.settle(epoch, leaf.id, leaf.earned, leaf.accounted, list(tree.proof(place)))
            acts.append(Act(world.keeper, call, self._settle(epoch, [leaf])))
        return acts

    def _settle(self, epoch: int, leaves: Sequence[Leaf], claims: bool = False) -> Callable[[int], None]:
        def settle(now: int) -> None:
            self.model.settle(now, epoch, leaves)
            if claims:
                self.model.claim(now, [leaf.id for leaf in leaves])

        return settle

    def _release(self, keys: list[int]) -> Act:
        return Act(self.world.keeper, self.world.escrow.releaseHeld(keys), lambda now: self.model.release(now, keys))

    def _mark(self, keys: list[int]) -> Act:
        return Act(self.world.stranger, self.world.escrow.mark(keys), lambda now: self.model.mark(now, keys))

    def _claim(self, keys: list[int]) -> Act:
        return Act(self.world.keeper, self.world.escrow.claim(keys), lambda now: self.model.claim(now, keys))

    def _close(self, job: int) -> Act:
        return Act(self.world.keeper, self.world.escrow.closeJob(job), lambda now: self.model.close(now, job))

    def _sends(self, job: int) -> list[Act]:
        world, model = self.world, self.model
        return [
            Act(world.keeper, world.escrow.sendToBurn(job), lambda _: model.send_to_burn(job)),
            Act(world.keeper, world.escrow.sendToProtocol(job), lambda _: model.send_to_protocol(job)),
            Act(world.keeper, world.escrow.withdrawRefund(job), lambda now: model.refund(now, job)),
        ]


# Of the contracts' AssignmentView, in the order of `Subject`'s fields.
_SUBJECT = ("id", "licence", "openedAt", "stop", "through", "earned", "accounted", "jobClosed")


def _subjects(licence: Licence) -> tuple[int, int]:
    return LICENCE | licence.id, NODE | int(licence.node.address, 16)


def _key(call: Any, place: int) -> int:
    return call.job << 64 | call.leaves[place] >> 128
