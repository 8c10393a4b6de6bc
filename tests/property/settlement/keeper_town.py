# SPDX-License-Identifier: Apache-2.0
"""Random lives of a small network in the model, and keepers that do in it what their plans say."""

from __future__ import annotations

import random
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field

from oracle.ground.clock import EpochClock
from oracle.ground.ids import KIND_ASSIGNMENT, pack
from oracle.ground.leaves import EMPTY, Leaf
from oracle.ground.merkle import Tree, verify
from oracle.ground.policy import Policy
from settlement.model import NEVER, Account, Escrow
from settlement.model_reports import Refused, Rules
from settlement.planning import Action, Book, JobState, Kind, Plan, PlanSettings, Snapshot, TokenState, plan
from settlement.planning.actions import (
    Burn,
    BurnBonds,
    Claim,
    CloseJob,
    Expire,
    Refund,
    Release,
    SendToBurn,
    SendToProtocol,
    Settle,
    SettleRange,
)

GENESIS, EPOCH = 10_000, 1_000
TOKEN = "0x" + "70" * 20
CLOCK = EpochClock(GENESIS, EPOCH)
NODE = 1 << 8


@dataclass(frozen=True)
class Life:
    """What happens whatever keepers do. seed: of what nodes achieve and people do."""

    seed: int
    jobs: int
    slots: int
    epochs: int
    appeal_epochs: int
    window: int
    penalty: int
    dies: bool = False


@dataclass
class Town:
    """One network, its model, and the trees of its reports."""

    life: Life
    now: int = GENESIS - 500
    trees: dict[int, Tree] = field(default_factory=dict)
    seconds: dict[int, list[int]] = field(default_factory=dict)
    """By assignment: what oracles have told by now: up to when, earned and accounted seconds."""

    def __post_init__(self) -> None:
        life = self.life
        self.random = random.Random(life.seed)
        self.model = Escrow(
            Rules(CLOCK, 100, 2_500, 4_500, 3_500, 300, life.appeal_epochs, 50_000),
        )
        policy = Policy(
            target_ppm=900_000,
            floor_ppm=900_000,
            window_epochs=life.window,
            csp_share_ppm=700_000,
            penalty_ppm=life.penalty,
        )
        for licence in range(1, life.jobs * life.slots + 1):
            self.model.bonds.deposit(licence, 10**12)
        for _ in range(life.jobs):
            ends = GENESIS + self.random.randint(1, life.epochs * EPOCH - 1)
            self.model.create(policy, 1_000_003, 3 << 248, life.slots, GENESIS, ends)

    # People and oracles: the same for all keepers, since what they do depends on the seed and the time alone.

    def people(self, epoch: int) -> None:
        """What happens within an epoch."""
        for step in range(4):
            self.now = CLOCK.start(epoch) + 480 + 120 * step + self.random.randint(0, 99)
            for number, job in enumerate(self.model.jobs, 1):
                for slot in range(self.life.slots):
                    self._serve(number, slot)
                if self.random.random() < 0.05:
                    self._tried(lambda number=number: self.model.stop(self.now, number))
                if self.random.random() < 0.05 and len(job.slots) > 1:
                    self._tried(lambda number=number: self.model.shrink(self.now, number, 1))
            if self.random.random() < 0.1:
                self.model.frozen[NODE + self.random.randint(1, 4)] = self.now + 1_500
                self.model.mark(self.now, list(self.model.accounts))

    def _serve(self, job: int, slot: int) -> None:
        chance, licence = self.random.random(), (job - 1) * self.life.slots + slot + 1
        subjects = (licence, NODE + licence)
        last = self.model.of_slot(job, slot)[-1:]
        opened = [key for key in last if self.model.accounts[key].closed_at == NEVER]
        if opened and chance < 0.1:
            self._tried(lambda: self.model.end(self.now, opened[0]))
        elif not opened and chance < 0.7:
            self._tried(lambda: self.model.open(self.now, job, slot, licence, subjects, f"payee {licence}"))

    def _tried(self, do: Callable[[], object]) -> None:
        with suppress(Refused):
            do()

    def report(self, epoch: int) -> None:
        """The committee's report of an epoch, whose leaves are within all bounds."""
        leaves = []
        for key in sorted(self.model.accounts):
            leaves.append(Leaf(KIND_ASSIGNMENT, key, *self._told(key, epoch)))
        self.trees[epoch] = Tree.build(leaves or [EMPTY])
        self.now = max(self.now, CLOCK.end(epoch) + 10)
        self.model.reports.submit(self.now, epoch)
        self.now += 100
        self.model.reports.at(self.now)

    def _told(self, key: int, epoch: int) -> tuple[int, int]:
        """Cumulative (earned, accounted): some time is unmeasured, some withheld, and some appeals are granted."""
        account, job = self.model.accounts[key], self.model.job_of(key)
        stop = self.model.stop_of(key)
        told = self.seconds.setdefault(key, [account.opened_at, 0, 0, 0, -1])
        chance = random.Random(self.life.seed * 1_000_003 + key * 101 + epoch)
        until = CLOCK.settled_until(job.policy.window_epochs, stop, epoch)
        room = max(0, until - told[0])
        told[0] += room
        accounted = room if chance.random() < 0.7 else chance.randint(0, room)
        withheld = 0 if chance.random() < 0.5 else chance.randint(0, accounted)
        # An appeal in a report that withholds more is booked as less of that: then the older seconds stay held, and are
        # released earlier than those that the oracles mean.
        if told[3] and not withheld and chance.random() < 0.4 and epoch <= told[4] + self.life.appeal_epochs:
            told[1] += chance.randint(1, told[3])
            told[3] = 0
        told[1] += accounted - withheld
        told[2] += accounted
        if withheld:
            told[3], told[4] = withheld, epoch
        return told[1], told[2]

    # Keepers

    def snapshot(self) -> Snapshot:
        """What a keeper reads."""
        model = self.model
        reports = model.reports.at(self.now)
        books = {key: self._book(key, one) for key, one in model.accounts.items()}
        jobs = {number: self._job(number) for number in range(1, len(model.jobs) + 1)}
        tokens = {TOKEN: TokenState(model.bonds.burnable, 0, False)}
        return Snapshot(self.now, model.rules, reports.final, reports.pending, books, jobs, tokens)

    def _book(self, key: int, one: Account) -> Book:
        return Book(
            key,
            self.model.stop_of(key),
            one.closed_at == NEVER,
            one.through,
            one.earned,
            one.accounted,
            one.claimed,
            tuple(sorted(one.held.items())),
            one.marked,
            max(self.model.frozen.get(subject, 0) for subject in one.subjects),
        )

    def _job(self, number: int) -> JobState:
        model, one = self.model, self.model.jobs[number - 1]
        sums = model.tally(number)
        return JobState(
            number,
            TOKEN,
            one.rates,
            one.policy.window_epochs,
            one.stop,
            one.closed,
            one.policy.penalty_ppm > 0,
            max(0, model.refund_due(number) - one.refunded),
            sums.burn_due(one.rates) - one.burned,
            sums.protocol_due(one.rates) - one.to_protocol,
            one.refunded,
            one.burned,
            one.to_protocol,
            1,
            model.frozen.get(one.csp, 0),
        )

    def plan(self, settings: PlanSettings) -> Plan:
        return plan(self.snapshot(), self.trees, settings)

    def act(self, action: Action) -> None:
        """As the contracts would; Refused where they refuse."""
        model, now = self.model, self.now
        match action.what:
            case Settle(epoch, leaf, proof, claims):
                assert self.proves(epoch, [leaf], proof)
                model.settle(now, epoch, [leaf])
                if claims:
                    model.claim(now, [leaf.id])
            case SettleRange(epoch, call, leaves):
                assert len(call.leaves) == len(leaves)
                assert {leaf.id >> 64 for leaf in leaves} == {call.job}
                model.settle(now, epoch, leaves)
            case Claim(assignments):
                model.claim(now, assignments)
            case Release(assignments):
                model.release(now, assignments)
            case CloseJob(job):
                model.close(now, job)
            case Expire(assignments):
                for one in assignments:
                    assert now >= model.job_of(one).stop
                    model.end(now, one)
            case Refund(job):
                model.refund(now, job)
            case SendToBurn(job):
                model.send_to_burn(job)
            case SendToProtocol(job):
                model.send_to_protocol(job)
            case BurnBonds(_):
                model.bonds.send_to_burn()
            case Burn(_):
                raise AssertionError("the model has no burner")

    def proves(self, epoch: int, leaves: Sequence[Leaf], proof: Sequence[bytes]) -> bool:
        return verify(self.trees[epoch].root, leaves[0].hash(), proof)

    def books(self) -> Mapping[int, object]:
        """All that an action could change."""
        accounts = {
            key: (one.through, one.earned, one.accounted, one.claimed, tuple(sorted(one.held.items())), one.closed_at)
            for key, one in self.model.accounts.items()
        }
        jobs = {
            -number: (one.closed, one.refunded, one.burned, one.to_protocol)
            for number, one in enumerate(self.model.jobs, 1)
        }
        return {**accounts, **jobs, 0: self.model.bonds.burned}

    def balances(self) -> dict[str, int]:
        """Where all money is."""
        model = self.model
        payees = {one.payee for one in model.accounts.values()}
        found = {payee: model.paid_to(payee) for payee in payees}
        for number, job in enumerate(model.jobs, 1):
            found |= {f"refunded {number}": job.refunded, f"burned {number}": job.burned}
            found[f"protocol {number}"] = job.to_protocol
        return found | {"bonds burned": model.bonds.burned}


EAGER = PlanSettings(least_sent={TOKEN: 1})
ALL_KINDS = frozenset(Kind)

__all__ = ["ALL_KINDS", "CLOCK", "EAGER", "EPOCH", "Life", "Town", "pack"]
