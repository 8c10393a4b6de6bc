"""When to try again and when to give up. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from delivery.message import Outcome, State, Verdict
from oracle.ground.errors import InvalidValue

_PASSING: Final = {408, 421, 423, 425, 429}
"""Refusals (4xx) that pass by themselves; every other says that the message is wrong, and will be."""
LONGEST_PAUSE: Final = 3_600.0
"""Seconds: a receiver may ask to be left alone for so long, no longer."""


@dataclass(frozen=True, slots=True)
class Backoff:
    """Pauses between attempts, in seconds: `first`, then each `factor` times as long, at most `longest`."""

    first: float = 1.0
    factor: float = 2.0
    longest: float = 300.0

    def __post_init__(self) -> None:
        if not (0 < self.first <= self.longest and self.factor >= 1):
            raise InvalidValue(
                f"backoff is {self.first} s, times {self.factor}, at most {self.longest} s: give a first pause above 0 "
                "and not above the longest, and a factor of 1 or more"
            )

    def pause(self, attempts: int, jitter: float) -> float:
        """The pause after the `attempts`-th failure. `jitter`, in [0, 1), takes up to half of it away, so that those
        who failed together don't come back together."""
        steps = min(attempts - 1, 1_000)
        whole = self.longest
        if self.factor == 1 or steps * (self.factor - 1) < 1_000:  # beyond it is above any pause, and may overflow
            whole = min(self.longest, self.first * self.factor**steps)
        return whole * (1 - jitter / 2)


@dataclass(frozen=True, slots=True)
class Next:
    """What to do with a message after an attempt; `at`: when to try again, UNIX seconds, where it waits."""

    state: State
    at: float
    told: str


def after(outcome: Outcome, attempts: int, deadline: float, now: float, backoff: Backoff, jitter: float) -> Next:
    """What follows from an attempt that ended at `now`, the `attempts`-th. The last one is made shortly before the
    deadline, however long the pause would be."""
    if outcome.verdict is Verdict.TAKEN:
        return Next(State.DELIVERED, now, outcome.told)
    if outcome.verdict is Verdict.NEVER:
        return Next(State.DEAD, now, outcome.told)
    pause = max(backoff.pause(attempts, jitter), min(outcome.pause, LONGEST_PAUSE))
    last = deadline - min(1.0, backoff.first)
    at = min(now + pause, last)
    if at - now < min(pause, backoff.first) / 2:
        return Next(State.DEAD, now, f"no time left for another attempt; the last: {outcome.told}")
    return Next(State.WAITING, at, outcome.told)


def verdict_of(status: int) -> Verdict:
    """What an HTTP status says of a message. A redirect is never followed: the receiver's address is what its owner
    configured."""
    if 200 <= status < 300:
        return Verdict.TAKEN
    if status >= 500 or status in _PASSING:
        return Verdict.LATER
    return Verdict.NEVER


def pause_of(retry_after: str | None) -> float:
    """Seconds of a Retry-After header; 0 where there is none, or a date."""
    text = (retry_after or "").strip()
    return float(min(int(text), int(LONGEST_PAUSE))) if text.isascii() and text.isdigit() and len(text) < 10 else 0.0
