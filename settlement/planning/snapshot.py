"""The chain's state as far as a plan depends on it. Pure: `settlement.keeping.reading` reads it from a chain."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from settlement.model_reports import Report, Reports, Rules
from settlement.money import Rates


@dataclass(frozen=True, slots=True)
class Book:
    """One assignment as it is booked; times in UNIX seconds, the rest cumulative seconds.

    stop          when it stops accruing: its own close or its job's stop, whichever is first
    open          whether it was not closed itself
    held          (mark, seconds) of withheld seconds that aren't released, oldest first
    marked        whether a claim asks if the licence or its node is frozen
    frozen_until  until when either is; 0 where that wasn't asked
    refusals      position of the last event that told of a payment the token refused; 0 for none since the last payment
    refused       whether the token would refuse a payment now
    """

    id: int
    stop: int
    open: bool
    through: int
    earned: int
    accounted: int
    claimed: int
    held: tuple[tuple[int, int], ...] = ()
    marked: bool = False
    frozen_until: int = 0
    refusals: int = 0
    refused: bool = False

    @property
    def job(self) -> int:
        """Its job's number."""
        return self.id >> 64

    @property
    def holding(self) -> int:
        """Seconds that are held."""
        return sum(seconds for _, seconds in self.held)


@dataclass(frozen=True, slots=True)
class JobState:
    """One job. `token` in lower case; amounts, in the token's smallest unit: what could go out now, and what went out
    ever. account: its CSP's, which is frozen until `frozen_until`, UNIX seconds; 0 where that wasn't asked."""

    number: int
    token: str
    rates: Rates
    window_epochs: int
    stop: int
    closed: bool
    penal: bool
    refundable: int
    burnable: int
    protocol_due: int
    refunded: int
    burned: int
    to_protocol: int
    account: int = 0
    frozen_until: int = 0


@dataclass(frozen=True, slots=True)
class SwapRoute:
    """How the burner swaps a token first; see the contracts' `ISwapBurner`.

    most          the most that one swap takes, in the token's smallest unit
    swappable_at  from when the next swap is allowed, UNIX seconds
    observed_at   when its price was observed last, UNIX seconds; 0: never
    min_period    seconds since an observation from which the price averaged since counts
    max_period    seconds up to which it does
    swaps         whether a swap would be taken now
    """

    most: int
    swappable_at: int
    observed_at: int
    min_period: int
    max_period: int
    swaps: bool


@dataclass(frozen=True, slots=True)
class TokenState:
    """What waits to be burned of one token, in its smallest unit: with the bonds, and at the burner. burns: whether the
    burner's plain `burn` would take it now. route: None where nothing of the token is there, or it isn't swapped."""

    in_bonds: int = 0
    at_burner: int = 0
    burns: bool = False
    route: SwapRoute | None = None


@dataclass(frozen=True, slots=True)
class Snapshot:
    """A network at one block. now: the block's time, UNIX seconds. final: the last two final reports, the older first.

    Jobs of which nothing can go out any more may be left out, and assignments of which nothing can move any more, which
    are named in `left_out`. A job with an assignment that is in neither (it was opened a moment ago) isn't closed.
    """

    now: int
    rules: Rules
    final: tuple[Report, ...]
    pending: Report | None
    books: Mapping[int, Book]
    jobs: Mapping[int, JobState]
    tokens: Mapping[str, TokenState]
    left_out: frozenset[int] = frozenset()

    def reports(self) -> Reports:
        """The rules of what is final, stalled and abandoned, on these reports."""
        found = Reports(self.rules)
        found.final, found.pending = self.final, self.pending
        return found.at(self.now)
