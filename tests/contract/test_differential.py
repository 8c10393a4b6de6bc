# SPDX-License-Identifier: Apache-2.0
"""Random histories: what the core's leaves do to the contracts is what the plain model says, to the wei.

A longer campaign: `python -m tests.contract.differential.run --examples 500`.
"""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from hypothesis import HealthCheck, Phase, given, settings

from tests.contract.differential.histories import History, Visit, histories, visits
from tests.contract.differential.play import Play
from tests.contract.differential.stage import Stage
from tests.contract.world import World

# The same examples in every run. Each takes a second, most of it anvil's: the campaign can shrink one that fails.
STEADY = settings(
    derandomize=True,
    phases=[Phase.explicit, Phase.generate],
    database=None,
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large, HealthCheck.large_base_example],
)


@pytest.fixture(scope="module")
def stage(deployed: World) -> Iterator[Stage]:
    with deployed.undone():
        yield Stage(deployed)


@settings(STEADY, max_examples=16)
@given(history=histories(), schedule=visits())
def test_history__any__is_settled_as_the_model_says(
    stage: Stage, history: History, schedule: tuple[Visit, ...]
) -> None:
    with stage.undone():
        Play(stage, history, schedule).run()


@settings(STEADY, max_examples=5)
@given(history=histories(honest=True), one=visits(), other=visits())
def test_history__of_two_keepers__comes_to_the_same_amounts(
    stage: Stage, history: History, one: tuple[Visit, ...], other: tuple[Visit, ...]
) -> None:
    with stage.undone():
        first = Play(stage, history, one, lawful=True).run()
    with stage.undone():
        second = Play(stage, history, other, lawful=True).run()
    assert first == second
