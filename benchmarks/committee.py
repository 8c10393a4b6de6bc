# SPDX-License-Identifier: Apache-2.0
"""`python -m benchmarks.committee` measures what five oracles as real processes take from an epoch's end to a report on
chain, beside the same agreement in one process, and writes docs/performance-committee.md."""

from __future__ import annotations

import argparse
import os
import statistics
import sys
import tempfile
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Final

from benchmarks.committee_processes import ORACLES
from benchmarks.committee_run import SETTLE_DELAY, Measured, measure
from benchmarks.epoch import CLOCK, TICKS
from benchmarks.fleet import NETWORK
from chain import compiler
from oracle.ground.errors import EpochalError

ROOT: Final = Path(__file__).resolve().parents[1]
PAGE: Final = ROOT / "docs" / "performance-committee.md"
SIZES: Final = (53, NETWORK)
PHASES: Final = (
    ("round_begun", "closed", f"the epoch's end → its round begins ({SETTLE_DELAY} s of settle delay, a final block)"),
    ("observed", "round_begun", "→ the oracle has signed what it saw"),
    ("gathered", "observed", "→ it has all observations"),
    ("voted", "gathered", "→ it has recomputed the proposal and signed the report"),
    ("quorum", "voted", "→ it has a quorum's signatures"),
    ("submitted", "quorum", "→ the leader submits"),
)


def main() -> None:
    """Measure, print, write. Exits with 1 and the reason where a figure couldn't be had."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--nodes", type=int, nargs="+", default=list(SIZES), help="sizes of the networks")
    parser.add_argument("--lead", type=float, help="seconds from the oracles' start to the epoch's end")
    parser.add_argument("--keep", type=Path, help="folder for stores and logs, which are else thrown away")
    parser.add_argument("--page", type=Path, default=PAGE)
    given = parser.parse_args()
    began = time.monotonic()
    with ThreadPoolExecutor(2) as pool:
        list(pool.map(compiler.load, ("", "benchmarks/solidity")))
    _say(f"contracts are compiled: {time.monotonic() - began:.0f} s")
    found = []
    with tempfile.TemporaryDirectory(prefix="committee-") as scratch:
        for nodes in given.nodes:
            folder = (given.keep or Path(scratch)) / str(nodes)
            try:
                folder.mkdir(parents=True)
                found.append(measure(nodes, folder, given.lead, _say))
            except FileExistsError:
                sys.exit(f"--keep {given.keep}: {folder} is there already; give another folder")
            except EpochalError as error:
                sys.exit(f"{nodes:,} nodes: {error}")
    text = table(found)
    given.page.write_text(page(text), encoding="utf-8")
    print(text)
    print(f"written: {given.page}, after {time.monotonic() - began:.0f} s")


def table(found: Sequence[Measured]) -> str:
    """What was measured, a column for each network."""
    rows = [[what, *(_spread(one.since(later, earlier)) for one in found)] for later, earlier, what in PHASES]
    rows += [
        ["**the epoch's end → the report's block**", *(f"**{one.mined:.0f} s**" for one in found)],
        [
            "of that from the round's first beginning to the submission",
            *(_seconds(_agreeing(one)) for one in found),
        ],
        [
            f"baseline: the same {ORACLES} oracles in one process, one after the other",
            *(_seconds(one.in_process) for one in found),
        ],
        ["- an oracle's share of that", *(_seconds(one.in_process / ORACLES) for one in found)],
        [
            "processor seconds of an oracle, from the epoch's end",
            *(_spread([o.cpu for o in one.oracles]) for one in found),
        ],
        ["bytes that an oracle sent to peers as messages", *(_sizes([o.sent for o in one.oracles]) for one in found)],
        ["bytes that an oracle fetched from peers", *(_sizes([o.received for o in one.oracles]) for one in found)],
        ["bytes of all oracles together", *(_size(sum(o.sent + o.received for o in one.oracles)) for one in found)],
        ["an observation", *(_size(one.observation_bytes) for one in found)],
        ["the report's evidence", *(_size(one.evidence_bytes) for one in found)],
        ["the chain makes a block each", *(f"{one.block_seconds} s" for one in found)],
        ["signatures on the report", *(f"{one.signatures} of {ORACLES}" for one in found)],
    ]
    headings = ["what", *(f"{one.nodes:,} nodes" for one in found)]
    lines = [" | ".join(cells) for cells in (headings, ["---", *("---:" for _ in found)], *rows)]
    return "".join(f"| {line} |\n" for line in lines)


def page(text: str) -> str:
    """The page that `make bench-committee` writes."""
    return f"""# Performance of the committee

Written by `make bench-committee`; don't edit. Closing an epoch by itself is in `docs/performance.md`.

{ORACLES} oracles run as processes of `epochal oracle run`, on {os.cpu_count()} processors that they share with the
chain: on machines of their own they would wait less for each other. Each closes an epoch of {CLOCK.length // 3600}
hours and {TICKS:,} ticks that lies in its store: nodes had outages, each oracle was blind for a while and missed a
heartbeat of every node, so observations differ. The oracles look every 5 s whether a round is due, as on a network with
epochs of a day. Times are the median of the oracles and, after it, the slowest one's. The report that they bring on
chain is checked to have the root that the baseline comes to from the same stores.

{text}"""


def _agreeing(one: Measured) -> float:
    begun = min(each.times["round_begun"] for each in one.oracles)
    return min(each.times["submitted"] for each in one.oracles if "submitted" in each.times) - begun


def _spread(values: Sequence[float]) -> str:
    if not values:
        return ""
    return _seconds(statistics.median(values)) + (f", {_seconds(max(values))}" if len(values) > 1 else "")


def _seconds(value: float) -> str:
    return f"{value:.2f} s" if value < 10 else f"{value:.1f} s"


def _sizes(values: Sequence[int]) -> str:
    return " to ".join(dict.fromkeys((_size(min(values)), _size(max(values)))))


def _size(value: int) -> str:
    return f"{value / 1e6:,.1f} MB" if value >= 100_000 else f"{value / 1e3:,.1f} kB"


def _say(text: str) -> None:
    print(f"  {text}", flush=True)


if __name__ == "__main__":
    main()
