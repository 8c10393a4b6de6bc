# SPDX-License-Identifier: Apache-2.0
"""The challenge that heartbeats carry."""

from __future__ import annotations

import pytest

from oracle.ground.errors import InvalidValue
from oracle.telemetry.intake.challenge import Challenges


def test_challenge__rotates__current_and_previous_are_accepted() -> None:
    challenges = Challenges(period=60)
    first, second, third = (challenges.current(t) for t in (0, 60, 120.5))
    assert len({first, second, third}) == 3
    assert all(len(challenge) == 32 for challenge in (first, second, third))
    assert challenges.current(179.9) == third
    assert challenges.pair(120) == challenges.pair(179.9) == (third, second)
    assert challenges.pair(119.9) == (second, first)


def test_challenge__other_secret__is_another() -> None:
    assert Challenges(60).current(0) != Challenges(60).current(0)
    assert Challenges(60, b"s" * 32).current(0) == Challenges(60, b"s" * 32).current(59)


def test_challenge__no_period__refused() -> None:
    with pytest.raises(InvalidValue, match="challenge period is 0 s"):
        Challenges(0)
