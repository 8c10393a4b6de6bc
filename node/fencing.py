"""When a node believes that an assignment isn't its own any more. No I/O; time comes in as a number.

One oracle may lie, so none is believed alone where there are others: an assignment counts as fenced when, for a
while, more than half of the oracles that answer said so, and at least f + 1 of the n ≥ 3f + 1 that are configured.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass, field

STALE_AFTER = 3
"""Ticks after which an oracle's word is no answer any more."""
HOLD = 2
"""Ticks for which a majority has to last: the first oracle that answers is not the majority of all."""


@dataclass(slots=True)
class _Case:
    """One assignment: each oracle's word as (until when it counts, fenced), and since when a majority says so."""

    words: dict[str, tuple[float, bool]] = field(default_factory=dict)
    since: float | None = None


class FenceQuorum:
    """Counts what the oracles of one node, `oracles` of them, say of its assignments."""

    def __init__(self, oracles: int) -> None:
        self._least = (oracles - 1) // 3 + 1
        self._cases: dict[int, _Case] = {}

    def hear(
        self, oracle: str, reported: Collection[int], fenced: Collection[int], tick: float, now: float
    ) -> list[int]:
        """An oracle answered a heartbeat that reported on these assignments and called some of them fenced.

        `tick`, that oracle's, and `now` are seconds. Returns those that are now believed to be fenced.
        """
        believed = []
        for assignment in reported:
            case = self._cases.setdefault(assignment, _Case())
            # By its own tick: one that tells a short tick mustn't make the others' words stale.
            case.words[oracle] = (now + STALE_AFTER * tick, assignment in fenced)
            fresh = [said for until, said in case.words.values() if now <= until]
            votes = sum(fresh)
            if votes < self._least or 2 * votes <= len(fresh):
                case.since = None
            elif case.since is None:
                case.since = now
            elif now - case.since >= HOLD * tick:
                believed.append(assignment)
        return believed

    def forget(self, assignment: int) -> None:
        """The assignment is reported on no more."""
        self._cases.pop(assignment, None)
