"""How a committee agrees on one uptime out of many, and how many members that takes.

The median is taken of the *ratio* up/observed and, apart from it, of the observed time. Medians of the two
counts apart would let one half-blind honest oracle and one liar halve a node's day.
"""

from __future__ import annotations

from collections.abc import Iterable

from oracle.ground.uptime import ZERO, Uptime


def fault_bound(n: int) -> int:
    """f: how many of n oracles may lie while n >= 3f + 1 holds."""
    return (n - 1) // 3


def quorum(n: int) -> int:
    """k: the fewest signatures that are more than two thirds of n."""
    return 2 * n // 3 + 1


def measured_needs(n: int) -> int:
    """How many observations make a subject measured: 2f + 1, so that honest ones hold the median."""
    return 2 * fault_bound(n) + 1


def agree(observations: Iterable[Uptime], needed: int) -> Uptime:
    """The uptime that a committee agrees on for one subject; `ZERO` means unmeasured.

    An observation that observed nothing is absent. With fewer than `needed` present (at least 1), nobody
    knows. The result has the lower median of `observed`, and `up` is that times the lower median of the
    ratios, rounded down; so it depends on the observations alone, never on their order. With at most f liars
    among 3f + 1 the ratio taken lies within what honest oracles saw.
    """
    present = [o for o in observations if o.observed]
    size = len(present)
    if size < needed or not size:
        return ZERO
    middle = (size - 1) // 2
    counts = [o.observed for o in present]
    if counts.count(counts[0]) == size:  # the common case: then the ratios are in the order of the ups
        return Uptime(sorted([o.up for o in present])[middle], counts[0])
    counts.sort()
    # Two different fractions with denominators below 2^L differ by more than 2^-2L, so scaling them by 2^2L
    # before the division keeps their order exact; equal fractions keep equal keys.
    shift = 2 * counts[-1].bit_length()
    ratios = sorted([((o.up << shift) // o.observed, o.up, o.observed) for o in present])
    _, up, out_of = ratios[middle]
    observed = counts[middle]
    return Uptime(up * observed // out_of, observed)
