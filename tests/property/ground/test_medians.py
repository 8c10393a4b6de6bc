"""With at most f liars no measured ratio leaves the range that honest oracles saw."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from oracle.ground.median import agree, fault_bound, measured_needs
from oracle.ground.uptime import ZERO, Uptime

COUNTS = st.one_of(st.integers(0, 12), st.integers(0, 2**40))
UPTIMES = st.tuples(COUNTS, COUNTS).map(lambda pair: Uptime(min(pair), max(pair)))


@st.composite
def committees(draw: st.DrawFn) -> tuple[list[Uptime], list[Uptime]]:
    """What the honest members saw, and what up to f liars of n = 3f + 1 say."""
    faults = draw(st.integers(0, 4))
    honest = draw(st.lists(UPTIMES, min_size=2 * faults + 1, max_size=3 * faults + 1))
    liars = draw(st.lists(UPTIMES, max_size=min(faults, 3 * faults + 1 - len(honest))))
    return honest, liars


@given(committees(), st.integers(0, 4))
def test_agree__at_most_f_liars__stays_within_what_honest_oracles_saw(
    committee: tuple[list[Uptime], list[Uptime]], spare: int
) -> None:
    honest, liars = committee
    faults = max(len(liars), (len(honest) - 1) // 2 - spare, 0)
    needed = 2 * faults + 1
    agreed = agree(honest + liars, needed)
    seen = [one for one in honest if one.observed]
    present = len(seen) + sum(1 for one in liars if one.observed)
    if present < needed:
        assert agreed == ZERO
        return
    assert min(one.observed for one in seen) <= agreed.observed <= max(one.observed for one in seen)
    # Cross-multiplied: at most the best honest ratio, and less than one unit below the worst.
    assert any(agreed.up * one.observed <= one.up * agreed.observed for one in seen)
    assert any((agreed.up + 1) * one.observed > one.up * agreed.observed for one in seen)


@given(st.lists(UPTIMES, min_size=1, max_size=13), st.randoms(use_true_random=False))
def test_agree__any_order__gives_the_same(seen: list[Uptime], random) -> None:
    needed = measured_needs(len(seen))
    shuffled = list(seen)
    random.shuffle(shuffled)
    assert agree(shuffled, needed) == agree(seen, needed)


@given(UPTIMES, st.integers(1, 13))
def test_agree__all_saw_the_same__is_that(one: Uptime, n: int) -> None:
    assert agree([one] * n, measured_needs(n)) == (one if one.observed else ZERO)
    assert n >= 3 * fault_bound(n) + 1
