"""What the contracts would do, and when they allow it: the rules of docs/money.md on single books. Pure.

What holds at a snapshot's time holds in later blocks too, as long as nobody else acts: plans don't exceed it.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

from oracle.ground.leaves import Leaf
from settlement.model_reports import Reports, Rules
from settlement.planning.snapshot import Book, JobState, Snapshot


@dataclass(frozen=True, slots=True)
class Settled:
    """What settling a leaf does. room: seconds that `through` moves by. raised: seconds that an appeal turned from held
    into earned ones."""

    book: Book
    room: int
    newly_earned: int
    newly_accounted: int
    raised: int

    @property
    def moves(self) -> bool:
        """Whether it is worth anything. What it would release without this, `releaseHeld` releases cheaper."""
        return self.room > 0 or self.newly_earned > 0


def settled(rules: Rules, book: Book, job: JobState, epoch: int, leaf: Leaf) -> Settled:
    """As `Settlement._apply` and `Accrual.applyLeaf`."""
    until = rules.clock.settled_until(job.window_epochs, book.stop, epoch)
    room = 0 if job.closed else max(0, until - book.through)
    beyond = max(0, leaf.accounted - book.accounted)
    accounted = min(beyond, room)
    more = max(0, leaf.earned - book.earned)
    # What exceeds the time that the leaf newly accounts for can only be an appeal's: it comes out of the held.
    appealed = max(0, more - beyond)
    raised = min(appealed, book.holding)
    earned = min(more - appealed, accounted) + raised
    held = book.held
    if held or earned != accounted:
        held = _rebucketed(rules, held, epoch, earned - accounted)
    after = replace(
        book,
        through=book.through + room,
        earned=book.earned + earned,
        accounted=book.accounted + accounted,
        held=held,
    )
    return Settled(after, room, earned, accounted, raised)


def _rebucketed(
    rules: Rules, held: tuple[tuple[int, int], ...], epoch: int, earned_more: int
) -> tuple[tuple[int, int], ...]:
    """First goes what an appeal raised, the oldest first, then what its span is over for; then comes what is new."""
    free, left = max(0, earned_more), []
    for mark, seconds in held:
        part = min(free, seconds)
        free -= part
        if seconds > part and epoch < rules.release_epoch(mark):
            left.append((mark, seconds - part))
    if earned_more < 0:
        mark = rules.mark(epoch)
        if left and left[-1][0] == mark:
            left[-1] = (mark, left[-1][1] - earned_more)
        else:
            left.append((mark, -earned_more))
    return tuple(left)


class Times:
    """What may be done at a snapshot's time."""

    def __init__(self, snapshot: Snapshot) -> None:
        self.now = snapshot.now
        self.rules = snapshot.rules
        self.reports: Reports = snapshot.reports()
        self.stalled = self.reports.stalled(self.now)
        self.abandoned = self.reports.abandoned(self.now)
        self.final = self.reports.final

    def releasable(self, book: Book) -> int:
        """Held seconds that `releaseHeld` would release."""
        return sum(seconds for mark, seconds in book.held if self._released(mark))

    def _released(self, mark: int) -> bool:
        epoch = self.rules.release_epoch(mark)
        return self.abandoned or self.reports.settled_long_enough(self.now, epoch)

    def waits(self, book: Book) -> bool:
        """Whether a payment would wait for a freeze to end."""
        return book.marked and self.now < book.frozen_until and not self.stalled

    def refund_waits(self, job: JobState) -> bool:
        """Whether a refund would be refused for its CSP's freeze."""
        return self.now < job.frozen_until and not self.stalled

    def over(self, job: JobState) -> bool:
        """Whether accrual has ended, so that anyone may end its assignments."""
        return self.now >= job.stop

    def closable(self, job: JobState) -> bool:
        """As `Jobs.closeJob`."""
        clock = self.rules.clock
        if job.closed or self.now < job.stop:
            return False
        covering = clock.covering(max(job.stop, clock.genesis))
        return self.reports.settled_long_enough(self.now, covering) or self.reports.abandoned(self.now, job.stop)
