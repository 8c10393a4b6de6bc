# SPDX-License-Identifier: Apache-2.0
"""The whole intake process is killed under load, again and again: what it acknowledged is there, and nothing else."""

from __future__ import annotations

import asyncio
from pathlib import Path

from benchmarks.crash import campaign

KILLS = 5
SEED = 5


def test_intake__killed_under_load__keeps_what_it_acknowledged_and_nothing_else(tmp_path: Path) -> None:
    # The same as `make crash-telemetry`, which kills it a hundred times, and on PostgreSQL too.
    found = asyncio.run(campaign(tmp_path, str(tmp_path / "store.sqlite"), KILLS, SEED))
    assert found.verdict.holds, found.verdict
    assert found.verdict.acknowledged > 1_000
    assert found.under_way
    assert not found.refused
