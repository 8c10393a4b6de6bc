"""When a keeper acts, so that many at once waste little. Pure."""

from __future__ import annotations

from dataclasses import dataclass

from oracle.ground.errors import InvalidValue
from oracle.ground.keccak import keccak256


@dataclass(frozen=True, slots=True)
class Conduct:
    """How a keeper goes about its plans.

    delay_seconds    what can be done waits for company so long
    stagger_seconds  and so much longer at most, by the keeper's address and by what is to be done: whoever comes first
                     does it, and the others see that it is done
    retry_seconds    before what had no effect, or was refused, is tried again
    most_open        transactions under way at a time
    """

    delay_seconds: int = 0
    stagger_seconds: int = 60
    retry_seconds: int = 600
    most_open: int = 16

    def __post_init__(self) -> None:
        if min(self.delay_seconds, self.stagger_seconds, self.retry_seconds) < 0 or self.most_open < 1:
            raise InvalidValue(
                f"delay {self.delay_seconds} s, stagger {self.stagger_seconds} s, retry {self.retry_seconds} s, "
                f"{self.most_open} open transactions: give at least 0 s and 1 transaction"
            )

    def wait(self, keeper: str, lane: str) -> int:
        """Seconds that a keeper (0x address) leaves something to others, from when it could be done."""
        drawn = int.from_bytes(keccak256(f"{keeper.lower()} {lane}".encode())[:8])
        return self.delay_seconds + drawn * self.stagger_seconds // (1 << 64)
