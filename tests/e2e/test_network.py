# SPDX-License-Identifier: Apache-2.0
"""`epochal network`: five oracles, a chain and nodes as real processes, with many things going wrong at once."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest

from tests.project import ROOT

pytestmark = pytest.mark.e2e

FAULTS = (
    "liar:1@0-2",
    "kill:2@0.4+4",
    "pause:3@0.9+8",
    "reorg:chain=4@1.5",
    "rpc:4@1.6+8",
    "stuck:chain@2.2+4",
    "partition:5@2.1+8",
)
COMMAND = [sys.executable, "-m", "cli.main", "network"]


_MARK = "EPOCHAL_TEST_RUN"


def network(out: Path, faults: tuple[str, ...]) -> dict[str, Any]:
    """What starts the command; all that it starts inherits the mark."""
    options = ["--nodes", "2", "--epochs", "3", "--epoch-length", "16", "--out", str(out)]
    arguments = [*COMMAND, *options, *(option for fault in faults for option in ("--fault", fault))]
    return {"args": arguments, "cwd": ROOT, "env": {**os.environ, _MARK: str(out)}, "text": True}


def left_running(out: Path) -> list[str]:
    """Command lines of processes with the run's mark, without the network's own."""
    mark, found = f"{_MARK}={out}".encode(), []
    for each in Path("/proc").glob("[0-9]*/environ"):
        try:
            if mark in each.read_bytes().split(b"\0"):
                found.append(each.with_name("cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace"))
        except OSError:
            continue
    return [line for line in found if "cli.main network" not in line]


@pytest.mark.long
@pytest.mark.timeout(240)
def test_network__many_faults_at_once__loses_no_epoch_no_money_and_believes_no_liar(tmp_path: Path) -> None:
    done = subprocess.run(**network(tmp_path, FAULTS), capture_output=True, timeout=220, check=False)
    assert done.returncode == 0, done.stdout[-6000:] + done.stderr[-2000:]
    result: dict[str, Any] = json.loads((tmp_path / "result.json").read_text())
    # The harness has judged each of these; here is what would be left to chance if it judged nothing.
    assert result["problems"] == []
    assert [one["epoch"] for one in result["epochs"]] == [0, 1, 2]
    assert {one["outcome"] for one in result["epochs"]} <= {"attested", "carried"}
    assert any(one["outcome"] == "attested" for one in result["epochs"])
    assert len(result["faults"]) == len(FAULTS)
    totals = result["totals"]
    assert totals["deposits"] == sum(value for name, value in totals.items() if name != "deposits") > 0
    assert totals["paid"] > 0
    # Oracle 1 said of both nodes that they were never there.
    assert all(one["earned"] > 0 and one["withheld"] == 0 for one in result["seconds"])
    assert left_running(tmp_path) == []


@pytest.mark.parametrize("how", [signal.SIGINT, signal.SIGKILL], ids=["ctrl-c", "killed"])
@pytest.mark.skipif(sys.platform != "linux", reason="elsewhere a killed parent leaves its children")
def test_network__stopped__leaves_nothing_running(tmp_path: Path, how: signal.Signals) -> None:
    with subprocess.Popen(**network(tmp_path, ()), stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        for line in process.stdout:
            if "nodes started" in line:
                break
        # anvil, five oracles, two nodes
        assert len(left_running(tmp_path)) == 8
        process.send_signal(how)
        process.communicate(timeout=20)
    assert process.returncode == (130 if how == signal.SIGINT else -signal.SIGKILL)
    deadline = time.monotonic() + 5
    while left_running(tmp_path) and time.monotonic() < deadline:
        time.sleep(0.1)
    assert left_running(tmp_path) == []
