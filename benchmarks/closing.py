# SPDX-License-Identifier: Apache-2.0
"""`python -m benchmarks.closing` closes an epoch of the whole licensed network, prints how long each phase took beside
the baselines of the same run, and writes docs/performance.md."""

from __future__ import annotations

import gc
import random
from collections.abc import Sequence
from itertools import pairwise
from pathlib import Path
from time import process_time
from typing import Final

from benchmarks.closing_baselines import SAMPLE, npm_tree, uptimes_with_sets
from benchmarks.epoch import (
    CLOCK,
    ORACLES,
    STEPS,
    TICKS,
    availability,
    close,
    eyesight,
    heard,
    opened,
    rewarded,
    subjects,
    truth,
)
from benchmarks.table import Line, markdown, mb, ms, peak_bytes, show
from benchmarks.verifying import verifying
from oracle.ground.bitmap import from_bytes, to_bytes
from oracle.ground.leaves import Leaf
from oracle.ground.uptime import Uptime, measure

ROOT: Final = Path(__file__).resolve().parents[1]
PAGE: Final = ROOT / "docs" / "performance.md"

NODES: Final = 46_724
RUNS: Final = 5


def main() -> None:
    """Measure, print, write."""
    lines = [*closing(), verifying()]
    PAGE.write_text(page(lines), encoding="utf-8")
    show("Closing an epoch", lines)
    print(f"written: {PAGE.relative_to(ROOT)}")


def closing() -> list[Line]:
    """The epoch's phases, the memory they took, and what sets and the npm package take for the same."""
    network = _network()
    times, leaves, root = _close(network)
    rewards = _rewards(network)
    peak = peak_bytes()  # before the baselines use any
    took = {name: min(values) for name, values in times.items()}
    rest = took["medians"] + took["ledger"] + took["tree"] + took["digest"]
    alone, together = took["bitmaps"] / ORACLES + rest, took["bitmaps"] + rest
    sets, set_bytes = uptimes_with_sets(network, TICKS)
    npm = npm_tree(leaves, root)
    return [
        Line(
            f"one of {ORACLES} oracles closes an epoch of {NODES:,} nodes and {TICKS:,} ticks",
            ms(alone),
            "1 s",
            alone < 1,
            f"sets of ticks, npm's tree: {sets / ORACLES + npm:,.1f} s",
            (sets / ORACLES + npm) / alone,
        ),
        Line(
            f"the same with the bitmaps of all {ORACLES} in one process",
            ms(together),
            "1 s",
            together < 1,
            f"sets of ticks, npm's tree: {sets + npm:,.1f} s",
            (sets + npm) / together,
        ),
        Line(
            "one oracle, in a network that rewards its licences too",
            ms(alone + rewards),
            "1 s",
            alone + rewards < 1,
        ),
        Line(
            f"- bitmaps to uptimes, {ORACLES} x {NODES:,}",
            ms(took["bitmaps"]),
            baseline=f"sets of ticks: {sets:,.1f} s",
            ratio=sets / took["bitmaps"],
        ),
        Line(f"- medians of {ORACLES} uptimes", ms(took["medians"])),
        Line("- ledger", ms(took["ledger"])),
        Line(
            f"- leaves and tree of {NODES:,}",
            ms(took["tree"]),
            "500 ms",
            took["tree"] < 0.5,
            f"`@openzeppelin/merkle-tree`, same root: {npm:,.1f} s",
            npm / took["tree"],
        ),
        Line("- report and digest", ms(took["digest"])),
        Line(f"- {NODES:,} rewarded licences: medians, sums, leaves, tree", ms(rewards)),
        Line(
            f"peak memory of the process, with the bitmaps of all {ORACLES}",
            mb(peak),
            "500 MB",
            peak < 500_000_000,
            f"sets of ticks: {mb(set_bytes)}",
            set_bytes / peak,
        ),
    ]


def _close(network: Sequence[tuple[int, Sequence[bytes]]]) -> tuple[dict[str, list[float]], Sequence[Leaf], bytes]:
    """(seconds of each run by phase, leaves, root) of the second epoch, the first in which all accounts exist."""
    served = subjects(NODES)
    before = opened(served)
    gc.collect()
    gc.freeze()  # what lay at rest before; the collector goes on for all that closing makes
    times: dict[str, list[float]] = {}
    for _ in range(RUNS):
        marks = [process_time()]
        views = [_uptimes(mask, bitmaps) for mask, bitmaps in network]
        marks.append(process_time())
        leaves, root = close(views, before, served, lambda: marks.append(process_time()))  # noqa: B023
        for phase, (start, end) in zip(("bitmaps", *STEPS), pairwise(marks), strict=True):
            times.setdefault(phase, []).append(end - start)
        del views
    gc.unfreeze()
    return times, leaves, root


def _rewards(network: Sequence[tuple[int, Sequence[bytes]]]) -> float:
    """Seconds that rewarded licences take beside the assignments, one for each node."""
    deeds, took = rewarded(NODES), []
    views = [dict(enumerate(_uptimes(mask, bitmaps), start=1)) for mask, bitmaps in network]
    known = {one.licence: Uptime(CLOCK.length, CLOCK.length) for one in deeds}
    gc.collect()
    gc.freeze()
    for _ in range(RUNS):
        start = process_time()
        availability(views, known, deeds)
        took.append(process_time() - start)
    gc.unfreeze()
    return min(took)


def _uptimes(observed: int, bitmaps: Sequence[bytes]) -> list[Uptime]:
    whole = range(TICKS)
    return [measure(from_bytes(raw, TICKS), observed, whole) for raw in bitmaps]


def _network() -> list[tuple[int, Sequence[bytes]]]:
    """For each oracle (observed mask, nodes' bitmaps at rest)."""
    dice = random.Random(NODES)
    ups = list(truth(NODES, dice))
    views: list[tuple[int, Sequence[bytes]]] = []
    for number in range(ORACLES):
        observed = eyesight(number, dice)
        views.append((observed, [to_bytes(heard(up, observed, dice), TICKS) for up in ups]))
    return views


def page(lines: Sequence[Line]) -> str:
    """The page that `make bench` writes."""
    return f"""# Performance

Written by `make bench`; don't edit. Gas is in `docs/gas.md`, telemetry in `docs/performance-telemetry.md`.

Times are processor seconds of one core, the best of {RUNS} runs; read them as ratios to the baseline beside them, taken
in the same run. An epoch is closed from bitmaps as they lie at rest: an oracle reads its own and gets those of the
others as signed counts. Nodes have outages of up to 100 minutes, oracles have blind spells and miss heartbeats, so most
medians are of observations that differ. What was in memory before is hidden from the garbage collector (`gc.freeze`),
which goes on otherwise. The figures of sets are those of {SAMPLE} nodes, scaled; making the sets isn't counted.

{markdown(lines)}"""


if __name__ == "__main__":
    main()
