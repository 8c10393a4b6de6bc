# SPDX-License-Identifier: Apache-2.0
"""Schedules of licence rewards: the tables that a deployment hands to the contracts, and their arithmetic. Pure.

A schedule says what one licence gets in all after so many seconds of its own availability: a table of cumulative shares
with straight lines between its points. Results are integers and the same on every machine: the one curve that needs an
exponential takes it from `decimal`, which rounds correctly at a stated precision.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from decimal import ROUND_HALF_EVEN, Context, Decimal
from itertools import accumulate, pairwise

from oracle.ground.policy import PPM

WHOLE = 10**18  # the share that is the whole cap
POINT_BYTES = 8
MAX_POINTS = 3_070

_WEIGHT_UNIT = 10**30
_ARITHMETIC = Context(prec=60, rounding=ROUND_HALF_EVEN)


@dataclass(frozen=True, slots=True)
class Schedule:
    """How the licences of one kind are rewarded.

    start_epoch: the network's epoch from which on seconds count; step_epochs: epochs from one point to the next; cap:
    what one licence gets in all, in the token's smallest unit; shares: the points after the first, which is zero:
    cumulative shares of the cap in units of 10^-18, the last one whole. No shares: such licences get nothing.
    """

    start_epoch: int
    step_epochs: int
    cap: int
    shares: tuple[int, ...]

    def __post_init__(self) -> None:
        if not self.shares:
            assert self.cap == 0, "a cap has shares"
            return
        assert self.cap > 0, "cap of shares is not zero"
        assert self.step_epochs > 0, "stepEpochs of shares is not zero"
        assert len(self.shares) <= MAX_POINTS, "shares are at most 3,070"
        assert all(a <= b for a, b in pairwise((0, *self.shares))), "shares never fall"
        assert self.shares[-1] == WHOLE, "the last share is 10^18"

    @property
    def epochs(self) -> int:
        """Epochs of a licence's own availability until it has its cap."""
        return self.step_epochs * len(self.shares)

    @property
    def packed(self) -> bytes:
        """The shares as the contract takes them, 8 bytes each."""
        return b"".join(share.to_bytes(POINT_BYTES, "big") for share in self.shares)

    def emission(self, seconds: int, epoch_length: int) -> int:
        """What one licence gets for so many seconds of its availability, rounded down."""
        step = self.step_epochs * epoch_length
        if seconds >= step * len(self.shares):
            return self.cap
        index, rest = divmod(seconds, step)
        before = self.shares[index - 1] if index else 0
        return self.cap * (before * step + (self.shares[index] - before) * rest) // (WHOLE * step)


@dataclass(frozen=True, slots=True)
class Supply:
    """A kind of licences: how many there may ever be, and how one of them is rewarded."""

    licences: int
    schedule: Schedule

    @property
    def total(self) -> int:
        """The most that all licences of the kind get."""
        return self.licences * self.schedule.cap


def flat(start_epoch: int, epochs: int, cap: int) -> Schedule:
    """The same for each second: one straight line."""
    return Schedule(start_epoch, epochs, cap, (WHOLE,))


def logistic(start_epoch: int, epochs: int, cap: int, steepness: int = 5, middle_ppm: int = 700_000) -> Schedule:
    """Epoch x, counted from 0, weighs 1 / (1 + exp(-steepness * (x - middle) / epochs)); weights are normalised."""
    return Schedule(start_epoch, 1, cap, _cumulative(_logistic_weights(epochs, steepness, middle_ppm)))


def part(whole: int, ppm: int, licences: int) -> int:
    """One licence's cap where so many share so many millionths of the whole, rounded down."""
    return whole * ppm // PPM // licences


def _cumulative(weights: Iterable[int]) -> tuple[int, ...]:
    """Weights as cumulative shares, each rounded down."""
    sums = list(accumulate(weights))
    return tuple(WHOLE * each // sums[-1] for each in sums)


def _logistic_weights(epochs: int, steepness: int, middle_ppm: int) -> list[int]:
    c = _ARITHMETIC
    weights = []
    for x in range(epochs):
        # One fraction, so that the exponent is rounded once.
        exponent = c.divide(Decimal(steepness * (middle_ppm * epochs - x * PPM)), Decimal(epochs * PPM))
        weight = c.divide(Decimal(_WEIGHT_UNIT), c.add(Decimal(1), c.exp(exponent)))
        weights.append(int(weight))
    return weights


RATIO1_CAP = 161_803_398 * 10**18
RATIO1_STANDARD = Supply(46_224, flat(0, 1_080, part(RATIO1_CAP, 450_000, 46_224)))
RATIO1_MASTER = Supply(500, logistic(223, 900, part(RATIO1_CAP, 261_000, 500)))
RATIO1_GENESIS = Supply(1, flat(0, 365, part(RATIO1_CAP, 289_000, 1)))
