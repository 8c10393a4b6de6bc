"""The ledger while epochs are run and appeals taken in: the one place where accounts change."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from types import MappingProxyType
from typing import Final

from oracle.ground.clock import EpochClock
from oracle.ground.ids import GENERATION_BITS
from oracle.ground.ledger_entries import Account, Ledger, Losses, Piece, Subject, WindowKey
from oracle.ground.scoring import score
from oracle.ground.uptime import ZERO, Uptime

_NONE: Final[Losses] = MappingProxyType({})


@dataclass(slots=True)
class _Over:
    """A subject's part, measured in seconds, of a policy window that ends for it at the time `until`.

    `place` is its job and slot as one number.
    """

    subject: Subject
    place: int
    measured: Uptime
    losses: Losses
    until: int


class Book:
    """A ledger on its way to the report of epoch `report`; `subjects` are in order of their ids."""

    __slots__ = (
        "accounts",
        "appeal_epochs",
        "clock",
        "known",
        "losses",
        "mended",
        "opened",
        "ordered",
        "parent",
        "pending",
        "report",
        "subjects",
        "windows",
        "withheld",
    )

    def __init__(
        self, clock: EpochClock, ledger: Ledger, subjects: Sequence[Subject], report: int, appeal_epochs: int
    ) -> None:
        self.clock = clock
        self.parent = ledger.epoch
        self.report = report
        self.appeal_epochs = appeal_epochs
        self.ordered = subjects
        self.subjects = {s.assignment_id: s for s in subjects}
        known = ledger.accounts
        self.accounts = {key: known.get(key) or _opening(s, clock, ledger.epoch) for key, s in self.subjects.items()}
        self.opened = {key: u for key, u in ledger.open_windows.items() if key in self.accounts}
        self.losses = {key: of for key, of in ledger.losses.items() if key in self.accounts}
        self.windows: dict[WindowKey, tuple[Piece, ...]] = dict(ledger.windows)
        # Windows behind the parent, and those that appeals mend: all others gave what they earn when they were counted.
        self.known = ledger.windows.keys()
        self.mended: set[WindowKey] = set()
        # Seconds that the windows run so far withhold, by assignment.
        self.withheld: dict[int, int] = {}
        # Windows that earned more than was given yet.
        self.pending: set[WindowKey] = set()

    def run(self, epoch: int, agreed: Mapping[int, Uptime]) -> None:
        """Adds one epoch's uptime and counts the windows that are over with it."""
        start, end = self.clock.start(epoch), self.clock.end(epoch)
        over: list[_Over] = []  # of one slot: ids of a slot are neighbours
        for subject in self.ordered:
            piece = self._measure(subject, epoch, start, end, agreed)
            if piece is None:
                continue
            if over and over[0].place != piece.place:
                self._count(over, epoch)
                over = []
            over.append(piece)
        self._count(over, epoch)

    def drop(self, key: int) -> None:
        """Forgets an assignment."""
        del self.accounts[key]
        self.opened.pop(key, None)
        self.losses.pop(key, None)

    def raise_account(self, key: int, seconds: int) -> None:
        """Adds seconds that an appeal earned."""
        account = self.accounts[key]
        self.accounts[key] = replace(account, earned=account.earned + seconds, raised=account.raised + seconds)

    def kept_windows(self) -> dict[WindowKey, tuple[Piece, ...]]:
        """The windows that a later report can change, without the losses on which the appeal span is over."""
        kept: dict[WindowKey, tuple[Piece, ...]] = {}
        for key, pieces in self.windows.items():
            left = tuple([one if self._open_to_appeals(one) else replace(one, losses={}) for one in pieces])
            if key[-1] > self.report or (
                (key in self.pending or any(one.losses for one in left))
                and any(one.earned < one.measured.observed for one in left if self._open_to_appeals(one))
            ):
                kept[key] = left
        return kept

    def _open_to_appeals(self, piece: Piece) -> bool:
        """Whether a later report may raise what a piece earned."""
        return piece.counted + self.appeal_epochs > self.report

    def _measure(self, s: Subject, epoch: int, start: int, end: int, agreed: Mapping[int, Uptime]) -> _Over | None:
        """Adds an epoch's uptime to the open window of a subject; the piece to count if that is over."""
        key = s.assignment_id
        account = self.accounts[key]
        if account.until == s.through and not _settled_unclamped(account, s):
            # The chain has settled exactly so far and clamped: go on from what it booked.
            account = self.accounts[key] = Account(s.booked_earned, s.booked_accounted, s.through)
        if s.opened_at >= end or account.until >= s.stop:
            return None
        measured = agreed.get(key, ZERO)
        losses = _NONE
        if measured.observed:
            measured = _capped(measured, min(s.stop, end) - max(s.opened_at, start))
            if measured.up < measured.observed and s.policy.evidence == "liveness":
                losses = {epoch: measured}
        if key in self.opened:
            measured += self.opened.pop(key)
            losses = {**self.losses.pop(key, _NONE), **losses}
        until = self.clock.settled_until(s.policy.window_epochs, s.stop, epoch)
        if until > account.until:
            room = until - s.opened_at - account.accounted
            if measured.observed > room:
                # Only where a stop came to lie before what was measured: the chain would void those seconds. Nothing
                # tells in which epoch they lay, so there is nothing to appeal.
                measured, losses = _capped(measured, room), _NONE
            return _Over(s, key >> GENERATION_BITS, measured, losses, until)
        if measured.observed:
            self.opened[key] = measured
            if losses:
                self.losses[key] = losses
        return None

    def _count(self, over: list[_Over], epoch: int) -> None:
        """Counts the pieces of one slot that end with one epoch; those of one licence are scored as one."""
        if len(over) == 1:
            self._score(over, epoch)
            return
        groups: dict[int, list[_Over]] = {}
        for piece in over:
            groups.setdefault(piece.subject.licence, []).append(piece)
        for group in groups.values():
            self._score(group, epoch)

    def _score(self, group: list[_Over], epoch: int) -> None:
        """Scores one licence's pieces of the window of `epoch` in one slot and adds them to their accounts."""
        first = group[0].subject
        policy = first.policy  # a slot's job has one policy, for good
        width = policy.window_epochs
        window_end = (epoch // width + 1) * width - 1
        before = self.windows.get(first.window_of(epoch), ()) if width > 1 else ()
        earlier, taken = ZERO, 0
        for known in before:
            earlier, taken = earlier + known.measured, taken + known.earned
        earned = score(policy, [one.measured for one in group], earlier, taken)
        held = earlier.observed - taken
        for one, seconds in zip(group, earned, strict=True):
            key, observed = one.subject.assignment_id, one.measured.observed
            account = self.accounts[key]
            self.accounts[key] = Account(account.earned + seconds, account.accounted + observed, one.until)
            if seconds < observed:
                held += observed - seconds
                self.withheld[key] = self.withheld.get(key, 0) + observed - seconds
        can_gain = held and (before or any(one.losses for one in group)) and epoch + self.appeal_epochs >= self.report
        if window_end > epoch or can_gain:
            counted = [
                Piece(one.subject.assignment_id, epoch, one.measured, seconds, one.losses)
                for one, seconds in zip(group, earned, strict=True)
            ]
            self.windows[first.window_of(epoch)] = (*before, *counted)
        elif before:
            del self.windows[first.window_of(epoch)]


def _settled_unclamped(account: Account, s: Subject) -> bool:
    """Whether the chain booked what a leaf said: this account, or the same before appeals raised it."""
    return s.booked_accounted == account.accounted and (
        account.earned - account.raised <= s.booked_earned <= account.earned
    )


def _opening(subject: Subject, clock: EpochClock, run: int) -> Account:
    """The account of a subject that the ledger, run up to epoch `run`, doesn't have."""
    if subject.opened_at >= clock.end(run):
        return Account(0, 0, subject.opened_at)
    # It opened in an epoch the ledger has run: its leaf has left, or the ledger began without it. What the
    # chain booked is all there is to know, and windows that are over stay unmeasured.
    until = max(subject.opened_at, clock.settled_until(subject.policy.window_epochs, subject.stop, run))
    return Account(subject.booked_earned, subject.booked_accounted, until)


def _capped(measured: Uptime, limit: int) -> Uptime:
    """At most `limit` observed seconds, at the same ratio rounded down."""
    if measured.observed <= limit:
        return measured
    limit = max(limit, 0)
    return Uptime(measured.up * limit // measured.observed, limit)
