"""The most that could go wrong if every oracle of the committee lied from now on. Pure, in integers.

Reports carry seconds, never money, and the contracts bound the seconds. So all that a lying quorum can do to a job is:

- say of open time that isn't settled yet that it was earned when it wasn't (the CSP loses, to complicit nodes), or that
  it was withheld or unmeasured when it was earned (the node loses, to burn and CSP). Silence does the same: what nobody
  attests goes back to the CSP, and each node chooses how long it serves on. That is `unsettled`, of the past, and
  `coming`, of the time until the CSP has stopped the job.
- raise held seconds to earned ones, or leave out what an appeal would have raised. That is `held`.
- take nodes from slots by false requests. What they served is unsettled; an empty slot's money is the CSP's.

Each second is counted once, whichever way it goes, and at the full price. Nothing else can be lost: booked earned
seconds never fall, released ones never come back, the bounds cut a leaf to the time for which its assignment was open
inside the funded window, a slot has one open assignment at a time, and no leaf reaches another job's deposit.

Apart from deposits lies reach bonds (`penalties`), the emission of rewards (`mintable`) and the pot of oracles' pay.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from oracle.ground.policy import PPM
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
class Funded:
    """What a job can still accrue. Times in UNIX seconds.

    slots      how many it has, served or not: an empty one can be given to a complicit node at any time
    starts_at  when its first assignment can open
    stop       when all accrual ends
    unbooked   slot-seconds that are funded and not booked as anything yet
    closed     no new seconds are settled any more
    """

    slots: int
    starts_at: int
    stop: int
    unbooked: int
    closed: bool = False


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


def of_job(rates: Rates, job: Funded, assignments: Iterable[Open], now: int, reaction: int) -> Exposure:
    """A job's exposure at `now`, UNIX seconds, as it is funded now.

    assignments  all that the job ever had; one that is settled up to its stop and holds nothing adds nothing
    reaction     seconds until a report of lies that is told now can be final and the CSP has stopped the job: the
                 activation delay and the time to cancel

    Each term is rounded up to the smallest unit, so that what the job's booked seconds cost never changes by more.
    """
    unsettled = held = 0
    for one in assignments:
        held += one.held
        if not job.closed:
            unsettled += max(0, min(one.stop, now) - one.through)
    coming = 0
    if not job.closed:
        coming = job.slots * max(0, min(job.stop, now + reaction) - max(job.starts_at, now))
        # Slots that start with the next epoch are funded from there on only.
        coming = min(coming, max(0, job.unbooked - unsettled))
    return Exposure(_cost(rates, unsettled), _cost(rates, held), _cost(rates, coming))


def penalties(exposure: Exposure, penalty_ppm: int, assignments: int) -> int:
    """The most that the nodes' bonds lose, in the token's smallest unit, when lies withhold all of a job's exposure.

    penalty_ppm  the policy's share of withheld money that the bond loses, in millionths
    assignments  how many there are: each one's penalty is rounded by itself

    The other cap is what is in the bonds: what they lack isn't owed.
    """
    return -(-exposure.total * penalty_ppm // PPM) + assignments if penalty_ppm and exposure.total else 0


def mintable(reward: int, licences: int, granted: int, left: int) -> int:
    """The most that lies can have minted for one kind of licences by some time, in the token's smallest unit; what is
    earned and not claimed yet is part of it.

    reward    what the schedule gives one licence that was available from the schedule's start until then
    licences  how many of the kind there are
    granted   what was minted for them already
    left      what all licences of the kind can ever get still: the cap, whatever is reported
    """
    return min(left, max(0, reward * licences - granted))


def _cost(rates: Rates, seconds: int) -> int:
    return -(-rates.price * seconds // rates.epoch_length)
