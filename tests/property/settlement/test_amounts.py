# SPDX-License-Identifier: Apache-2.0
"""Amounts over random rates: the path of settlements doesn't matter, and nothing comes from nowhere."""

from __future__ import annotations

from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from settlement.money import Rates, statement

SHARES = st.integers(0, 1_000_000)
RATES = st.builds(
    Rates,
    price=st.one_of(st.integers(1, 100), st.integers(1, 2**96)),
    epoch_length=st.one_of(st.integers(1, 20), st.integers(1, 2**31)),
    protocol_share_ppm=SHARES,
    csp_share_ppm=SHARES,
)
SECONDS = st.one_of(st.integers(0, 50), st.integers(0, 2**40))


@given(RATES, st.lists(SECONDS, min_size=1, max_size=12))
def test_amounts__settled_in_any_steps__come_to_the_same(rates: Rates, steps: list[int]) -> None:
    cumulative = [sum(steps[:index]) for index in range(len(steps) + 1)]
    amounts = (
        rates.gross,
        rates.net,
        lambda seconds: rates.burned(seconds, 0),
        lambda seconds: rates.burned(0, seconds),
    )
    for amount in amounts:
        booked = [amount(after) - amount(before) for before, after in pairwise(cumulative)]
        assert all(one >= 0 for one in booked)
        assert sum(booked) == amount(cumulative[-1])


@given(RATES, SECONDS, SECONDS, SECONDS)
def test_statement__any_seconds__parts_never_exceed_the_whole_and_none_is_negative(
    rates: Rates, earned: int, withheld: int, unmeasured: int
) -> None:
    one = statement(rates, earned, withheld, unmeasured)
    assert min(one.paid, one.withheld, one.refunded, one.burned) >= 0
    whole = one.paid + one.refunded + one.burned
    exact = rates.gross(earned) + rates.gross(withheld) + rates.gross(unmeasured)
    assert exact - 2 <= whole <= exact  # a unit at most for each amount that is shared by two
    assert exact <= rates.gross(earned + withheld + unmeasured) <= rates.deposit(1, earned + withheld + unmeasured)
    assert one.withheld == rates.gross(withheld)


@given(RATES, st.lists(st.tuples(SECONDS, SECONDS, SECONDS), min_size=1, max_size=8), st.integers(0, 100))
def test_statements__of_a_whole_job__leave_nothing_negative_to_the_empty_slots(
    rates: Rates, assignments: list[tuple[int, int, int]], idle: int
) -> None:
    longest = max(sum(seconds) for seconds in assignments) + idle
    deposit = rates.deposit(len(assignments), longest)
    spent = [statement(rates, *seconds) for seconds in assignments]
    # The contracts burn by the job's seconds, and refund what is neither paid nor burned.
    burned = rates.burned(*(sum(seconds[index] for seconds in assignments) for index in (0, 1)))
    refunded = deposit - sum(one.paid for one in spent) - burned
    assert burned - sum(one.burned for one in spent) >= 0
    assert refunded - sum(one.refunded for one in spent) >= 0
