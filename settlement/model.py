"""The escrow in whole numbers: what accounts, jobs and bonds come to under any order of calls. Pure.

A second telling of the rules in docs/money.md: what the contracts keep packed and incremental is kept here plainly, by
assignment and by slot, and sums are taken when they are asked for. Tests hold the contracts against it to the last
unit; plans and statements can look ahead with it. All times are UNIX seconds.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field

from oracle.ground.ids import pack, unpack
from oracle.ground.leaves import Leaf
from oracle.ground.policy import PPM, Policy
from settlement.model_bonds import Bonds
from settlement.model_reports import Reports, Rules, require
from settlement.money import Rates

NEVER = 1 << 40


@dataclass(slots=True)
class Account:
    """One assignment's cumulative seconds. `held` are withheld ones that aren't released, by their mark; `marked`: a
    claim asks first whether one of `subjects`, the licence and its node, is frozen."""

    licence: int
    subjects: tuple[int, int]
    payee: str
    opened_at: int
    through: int
    closed_at: int = NEVER
    accounted: int = 0
    earned: int = 0
    claimed: int = 0
    held: dict[int, int] = field(default_factory=dict)
    marked: bool = False

    @property
    def withheld(self) -> int:
        """Seconds booked as withheld, released or not."""
        return self.accounted - self.earned

    @property
    def holding(self) -> int:
        """Seconds that are held."""
        return sum(self.held.values())


@dataclass(slots=True)
class Job:
    """One job. `slots` says from when on each of its slots can be served; `funded` and `deposited` are slot-seconds:
    what may still accrue at most, and what was paid for at all. The rest went out, in the token's smallest unit."""

    policy: Policy
    rates: Rates
    csp: int
    starts_at: int
    stop: int
    slots: list[int]
    funded: int
    deposited: int
    leaving: bool = False
    closed: bool = False
    refunded: int = 0
    burned: int = 0
    to_protocol: int = 0

    @property
    def deposit(self) -> int:
        """What was paid in."""
        return self.rates.deposit(1, self.deposited)

    def future(self, now: int, first: int = 0) -> int:
        """Slot-seconds that the slots from `first` on would accrue at most from now on."""
        return sum(max(0, self.stop - max(now, one)) for one in self.slots[first:])


@dataclass(frozen=True, slots=True)
class Tally:
    """Slot-seconds of a job over all its assignments, and what its payees were paid."""

    earned: int
    unmeasured: int
    released: int
    held: int
    claimed: int
    paid: int

    def protocol_due(self, rates: Rates) -> int:
        """The protocol's share of the earned."""
        return rates.gross(self.earned) * rates.protocol_share_ppm // PPM

    def burn_due(self, rates: Rates) -> int:
        """What the CSP doesn't get of the released."""
        return rates.gross(self.released) * (PPM - rates.csp_share_ppm) // PPM

    def refund_due(self, rates: Rates) -> int:
        """The unmeasured, and the CSP's share of the released."""
        return rates.gross(self.unmeasured) + rates.gross(self.released) * rates.csp_share_ppm // PPM


class Escrow:
    """Jobs, assignments and their money. Each call says the time of its block, which never goes back; Refused where the
    contracts refuse."""

    def __init__(self, rules: Rules) -> None:
        self.rules = rules
        self.reports = Reports(rules)
        self.bonds = Bonds()
        self.jobs: list[Job] = []
        self.accounts: dict[int, Account] = {}
        self.frozen: dict[int, int] = {}
        """Until when subjects of trust are frozen."""

    # Jobs

    def create(self, policy: Policy, price: int, csp: int, slots: int, starts_at: int, ends_at: int) -> int:
        """A job; returns its id."""
        rates = Rates(price, self.rules.clock.length, self.rules.protocol_share_ppm, policy.csp_share_ppm)
        seconds = slots * (ends_at - starts_at)
        self.jobs.append(Job(policy, rates, csp, starts_at, ends_at, [starts_at] * slots, seconds, seconds))
        return len(self.jobs)

    def grow(self, now: int, job: int, slots: int, ends_at: int) -> int:
        """More slots, from the next epoch on, and a later end; returns what it costs."""
        one = self._running(now, job)
        had, end, before = len(one.slots), one.stop, one.deposit
        require(slots >= had and ends_at >= end and (slots, ends_at) != (had, end), "JobEscrow_NotMore")
        clock = self.rules.clock
        start = max(clock.genesis if now < clock.genesis else clock.end(clock.epoch_at(now)), one.starts_at)
        require(slots == had or start < ends_at, "JobEscrow_SlotNotStarted")
        more = had * (ends_at - end) + (slots - had) * (ends_at - start)
        one.slots += [start] * (slots - had)
        one.stop = ends_at
        one.funded += more
        one.deposited += more
        return one.deposit - before

    def shrink(self, now: int, job: int, slots: int) -> None:
        """Fewer slots: what is open in the others closes."""
        one = self._running(now, job)
        require(0 < slots < len(one.slots), "JobEscrow_UnknownSlot")
        for slot in range(slots, len(one.slots)):
            for key in self.of_slot(job, slot)[-1:]:
                if self.accounts[key].closed_at == NEVER:
                    self.accounts[key].closed_at = now
        one.funded -= one.future(now, slots)
        del one.slots[slots:]

    def stop(self, now: int, job: int) -> None:
        """The CSP leaves."""
        one = self._running(now, job)
        one.funded -= one.future(now)
        one.stop, one.leaving = max(now, one.starts_at), True

    def close(self, now: int, job: int) -> None:
        """What nobody proved goes back."""
        one = self.jobs[job - 1]
        require(not one.closed, "JobEscrow_JobClosed")
        require(now >= one.stop and self.closable(now, one.stop), "JobEscrow_NotClosable")
        one.closed = True

    def closable(self, now: int, stop: int) -> bool:
        """Whether nodes have had their time to prove seconds up to a job's stop."""
        clock = self.rules.clock
        covering = clock.covering(max(stop, clock.genesis))
        return self.reports.settled_long_enough(now, covering) or self.reports.abandoned(now, stop)

    def _running(self, now: int, job: int) -> Job:
        one = self.jobs[job - 1]
        require(not one.leaving and now < one.stop, "JobEscrow_AlreadyStopped")
        return one

    # Assignments

    def of_slot(self, job: int, slot: int) -> list[int]:
        """A slot's assignments, in the order in which they opened."""
        found: list[int] = []
        while (key := pack(job, slot, len(found) + 1)) in self.accounts:
            found.append(key)
        return found

    def open(self, now: int, job: int, slot: int, licence: int, subjects: tuple[int, int], payee: str) -> int:
        """An assignment, by the job's orchestrator with the node's consent; returns its id."""
        one, before = self.jobs[job - 1], self.of_slot(job, slot)
        require(one.starts_at <= now < one.stop, "JobEscrow_JobNotRunning")
        require(slot < len(one.slots), "JobEscrow_UnknownSlot")
        require(now >= one.slots[slot], "JobEscrow_SlotNotStarted")
        require(not before or self.accounts[before[-1]].closed_at != NEVER, "JobEscrow_SlotTaken")
        key = pack(job, slot, len(before) + 1)
        self.accounts[key] = Account(licence, subjects, payee, now, now)
        return key

    def end(self, now: int, assignment: int, as_of: int | None = None) -> None:
        """An assignment closes now, or as of a time before."""
        account = self.accounts[assignment]
        time = min(now if as_of is None else as_of, self.job_of(assignment).stop)
        require(account.closed_at == NEVER, "JobEscrow_AlreadyClosed")
        require(account.through <= time <= now, "JobEscrow_TimeOutOfBounds")
        account.closed_at = time

    def job_of(self, assignment: int) -> Job:
        """An assignment's job."""
        return self.jobs[unpack(assignment)[0] - 1]

    def stop_of(self, assignment: int) -> int:
        """When an assignment stops accruing."""
        return min(self.accounts[assignment].closed_at, self.job_of(assignment).stop)

    # Seconds

    def settle(self, now: int, epoch: int, leaves: Iterable[Leaf]) -> None:
        """Leaves of a final report of `epoch`."""
        self.reports.require_final(now, epoch)
        for leaf in leaves:
            if leaf.id in self.accounts:
                self._apply(epoch, leaf)

    def _apply(self, epoch: int, leaf: Leaf) -> None:
        account, job = self.accounts[leaf.id], self.job_of(leaf.id)
        until = self.rules.clock.settled_until(job.policy.window_epochs, self.stop_of(leaf.id), epoch)
        room = 0 if job.closed else max(0, until - account.through)
        claimed = max(0, leaf.accounted - account.accounted)
        accounted = min(claimed, room)
        more = max(0, leaf.earned - account.earned)
        # What a leaf earned beyond the time that it newly accounts for can only be an appeal: it comes out of the held.
        appealed = max(0, more - claimed)
        holding = account.holding
        earned = min(more - appealed, accounted) + min(appealed, holding)
        account.through += room
        account.accounted += accounted
        account.earned += earned
        if holding or earned != accounted:
            _free(account.held, earned - accounted)
            for mark in [mark for mark in account.held if epoch >= self.rules.release_epoch(mark)]:
                del account.held[mark]
            if accounted > earned:
                mark = self.rules.mark(epoch)
                account.held[mark] = account.held.get(mark, 0) + accounted - earned
            self._penalise(leaf.id)

    def release(self, now: int, assignments: Iterable[int]) -> None:
        """Held seconds whose appeal span is over find their destination."""
        for key in assignments:
            account = self.accounts[key]
            due = [
                mark
                for mark in account.held
                if self.reports.abandoned(now) or self.reports.settled_long_enough(now, self.rules.release_epoch(mark))
            ]
            for mark in due:
                del account.held[mark]
            if due:
                self._penalise(key)

    def _penalise(self, assignment: int) -> None:
        account, job = self.accounts[assignment], self.job_of(assignment)
        if job.policy.penalty_ppm:
            whole, due = (
                job.rates.gross(seconds) * job.policy.penalty_ppm // PPM
                for seconds in (account.withheld, account.withheld - account.holding)
            )
            self.bonds.update(account.licence, assignment, due, whole - due)

    # Money

    def tally(self, job: int) -> Tally:
        """The sums over a job's assignments."""
        rates = self.jobs[job - 1].rates
        own = [one for key, one in self.accounts.items() if unpack(key)[0] == job]
        return Tally(
            earned=sum(one.earned for one in own),
            unmeasured=sum(one.through - one.opened_at - one.accounted for one in own),
            released=sum(one.withheld - one.holding for one in own),
            held=sum(one.holding for one in own),
            claimed=sum(one.claimed for one in own),
            paid=sum(rates.net(one.claimed) for one in own),
        )

    def claim(self, now: int, assignments: Iterable[int]) -> None:
        """What is earned goes to the payees, unless it waits for a freeze to end."""
        for key in assignments:
            account = self.accounts[key]
            waits = account.marked and self._waits(now, account) and not self.reports.stalled(now)
            if not waits:
                account.claimed = account.earned

    def mark(self, now: int, assignments: Iterable[int]) -> None:
        """Whether claims have to ask is written down."""
        for key in assignments:
            self.accounts[key].marked = self._waits(now, self.accounts[key])

    def paid_to(self, payee: str) -> int:
        """What a payee got."""
        own = [(key, one) for key, one in self.accounts.items() if one.payee == payee]
        return sum(self.job_of(key).rates.net(one.claimed) for key, one in own)

    def refund_due(self, job: int) -> int:
        """All that is the CSP's so far."""
        one, sums = self.jobs[job - 1], self.tally(job)
        if not one.closed:
            return one.deposit - one.rates.deposit(1, one.funded) + sums.refund_due(one.rates)
        if sums.held == 0 and sums.claimed == sums.earned:
            return one.deposit - sums.paid - sums.burn_due(one.rates) - sums.protocol_due(one.rates)
        booked = one.rates.gross(sums.earned + sums.unmeasured + sums.released + sums.held)
        return one.deposit - booked + sums.refund_due(one.rates)

    def refund(self, now: int, job: int) -> None:
        """What is the CSP's goes out, unless the CSP is frozen."""
        one, due = self.jobs[job - 1], self.refund_due(job)
        held_back = now < self.frozen.get(one.csp, 0) and not self.reports.stalled(now)
        require(due == one.refunded or not held_back, "JobEscrow_MoneyFrozen")
        one.refunded = due

    def send_to_burn(self, job: int) -> None:
        """What is to be burned goes out."""
        one = self.jobs[job - 1]
        one.burned = self.tally(job).burn_due(one.rates)

    def send_to_protocol(self, job: int) -> None:
        """The protocol's share goes out."""
        one = self.jobs[job - 1]
        one.to_protocol = self.tally(job).protocol_due(one.rates)

    def _waits(self, now: int, account: Account) -> bool:
        return any(now < self.frozen.get(subject, 0) for subject in account.subjects)


def _free(held: dict[int, int], seconds: int) -> None:
    """Takes out seconds that an appeal turned into earned ones, the oldest first."""
    for mark in sorted(held):
        if seconds <= 0:
            return
        part = min(seconds, held[mark])
        seconds -= part
        held[mark] -= part
        if not held[mark]:
            del held[mark]
