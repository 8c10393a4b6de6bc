"""A job's statement of account: every movement of its money, and what each assignment's uptime came to.

Made of events, and held against what the contracts' Lens tells: they agree to the last unit, or there is no statement.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from operations.csp.job_view import Job
from oracle.ground.errors import EpochalError
from oracle.ground.ids import unpack


class Unreconciled(EpochalError):
    """Events and the Lens don't come to the same: no statement is given."""


@dataclass(frozen=True, slots=True)
class Movement:
    """Money that came in or went out, in the token's smallest unit; `out` is negative for what came in.

    time, block, transaction  when
    what        deposit, paid, refunded, burned or protocol
    who         from or to whom
    slot, generation, licence, seconds   of a payment to a node: `seconds` are the earned ones it is for; else None
    why         in words
    """

    time: int
    block: int
    transaction: str
    what: str
    out: int
    who: str
    why: str
    slot: int | None = None
    generation: int | None = None
    licence: int | None = None
    seconds: int | None = None


@dataclass(frozen=True, slots=True)
class Served:
    """One assignment: seconds as booked, and what they came to.

    open        seconds it was open, up to the job's stop and to now
    settled     seconds of them that reports have settled
    earned, withheld, held, unmeasured   of the settled; held is the part of withheld that may still be earned
    paid, claimable, amounts of the smallest unit
    """

    id: int
    licence: int
    node: str
    payee: str
    opened_at: int
    until: int
    closed: bool
    settled: int
    earned: int
    withheld: int
    held: int
    unmeasured: int
    paid: int
    claimable: int

    @property
    def slot(self) -> int:
        """Which of the job's slots."""
        return unpack(self.id)[1]

    @property
    def generation(self) -> int:
        """The how manieth in its slot."""
        return unpack(self.id)[2]

    @property
    def open(self) -> int:
        """Seconds."""
        return max(0, self.until - self.opened_at)

    @property
    def uptime_ppm(self) -> int | None:
        """Earned of what was measured, in millionths; None before anything was."""
        measured = self.earned + self.withheld
        return self.earned * 1_000_000 // measured if measured else None


@dataclass(frozen=True, slots=True)
class Happening:
    """Something that moved no money: withheld, released, another node asked for, the job changed."""

    time: int
    block: int
    text: str


@dataclass(frozen=True, slots=True)
class Statement:
    """A job, its movements and happenings in their order, and its assignments; as of `block`."""

    job: Job
    block: int
    movements: tuple[Movement, ...]
    happenings: tuple[Happening, ...]
    served: tuple[Served, ...]

    def total(self, what: str) -> int:
        """All movements of a kind."""
        return sum(abs(one.out) for one in self.movements if one.what == what)

    def parts(self) -> list[tuple[str, int]]:
        """Where the deposit is, part by part; they come to the deposit."""
        job, refund = self.job, self.job.refund
        view = job.view
        claimable = sum(one.claimable for one in self.served)
        protocol, burned = view["toProtocol"] + view["protocolDue"], view["burned"] + view["burnable"]
        parts = [
            ("paid to nodes", view["paid"]),
            ("earned, to be claimed", claimable),
            ("protocol's share", protocol),
            ("burned of withheld", burned),
            ("back: time not used", refund.not_used),
            ("back: unmeasured time", refund.unmeasured),
            ("back: share of withheld", refund.withheld),
            ("back: empty or unproved", refund.unproved),
            ("held for appeals", job.held),
        ]
        rest = view["deposit"] - sum(amount for _, amount in parts)
        return [*parts, ("not settled yet, and rounding", rest)]

    def reconcile(self) -> None:
        """Unreconciled, naming what differs, unless all sums agree with the Lens."""
        view, tally = self.job.view, self.job.view["tally"]
        sums: list[tuple[str, int, int]] = [
            ("deposits", self.total("deposit"), view["deposit"]),
            ("payments to nodes", self.total("paid"), view["paid"]),
            ("refunds", self.total("refunded"), view["refunded"]),
            ("burned", self.total("burned"), view["burned"]),
            ("the protocol's share", self.total("protocol"), view["toProtocol"]),
            ("earned seconds", sum(one.earned for one in self.served), tally["earned"]),
            ("unmeasured seconds", sum(one.unmeasured for one in self.served), tally["unmeasured"]),
            ("held seconds", sum(one.held for one in self.served), tally["held"]),
            ("released seconds", sum(one.withheld - one.held for one in self.served), tally["released"]),
            ("claimed seconds", sum(one.seconds or 0 for one in self.movements), tally["claimed"]),
        ]
        for one in self.served:
            events = sum(move.out for move in self.movements if _is_of(move, one))
            sums.append((f"payments of slot {one.slot}, generation {one.generation}", events, one.paid))
        wrong = [f"{name}: {ours} by the events, {theirs} by the Lens" for name, ours, theirs in sums if ours != theirs]
        if self.parts()[-1][1] < 0:
            wrong.append(f"{-self.parts()[-1][1]} more went out than came in")
        if wrong:
            raise Unreconciled(
                f"job {self.job.id}: the statement doesn't agree with the chain at block {self.block} "
                f"({'; '.join(wrong)}): the RPC leaves out events, or the network file's first_block is too late; use "
                "another RPC, then report it"
            )


def served_of(job: Job, views: Sequence[dict[str, Any]]) -> tuple[Served, ...]:
    """The assignments of a job from the Lens' views of them."""
    found = []
    for one in views:
        withheld = one["accounted"] - one["earned"]
        settled = max(0, one["through"] - one["openedAt"])
        found.append(
            Served(
                id=one["id"],
                licence=one["licence"],
                node=one["node"],
                payee=one["payee"],
                opened_at=one["openedAt"],
                until=min(one["stop"] or job.now, job.now),
                closed=bool(one["closedAt"]),
                settled=settled,
                earned=one["earned"],
                withheld=withheld,
                held=one["held"],
                unmeasured=settled - one["accounted"],
                paid=job.rates.net(one["claimed"]),
                claimable=job.rates.net(one["earned"]) - job.rates.net(one["claimed"]),
            )
        )
    return tuple(sorted(found, key=lambda one: (one.slot, one.generation)))


def _is_of(move: Movement, served: Served) -> bool:
    return (move.slot, move.generation) == (served.slot, served.generation)
