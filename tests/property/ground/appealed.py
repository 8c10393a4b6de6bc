"""Appeals by brute force: every window scored anew for every report, and what it gained handed out second by second."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import replace
from itertools import groupby

from hypothesis import assume
from hypothesis import strategies as st

from oracle.ground.policy import Policy
from oracle.ground.scoring import score
from oracle.ground.uptime import ZERO, Uptime
from tests.property.ground.histories import CLOCK, Assignment, History, histories

Appeals = Mapping[int, Mapping[int, int]]
Place = tuple[int, int]
"""(assignment, first epoch of a window)"""


class Rule:
    """What the words say of one history, report after report."""

    def __init__(self, history: History) -> None:
        self.history = history
        self.width = history.policy.window_epochs
        self.up: dict[tuple[int, int], int] = {}  # seconds up, as mended: by assignment and epoch
        self.observed: dict[tuple[int, int], int] = {}
        for one in history.assignments:
            for epoch, agreed in history.agreed.items():
                seen = agreed.get(one.id, ZERO)
                room = one.open_seconds(CLOCK.start(epoch), CLOCK.end(epoch))
                if seen.observed > room:
                    seen = Uptime(seen.up * room // seen.observed, room)
                self.up[one.id, epoch], self.observed[one.id, epoch] = seen.up, seen.observed
        self.earned: dict[Place, int] = {}
        self.last = -1

    def report(self, epoch: int, appeals: Appeals) -> dict[int, tuple[int, int]]:
        """(earned, accounted) by assignment after the report of `epoch`."""
        for each in range(self.last + 1, epoch + 1):
            self._count(each)
        for appealed, shown in appeals.items():
            for one in self.history.assignments:
                place = one.id, appealed
                ends = self._ends(one, appealed // self.width * self.width)
                if one.id in shown and ends is not None and epoch <= ends + self.history.appeal_epochs:
                    best = min(shown[one.id], self.observed.get(place, 0))
                    self.up[place] = max(self.up.get(place, 0), best)
        for window in reversed(range(epoch // self.width + 1)):
            for rivals in self._rivals():
                self._give(rivals, window * self.width, epoch)
        self.last = epoch
        totals = {one.id: (0, 0) for one in self.history.assignments}
        for (key, first), earned in self.earned.items():
            before = totals[key]
            totals[key] = before[0] + earned, before[1] + self._seen(key, first).observed
        return totals

    def _count(self, epoch: int) -> None:
        first = epoch // self.width * self.width
        for rivals in self._rivals():
            group = [one for one in rivals if self._ends(one, first) == epoch]
            before = [one for one in rivals if (one.id, first) in self.earned]
            earlier = sum((self._seen(one.id, first) for one in before), ZERO)
            taken = sum(self.earned[one.id, first] for one in before)
            scored = score(self.history.policy, [self._seen(one.id, first) for one in group], earlier, taken)
            for one, seconds in zip(group, scored, strict=True):
                self.earned[one.id, first] = seconds

    def _give(self, rivals: list[Assignment], first: int, epoch: int) -> None:
        counted = [one for one in rivals if (one.id, first) in self.earned]
        counted.sort(key=lambda one: (self._ends(one, first), one.id))
        earlier, whole = ZERO, 0
        for _, ended in groupby(counted, lambda one: self._ends(one, first)):
            seen = [self._seen(one.id, first) for one in ended]
            whole += sum(score(self.history.policy, seen, earlier, whole))
            earlier = sum(seen, earlier)
        while sum(self.earned[one.id, first] for one in counted) < whole:
            able = [one for one in counted if self._may_gain(one, first, epoch)]
            if not able:
                return
            self.earned[able[0].id, first] += 1

    def _may_gain(self, one: Assignment, first: int, epoch: int) -> bool:
        ends = self._ends(one, first)
        assert ends is not None
        left = ends + self.history.appeal_epochs - epoch
        if left < 0 or self.earned[one.id, first] == self._seen(one.id, first).observed:
            return False
        return ends > self.last or left == 0 or not self._withheld(one, epoch)

    def _withheld(self, one: Assignment, epoch: int) -> int:
        """What the windows that this report counts withhold."""
        return sum(
            self._seen(one.id, first).observed - earned
            for (key, first), earned in self.earned.items()
            if key == one.id and self.last < (self._ends(one, first) or 0) <= epoch
        )

    def _seen(self, key: int, first: int) -> Uptime:
        window = range(first, first + self.width)
        return Uptime(
            sum(self.up.get((key, e), 0) for e in window), sum(self.observed.get((key, e), 0) for e in window)
        )

    def _ends(self, one: Assignment, first: int) -> int | None:
        last = first + self.width - 1
        if not one.open_seconds(CLOCK.start(first), CLOCK.end(last)):
            return None
        return min(CLOCK.covering(one.stop), last)

    def _rivals(self) -> Iterable[list[Assignment]]:
        """Assignments of one licence in one slot, in order of their ids."""
        ordered = sorted(self.history.assignments, key=lambda one: (one.slot, one.licence, one.id))
        return [list(rivals) for _, rivals in groupby(ordered, lambda one: (one.slot, one.licence))]


def had_they_seen(history: History, appeals: Iterable[tuple[int, int, int]]) -> History:
    """The same history, had the oracles seen what the appeals (epoch, assignment, seconds) show."""
    agreed = {epoch: dict(seen) for epoch, seen in history.agreed.items()}
    for epoch, key, seconds in appeals:
        one = next(each for each in history.assignments if each.id == key)
        room = one.open_seconds(CLOCK.start(epoch), CLOCK.end(epoch))
        seen = agreed.get(epoch, {}).get(key, ZERO)
        if seen.observed > room:
            seen = Uptime(seen.up * room // seen.observed, room)
        if seen.observed:
            agreed[epoch][key] = Uptime(max(seen.up, min(seconds, seen.observed)), seen.observed)
    return replace(history, agreed=agreed)


@st.composite
def appealed_histories(draw: st.DrawFn) -> tuple[History, list[tuple[int, int, int]]]:
    """A history in which something was lost, mostly under a policy that withholds it, and appeals for it as (epoch,
    assignment, seconds shown)."""
    history = draw(histories())
    assume(history.assignments)
    if draw(st.integers(0, 3)):
        policy = draw(
            st.sampled_from(
                [
                    Policy("liveness", 1_000_000, 0),
                    Policy("liveness", 900_000, 900_000),
                    Policy("liveness", 1_000_000, 500_000),
                ]
            )
        )
        history = replace(history, policy=replace(policy, window_epochs=history.policy.window_epochs))
    lost = [
        (epoch, one.id, seen)
        for epoch, agreed in sorted(history.agreed.items())
        for one in history.assignments
        if (seen := agreed.get(one.id, ZERO)).up < seen.observed
        and one.open_seconds(CLOCK.start(epoch), CLOCK.end(epoch))
    ]
    assume(lost)
    appeals = []
    for epoch, key, seen in draw(st.lists(st.sampled_from(lost), min_size=1, max_size=12)):
        appeals.append((epoch, key, draw(st.sampled_from([seen.observed, seen.up + 1, 70, 30]))))
    return history, appeals


def handed_in(appeals: Iterable[tuple[int, int, int]]) -> dict[int, dict[int, int]]:
    """Appeals of one report, as `advance` takes them: the best of each."""
    best: dict[int, dict[int, int]] = {}
    for epoch, key, seconds in appeals:
        of = best.setdefault(epoch, {})
        of[key] = max(of.get(key, 0), seconds)
    return best
