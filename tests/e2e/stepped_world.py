# SPDX-License-Identifier: Apache-2.0
"""The contract tests' network, with an assignment that can be reallocated, for what reads the chain from outside."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import pytest

from chain.anvil import Anvil
from chain.client import Chain
from oracle.ground.policy import Policy
from tests.contract.differential import reallocating
from tests.contract.world import GENESIS, PRICE, START, World, start_of

POLICY = Policy(
    target_ppm=980_000, floor_ppm=900_000, csp_share_ppm=800_000, outage_seconds=100, answer_seconds=200,
    cooldown_seconds=50,
)  # fmt: skip
AS_OF = start_of(1) + 150


@dataclass
class Stage:
    """A job of one slot that licence 1 serves since the genesis."""

    world: World
    job: int
    assignment: int

    def ask(self) -> None:
        """The committee asks for another node, because of an outage in epoch 1."""
        world = self.world
        function = reallocating.request(world, 1, 1, self.assignment, AS_OF, PRICE, POLICY)
        world.at(max(world.now + 1, AS_OF + 120)).do(world.keeper, function)

    def answer(self) -> int:
        """The orchestrator names another node."""
        return self.world.assign(self.job, 0, self.world.linked[3])


@pytest.fixture(scope="module")
def stepped() -> Iterator[World]:
    """The network that a module's tests share; ask for `stage`."""
    options = ("--no-mining", "--block-base-fee-per-gas", "0", "--gas-price", "0", "--disable-min-priority-fee")
    with Anvil(*options, timestamp=START) as anvil:
        yield World(Chain(anvil.url))


@pytest.fixture
def stage(stepped: World) -> Iterator[Stage]:
    """A job that is served; what a test does to it is undone."""
    with stepped.undone() as world:
        job = world.create_job(policy=POLICY, slots=1)
        (assignment,) = world.assign_all(job, GENESIS, count=1)
        yield Stage(world, job, assignment)


__all__ = ["AS_OF", "POLICY", "Stage", "stage", "stepped"]
