# SPDX-License-Identifier: Apache-2.0
"""How telemetry grows with the network: the store, closing an epoch from it, the intake; each in a fresh process."""

from __future__ import annotations

import asyncio
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Final

from benchmarks.intake_process import scratch
from benchmarks.intake_rates import BATCH, Rate, running
from benchmarks.stored_epoch import in_process_of_its_own
from benchmarks.table import mb, ms, per_second

SIZES: Final = (1_000, 10_000, 100_000, 1_000_000)
SLICE: Final = 100_000
"""Nodes whose heartbeats are signed before they are sent; a challenge lives for a minute at least."""
SINGLES: Final = 20_000
WORSE: Final = 1.25
"""Per node, as a multiple of the next smaller network: what is above it grows worse than linearly."""
HEADINGS: Final = (
    "nodes",
    "store, the day's",
    "compacted",
    "closing",
    "closing's memory",
    "intake, in batches",
    "intake, single",
    "intake's memory",
)


@dataclass(frozen=True, slots=True)
class Stored:
    """A store of one epoch: its bytes, and what closing the epoch took."""

    nodes: int
    fresh: float
    compacted: float
    closing: Mapping[str, float]


@dataclass(frozen=True, slots=True)
class Size:
    """A network of one size."""

    stored: Stored
    batches: Rate
    singles: Rate
    resident: float

    def cells(self) -> tuple[str, ...]:
        stored, closing = self.stored, self.stored.closing
        return (
            f"{stored.nodes:,}",
            mb(stored.fresh),
            mb(stored.compacted),
            ms(closing["all"]),
            mb(closing["peak"]),
            per_second(self.batches.beats),
            per_second(self.singles.beats),
            mb(self.resident),
        )


def stored(nodes: int, runs: int = 3) -> Stored:
    """Make a store of an epoch, close the epoch, compact the store: three processes."""
    with tempfile.TemporaryDirectory(dir=scratch(), prefix="epoch-") as folder:
        told = ("--store", str(Path(folder) / "store.sqlite"), "--nodes", str(nodes), "--runs", str(runs))
        fresh = in_process_of_its_own("make", *told)
        closing = in_process_of_its_own("close", *told)
        compacted = in_process_of_its_own("compact", *told)
    return Stored(nodes, fresh["bytes"], compacted["bytes"], closing)


def measure(nodes: int) -> Size:
    """All of it for a network of that size."""
    kept = stored(nodes, 3 if nodes <= SLICE else 1)
    with running(nodes) as intake:
        batches = [
            asyncio.run(intake.signed(BATCH, start, min(nodes, start + SLICE))) for start in range(0, nodes, SLICE)
        ]
        # The last ones: by then nearly all nodes are known.
        singles = asyncio.run(intake.signed(1, 0, min(nodes, SINGLES)))
        resident = intake.process.usage().resident
    return Size(kept, batches[-1], singles, resident)


def remarks(sizes: list[Size]) -> list[str]:
    """What grows worse than linearly from one size to the next, or falls, in words."""
    told = []
    for small, large in pairwise(sizes):
        times = large.stored.nodes / small.stored.nodes
        steps = f"from {small.stored.nodes:,} to {large.stored.nodes:,} nodes"
        for name in ("read", "dark", "uptimes", "medians", "ledger", "tree"):
            ratio = large.stored.closing[name] / small.stored.closing[name] / times
            if ratio > WORSE and large.stored.closing[name] > 0.01:
                told.append(f"{steps} the step `{name}` of closing takes {ratio:.1f} times as long for each node")
        ratio = large.stored.closing["all"] / small.stored.closing["all"] / times
        if ratio > WORSE:
            told.append(f"{steps} all of closing takes {ratio:.1f} times as long for each node")
        for what, before, after in (
            ("in batches", small.batches.beats, large.batches.beats),
            ("single ones", small.singles.beats, large.singles.beats),
        ):
            if before / after > WORSE:
                told.append(f"{steps} the intake takes {before / after:.1f} times as long for a heartbeat ({what})")
    return told
