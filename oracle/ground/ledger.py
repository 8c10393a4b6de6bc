"""The oracle's cumulative accounts: from agreed uptime, epoch by epoch, to the leaves of a report.

Everything is computed from the previous ledger, the agreed uptime, the appeals and what the anchor state says of each
assignment, so all oracles get the same leaves. Running epoch by epoch and running over skipped epochs at once
give the same: each epoch is run in its turn, and the chain's booked values are taken up at the very window
end that the chain settled to.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from operator import attrgetter
from types import MappingProxyType
from typing import Final

from oracle.ground.clock import EpochClock
from oracle.ground.errors import InvalidValue
from oracle.ground.ids import KIND_ASSIGNMENT
from oracle.ground.leaves import EMPTY, Leaf
from oracle.ground.ledger_appeals import give, take_in
from oracle.ground.ledger_book import Book
from oracle.ground.ledger_entries import Account as Account
from oracle.ground.ledger_entries import Ledger as Ledger
from oracle.ground.ledger_entries import Piece as Piece
from oracle.ground.ledger_entries import Subject as Subject
from oracle.ground.uptime import Uptime

_NO_APPEALS: Final[Mapping[int, Mapping[int, int]]] = MappingProxyType({})


def advance(
    ledger: Ledger,
    clock: EpochClock,
    epoch: int,
    subjects: Iterable[Subject],
    agreed: Mapping[int, Mapping[int, Uptime]],
    appeal_epochs: int,
    appeals: Mapping[int, Mapping[int, int]] = _NO_APPEALS,
) -> tuple[Ledger, tuple[Leaf, ...]]:
    """The ledger after `epoch` and the leaves of its report, in order of kind and id.

    `subjects` are all assignments of the anchor state whose leaves may still be in the tree; `agreed` gives,
    by epoch and assignment, the agreed uptime in seconds. Missing epochs and assignments are unmeasured;
    others' entries don't count. `appeals` gives, by epoch and assignment, the seconds that appeals show to have been
    acknowledged; they are taken in once the epochs were run. InvalidValue when the epoch has been run or an assignment
    comes twice.
    """
    if epoch <= ledger.epoch:
        raise InvalidValue(f"epoch is {epoch}: the ledger stands at {ledger.epoch}, give a later one")
    ordered = sorted(subjects, key=attrgetter("assignment_id"))
    book = Book(clock, ledger, ordered, epoch, appeal_epochs)
    if len(book.accounts) != len(ordered):
        raise InvalidValue("an assignment comes twice among the subjects: give each one once")
    for each in range(ledger.epoch + 1, epoch + 1):
        book.run(each, agreed.get(each, {}))
    take_in(book, appeals)
    give(book)
    leaves: list[Leaf] = []
    for subject in ordered:
        key = subject.assignment_id
        if subject.opened_at >= clock.end(epoch) or _has_left(subject, clock, epoch, appeal_epochs):
            book.drop(key)
        else:
            account = book.accounts[key]
            leaves.append(Leaf(KIND_ASSIGNMENT, key, account.earned, account.accounted))
    after = Ledger(epoch, book.accounts, book.opened, book.losses, book.kept_windows())
    return after, tuple(leaves) or (EMPTY,)


def _has_left(subject: Subject, clock: EpochClock, epoch: int, appeal_epochs: int) -> bool:
    """Whether a subject's leaf has left the tree: it is settled to its end and nobody can appeal any more."""
    if subject.through < subject.stop and not subject.job_closed:
        return False
    return epoch > clock.covering(max(subject.stop, clock.genesis)) + appeal_epochs
