"""The most that could go wrong if every oracle of the committee lied from now on. Pure, in integers.

A report moves seconds, never money, and contracts bound the seconds: of an assignment no more than it was open since it
was settled last, of what is held no more than is held. So a lying committee can only say of those seconds that they
were earned when they were not (the CSP loses), or that they were not when they were (the payees lose). It takes as long
as a report waits before it is final until the first lie is settled; meanwhile, and until the CSP has stopped the job,
more accrues. Final and paid seconds, other jobs' money and empty slots can't be touched by any leaf.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from settlement.money import Rates


@dataclass(frozen=True, slots=True)
class Open:
    """What lies can reach of one assignment. Times in UNIX seconds; `held` in seconds.

    through   up to when it is settled
    stop      when it stops accruing: its own close or its job's stop, whichever is first
    held      withheld seconds that aren't released yet
    """

    through: int
    stop: int
    held: int


@dataclass(frozen=True, slots=True)
class Exposure:
    """The most that all oracles together could misdirect of one job, in the token's smallest unit.

    unsettled   of seconds open since each assignment was settled last
    held        of seconds withheld and not released: a lie can raise them to earned ones
    coming      of what accrues until a report of lies is final and the CSP has stopped the job
    """

    unsettled: int
    held: int
    coming: int

    @property
    def total(self) -> int:
        """All of it."""
        return self.unsettled + self.held + self.coming

    def __add__(self, other: Exposure) -> Exposure:
        return Exposure(self.unsettled + other.unsettled, self.held + other.held, self.coming + other.coming)


NOTHING = Exposure(0, 0, 0)


def of_job(rates: Rates, closed: bool, assignments: Iterable[Open], now: int, reaction: int) -> Exposure:
    """A job's exposure at `now`, UNIX seconds.

    closed    no new seconds are settled any more
    reaction  seconds until a first report of lies can be final and the CSP has stopped the job: the activation delay
              and the time to cancel

    Each term is rounded up to the smallest unit, so that no sum of floors exceeds it.
    """
    unsettled = held = coming = 0
    for one in assignments:
        held += one.held
        if closed:
            continue
        unsettled += max(0, min(one.stop, now) - one.through)
        coming += max(0, min(one.stop, now + reaction) - max(now, one.through))
    return Exposure(_cost(rates, unsettled), _cost(rates, held), _cost(rates, coming))


def _cost(rates: Rates, seconds: int) -> int:
    return -(-rates.price * seconds // rates.epoch_length)
