"""Random lives of assignments, the chain's view of them, and the accounts they must lead to."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from itertools import groupby

from hypothesis import strategies as st

from oracle.ground.clock import EpochClock
from oracle.ground.ids import pack
from oracle.ground.leaves import Leaf
from oracle.ground.ledger import Subject
from oracle.ground.policy import Policy
from oracle.ground.scoring import score
from oracle.ground.uptime import ZERO, Uptime

CLOCK = EpochClock(genesis=1_000, length=60)
EPOCHS = 12
NEVER = 10**9


@dataclass(frozen=True)
class Assignment:
    """Open in `[opened_at, closed_at)`, as it turns out in the end; its job stops at `job_stop`."""

    id: int
    slot: int
    licence: int
    opened_at: int
    closed_at: int
    job_stop: int

    @property
    def stop(self) -> int:
        return min(self.closed_at, self.job_stop)

    def open_seconds(self, start: int, stop: int) -> int:
        return max(0, min(self.stop, stop) - max(self.opened_at, start))


@dataclass(frozen=True)
class History:
    """One job; what its slots' assignments did, and what the committee agreed that it measured."""

    policy: Policy
    appeal_epochs: int
    assignments: tuple[Assignment, ...]
    agreed: Mapping[int, Mapping[int, Uptime]]

    def subjects(self, epoch: int, settled: Mapping[int, tuple[int, int, int]]) -> list[Subject]:
        """What the anchor state of `epoch` knows: a closing of the future isn't there yet, a new opening is."""
        views = []
        for one in self.assignments:
            if one.opened_at > CLOCK.end(epoch) + 5:
                continue
            closed_at = one.closed_at if one.closed_at <= CLOCK.end(epoch) else NEVER
            through, earned, accounted = settled.get(one.id, (one.opened_at, 0, 0))
            stop = min(closed_at, one.job_stop)
            views.append(
                Subject(one.id, one.licence, one.opened_at, stop, through, earned, accounted, False, self.policy)
            )
        return views

    def settle(self, epoch: int, leaf: Leaf, settled: Mapping[int, tuple[int, int, int]]) -> dict:
        """The chain's books after the leaf of the report of `epoch` was settled within bounds."""
        one = next(each for each in self.assignments if each.id == leaf.id)
        until = CLOCK.settled_until(self.policy.window_epochs, one.stop, epoch)
        through, *_ = settled.get(one.id, (one.opened_at, 0, 0))
        return {**settled, one.id: (max(through, until), leaf.earned, leaf.accounted)}

    def expected(self, epoch: int) -> dict[int, tuple[int, int]]:
        """(earned, accounted) of each assignment after `epoch`, straight from the words: window by window."""
        totals = {one.id: (0, 0) for one in self.assignments}
        width = self.policy.window_epochs
        for window in range(epoch // width + 1):
            first, last = window * width, (window + 1) * width - 1
            for _, rivals in groupby(sorted(self.assignments, key=_same_licence), _same_licence):
                earlier, taken = ZERO, 0
                pieces = [(piece, self._ends(piece, first, last)) for piece in rivals]
                for now in range(first, min(last, epoch) + 1):
                    group = sorted((p for p, ends in pieces if ends == now), key=lambda p: p.id)
                    measured = [self._measured(p, first, last) for p in group]
                    earned = score(self.policy, measured, earlier, taken)
                    for piece, seconds, seen in zip(group, earned, measured, strict=True):
                        before = totals[piece.id]
                        totals[piece.id] = (before[0] + seconds, before[1] + seen.observed)
                    earlier, taken = sum(measured, earlier), taken + sum(earned)
        return totals

    def _ends(self, one: Assignment, first: int, last: int) -> int | None:
        """The epoch with which an assignment's piece of a window is over, if it has one."""
        if not one.open_seconds(CLOCK.start(first), CLOCK.end(last)):
            return None
        return min(CLOCK.covering(one.stop), last)

    def _measured(self, one: Assignment, first: int, last: int) -> Uptime:
        total = ZERO
        for epoch in range(first, last + 1):
            seen = self.agreed.get(epoch, {}).get(one.id, ZERO)
            room = one.open_seconds(CLOCK.start(epoch), CLOCK.end(epoch))
            if seen.observed > room:
                seen = Uptime(seen.up * room // seen.observed, room)
            total += seen
        return total


def _same_licence(one: Assignment) -> tuple[int, int]:
    return one.slot, one.licence


@st.composite
def histories(draw: st.DrawFn) -> History:
    """Short epochs, one or two slots, up to four licences that come and go, epochs nobody measured."""
    low, high = sorted(draw(st.tuples(st.integers(0, 1_000_000), st.integers(1, 1_000_000))))
    policy = Policy(
        target_ppm=high,
        floor_ppm=draw(st.sampled_from([low, high])),
        window_epochs=draw(st.integers(1, 5)),
        min_observed_seconds=draw(st.sampled_from([0, 30])),
    )
    job_stop = CLOCK.genesis + draw(st.integers(60, EPOCHS * 60))
    assignments: list[Assignment] = []
    for slot in range(draw(st.integers(1, 2))):
        at = CLOCK.genesis
        for generation in range(1, draw(st.integers(1, 6)) + 1):
            at += draw(st.sampled_from([0, 0, 0, 1, 17, 130]))
            if at >= job_stop:
                break
            closed_at = at + draw(st.sampled_from([0, 7, 30, 60, 95, 300, NEVER]))
            licence = draw(st.sampled_from([1, 1, 1, 2, 3]))
            key = pack(5, slot, generation)
            assignments.append(Assignment(key, slot, licence, at, closed_at, job_stop))
            at = closed_at
    agreed: dict[int, dict[int, Uptime]] = {}
    for epoch in range(EPOCHS):
        if draw(st.integers(0, 9)):
            agreed[epoch] = {one.id: draw(_UPTIMES) for one in assignments if draw(st.integers(0, 9))}
    return History(policy, draw(st.integers(0, 3)), tuple(assignments), agreed)


_UPTIMES = st.tuples(st.integers(0, 65), st.integers(0, 65)).map(lambda pair: Uptime(min(pair), max(pair)))
