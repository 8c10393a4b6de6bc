"""When to ask an oracle for its receipts, and what they are held against. No I/O; time comes in as a number."""

from __future__ import annotations

import random
from dataclasses import dataclass

from node.answers import Terms

EVERY = 60
"""Ticks, about, between two receipts of an epoch under way."""
AFTER_END = 2
"""Ticks after an epoch's end before its receipt is asked for: the last heartbeats are on their way."""
SPREAD = 48
"""An ended epoch's receipt is asked for within this part of an epoch, so that not all nodes come at once."""
MORE_ASKS = 12
"""Further questions about an ended epoch while something is lacking: each of an oracle's workers signs only for what
came to itself, and a question comes to any of them."""


@dataclass(slots=True)
class Count:
    """One epoch of one oracle. Masks in which bit i stands for tick i; `due` is on the oracle's clock."""

    acknowledged: int
    due: float
    held: int = 0
    """Ticks that receipts hold, all together."""
    closing: bool = False
    failures: int = 0
    lacked: int = 0
    """Answers after the epoch's end that left something lacking."""


class ReceiptPlan:
    """The epochs of which one oracle owes receipts."""

    def __init__(self) -> None:
        self.counts: dict[int, Count] = {}

    def acknowledged(self, terms: Terms, epoch: int, tick: int, now: float) -> None:
        """The oracle took a heartbeat in that tick; it is `now` on its clock."""
        count = self.counts.get(epoch)
        if count is None:
            count = self.counts[epoch] = Count(0, now + EVERY * terms.tick * random.uniform(0.5, 1.0))
        count.acknowledged |= 1 << tick

    def resume(self, terms: Terms, epoch: int, held: int, now: float) -> None:
        """Go on with an epoch of which receipts were kept before this process started."""
        count = self.counts.setdefault(epoch, Count(0, now + terms.tick))
        count.acknowledged |= held
        count.held |= held

    def next_due(self, terms: Terms, now: float) -> int | None:
        """The epoch whose receipt is to be asked for at `now`, or None."""
        for epoch, count in sorted(self.counts.items()):
            end = terms.end(epoch)
            if not count.closing and now >= end:
                count.closing, count.failures = True, 0
                count.due = end + AFTER_END * terms.tick + random.uniform(0, terms.length / SPREAD)
            if now >= count.due:
                return epoch
        return None

    def received(self, terms: Terms, epoch: int, bits: int, expected: int, now: float) -> int | None:
        """A receipt of that epoch came with these ticks; `expected` were acknowledged before it was asked for.

        Returns those that no receipt holds, when the last word on the epoch is spoken; None while it isn't.
        """
        count = self.counts[epoch]
        count.held |= bits
        count.failures = 0
        lacking = expected & ~count.held
        if count.closing:
            count.lacked += 1
            if not lacking or count.lacked > MORE_ASKS:
                return lacking
        pause = EVERY * terms.tick
        if count.closing:  # soon at first; another worker may be away for a while
            pause = terms.tick if count.lacked <= MORE_ASKS // 2 else max(terms.tick, min(pause, terms.length / SPREAD))
        count.due = now + pause * random.uniform(0.75, 1.25)
        return None

    def failed(self, terms: Terms, epoch: int, now: float) -> bool:
        """No receipt came. Whether there is sense in asking again: not when the epoch after it has ended too."""
        count = self.counts[epoch]
        count.failures += 1
        count.due = now + terms.tick * min(EVERY, 2**count.failures) * random.uniform(0.5, 1.0)
        return count.due < terms.end(epoch + 1)

    def forget(self, epoch: int) -> None:
        """The last word on this epoch was said."""
        self.counts.pop(epoch, None)
