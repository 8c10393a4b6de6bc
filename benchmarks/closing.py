# SPDX-License-Identifier: Apache-2.0
"""`python -m benchmarks.closing` closes an epoch of the whole licensed network, prints how long each phase took beside
the baselines of the same run, and writes docs/performance.md."""

from __future__ import annotations

import gc
import random
import resource
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from time import process_time
from typing import Final

from rich.console import Console
from rich.table import Table

from benchmarks.closing_baselines import SAMPLE, eth_account_signer, npm_tree, uptimes_with_sets, without_coincurve
from oracle.ground.bitmap import from_bytes, span, to_bytes
from oracle.ground.clock import EpochClock
from oracle.ground.ids import pack
from oracle.ground.keccak import keccak256
from oracle.ground.leaves import Leaf
from oracle.ground.ledger import Ledger, Subject, advance
from oracle.ground.median import agree, measured_needs
from oracle.ground.merkle import Tree
from oracle.ground.policy import Policy
from oracle.ground.typed_data import EpochReport, Heartbeat
from oracle.ground.uptime import Uptime, measure
from oracle.signing.signer import derive
from oracle.telemetry import heartbeat

ROOT: Final = Path(__file__).resolve().parents[1]
PAGE: Final = ROOT / "docs" / "performance.md"

NODES: Final = 46_724
CLOCK: Final = EpochClock(genesis=1_700_000_000, length=86_400, tick=10)
TICKS: Final = CLOCK.ticks_per_epoch
ORACLES: Final = 4
APPEAL_EPOCHS: Final = 7
CONTRACT: Final = "0x" + "11" * 20

RUNS: Final = 5
PHASES: Final = ("bitmaps", "medians", "ledger", "tree", "digest")
OK, OVER = "ok", "OVER"
HEADINGS: Final = ("what", "measured", "gate", "", "baseline, from the same run", "ratio")


@dataclass(frozen=True, slots=True)
class Line:
    """A line of the table; the gates are the design's."""

    what: str
    measured: str
    gate: str = ""
    holds: bool = True
    baseline: str = ""
    ratio: float = 0

    def cells(self) -> tuple[str, ...]:
        verdict = (OK if self.holds else OVER) if self.gate else ""
        return self.what, self.measured, self.gate, verdict, self.baseline, f"{self.ratio:,.0f} x" if self.ratio else ""


def main() -> None:
    """Measure, print, write."""
    lines = [*closing(), verifying()]
    PAGE.write_text(markdown(lines), encoding="utf-8")
    _print(lines)


def closing() -> list[Line]:
    """The epoch's phases, the memory they took, and what sets and the npm package take for the same."""
    network = _network()
    times, leaves, root = _close(network)
    peak = _peak_bytes()  # before the baselines use any
    took = {name: min(values) for name, values in times.items()}
    rest = took["medians"] + took["ledger"] + took["tree"] + took["digest"]
    alone, together = took["bitmaps"] / ORACLES + rest, took["bitmaps"] + rest
    sets, set_bytes = uptimes_with_sets(network, TICKS)
    npm = npm_tree(leaves, root)
    return [
        Line(
            f"one of {ORACLES} oracles closes an epoch of {NODES:,} nodes and {TICKS:,} ticks",
            _ms(alone),
            "1 s",
            alone < 1,
            f"sets of ticks, npm's tree: {sets / ORACLES + npm:,.1f} s",
            (sets / ORACLES + npm) / alone,
        ),
        Line(
            f"the same with the bitmaps of all {ORACLES} in one process",
            _ms(together),
            "1 s",
            together < 1,
            f"sets of ticks, npm's tree: {sets + npm:,.1f} s",
            (sets + npm) / together,
        ),
        Line(
            f"- bitmaps to uptimes, {ORACLES} x {NODES:,}",
            _ms(took["bitmaps"]),
            baseline=f"sets of ticks: {sets:,.1f} s",
            ratio=sets / took["bitmaps"],
        ),
        Line(f"- medians of {ORACLES} uptimes", _ms(took["medians"])),
        Line("- ledger", _ms(took["ledger"])),
        Line(
            f"- leaves and tree of {NODES:,}",
            _ms(took["tree"]),
            "500 ms",
            took["tree"] < 0.5,
            f"`@openzeppelin/merkle-tree`, same root: {npm:,.1f} s",
            npm / took["tree"],
        ),
        Line("- report and digest", _ms(took["digest"])),
        Line(
            f"peak memory of the process, with the bitmaps of all {ORACLES}",
            _mb(peak),
            "500 MB",
            peak < 500_000_000,
            f"sets of ticks: {_mb(set_bytes)}",
            set_bytes / peak,
        ),
    ]


def verifying() -> Line:
    """Who signed a heartbeat: as the intake asks, and as eth-account answers where coincurve is missing."""
    signer = derive("benchmark", "node")
    domain = Heartbeat.domain(1, CONTRACT)
    challenge = keccak256(b"challenge")
    beats = [heartbeat.sign(signer, domain, CONTRACT, number, challenge) for number in range(5_000)]
    fast = _rate(lambda raw: heartbeat.signed_by(heartbeat.decode(raw), domain) == signer.address.lower(), beats)
    with without_coincurve():
        slow = _rate(lambda raw: eth_account_signer(heartbeat.decode(raw), domain) == signer.address, beats[:100])
    return Line(
        "verify a heartbeat: decode, digest, recover; one core",
        f"{fast:,.0f} /s",
        "10,000 /s",
        fast >= 10_000,
        f"`eth_account` without coincurve: {slow:,.0f} /s",
        fast / slow,
    )


def _close(network: Sequence[tuple[int, Sequence[bytes]]]) -> tuple[dict[str, list[float]], Sequence[Leaf], bytes]:
    """(seconds of each run by phase, leaves, root) of the second epoch, the first in which all accounts exist."""
    subjects = _subjects()
    keys = [subject.assignment_id for subject in subjects]
    needed = measured_needs(ORACLES)
    flawless = dict.fromkeys(keys, Uptime(CLOCK.length, CLOCK.length))
    before, _ = advance(Ledger(), CLOCK, 0, subjects, {0: flawless}, APPEAL_EPOCHS)
    gc.collect()
    gc.freeze()  # what lay at rest before; the collector goes on for all that closing makes
    times: dict[str, list[float]] = {}
    for _ in range(RUNS):
        marks = [process_time()]
        views = [_uptimes(mask, bitmaps) for mask, bitmaps in network]
        marks.append(process_time())
        agreed = [agree(seen, needed).scaled(CLOCK.tick) for seen in zip(*views, strict=True)]
        marks.append(process_time())
        by_assignment = dict(zip(keys, agreed, strict=True))
        ledger, leaves = advance(before, CLOCK, 1, subjects, {1: by_assignment}, APPEAL_EPOCHS)
        marks.append(process_time())
        tree = Tree.build(leaves)
        marks.append(process_time())
        report = EpochReport(ledger.epoch, 1, tree.root, bytes(32), bytes(32), bytes(32))
        report.digest(EpochReport.domain(1, CONTRACT))
        marks.append(process_time())
        for phase, (start, end) in zip(PHASES, pairwise(marks), strict=True):
            times.setdefault(phase, []).append(end - start)
        del views, agreed, by_assignment, ledger
    gc.unfreeze()
    return times, leaves, tree.root


def _uptimes(observed: int, bitmaps: Sequence[bytes]) -> list[Uptime]:
    whole = range(TICKS)
    return [measure(from_bytes(raw, TICKS), observed, whole) for raw in bitmaps]


def _network() -> list[tuple[int, Sequence[bytes]]]:
    """For each oracle (observed mask, nodes' bitmaps at rest).

    Nodes have an outage now and then; oracles are blind for a while and miss a heartbeat of each node.
    """
    dice = random.Random(46_724)
    everything = span(range(TICKS))
    truth = []
    for _ in range(NODES):
        up = everything
        for _ in range(dice.choice((0, 0, 0, 1, 2))):
            length = dice.randrange(1, 600)
            up &= ~(((1 << length) - 1) << dice.randrange(TICKS - length))
        truth.append(up)
    views: list[tuple[int, Sequence[bytes]]] = []
    for number in range(ORACLES):
        observed = everything & ~(((1 << 60 * number) - 1) << dice.randrange(TICKS - 600))
        heard = (up & observed & ~(1 << dice.randrange(TICKS)) for up in truth)
        views.append((observed, [to_bytes(bits, TICKS) for bits in heard]))
    return views


def _subjects() -> list[Subject]:
    """A year's jobs of four slots, one assignment for each node."""
    stop, policy = CLOCK.end(364), Policy()
    return [
        Subject(pack(1 + i // 4, i % 4, 1), i + 1, CLOCK.genesis, stop, CLOCK.genesis, 0, 0, False, policy)
        for i in range(NODES)
    ]


def _rate(check: Callable[[bytes], bool], beats: Sequence[bytes]) -> float:
    start = process_time()
    good = sum(map(check, beats))
    took = process_time() - start
    if good != len(beats):
        raise AssertionError(f"{len(beats) - good} of {len(beats)} heartbeats were refused")
    return len(beats) / took


def _peak_bytes() -> int:
    unit = 1 if sys.platform == "darwin" else 1_024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit


def _ms(seconds: float) -> str:
    return f"{seconds * 1_000:,.0f} ms" if seconds >= 0.01 else f"{seconds * 1_000:,.2f} ms"


def _mb(size: int) -> str:
    return f"{size / 1_000_000:,.0f} MB"


def markdown(lines: Sequence[Line]) -> str:
    """The page that `make bench` writes."""
    rows = "\n".join("| " + " | ".join(line.cells()) + " |" for line in lines)
    return f"""# Performance

Written by `make bench`; don't edit. Gas is in `docs/gas.md`.

Times are processor seconds of one core, the best of {RUNS} runs; read them as ratios to the baseline beside them, taken
in the same run. An epoch is closed from bitmaps as they lie at rest: an oracle reads its own and gets those of the
others as signed counts. Nodes have outages of up to 100 minutes, oracles have blind spells and miss heartbeats, so most
medians are of observations that differ. What was in memory before is hidden from the garbage collector (`gc.freeze`),
which goes on otherwise. The figures of sets are those of {SAMPLE} nodes, scaled; making the sets isn't counted.

| {" | ".join(HEADINGS)} |
|---|---:|---:|---|---|---:|
{rows}
"""


def _print(lines: Sequence[Line]) -> None:
    shown = Table(title="Closing an epoch", title_justify="left")
    for i, heading in enumerate(HEADINGS):
        shown.add_column(heading, justify="right" if i in (1, 2, 5) else "left")
    for line in lines:
        shown.add_row(*line.cells(), style=None if line.holds else "red")
    console = Console()
    if not console.is_terminal:  # a pipe has no width
        console = Console(width=200)
    console.print(shown)
    console.print(f"written: {PAGE.relative_to(ROOT)}")


if __name__ == "__main__":
    main()
