# SPDX-License-Identifier: Apache-2.0
"""Who serves and who is to be replaced, in plain words: statuses, declared maintenance and requests for other nodes."""

from __future__ import annotations

from collections import Counter, defaultdict
from dataclasses import dataclass

from oracle.ground.breaches import Reason
from oracle.ground.ids import unpack
from oracle.ground.maintenance import Span
from settlement.model import NEVER, Escrow
from settlement.model_reports import Refused, require

LONGEST_EPOCHS = 30
REOPENED = 2**40 - 1

Told = tuple[str, bytes, tuple[int, ...] | str]
"""What an event says of a request: "requested" with its facts, "skipped" with its error's name, "answered"."""


@dataclass(frozen=True, slots=True)
class Asked:
    """A request as it is shown: `proven` by the batch's root, with the job's true `terms`."""

    id: bytes
    assignment: int
    reason: int
    as_of: int
    proven: bool = True
    terms: bool = True


@dataclass(slots=True)
class Last:
    """The last request of one slot, in the order of the contracts' struct."""

    id: bytes
    assignment: int
    as_of: int
    deadline: int
    cooldown_ends: int
    reason: int


class Placing:
    """What Placements, Reallocations, Maintenance and the trust registry know. Refused where they refuse."""

    def __init__(self, escrow: Escrow) -> None:
        self.escrow = escrow
        self.clock = escrow.rules.clock
        self.given_up: set[int] = set()
        self.outcast: dict[int, set[str]] = defaultdict(set)
        """Suspensions and blacklistings in force, by subject of trust."""
        self.last: dict[tuple[int, int], Last] = {}
        self.carried_out: set[bytes] = set()
        self.windows: dict[int, list[Span]] = defaultdict(list)

    # Statuses

    def impose(self, subject: int, status: str) -> None:
        """A suspension or a blacklisting."""
        require(status not in self.outcast[subject], "TrustRegistry_InForce")
        self.outcast[subject].add(status)

    def lift(self, subject: int, status: str) -> None:
        """It ends."""
        require(status in self.outcast[subject], "TrustRegistry_NotInForce")
        self.outcast[subject].remove(status)

    def barred(self, now: int, subject: int) -> bool:
        """Whether it takes nothing new: it is frozen, suspended or blacklisted."""
        return now < self.escrow.frozen.get(subject, 0) or bool(self.outcast[subject])

    # Assignments

    def open(self, now: int, place: tuple[int, int], licence: int, subjects: tuple[int, int], payee: str) -> list[Told]:
        """An assignment, unless the slot's last request stands against it; tells of the request that it answers."""
        escrow, last = self.escrow, self.last.get(place)
        state = self.state(now, place)
        require(state != "forfeited", "Placements_SlotForfeited")
        if last is not None:
            failed = escrow.accounts[last.assignment].licence
            require(now >= last.cooldown_ends or licence != failed, "Placements_LicenceCoolingDown")
        key = escrow.open(now, *place, licence, subjects, payee)
        if any(self.barred(now, each) for each in (*subjects, escrow.job_of(key).csp)):
            del escrow.accounts[key]
            raise Refused("Placements_SubjectBarred")
        return [("answered", last.id, (key,))] if last is not None and state == "open" else []

    def close(self, now: int, key: int, who: str) -> None:
        """An assignment closes; `who`: the orchestrator, the job's csp, the node or its holder, or a stranger."""
        account, job = self.escrow.accounts[key], self.escrow.job_of(key)
        gives_up = who in ("node", "holder")
        if who == "stranger" and now < job.stop:
            gives_up = any(self.outcast[each] for each in (*account.subjects, job.csp))
            require(gives_up, "CspAccounts_NotPermitted")
        self.escrow.end(now, key)
        if gives_up:
            self.given_up.add(key)

    # Requests

    def state(self, now: int, place: tuple[int, int]) -> str:
        """Where a slot's last request stands, as in the contracts' RequestState."""
        last = self.last.get(place)
        if last is None:
            return "none"
        if self.escrow.of_slot(*place)[-1] != last.assignment:
            return "answered"
        return "open" if now <= last.deadline else "forfeited"

    def reopen(self, now: int, place: tuple[int, int]) -> None:
        """The CSP gives a forfeited slot back."""
        require(self.state(now, place) == "forfeited", "Reallocations_NotForfeited")
        self.last[place].deadline = REOPENED

    def require_current(self, now: int, epoch: int, expiry: int, committee: int, in_force: int) -> None:
        """A batch counts in its epoch, until it expires, and by the committee in force."""
        require(now <= expiry, "Reallocations_Expired")
        require(self.clock.start(epoch) <= now < self.clock.end(epoch), "Reallocations_EpochNotCurrent")
        require(committee == in_force, "Committee_NotInForce")

    def request_many(self, now: int, epoch: int, asked: list[Asked]) -> list[Told]:
        """Each request by itself: what is refused is skipped."""
        told: list[Told] = []
        for one in asked:
            try:
                told += self.request(now, epoch, one)
            except Refused as refused:
                told.append(("skipped", one.id, refused.name))
        return told

    def request(self, now: int, epoch: int, one: Asked) -> list[Told]:
        """One request: its assignment closes as of then, unless its node closed it itself."""
        require(one.proven, "Reallocations_NotInBatch")
        require(any(one.id), "Reallocations_ZeroId")
        require(one.id not in self.carried_out, "Reallocations_Replayed")
        require(one.assignment in self.escrow.accounts, "Reallocations_UnknownAssignment")
        account, job = self.escrow.accounts[one.assignment], self.escrow.job_of(one.assignment)
        place, is_open = unpack(one.assignment)[:2], account.closed_at == NEVER
        last = self.last.get(place)
        require(is_open or self._left(one, last), "Reallocations_AlreadyClosed")
        require(now < job.stop, "Reallocations_JobStopped")
        require(one.as_of > self.clock.start(epoch), "Reallocations_AsOfBeforeEpoch")
        require(one.as_of <= now, "Reallocations_AsOfInFuture")
        require(one.as_of >= account.opened_at, "Reallocations_AsOfBeforeOpening")
        require(one.terms, "Reallocations_WrongTerms")
        self._require_grounds(one, now if is_open else account.closed_at)
        require(last is None or now >= last.cooldown_ends, "Reallocations_CoolingDown")
        if is_open:
            self.escrow.end(now, one.assignment, one.as_of)
        as_of = one.as_of if is_open else account.closed_at
        deadline, cooldown_ends = now + job.policy.answer_seconds, now + job.policy.cooldown_seconds
        self.last[place] = Last(one.id, one.assignment, as_of, deadline, cooldown_ends, one.reason)
        self.carried_out.add(one.id)
        return [("requested", one.id, (one.assignment, *place, one.reason, as_of, deadline))]

    def _left(self, one: Asked, last: Last | None) -> bool:
        """Whether its node gave the assignment up later than asked for, and nobody asked for another or came since."""
        place = unpack(one.assignment)[:2]
        return (
            one.as_of <= self.escrow.accounts[one.assignment].closed_at
            and one.assignment in self.given_up
            and (last is None or last.assignment != one.assignment)
            and self.escrow.of_slot(*place)[-1] == one.assignment
        )

    def _require_grounds(self, one: Asked, until: int) -> None:
        account, policy = self.escrow.accounts[one.assignment], self.escrow.job_of(one.assignment).policy
        missed, outage = policy.missed_epochs * self.clock.length, policy.outage_seconds
        failing: dict[int, int] = {Reason.MISSED_EPOCHS: missed, Reason.OUTAGE: outage}
        known = {**failing, Reason.OUTCAST: 1, Reason.MAINTENANCE: policy.maintenance_seconds}
        require(policy.answer_seconds > 0, "Reallocations_ReasonNotInPolicy")
        require(known.get(one.reason, 0) > 0, "Reallocations_ReasonNotInPolicy")
        if one.reason == Reason.OUTCAST:
            require(any(self.outcast[each] for each in account.subjects), "Reallocations_NotOutcast")
        require(until >= account.opened_at + failing.get(one.reason, 0), "Reallocations_TooSoon")

    # Maintenance

    def declare(self, now: int, licence: int, span: Span, may: bool) -> None:
        """A licence's window."""
        opens, ends = span
        require(may, "Maintenance_NotHolderOrNode")
        require(opens >= now, "Maintenance_InThePast")
        require(opens < ends, "Maintenance_Empty")
        require(ends - opens <= LONGEST_EPOCHS * self.clock.length, "Maintenance_TooLong")
        overlaps = any(one[0] < ends and opens < one[1] for one in self.windows[licence])
        require(not overlaps, "Maintenance_Overlaps")
        self.windows[licence] = sorted([*self.windows[licence], span])

    def cancel(self, now: int, licence: int, opens: int, may: bool) -> None:
        """A window that hasn't started goes."""
        window = self._window(now, licence, opens, may)
        require(now < opens, "Maintenance_Started")
        self.windows[licence].remove(window)

    def shorten(self, now: int, licence: int, span: Span, may: bool) -> None:
        """A window ends sooner."""
        window = self._window(now, licence, span[0], may)
        require(max(now, span[0] + 1) <= span[1] < window[1], "Maintenance_NotShorter")
        self.windows[licence][self.windows[licence].index(window)] = span

    def _window(self, now: int, licence: int, opens: int, may: bool) -> Span:
        require(may, "Maintenance_NotHolderOrNode")
        found = [one for one in self.windows[licence] if one[0] == opens and one[1] > now]
        require(bool(found), "Maintenance_UnknownWindow")
        return found[0]

    def away(self, key: int) -> int:
        """How many of an assignment's settled seconds declared maintenance leaves unmeasured: told second by second."""
        account, policy = self.escrow.accounts[key], self.escrow.job_of(key).policy
        length = policy.window_epochs * self.clock.length
        served: set[int] = set()
        for other, one in self.escrow.accounts.items():
            if other >> 32 == key >> 32 and one.licence == account.licence:
                served.update(range(one.opened_at, self.escrow.stop_of(other)))
        taken: Counter[int] = Counter()
        found = 0
        for time in sorted(served & self._declared(account.licence)):
            window = (time - self.clock.genesis) // length
            taken[window] += 1
            if taken[window] <= policy.maintenance_seconds and account.opened_at <= time < account.through:
                found += 1
        return found

    def _declared(self, licence: int) -> set[int]:
        return {time for opens, ends in self.windows[licence] for time in range(opens, ends)}
