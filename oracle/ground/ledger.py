"""The oracle's cumulative accounts: from agreed uptime, epoch by epoch, to the leaves of a report.

Everything is computed from the previous ledger, the agreed uptime and what the anchor state says of each
assignment, so all oracles get the same leaves. Running epoch by epoch and running over skipped epochs at once
give the same: each epoch is run in its turn, and the chain's booked values are taken up at the very window
end that the chain settled to.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from operator import attrgetter

from oracle.ground import ledger_codec
from oracle.ground.clock import EpochClock
from oracle.ground.errors import InvalidValue
from oracle.ground.ids import GENERATION_BITS, KIND_ASSIGNMENT, unpack
from oracle.ground.leaves import EMPTY, Leaf
from oracle.ground.policy import Policy
from oracle.ground.scoring import score
from oracle.ground.uptime import ZERO, Uptime


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


@dataclass(frozen=True, slots=True)
class Account:
    """Cumulative seconds of one assignment; windows are counted up to the time `until`."""

    earned: int
    accounted: int
    until: int


@dataclass(frozen=True, slots=True)
class Tally:
    """What the pieces of one window that already ended measured and earned together, in seconds.

    `window_end` is the last epoch of that window; the tally is dropped when it is over.
    """

    window_end: int
    measured: Uptime
    earned: int


@dataclass(frozen=True, slots=True)
class Ledger:
    """All accounts after `epoch` (-1: before the first).

    `open_windows` holds, by assignment, the seconds measured since its account's `until`, if any; `tallies`
    the windows that are not over while pieces of them are, by (job, slot, licence).
    """

    epoch: int = -1
    accounts: Mapping[int, Account] = field(default_factory=dict)
    open_windows: Mapping[int, Uptime] = field(default_factory=dict)
    tallies: Mapping[tuple[int, int, int], Tally] = field(default_factory=dict)

    def encode(self) -> bytes:
        """The one encoding of this ledger: equal ledgers, equal bytes."""
        return ledger_codec.encode(
            self.epoch,
            [(key, a.earned, a.accounted, a.until) for key, a in self.accounts.items()],
            [(key, u.up, u.observed) for key, u in self.open_windows.items()],
            [(*key, t.window_end, t.measured.up, t.measured.observed, t.earned) for key, t in self.tallies.items()],
        )

    @classmethod
    def decode(cls, raw: bytes) -> Ledger:
        """The ledger of `encode`; InvalidValue for any other bytes."""
        epoch, accounts, windows, tallies = ledger_codec.decode(raw)
        return cls(
            epoch,
            {key: Account(earned, accounted, until) for key, earned, accounted, until in accounts},
            {key: Uptime(up, observed) for key, up, observed in windows},
            {
                (job, slot, licence): Tally(window_end, Uptime(up, observed), earned)
                for job, slot, licence, window_end, up, observed, earned in tallies
            },
        )


def advance(
    ledger: Ledger,
    clock: EpochClock,
    epoch: int,
    subjects: Iterable[Subject],
    agreed: Mapping[int, Mapping[int, Uptime]],
    appeal_epochs: int,
) -> tuple[Ledger, tuple[Leaf, ...]]:
    """The ledger after `epoch` and the leaves of its report, in order of kind and id.

    `subjects` are all assignments of the anchor state whose leaves may still be in the tree; `agreed` gives,
    by epoch and assignment, the agreed uptime in seconds. Missing epochs and assignments are unmeasured;
    others' entries don't count. InvalidValue when the epoch has been run or an assignment comes twice.
    """
    if epoch <= ledger.epoch:
        raise InvalidValue(f"epoch is {epoch}: the ledger stands at {ledger.epoch}, give a later one")
    ordered = sorted(subjects, key=attrgetter("assignment_id"))
    book = _Book(clock, ledger, ordered)
    if len(book.accounts) != len(ordered):
        raise InvalidValue("an assignment comes twice among the subjects: give each one once")
    for each in range(ledger.epoch + 1, epoch + 1):
        book.run(each, agreed.get(each, {}))
    leaves: list[Leaf] = []
    for subject in ordered:
        key = subject.assignment_id
        if subject.opened_at >= clock.end(epoch) or _has_left(subject, clock, epoch, appeal_epochs):
            del book.accounts[key]
            book.windows.pop(key, None)
        else:
            account = book.accounts[key]
            leaves.append(Leaf(KIND_ASSIGNMENT, key, account.earned, account.accounted))
    tallies = {key: tally for key, tally in book.tallies.items() if tally.window_end > epoch}
    return Ledger(epoch, book.accounts, book.windows, tallies), tuple(leaves) or (EMPTY,)


@dataclass(slots=True)
class _Piece:
    """A subject's part, measured in seconds, of a policy window that ends for it at the time `until`.

    `place` is its job and slot as one number.
    """

    subject: Subject
    place: int
    measured: Uptime
    until: int


class _Book:
    """The ledger while epochs are run: the one place where accounts change."""

    __slots__ = ("accounts", "clock", "ordered", "tallies", "windows")

    def __init__(self, clock: EpochClock, ledger: Ledger, ordered: Sequence[Subject]) -> None:
        self.clock = clock
        self.ordered = ordered
        known = ledger.accounts
        self.accounts = {
            s.assignment_id: known.get(s.assignment_id) or _opening(s, clock, ledger.epoch) for s in ordered
        }
        self.windows = {key: u for key, u in ledger.open_windows.items() if key in self.accounts}
        self.tallies = dict(ledger.tallies)

    def run(self, epoch: int, agreed: Mapping[int, Uptime]) -> None:
        """Adds one epoch's uptime and counts the windows that are over with it."""
        start, end = self.clock.start(epoch), self.clock.end(epoch)
        over: list[_Piece] = []  # of one slot: ids of a slot are neighbours
        for subject in self.ordered:
            piece = self._measure(subject, epoch, start, end, agreed)
            if piece is None:
                continue
            if over and over[0].place != piece.place:
                self._count(over, epoch)
                over = []
            over.append(piece)
        self._count(over, epoch)

    def _measure(self, s: Subject, epoch: int, start: int, end: int, agreed: Mapping[int, Uptime]) -> _Piece | None:
        """Adds an epoch's uptime to the open window of a subject; the piece to count if that is over."""
        key = s.assignment_id
        account = self.accounts[key]
        if account.until == s.through and (
            account.earned != s.booked_earned or account.accounted != s.booked_accounted
        ):
            # The chain has settled exactly so far and clamped: go on from what it booked.
            account = self.accounts[key] = Account(s.booked_earned, s.booked_accounted, s.through)
        if s.opened_at >= end or account.until >= s.stop:
            return None
        measured = agreed.get(key, ZERO)
        if measured.observed:
            measured = _capped(measured, min(s.stop, end) - max(s.opened_at, start))
        if key in self.windows:
            measured += self.windows.pop(key)
        until = self.clock.settled_until(s.policy.window_epochs, s.stop, epoch)
        if until > account.until:
            # Bites only where a stop came to lie before what was measured: the chain would void those seconds.
            measured = _capped(measured, until - s.opened_at - account.accounted)
            return _Piece(s, key >> GENERATION_BITS, measured, until)
        if measured.observed:
            self.windows[key] = measured
        return None

    def _count(self, pieces: list[_Piece], epoch: int) -> None:
        """Counts the pieces of one slot that end with one epoch; those of one licence are scored as one."""
        if len(pieces) == 1:
            self._score(pieces, epoch)
            return
        groups: dict[int, list[_Piece]] = {}
        for piece in pieces:
            groups.setdefault(piece.subject.licence, []).append(piece)
        for group in groups.values():
            self._score(group, epoch)

    def _score(self, group: list[_Piece], epoch: int) -> None:
        """Scores one licence's pieces of the window of `epoch` in one slot and adds them to their accounts."""
        first = group[0]
        policy = first.subject.policy  # a slot's job has one policy, for good
        window_end = (epoch // policy.window_epochs + 1) * policy.window_epochs - 1
        earlier, taken = ZERO, 0
        if policy.window_epochs > 1:
            tally = self.tallies.get(_tally_key(first))
            if tally and tally.window_end == window_end:
                earlier, taken = tally.measured, tally.earned
        measured = [piece.measured for piece in group]
        earned = score(policy, measured, earlier, taken)
        for piece, seconds in zip(group, earned, strict=True):
            key = piece.subject.assignment_id
            account = self.accounts[key]
            self.accounts[key] = Account(
                account.earned + seconds, account.accounted + piece.measured.observed, piece.until
            )
        if window_end > epoch:
            self.tallies[_tally_key(first)] = Tally(window_end, sum(measured, earlier), taken + sum(earned))


def _tally_key(piece: _Piece) -> tuple[int, int, int]:
    job, slot, _ = unpack(piece.subject.assignment_id)
    return job, slot, piece.subject.licence


def _opening(subject: Subject, clock: EpochClock, run: int) -> Account:
    """The account of a subject that the ledger, run up to epoch `run`, doesn't have."""
    if subject.opened_at >= clock.end(run):
        return Account(0, 0, subject.opened_at)
    # It opened in an epoch the ledger has run: its leaf has left, or the ledger began without it. What the
    # chain booked is all there is to know, and windows that are over stay unmeasured.
    until = max(subject.opened_at, clock.settled_until(subject.policy.window_epochs, subject.stop, run))
    return Account(subject.booked_earned, subject.booked_accounted, until)


def _has_left(subject: Subject, clock: EpochClock, epoch: int, appeal_epochs: int) -> bool:
    """Whether a subject's leaf has left the tree: it is settled to its end and nobody can appeal any more."""
    if subject.through < subject.stop and not subject.job_closed:
        return False
    return epoch > clock.covering(max(subject.stop, clock.genesis)) + appeal_epochs


def _capped(measured: Uptime, limit: int) -> Uptime:
    """At most `limit` observed seconds, at the same ratio rounded down."""
    if measured.observed <= limit:
        return measured
    limit = max(limit, 0)
    return Uptime(measured.up * limit // measured.observed, limit)
