# SPDX-License-Identifier: Apache-2.0
"""A replay whose heartbeats are signed and go over HTTP comes to the same as one that takes the trace as it is."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.project import ROOT

COMMAND = [sys.executable, "-m", "cli.main", "replay"]
CSVS = ("uptime.csv", "settlement.csv", "payouts.csv")
GENESIS = 1_700_000_000
# Six nodes, so that the rule for a dark network is on; outages on and off the edges of ticks.
TRACE = f"""node,start,end,state
a,{GENESIS},{GENESIS + 1800},up
b,{GENESIS},{GENESIS + 607},up
b,{GENESIS + 607},{GENESIS + 905},down
b,{GENESIS + 905},{GENESIS + 1800},up
c,{GENESIS},{GENESIS + 1800},up
d,{GENESIS},{GENESIS + 1800},down
e,{GENESIS},{GENESIS + 333},up
e,{GENESIS + 333},{GENESIS + 345},down
e,{GENESIS + 345},{GENESIS + 1800},up
f,{GENESIS},{GENESIS + 1800},up
"""


def replay(trace: Path, out: Path, *options: str) -> subprocess.CompletedProcess[str]:
    command = [*COMMAND, str(trace), "--out", str(out), *options]
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    return subprocess.run(command, cwd=out.parent, env=environment, capture_output=True, text=True, timeout=280)


def both(trace: Path, folder: Path, *options: str) -> None:
    """Direct and through the intake: equal files."""
    for way in ("direct", "http"):
        done = replay(trace, folder / way, "--telemetry", way, *options)
        assert done.returncode == 0, done.stderr
    for name in CSVS:
        assert (folder / "direct" / name).read_bytes() == (folder / "http" / name).read_bytes(), name


@pytest.mark.long
def test_replay__through_the_intake__equals_the_direct_one(tmp_path: Path) -> None:
    trace = tmp_path / "trace.csv"
    trace.write_text(TRACE)
    both(trace, tmp_path, "--genesis", str(GENESIS), "--epoch-length", "600", "--tick", "10")


def test_replay__through_the_intake_with_unknown_ticks__refused_in_one_line(tmp_path: Path) -> None:
    trace = tmp_path / "trace.csv"
    trace.write_text(TRACE.replace(f"d,{GENESIS},{GENESIS + 1800},down", f"d,{GENESIS},{GENESIS + 1800},unknown"))
    timing = ("--genesis", str(GENESIS), "--epoch-length", "600", "--tick", "10")
    done = replay(trace, tmp_path / "out", "--telemetry", "http", *timing)
    assert done.returncode == 2
    assert done.stderr == (
        "epochal: --telemetry http: the trace doesn't know what d did in all of epoch 0; choose other --epochs, "
        "or --telemetry direct\n"
    )
    assert not (tmp_path / "out").exists()


@pytest.mark.long
def test_hoodi__some_epochs_through_the_intake__equal_the_direct_replay(tmp_path: Path) -> None:
    traces = Path(os.environ.get("EPOCHAL_TRACES", ROOT.parent / "shared" / "traces"))
    trace = traces / "rocketpool-hoodi" / "trace.csv.xz"
    if not trace.is_file():
        pytest.skip("no rocketpool-hoodi trace: set EPOCHAL_TRACES to the folder that holds it")
    both(trace, tmp_path, "--genesis", "1770508824", "--tick", "384", "--epochs", "22:24")
