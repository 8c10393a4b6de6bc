# SPDX-License-Identifier: Apache-2.0
"""The targets of `make fuzz` hold for what they start from, so that each finding is one."""

from __future__ import annotations

import pytest

from tests.fuzz.targets import TARGETS


@pytest.mark.parametrize("name", TARGETS)
def test_target__its_seeds_and_pieces_of_them__holds(name: str) -> None:
    target = TARGETS[name]
    for seed in target.seeds:
        for raw in (seed, seed[:-1], seed + b"\0", seed[1:], seed * 2, b""):
            target.run(raw)
