# SPDX-License-Identifier: Apache-2.0
"""The committee: four oracles' random observations and evidence, through the real core, to the leaves of reports."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from random import Random

from oracle.ground.bitmap import span
from oracle.ground.clock import EpochClock
from oracle.ground.leaves import Leaf
from oracle.ground.ledger import Ledger, Subject, advance
from oracle.ground.maintenance import Span, counted, declared_within, policy_window, ticks_of
from oracle.ground.median import agree, measured_needs
from oracle.ground.uptime import Uptime

Windows = Callable[[int, Span], Sequence[Span]]
"""What the chain says of a licence's declared maintenance within a span."""
ORACLES = 4
EVER = 2**64 - 1
NOWHERE = Ledger(-1, {}, {}, {}, {})


class Core:
    """What the committee computes. Random by the seed, the epoch and the assignment alone: whatever keepers do,
    the same is measured. A tick is a second. `clear`: all oracles see everything but maintenance."""

    def __init__(self, seed: int, clock: EpochClock, appeal_epochs: int, windows: Windows, clear: bool) -> None:
        self.seed = seed
        self.clock = clock
        self.appeal_epochs = appeal_epochs
        self.windows = windows
        self.clear = clear
        self.ledgers: dict[int, Ledger] = {-1: NOWHERE}
        """By epoch: those that reports told of, the last one for each."""

    def report(self, parent: int, epoch: int, subjects: Sequence[Subject]) -> tuple[Leaf, ...]:
        """The leaves of an epoch's report upon that of `parent`."""
        agreed = {each: self._agreed(each, subjects) for each in range(parent + 1, epoch + 1)}
        appeals = self._appeals(epoch, subjects)
        after, leaves = advance(self.ledgers[parent], self.clock, epoch, subjects, agreed, self.appeal_epochs, appeals)
        self.ledgers[epoch] = Ledger.decode(after.encode())
        return leaves

    def lies(self, epoch: int, leaves: Sequence[Leaf]) -> tuple[Leaf, ...]:
        """What a quorum of liars signs instead: sums beyond what can be, and below what was."""
        chance = Random(f"{self.seed} lies {epoch}")
        false = []
        for leaf in leaves:
            more = leaf.accounted + chance.randrange(3_000)
            earned, accounted = chance.choice(
                [(EVER, EVER), (leaf.accounted, leaf.accounted), (chance.randrange(more + 1), more), (0, 0), (0, EVER)]
            )
            false.append(Leaf(leaf.kind, leaf.id, earned, accounted) if leaf.id else leaf)
        return tuple(false)

    def _agreed(self, epoch: int, subjects: Sequence[Subject]) -> dict[int, Uptime]:
        if not self.clear and Random(f"{self.seed} blind {epoch}").random() < 0.1:
            return {}
        return {one.assignment_id: self._median(epoch, one, self._unmeasured(epoch, one, subjects)) for one in subjects}

    def _unmeasured(self, epoch: int, one: Subject, subjects: Sequence[Subject]) -> int:
        """The mask of the seconds of declared maintenance that count as unmeasured, as oracles find it."""
        most = one.policy.maintenance_seconds
        if not most:
            return 0
        within = policy_window(self.clock, one.policy, epoch)
        mine = [each for each in subjects if _slot(each) == _slot(one) and each.licence == one.licence]
        served = [(each.opened_at, each.stop) for each in mine]
        return ticks_of(
            counted(declared_within(self.windows(one.licence, within), served, within), most), self.clock, epoch
        )

    def _median(self, epoch: int, one: Subject, unmeasured: int) -> Uptime:
        chance = Random(f"{self.seed} {epoch} {one.assignment_id}")
        seconds = (span(self.clock.whole_ticks(epoch, one.opened_at, one.stop)) & ~unmeasured).bit_count()
        ratio = chance.choice([1.0, 0.99, 0.97, 0.93, 0.6, 0.0])
        if self.clear:
            return agree([Uptime(round(seconds * ratio), seconds)] * ORACLES, measured_needs(ORACLES))
        blind = chance.choice([0, 0, 0, 1, 2])
        seen = []
        for number in range(ORACLES):
            observed = 0 if number < blind else seconds - chance.choice([0, 0, 1, chance.randrange(seconds + 1)])
            observed = max(0, observed)
            seen.append(Uptime(min(observed, round(observed * ratio) + chance.choice([0, 0, 1])), observed))
        return agree(seen, measured_needs(ORACLES))

    def _appeals(self, epoch: int, subjects: Sequence[Subject]) -> dict[int, dict[int, int]]:
        """Evidence handed in for this report: of some subjects, in epochs that may still be appealed, and in others."""
        chance = Random(f"{self.seed} appeals {epoch}")
        found: dict[int, dict[int, int]] = {}
        for of in range(max(0, epoch - self.appeal_epochs - 1), epoch + 1):
            for one in subjects:
                shown = Random(f"{self.seed} {epoch} shows {of} {one.assignment_id}")
                if shown.random() < 0.5:
                    found.setdefault(of, {})[one.assignment_id] = shown.choice([2**20, shown.randrange(1_000)])
        return found if chance.random() < 0.8 else {}


def _slot(one: Subject) -> int:
    """Job and slot, as one number."""
    return one.assignment_id >> 32
