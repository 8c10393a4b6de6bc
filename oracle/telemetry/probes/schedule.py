"""When to probe which assignment, and which ticks an outcome speaks for. Pure: chance and outcomes come in.

An answering assignment is probed in each tick with the chance of one in `period`, whatever went before: who sees
when it was probed learns nothing about the next probe. One that failed is probed in every tick until it answers, so
an outage's end is known to the tick. Its beginning isn't: on average `period - 1` of its ticks went by unseen, the
outages that no probe met included. That is what each outage that was met is charged, on top of the ticks in which
a probe failed. So up ticks out of seen ones are unbiased for outages of any length and for nodes that watch their
prober; docs/telemetry-eyes.md has the argument.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, field
from math import log
from random import Random
from typing import Final

from oracle.ground.darkness import MIN_NODES, SHARE
from oracle.ground.errors import InvalidValue

LONGEST_GAP: Final = 10
"""Periods after which an assignment is probed for certain; chance lets one gap in 22,000 come so far."""


@dataclass(frozen=True, slots=True)
class Covered:
    """What became known of an assignment: it was seen in these ticks, up in some of them, both rising.

    Ticks are counted from genesis.
    """

    assignment: int
    seen: list[int]
    up: list[int]


@dataclass(slots=True)
class _Subject:
    due: int
    covered: int
    """The last tick that an outcome spoke for."""
    answered_at: int | None = None
    answers: bool = False
    """By the latest outcome, counted or not yet."""
    down: bool = False
    """By the latest outcome that counted."""
    owed: int = 0
    """Ticks still to be charged for beginnings of outages."""


@dataclass(slots=True)
class _Tick:
    number: int
    outcomes: dict[int, bool] = field(default_factory=dict)
    dark: bool = False


class Schedule:
    """The probes of one oracle. `period`: mean ticks between two probes of an answering assignment.

    `chance` must be one that nobody can foretell: `secrets.SystemRandom()`. `memory`: ticks for which an answer
    makes an assignment a judge of the prober itself; an epoch is a good span. InvalidValue for a period below 1.
    """

    def __init__(self, period: int, chance: Random, memory: int) -> None:
        if period < 1:
            raise InvalidValue(f"probe period is {period} ticks; make it one tick or more")
        self.period = period
        self.dark_ticks = 0
        """Ticks so far in which nearly all probes failed at once."""
        self._chance = chance
        self._memory = memory
        self._subjects: dict[int, _Subject] = {}
        self._due: dict[int, list[int]] = {}
        self._now: int | None = None
        self._held: _Tick | None = None
        self._was_dark = False
        self._void: set[int] = set()

    def begin(self, tick: int, assignments: Collection[int]) -> list[int]:
        """The assignments to probe in `tick`, out of all that there are now. Call it once for each tick.

        Ticks left out are seen by nobody, nor is the last one before them.
        """
        if self._now is None or tick != self._now + 1:
            self._held = None
            self._was_dark = False
            for subject in self._subjects.values():
                subject.covered = tick - 1
        self._now = tick
        for gone in self._subjects.keys() - set(assignments):
            del self._subjects[gone]
        for assignment in assignments:
            if assignment not in self._subjects:
                subject = self._subjects[assignment] = _Subject(tick, tick - 1)
                self._plan(assignment, subject, tick - 1 + self._gap())
        due = []
        for late in [planned for planned in self._due if planned <= tick]:
            for assignment in self._due.pop(late):
                found = self._subjects.get(assignment)
                if found is not None and found.due == late:
                    found.due = -1  # until it is planned again; an assignment that came back may stand here twice
                    due.append(assignment)
        return due

    def witnesses(self, outcomes: Mapping[int, bool]) -> list[int]:
        """Assignments to probe besides, where too few were probed to tell whose fault new failures are.

        New are those of this tick and of the last one, which this one may still acquit.
        """
        jury = self._jury(outcomes)
        held = self._held.outcomes if self._held else {}
        doubt = not all(jury) or any(
            not up and not self._subjects[one].down for one, up in held.items() if one in outcomes
        )
        if not doubt or len(jury) >= MIN_NODES or sum(jury) * SHARE > len(jury):
            return []
        others = [one for one in self._subjects if one not in outcomes and self._is_judge(one)]
        return self._chance.sample(others, min(len(others), MIN_NODES - len(jury)))

    def end(self, outcomes: Mapping[int, bool], witnesses: Mapping[int, bool], due: Iterable[int]) -> list[Covered]:
        """Take the tick's outcomes (True: answered) of the assignments that were `due`; the others stay due.

        Returns what is certain now. Outcomes wait for the next tick: they count only if neither their tick nor one
        beside it is dark, since blindness seldom begins where a tick does.
        """
        assert self._now is not None, "begin the tick first"
        tick = _Tick(self._now, {one: up for one, up in outcomes.items() if one in self._subjects})
        jury = self._jury(tick.outcomes) + [up for one, up in witnesses.items() if self._is_judge(one)]
        tick.dark = len(jury) >= MIN_NODES and sum(jury) * SHARE < len(jury)
        self.dark_ticks += tick.dark
        for assignment in due:
            subject = self._subjects.get(assignment)
            if subject is None:
                continue
            up = tick.outcomes.get(assignment)
            if up is None or tick.dark:
                self._plan(assignment, subject, tick.number + 1)
                continue
            subject.answers = up
            if up:
                subject.answered_at = tick.number
            self._plan(assignment, subject, tick.number + (self._gap() if up else 1))
        before, self._held = self._held, tick
        certain = []
        if before is not None:
            if self._was_dark or before.dark or tick.dark:
                self._void.add(before.number)
                oldest = before.number - 2 * LONGEST_GAP * self.period
                self._void = {one for one in self._void if one >= oldest}
            else:
                certain = [
                    self._settle(assignment, self._subjects[assignment], before.number, up)
                    for assignment, up in before.outcomes.items()
                    if assignment in self._subjects
                ]
            self._was_dark = before.dark
        return certain

    def _settle(self, assignment: int, subject: _Subject, tick: int, up: bool) -> Covered:
        seen = [one for one in range(subject.covered + 1, tick + 1) if one not in self._void]
        subject.covered = tick
        if up:
            subject.down = False
            # What the time before an outage could not bear is charged to the time after it.
            charged = min(subject.owed, len(seen))
            subject.owed -= charged
            return Covered(assignment, seen, seen[charged:])
        if subject.down:
            return Covered(assignment, seen, [])
        subject.down = True
        subject.owed += self.period - 1
        charged = min(subject.owed, len(seen) - 1)
        subject.owed -= charged
        return Covered(assignment, seen, seen[: len(seen) - 1 - charged])

    def _jury(self, outcomes: Mapping[int, bool]) -> list[bool]:
        """Outcomes of those that answered when they were last asked: the others' failures tell nothing new."""
        return [up for one, up in outcomes.items() if self._is_judge(one)]

    def _is_judge(self, assignment: int) -> bool:
        subject = self._subjects.get(assignment)
        if subject is None or not subject.answers or subject.answered_at is None or self._now is None:
            return False
        return self._now - subject.answered_at <= self._memory

    def _plan(self, assignment: int, subject: _Subject, tick: int) -> None:
        subject.due = tick
        self._due.setdefault(tick, []).append(assignment)

    def _gap(self) -> int:
        """Ticks to the next probe: as many as tossing a coin of one in `period` each tick would take."""
        if self.period == 1:
            return 1
        drawn = 1 + int(log(1 - self._chance.random()) / log(1 - 1 / self.period))
        return min(drawn, LONGEST_GAP * self.period)
