# SPDX-License-Identifier: Apache-2.0
"""What a replay must come to, second by second and with fractions: slow, plain, and without the project's own code."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass, replace
from fractions import Fraction
from functools import cached_property

Row = tuple[str, int, int, str]
PPM = 1_000_000


@dataclass(frozen=True)
class Terms:
    """The options of a replay as far as they change its results."""

    genesis: int
    length: int
    tick: int
    first: int
    after: int
    price: int = 1_000_000
    protocol_share_ppm: int = 0
    target_ppm: int = 980_000
    floor_ppm: int = 900_000
    window_epochs: int = 1
    min_observed_seconds: int = 0
    csp_share_ppm: int = 800_000

    def but(self, **changes: int) -> Terms:
        """These terms with some changed."""
        return replace(self, **changes)


@dataclass(frozen=True)
class Placement:
    slot: int
    generation: int
    node: str
    start: int
    end: int


@dataclass
class Naive:
    """Rows of the three CSVs as texts, by the rules of docs/replay.md and the design.

    placed, slots: who served when in how many slots; None: each node of the trace has one of its own.
    """

    rows: list[Row]
    terms: Terms
    placed: list[Placement] | None = None
    slots: int | None = None

    def start(self, epoch: int) -> int:
        return self.terms.genesis + epoch * self.terms.length

    @cached_property
    def states(self) -> dict[str, dict[int, str]]:
        """What each node was in each second of the replayed time; seconds outside its enrolment are missing."""
        begins, ends = self.start(self.terms.first), self.start(self.terms.after)
        states: dict[str, dict[int, str]] = defaultdict(dict)
        for node, start, end, state in self.rows:
            for second in range(max(start, begins), min(end, ends)):
                states[node][second] = state
        return {node: states[node] for node in sorted(states)}

    @cached_property
    def placements(self) -> list[Placement]:
        if self.placed is not None:
            return self.placed
        found = []
        for slot, (node, seconds) in enumerate(self.states.items()):
            starts = [second for second in sorted(seconds) if second - 1 not in seconds]
            ends = [second + 1 for second in sorted(seconds) if second + 1 not in seconds]
            for generation, (start, end) in enumerate(zip(starts, ends, strict=True), start=1):
                found.append(Placement(slot, generation, node, start, end))
        return found

    def epochs_of(self, one: Placement) -> list[int]:
        return [
            epoch
            for epoch in range(self.terms.first, self.terms.after)
            if one.start < self.start(epoch + 1) and one.end > self.start(epoch)
        ]

    def seen(self, one: Placement, epoch: int) -> tuple[int, int]:
        """(up, observed) seconds of a placement in an epoch, by whole ticks."""
        up = observed = 0
        tick = self.terms.tick
        for begin in range(self.start(epoch), self.start(epoch + 1), tick):
            if begin < one.start or begin + tick > one.end:
                continue
            states = [self.states[one.node][second] for second in range(begin, begin + tick)]
            up += tick * (set(states) == {"up"})
            observed += tick * ("unknown" not in states)
        return up, observed

    @cached_property
    def uptime(self) -> list[list[str]]:
        sums: dict[tuple[str, int], list[int]] = defaultdict(lambda: [0, 0])
        for one in self.placements:
            for epoch in self.epochs_of(one):
                for index, value in enumerate(self.seen(one, epoch)):
                    sums[one.node, epoch][index] += value
        return [[node, str(epoch), *map(str, seen)] for (node, epoch), seen in sorted(sums.items())]

    @cached_property
    def seconds(self) -> dict[tuple[Placement, int], tuple[int, int, int]]:
        """(earned, withheld, unmeasured) by placement and the epoch whose report adds them."""
        window = self.terms.window_epochs
        result = {(one, epoch): (0, 0, 0) for one in self.placements for epoch in self.epochs_of(one)}
        # Pieces by slot, node and window, then by the epoch with which they are over.
        pieces: dict[tuple[int, str, int], dict[int, list[Placement]]] = defaultdict(lambda: defaultdict(list))
        for one in self.placements:
            for number in {epoch // window for epoch in self.epochs_of(one)}:
                over = max(epoch for epoch in self.epochs_of(one) if epoch // window == number)
                if one.end > self.start(over + 1):
                    over = number * window + window - 1
                pieces[one.slot, one.node, number][over].append(one)
        for (*_, number), by_epoch in pieces.items():
            up = observed = taken = 0
            for over, group in sorted(by_epoch.items()):
                sums = []
                for one in group:
                    parts = [self.seen(one, e) for e in self.epochs_of(one) if e // window == number]
                    sums.append((sum(part[0] for part in parts), sum(part[1] for part in parts)))
                together = sum(part[1] for part in sums)
                up += sum(part[0] for part in sums)
                observed += together
                grant = min(max(self.whole(up, observed) - taken, 0), together)
                seen = given = 0
                for one, (own_up, own) in zip(group, sums, strict=True):
                    earned = own_up
                    if observed >= self.terms.min_observed_seconds:
                        # To the second: the shares of a running sum.
                        seen += own
                        earned = (grant * seen // together if together else 0) - given
                        given += earned
                    taken += earned
                    begin = max(one.start, self.start(number * window))
                    unmeasured = min(one.end, self.start((number + 1) * window)) - begin - own
                    result[one, over] = (earned, own - earned, unmeasured)
        return result

    def whole(self, up: int, observed: int) -> int:
        """What a window earns when it is scored in one."""
        if not observed:
            return 0
        ratio = Fraction(up, observed)
        target, floor = (Fraction(value, PPM) for value in (self.terms.target_ppm, self.terms.floor_ppm))
        if ratio >= target:
            return observed
        if ratio <= floor:
            return 0
        return int(observed * (ratio - floor) / (target - floor))

    @cached_property
    def settlement(self) -> list[list[str]]:
        job = 1
        rows = [
            [job, one.slot, job << 64 | one.slot << 32 | one.generation, one.node, epoch, *seconds]
            for (one, epoch), seconds in self.seconds.items()
        ]
        return [[str(cell) for cell in row] for row in sorted(rows, key=lambda row: (row[2], row[4]))]

    @cached_property
    def deposit(self) -> int:
        return self.terms.price * (self.slots or len(self.states)) * (self.terms.after - self.terms.first)

    @cached_property
    def payouts(self) -> list[list[str]]:
        sums: dict[Placement, list[int]] = defaultdict(lambda: [0, 0, 0])
        for (one, _), seconds in self.seconds.items():
            for index, value in enumerate(seconds):
                sums[one][index] += value
        protocol, csp = self.terms.protocol_share_ppm, self.terms.csp_share_ppm
        by_node = {node: [0, 0, 0, 0] for node in self.states}
        for one, (earned, withheld, unmeasured) in sums.items():
            parts = (
                self.cost(earned) * (PPM - protocol) // PPM,
                self.cost(withheld),
                self.cost(unmeasured) + self.cost(withheld) * csp // PPM,
                self.cost(earned) * protocol // PPM + self.cost(withheld) * (PPM - csp) // PPM,
            )
            for index, value in enumerate(parts):
                by_node[one.node][index] += value
        # Burned is what the whole job's seconds come to, and the CSP has the rest.
        earned, withheld, _ = (sum(one[index] for one in sums.values()) for index in range(3))
        burned = self.cost(earned) * protocol // PPM + self.cost(withheld) * (PPM - csp) // PPM
        refunded = self.deposit - sum(parts[0] for parts in by_node.values()) - burned
        rest = (refunded - sum(p[2] for p in by_node.values()), burned - sum(p[3] for p in by_node.values()))
        assert min(rest) >= 0
        return [[node, *map(str, by_node[node])] for node in sorted(by_node)] + [["", "0", "0", *map(str, rest)]]

    def cost(self, seconds: int) -> int:
        return self.terms.price * seconds // self.terms.length
