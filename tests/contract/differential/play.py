# SPDX-License-Identifier: Apache-2.0
"""Plays a history on a network and on the model at once, and compares what both have stored after each block."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Sequence
from typing import Any

from chain.transactions import Call
from settlement.model_reports import Refused
from tests.contract.differential.acting import Act
from tests.contract.differential.committee import Committee
from tests.contract.differential.comparing import CSP
from tests.contract.differential.histories import Event, Round
from tests.contract.differential.people import People
from tests.contract.differential.reallocating import told
from tests.contract.world import GENESIS, INTENT, START


class Play(Committee, People):
    """One example, from its first deposit to its last unit."""

    def run(self) -> dict[str, Any]:
        """The final amounts, after all were compared all along."""
        self._begin()
        for time, acts in sorted(self._timeline().items()):
            self.next = time
            own = self._last_leaves() if self.lawful else []
            self._block(time, own + [act for each in acts for act in each()])
        self._end()
        self._compare_placing()
        return self._final()

    # Time

    def _timeline(self) -> dict[int, list[Callable[[], list[Act]]]]:
        """What happens when. People's and oracles' times are the same whatever keepers do: those take other seconds."""
        plan: dict[int, list[Callable[[], list[Act]]]] = defaultdict(list)
        for number, job in enumerate(self.history.jobs, 1):
            for slot in range(job.slots):
                event = Event(job.starts + (number * 37 + slot * 13) * (self.history.seed % 4), "open", number, slot)
                self._plan_event(plan, event)
            self._plan_event(plan, Event(job.starts + 200, "maintain", number, self.history.seed % 1_000))
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
        expected: list[tuple[str, Any]] = []
        for act in acts:
            try:
                expected.append(("", act.model(time)))
            except Refused as refused:
                expected.append((refused.name, None))
        calls = [Call.of(act.call.fn_name, act.who.wallet, act.call) for act in acts]
        got = self.stage.mine(time, calls)
        self.blocks += 1
        for act, (mine, tells), theirs in zip(acts, expected, got, strict=True):
            at, what = time - GENESIS, f"{act.call.fn_name}{act.call.args}"
            events = told(self.place.events, theirs.logs)
            self.told.append(f"{at:>6} {what:.150} {theirs.error} {events or ''}")
            assert theirs.error == mine, f"at {at}: {what}: contracts {theirs.error!r}, model {mine!r}"
            assert events == (tells if act.tells and not mine else []), f"at {at}: {what}: told {events}, model {tells}"
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
            lies = not self.lawful and not self.history.clear and self.history.seed % 2 == 0
            self._publish(max(covering, *self._release_epochs()) + 1, lies)
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

    # Events

    def _event(self, event: Event) -> list[Act]:
        """What the event comes to as things stand; perhaps nothing."""
        return getattr(self, "_do_" + event.what.replace(" ", "_"))(event)
