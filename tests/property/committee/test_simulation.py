# SPDX-License-Identifier: Apache-2.0
"""Committees of real members in virtual time, with liars, crashes, partitions and reorganisations: a hundred and more.

`make simulate` runs thousands, and one seed again with its story.
"""

from __future__ import annotations

import pytest

from tests.property.committee.simulation.simulation import simulate

pytestmark = pytest.mark.property

SEEDS = 100
PARTS = 5


@pytest.mark.parametrize("part", range(PARTS))
def test_simulate__any_seed__nothing_is_wrong(part: int) -> None:
    wrong = {seed: result.violations for seed in range(part, SEEDS, PARTS) if (result := simulate(seed)).violations}
    assert not wrong


def test_simulate__same_seed_again__is_the_same_to_the_last_event() -> None:
    first, again = simulate(7), simulate(7)
    assert first.digest == again.digest
