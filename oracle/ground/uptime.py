"""What one observer saw of one subject: how long it was up, out of how long it could be seen."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from oracle.ground.bitmap import span
from oracle.ground.errors import InvalidValue


@dataclass(frozen=True, slots=True)
class Uptime:
    """Two counts of one unit (ticks or seconds, as the place says): `0 <= up <= observed`."""

    up: int
    observed: int

    def __post_init__(self) -> None:
        if not 0 <= self.up <= self.observed:
            raise InvalidValue(f"uptime is {self.up!r} of {self.observed!r} observed: up lies between 0 and observed")

    def __add__(self, other: Uptime) -> Uptime:
        return Uptime(self.up + other.up, self.observed + other.observed)

    def scaled(self, tick_seconds: int) -> Uptime:
        """From ticks to seconds."""
        return Uptime(self.up * tick_seconds, self.observed * tick_seconds)


ZERO: Final = Uptime(0, 0)


def measure(up_bits: int, observed_bits: int, ticks: range) -> Uptime:
    """Counts, in ticks, within `ticks`. A tick is up only where it was observed: blindness is no proof."""
    seen = observed_bits & span(ticks)
    return Uptime((up_bits & seen).bit_count(), seen.bit_count())
