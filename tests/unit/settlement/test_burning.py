# SPDX-License-Identifier: Apache-2.0
"""When a keeper observes a price for the burner, and when it swaps."""

from __future__ import annotations

import pytest

from settlement.planning import SwapRoute, TokenState
from settlement.planning.actions import Burn, Observe, Swap
from settlement.planning.burning import next_step

MIN, MAX = 100, 300
LAST = 250
"""The age of an observation that leaves a fourth of its time for the swap."""
NOW = 10_000


def step(swappable_at: int = 0, observed_at: int = 0, swaps: bool = False) -> object:
    route = SwapRoute(5, swappable_at, observed_at, MIN, MAX, swaps)
    return next_step("0x1", TokenState(0, 9, True, route), NOW)


@pytest.mark.parametrize("burns", [True, False])
def test_next_step__without_a_route__burns_where_the_token_does(burns: bool) -> None:
    assert next_step("0x1", TokenState(0, 9, burns), NOW) == (Burn("0x1") if burns else None)


@pytest.mark.parametrize(
    ("swappable_at", "observed_at", "expected"),
    [
        (0, 0, Observe("0x1")),  # the first time
        (NOW, 0, Observe("0x1")),
        (NOW + MIN, 0, Observe("0x1")),  # of age just when the swap is allowed
        (NOW + MIN + 1, 0, None),  # later is early enough
        (0, NOW, None),  # too young, comes of age
        (NOW + 299, NOW - 99, None),  # a second too young for the burner to take another
        (NOW + 100, NOW - 160, Observe("0x1")),
        (0, NOW - LAST, None),
        (0, NOW - LAST - 1, Observe("0x1")),
        (NOW + 50, NOW + 50 - LAST, None),  # still counts when the swap is allowed
        (NOW + 50, NOW + 49 - LAST, Observe("0x1")),
    ],
)
def test_next_step__swap_not_possible__observes_once_no_average_will_be_at_hand(
    swappable_at: int, observed_at: int, expected: object
) -> None:
    assert step(swappable_at, observed_at) == expected


def test_next_step__swap_possible__swaps_whatever_the_observation() -> None:
    assert step(0, NOW - MAX - 1, swaps=True) == Swap("0x1")
