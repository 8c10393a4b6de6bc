"""Appeals in the ledger: what oracles acknowledged and a report left out is put right.

An appeal mends what was measured, and is done with: nobody needs to hand it in twice. From what was mended follows what
the whole window earns; what that is more than was given already is given out when it can be (see `give`), so the order
of appeals, and which report takes which of them, change nothing.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from itertools import groupby

from oracle.ground.ledger_book import Book
from oracle.ground.ledger_entries import Losses, Piece
from oracle.ground.scoring import window_total
from oracle.ground.uptime import Uptime


def take_in(book: Book, appeals: Mapping[int, Mapping[int, int]]) -> None:
    """Mends what was measured: by epoch and assignment, the seconds shown to be up.

    Never beyond what was observed. An appeal has no effect where nothing was lost, where the evidence isn't the node's
    heartbeats, and where the appeal span is over.
    """
    for epoch in sorted(appeals):
        for key, seconds in sorted(appeals[epoch].items()):
            if key in book.subjects:
                _mend(book, key, epoch, seconds)


def give(book: Book) -> None:
    """Gives out what mended windows earn beyond what was given, to their pieces in order, up to all that was observed.

    A leaf tells two sums, so what a report gives back of one window would net out with what it newly withholds of
    another, and these seconds would be held under the mark of the first. Therefore an assignment of which the report
    newly withholds something is given nothing back, except out of windows that this very report counts, or when the
    appeal span ends with it.
    """
    # A window that was counted just now, and that no appeal mended, has given all that it earns.
    changed = [key for key in book.windows if key in book.known or key in book.mended]
    for key in sorted(changed, key=lambda one: (-one[-1], one)):  # what this report counts comes first
        pieces = book.windows[key]
        policy = next((book.subjects[p.assignment].policy for p in pieces if p.assignment in book.subjects), None)
        if policy is None or policy.evidence != "liveness":
            continue
        groups = [[p.measured for p in group] for _, group in groupby(pieces, lambda p: p.counted)]
        left = window_total(policy, groups) - sum(p.earned for p in pieces)
        if left <= 0:
            continue
        after = []
        for piece in pieces:
            gain = min(left, _room(book, piece))
            if gain:
                left -= gain
                book.raise_account(piece.assignment, gain)
                if piece.counted > book.parent:
                    book.withheld[piece.assignment] -= gain
            after.append(replace(piece, earned=piece.earned + gain))
        book.windows[key] = tuple(after)
        if left:
            book.pending.add(key)


def _mend(book: Book, key: int, epoch: int, seconds: int) -> None:
    if key in book.opened:
        mended, extra = _mended(book.losses.get(key, {}), epoch, seconds)
        if extra:
            seen = book.opened[key]
            book.opened[key] = Uptime(seen.up + extra, seen.observed)
            book.losses.pop(key)
            if mended:
                book.losses[key] = mended
            return
    window = book.subjects[key].window_of(epoch)
    pieces = book.windows.get(window, ())
    for place, piece in enumerate(pieces):
        if piece.assignment == key and book.report <= piece.counted + book.appeal_epochs:
            mended, extra = _mended(piece.losses, epoch, seconds)
            measured = Uptime(piece.measured.up + extra, piece.measured.observed)
            mended_piece = replace(piece, measured=measured, losses=mended)
            book.windows[window] = (*pieces[:place], mended_piece, *pieces[place + 1 :])
            book.mended.add(window)


def _mended(losses: Losses, epoch: int, seconds: int) -> tuple[dict[int, Uptime], int]:
    """The losses that are left, and the seconds that are none any more."""
    left = dict(losses)
    lost = left.pop(epoch, None)
    if lost is None:
        return left, 0
    up = max(lost.up, min(seconds, lost.observed))
    if up < lost.observed:
        left[epoch] = Uptime(up, lost.observed)
    return left, up - lost.up


def _room(book: Book, piece: Piece) -> int:
    """The seconds that this report may give a piece back."""
    account = book.accounts.get(piece.assignment)
    last = piece.counted + book.appeal_epochs
    if account is None or book.report > last:
        return 0
    if piece.counted <= book.parent and book.withheld.get(piece.assignment) and book.report < last:
        return 0
    return max(0, min(piece.measured.observed - piece.earned, account.accounted - account.earned))
