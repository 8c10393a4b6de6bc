# SPDX-License-Identifier: Apache-2.0
"""A journal killed at any step, on a real chain: what was planned settles exactly once."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from chain.anvil import Anvil
from chain.client import Chain
from chain.journal import FeeLimits, State, TransactionJournal
from tests.chain.counters import COUNTER, Purse, place_counter
from tests.project import ROOT

pytestmark = pytest.mark.chain

LIMITS = {"max_fee_gwei": 100, "max_priority_gwei": 2, "stuck_seconds": 10}
MINE: list[Any] = [["anvil_mine", ["0x1"]]]
FINALIZE: list[Any] = [["anvil_mine", ["0x5"]]]
REORG: list[Any] = [["anvil_reorg", [2, []]]]


@pytest.fixture(scope="module")
def worker() -> Iterator[subprocess.Popen[str]]:
    command = [sys.executable, "-m", "tests.chain.journal_worker"]
    with subprocess.Popen(command, cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        yield process
        assert process.stdin
        process.stdin.close()


@pytest.fixture(scope="module")
def chain() -> Iterator[Chain]:
    with Anvil("--slots-in-an-epoch", "1", "--no-mining") as anvil:
        chain = Chain(anvil.url)
        yield chain


STRAIGHT = [[0, []], [1, MINE], [2, FINALIZE]]
STUCK = [[0, []], [11, []], [12, MINE], [13, FINALIZE]]
TAKEN_OUT = [[0, []], [1, MINE], [2, REORG], [3, MINE], [4, FINALIZE]]
WAYS = [
    *(
        (step, STRAIGHT)
        for step in "planned estimated signed persisted sent recorded receipt mined finalized settled".split()
    ),
    *((step, STUCK) for step in ("replacing", "replaced")),
    ("reorged", TAKEN_OUT),
]


@pytest.mark.parametrize(("die", "steps"), WAYS, ids=[step for step, _ in WAYS])
def test_journal__killed_at_a_step__settles_once(
    die: str, steps: list[Any], worker: subprocess.Popen[str], chain: Chain, tmp_path: Path
) -> None:
    place_counter(chain)
    purse = Purse(chain, f"killed at {die}")
    chain.rpc("anvil_mine", "0x3")  # what was put there by hand must lie deeper than the reorganisation
    path = tmp_path / "transactions.sqlite"
    plan = [["report 7", "submit", COUNTER, purse.calldata, None]]
    order = {"path": str(path), "url": chain.url, "key": purse.key.hex(), "die": die, "plan": plan, "steps": steps}
    assert worker.stdin
    assert worker.stdout
    worker.stdin.write(json.dumps({**order, "limits": LIMITS}) + "\n")
    worker.stdin.flush()
    assert int(worker.stdout.readline()) == signal.SIGKILL

    with TransactionJournal(path, chain, purse.signer, FeeLimits(**LIMITS)) as journal:  # type: ignore[arg-type]
        journal.plan(*plan[0])
        for now in (20, 30, 40):
            journal.step(now)
            chain.rpc("anvil_mine", "0x1")
        chain.rpc("anvil_mine", "0x5")
        journal.step(50)
        (entry,) = [journal.entry("report 7")]
        assert entry is not None
        assert entry.state is State.FINAL
        assert journal.pending() == []
    assert purse.count() == 1
    assert purse.nonce() == 1
    assert entry.spent == purse.spent()
