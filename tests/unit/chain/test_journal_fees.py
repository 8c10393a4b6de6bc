# SPDX-License-Identifier: Apache-2.0
"""What is offered for gas: enough, raised as pools want it, and never above the ceiling."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chain.journal.fees import GWEI, LEAST_TIP, Fee, FeeLimits, Market, first_offer, going_rate, raised_offer
from oracle.ground.errors import InvalidValue

pytestmark = pytest.mark.unit

LIMITS = FeeLimits(max_fee_gwei=100, max_priority_gwei=2)


@pytest.mark.parametrize(
    ("base", "tip", "offer"),
    [
        (10 * GWEI, GWEI, Fee(21 * GWEI, GWEI)),
        (10 * GWEI, 5 * GWEI, Fee(22 * GWEI, 2 * GWEI)),  # the tip's own ceiling
        (10 * GWEI, 0, Fee(20 * GWEI + LEAST_TIP, LEAST_TIP)),
        (60 * GWEI, GWEI, Fee(100 * GWEI, GWEI)),
        (99 * GWEI, GWEI, Fee(100 * GWEI, GWEI)),
        (99 * GWEI + 1, GWEI, None),
    ],
)
def test_first_offer__market__room_for_a_doubled_base_fee(base: int, tip: int, offer: Fee | None) -> None:
    assert first_offer(Market(base, tip), LIMITS) == offer


def test_raised_offer__tip_at_its_ceiling__higher_only_where_it_must() -> None:
    old = Fee(22 * GWEI, 2 * GWEI)
    assert raised_offer(old, Market(10 * GWEI, GWEI), LIMITS) is None
    assert raised_offer(old, Market(30 * GWEI, GWEI), LIMITS) == Fee(61 * GWEI, 2 * GWEI * 9 // 8)
    assert raised_offer(Fee(89 * GWEI, GWEI), Market(90 * GWEI, GWEI), LIMITS) is None


@given(
    st.builds(Market, st.integers(0, 300 * GWEI), st.integers(0, 10 * GWEI)),
    st.lists(st.builds(Market, st.integers(0, 300 * GWEI), st.integers(0, 10 * GWEI)), max_size=8),
)
def test_offers__any_markets__rise_by_an_eighth_and_stay_below_the_ceiling(first: Market, later: list[Market]) -> None:
    offer = first_offer(first, LIMITS)
    assert (offer is None) == (going_rate(first, LIMITS) > LIMITS.ceiling)
    for market in later:
        if offer is None:
            return
        raised = raised_offer(offer, market, LIMITS)
        if raised is not None:
            assert 8 * raised.max_fee >= 9 * offer.max_fee
            assert 8 * raised.max_priority >= 9 * offer.max_priority
            assert raised.max_fee >= going_rate(market, LIMITS)
            assert raised.max_priority <= raised.max_fee <= LIMITS.ceiling
            offer = raised


@pytest.mark.parametrize(
    "given", [{"max_priority_gwei": 0}, {"max_fee_gwei": 1}, {"stuck_seconds": 0}, {"min_balance_wei": -1}]
)
def test_limits__impossible__told(given: dict[str, int]) -> None:
    with pytest.raises(InvalidValue, match="give"):
        FeeLimits(**given)
