"""What a ledger holds, and its one encoding."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from itertools import groupby

from oracle.ground import ledger_codec
from oracle.ground.availability import Availabilities, availability_leaves
from oracle.ground.duty import Duties, duty_leaves
from oracle.ground.errors import InvalidValue
from oracle.ground.ids import KIND_ASSIGNMENT, unpack
from oracle.ground.leaves import EMPTY, Leaf
from oracle.ground.policy import Policy
from oracle.ground.uptime import Uptime

Losses = Mapping[int, Uptime]
"""Seconds measured by epoch, of those in which the subject was not up all the time that was observed."""
WindowKey = tuple[int, int, int, int]
"""(job, slot, licence, last epoch of the policy window)."""


@dataclass(frozen=True, slots=True)
class Subject:
    """One assignment as the anchor state has it. Times are UTC seconds, booked values cumulative seconds.

    `stop` is the earlier of the assignment's closing and the job's stop (at the latest its `endsAt`);
    `through` is the time up to which the chain has settled it, `opened_at` at first.
    """

    assignment_id: int
    licence: int
    opened_at: int
    stop: int
    through: int
    booked_earned: int
    booked_accounted: int
    job_closed: bool
    policy: Policy

    def __post_init__(self) -> None:
        unpack(self.assignment_id)

    def window_of(self, epoch: int) -> WindowKey:
        """The window, of this subject's licence in its slot, in which an epoch lies."""
        job, slot, _ = unpack(self.assignment_id)
        width = self.policy.window_epochs
        return job, slot, self.licence, (epoch // width + 1) * width - 1


@dataclass(frozen=True, slots=True)
class Account:
    """Cumulative seconds of one assignment; windows are counted up to the time `until`.

    `raised` of the earned seconds came from appeals since the account stands at `until`: the chain may have settled up
    to there without them.
    """

    earned: int
    accounted: int
    until: int
    raised: int = 0


@dataclass(frozen=True, slots=True)
class Piece:
    """A subject's part of a policy window, counted with epoch `counted`.

    `measured` and `losses` are as appeals have mended them; `earned` is what was given to the account.
    """

    assignment: int
    counted: int
    measured: Uptime
    earned: int
    losses: Losses = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Ledger:
    """All accounts after `epoch` (-1: before the first).

    open_windows  by assignment, the seconds measured since its account's `until`, if any
    losses        by assignment, those of its open window
    windows       the counted pieces, in order, of windows that later pieces or appeals can change: of those that aren't
                  over, and of those that withheld seconds on which the appeal span isn't over
    duties        oracles' own seconds, where the network pays for them
    availability  licences' seconds, where the network rewards them
    """

    epoch: int = -1
    accounts: Mapping[int, Account] = field(default_factory=dict)
    open_windows: Mapping[int, Uptime] = field(default_factory=dict)
    losses: Mapping[int, Losses] = field(default_factory=dict)
    windows: Mapping[WindowKey, tuple[Piece, ...]] = field(default_factory=dict)
    duties: Duties = field(default_factory=dict)
    availability: Availabilities = field(default_factory=dict)

    def leaves(self) -> list[Leaf]:
        """The leaves of the report that left this ledger behind, in order."""
        accounts = sorted(self.accounts.items())
        told = [Leaf(KIND_ASSIGNMENT, key, one.earned, one.accounted) for key, one in accounts]
        return [*told, *availability_leaves(self.availability), *duty_leaves(self.duties)] or [EMPTY]

    def lost(self, subject: Subject, epoch: int) -> bool:
        """Whether an appeal for that epoch may still give the subject anything."""
        if epoch in self.losses.get(subject.assignment_id, ()):
            return True
        pieces = self.windows.get(subject.window_of(epoch), ())
        return any(one.assignment == subject.assignment_id and epoch in one.losses for one in pieces)

    def encode(self) -> bytes:
        """The one encoding of this ledger: equal ledgers, equal bytes."""
        pieces = [(key, piece) for key, pieces in self.windows.items() for piece in pieces]
        return ledger_codec.encode(
            self.epoch,
            [(key, a.earned, a.accounted, a.until, a.raised) for key, a in self.accounts.items()],
            [(key, u.up, u.observed) for key, u in self.open_windows.items()],
            [(key, e, u.up, u.observed) for key, losses in self.losses.items() for e, u in losses.items()],
            [(*key, p.counted, p.assignment, p.measured.up, p.measured.observed, p.earned) for key, p in pieces],
            [(p.assignment, key[-1], e, u.up, u.observed) for key, p in pieces for e, u in p.losses.items()],
            [(member, u.up, u.observed) for member, u in self.duties.items()],
            [(licence, u.up, u.observed) for licence, u in self.availability.items()],
        )

    @classmethod
    def decode(cls, raw: bytes) -> Ledger:
        """The ledger of `encode`; InvalidValue for any other bytes."""
        epoch, accounts, opened, open_losses, pieces, piece_losses, *others = ledger_codec.decode(raw)
        losses = {key: _losses(rows) for key, rows in groupby(open_losses, lambda row: row[0])}
        of_pieces = {key: _losses(rows) for key, rows in groupby(piece_losses, lambda row: row[:2])}
        open_windows = {key: Uptime(up, observed) for key, up, observed in opened}
        _check(losses.keys() <= open_windows.keys(), "losses of no open window")
        windows: dict[WindowKey, tuple[Piece, ...]] = {}
        known: set[tuple[int, int]] = set()
        for job, slot, licence, window_end, counted, assignment, up, observed, earned in pieces:
            place = (assignment, window_end)
            _check(unpack(assignment)[:2] == (job, slot), f"a piece of assignment {assignment} in another slot")
            _check(place not in known, f"two pieces of assignment {assignment} in one window")
            _check(earned <= observed, f"a piece of assignment {assignment} that earned more than was observed")
            known.add(place)
            piece = Piece(assignment, counted, Uptime(up, observed), earned, of_pieces.pop(place, {}))
            key = (job, slot, licence, window_end)
            windows[key] = (*windows.get(key, ()), piece)
        _check(not of_pieces, "losses of no piece")
        for _, earned, _, _, raised in accounts:
            _check(raised <= earned, "an account that appeals raised by more than it earned")
        books = {key: Account(earned, accounted, until, raised) for key, earned, accounted, until, raised in accounts}
        duties, availability = ({key: Uptime(up, observed) for key, up, observed in rows} for rows in others)
        told = (*duties.values(), *availability.values())
        _check(all(one.observed for one in told), "a member or a licence without any second")
        return cls(epoch, books, open_windows, losses, windows, duties, availability)


def _losses(rows: Iterable[ledger_codec.Row]) -> dict[int, Uptime]:
    losses = {}
    for *_, epoch, up, observed in rows:
        _check(up < observed, f"a loss in epoch {epoch} that lost nothing")
        losses[epoch] = Uptime(up, observed)
    return losses


def _check(holds: bool, what: str) -> None:
    if not holds:
        raise InvalidValue(f"ledger has {what}: give bytes that Ledger.encode made")
