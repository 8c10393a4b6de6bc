# SPDX-License-Identifier: Apache-2.0
"""One private anvil for all contract tests; each test finds the network as it was deployed."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from chain.anvil import Anvil
from chain.client import Chain
from tests.contract.world import START, World


@pytest.fixture(scope="session")
def deployed() -> Iterator[World]:
    """The network that all tests of a session share; ask for `world` instead."""
    stepped = ("--no-mining", "--block-base-fee-per-gas", "0", "--gas-price", "0", "--disable-min-priority-fee")
    with Anvil(*stepped, timestamp=START) as anvil:
        yield World(Chain(anvil.url))


@pytest.fixture
def world(deployed: World) -> Iterator[World]:
    """The network before its genesis, with five linked licences."""
    with deployed.undone():
        yield deployed
