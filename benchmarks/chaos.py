# SPDX-License-Identifier: Apache-2.0
"""`python -m benchmarks.chaos` runs networks of five oracles as real processes, makes faults happen alone and combined,
and checks each run as `epochal network` does: no epoch reported twice or lost, no liar believed, all money there.
"""

from __future__ import annotations

import argparse
import os
import random
import sys
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from rich.console import Console

from benchmarks.chaos_plan import alone, combined
from oracle.ground.errors import EpochalError
from scenario.network.faults import parse_fault
from scenario.network.options import NetworkOptions
from scenario.network.result import EpochResult, NetworkResult
from scenario.network.run import run_network

ORACLES: Final = 5
NODES: Final = 4
REPORT: Final = Path(__file__).resolve().parents[1] / "docs" / "chaos.md"
_HEAD: Final = """# Chaos

Written by `make chaos`; don't edit. `make chaos ARGS="--skip-alone --seeds 7 --keep out"` runs the combined faults of
one seed and keeps the logs. A seed fixes which faults happen when, not how the processes race.

Each run is a network of {oracles} oracles, of which at most one is false and 4 are a quorum, {nodes} nodes and a chain,
all of them real processes on {processors} processors, with epochs of {epoch_length} s and a block a second.
The campaign took {minutes} minutes.

A run holds when no epoch has two reports; each epoch has one, or the oracles recorded that it failed and why; they
agree with the chain about it; every ratio in a report lies within what honest oracles observed; nodes that no fault hit
were paid; no process ended by itself; the network recovered from every fault; and every token is accounted for. An
epoch is carried when it failed and a later report has its seconds. Recovered: a report was mined after the fault's end,
and every oracle knows of it; that takes up to an epoch by itself.

"""
_HEADINGS: Final = (
    "run",
    "faults",
    "epochs",
    "attested",
    "carried",
    "failed",
    "reports taken back by reorgs",
    "from an epoch's end to its block: median, longest",
    "",
)


@dataclass(frozen=True, slots=True)
class Run:
    """One network of a campaign, and what came of it; `broken`: why there is no result."""

    name: str
    faults: tuple[str, ...]
    result: NetworkResult | None
    broken: str = ""

    @property
    def holds(self) -> bool:
        return self.result is not None and not self.result.problems


def main() -> None:
    """Run a campaign, write its report, and exit with 1 unless every run holds."""
    parser = argparse.ArgumentParser(description="Faults alone and combined, on real processes.")
    parser.add_argument("--seeds", type=int, nargs="*", default=None, help="of combined faults; three fresh ones")
    parser.add_argument("--epochs", type=int, default=14, help="of each combined run")
    parser.add_argument("--epoch-length", type=int, default=20, help="seconds")
    parser.add_argument("--skip-alone", action="store_true", help="combined faults only")
    parser.add_argument("--keep", type=Path, default=None, help="folder for logs, which are else thrown away")
    parser.add_argument("--report", type=Path, default=REPORT)
    given = parser.parse_args()
    seeds = [random.randrange(1 << 32) for _ in range(3)] if given.seeds is None else given.seeds
    plans = [] if given.skip_alone else alone()
    plans += [(f"combined, seed {seed}", combined(seed, given.epochs, ORACLES, NODES), given.epochs) for seed in seeds]
    began = time.monotonic()
    with tempfile.TemporaryDirectory(prefix="chaos-") as scratch:
        folder = given.keep or Path(scratch)
        runs = [
            run(name, faults, epochs, given.epoch_length, folder / f"run-{index}")
            for index, (name, faults, epochs) in enumerate(plans)
        ]
    given.report.write_text(report(runs, given.epoch_length, time.monotonic() - began), encoding="utf-8")
    print(f"{given.report} written")
    for one in runs:
        print(f"{one.name}: {'holds' if one.holds else 'DOES NOT HOLD'}")
        for problem in [one.broken] if one.result is None else one.result.problems:
            print(f"  {problem}")
    sys.exit(0 if all(one.holds for one in runs) else 1)


def run(name: str, faults: Sequence[str], epochs: int, epoch_length: int, out: Path) -> Run:
    """One network with these faults."""
    console = Console()
    console.print(f"== {name}", highlight=False, soft_wrap=True)
    parsed = tuple(parse_fault(one, ORACLES, NODES) for one in faults)
    options = NetworkOptions(out, ORACLES, NODES, epochs, epoch_length, parsed)
    try:
        result = run_network(options, lambda line: console.print(line, highlight=False, soft_wrap=True))
    except EpochalError as error:
        return Run(name, tuple(faults), None, str(error))
    result.save(out / "result.json")
    return Run(name, tuple(faults), result)


def report(runs: Sequence[Run], epoch_length: int, seconds: float) -> str:
    """The campaign as a page of Markdown."""
    text = _HEAD.format(
        oracles=ORACLES,
        nodes=NODES,
        processors=os.cpu_count(),
        epoch_length=epoch_length,
        minutes=round(seconds / 60),
    )
    text += f"| {' | '.join(_HEADINGS)} |\n|---|{'---:|' * (len(_HEADINGS) - 2)}---|\n"
    for one in runs:
        text += _row(one)
    for one in runs:
        text += _details(one)
    return text


def _row(one: Run) -> str:
    if one.result is None:
        return f"| {one.name} | {len(one.faults)} | | | | | | | {one.broken} |\n"
    epochs = one.result.epochs
    counts = [str(sum(epoch.outcome == kind for epoch in epochs)) for kind in ("attested", "carried", "failed")]
    waits = sorted(epoch.seconds for epoch in epochs if epoch.seconds is not None)
    wait = f"{waits[len(waits) // 2]} s, {waits[-1]} s" if waits else ""
    cells = [one.name, str(len(one.result.faults)), str(len(epochs)), *counts, str(one.result.taken_back), wait]
    return f"| {' | '.join(cells)} | {'holds' if one.holds else '**does not hold**'} |\n"


def _details(one: Run) -> str:
    if one.result is None:
        return ""
    text = f"\n## {one.name[0].upper()}{one.name[1:]}\n\n"
    text += f"Chain, contracts, {ORACLES} oracles and {NODES} nodes were up in {one.result.start_seconds:.0f} s.\n\n"
    text += "".join(f"- **{problem}**\n" for problem in one.result.problems)
    text += "\n" * bool(one.result.problems)
    text += "| fault | from | to | recovered after | epochs that ended meanwhile |\n|---|---:|---:|---:|---|\n"
    for fault in sorted(one.result.faults, key=lambda each: each.begin):
        shown = fault.text.replace("|", "\\|")
        recovered = "never" if fault.recovered is None else f"{fault.recovered:.1f} s"
        length = one.result.epoch_length
        first, last = int(fault.begin // length), int(fault.end // length)
        told = [_told(epoch) for epoch in one.result.epochs if first <= epoch.epoch <= last]
        text += f"| `{shown}` | {fault.begin:.0f} s | {fault.end:.0f} s | {recovered} | {'; '.join(told)} |\n"
    return text


def _told(epoch: EpochResult) -> str:
    if epoch.outcome == "attested":
        return f"{epoch.epoch} attested by {epoch.signatures} after {epoch.seconds} s"
    why = "; ".join(one.replace("|", "\\|") for one in epoch.why[:1])
    return f"{epoch.epoch} {epoch.outcome} ({why})"


if __name__ == "__main__":
    main()
