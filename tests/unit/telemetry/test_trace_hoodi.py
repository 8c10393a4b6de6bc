"""The real Hoodi trace against the truth that two independent programs computed from its source."""

from __future__ import annotations

import csv
import lzma
import os
import time
from pathlib import Path

import pytest

from oracle.ground.clock import EpochClock
from oracle.telemetry.traces.trace import load

TICK = 384
CLOCK = EpochClock(genesis=1_770_508_824, length=86_400, tick=TICK)


@pytest.fixture
def folder() -> Path:
    root = Path(__file__).parents[3]
    traces = Path(os.environ.get("EPOCHAL_TRACES") or root.parent / "shared" / "traces")
    if not (traces / "rocketpool-hoodi").is_dir():
        pytest.skip("no rocketpool-hoodi trace: set EPOCHAL_TRACES to the folder that holds it")
    return traces / "rocketpool-hoodi"


def test_bits__hoodi__equal_the_truth_in_every_row(folder: Path) -> None:
    trace = load(folder / "trace.csv.xz")
    with lzma.open(folder / "truth.csv.xz", "rt", encoding="utf-8", newline="") as file:
        truth = list(csv.DictReader(file))
    for row in truth:
        bits = trace.bits(row["node"], CLOCK, int(row["epoch"]))
        assert bits.up.bit_count() * TICK == int(row["up_seconds"]), row
        assert bits.seen.bit_count() * TICK == int(row["observed_seconds"]), row
    assert len(truth) == 5_500


def test_bits__hoodi__whole_network_for_180_epochs_in_a_blink(folder: Path) -> None:
    trace = load(folder / "trace.csv.xz")
    begin = time.process_time()
    for node in trace.nodes:
        for epoch in range(180):
            trace.bits(node, CLOCK, epoch)
    assert time.process_time() - begin < 0.3
    assert (len(trace.nodes), trace.row_count) == (53, 6_274)
