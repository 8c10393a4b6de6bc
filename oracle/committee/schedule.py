"""When a round begins, ends its collecting, and changes its leader: by one oracle's own clock. Pure.

end of the epoch ── settle delay ── begin ── a third of the agreement span ── deadline: turn 0 ── a third ── turn 1 …
"""

from __future__ import annotations

from dataclasses import dataclass

from oracle.ground.clock import EpochClock
from oracle.ground.errors import InvalidValue

PARTS = 3
"""Collecting takes one part of the agreement span, each turn another: two leaders have their turn within the span."""


@dataclass(frozen=True, slots=True)
class Schedule:
    """The times of rounds, in UNIX seconds. `settle_delay` and `agreement_span` are the network's, in seconds."""

    clock: EpochClock
    settle_delay: int
    agreement_span: int

    def __post_init__(self) -> None:
        if self.settle_delay < 0 or self.agreement_span < 1:
            raise InvalidValue(
                f"settle delay is {self.settle_delay} s, agreement span {self.agreement_span} s: give 0 or more, and "
                "1 or more"
            )

    def begin(self, epoch: int) -> float:
        """When the epoch's round begins."""
        return self.clock.end(epoch) + self.settle_delay

    def deadline(self, epoch: int) -> float:
        """What has come by then must be in a proposal."""
        return self.begin(epoch) + self.part

    @property
    def part(self) -> float:
        """How long collecting takes at most, and each turn."""
        return self.agreement_span / PARTS

    def turn(self, epoch: int, now: float) -> int:
        """The turn that it is: 0 until the second one begins."""
        return max(0, int((now - self.deadline(epoch)) // self.part))

    def due(self, now: float) -> int:
        """The newest epoch whose round has begun; -1 while there is none."""
        return max(-1, int((now - self.settle_delay - self.clock.genesis) // self.clock.length) - 1)


def leader(members: tuple[bytes, ...], epoch: int, turn: int) -> bytes:
    """Whose turn it is to propose."""
    return members[(epoch + turn) % len(members)]


def distance(members: tuple[bytes, ...], epoch: int, turn: int, member: bytes) -> int:
    """How many places after that turn's leader a member comes: so many turns it waits to submit in his place."""
    return (members.index(member) - epoch - turn) % len(members)
