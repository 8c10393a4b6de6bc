# SPDX-License-Identifier: Apache-2.0
"""`python -m benchmarks.stored_epoch` makes a store of one epoch or closes the epoch in one, each in a process of its
own, so that neither's memory is counted for the other; it prints what it measured as JSON."""

from __future__ import annotations

import argparse
import json
import random
import subprocess
import sys
from collections.abc import Mapping
from itertools import pairwise
from pathlib import Path
from time import perf_counter, process_time
from typing import Final

from benchmarks.epoch import CLOCK, ORACLES, STEPS, TICKS, close, eyesight, heard, opened, subjects, truth
from benchmarks.intake_process import ROOT
from benchmarks.table import peak_bytes
from oracle.ground.uptime import Uptime
from oracle.service.garbage import collect_garbage_seldom
from oracle.telemetry.store.opening import open_store
from oracle.telemetry.store.records import Kind

EPOCH: Final = 1
LABEL: Final = "benchmark"
SEED: Final = 46_724
READING: Final = ("read", "dark", "uptimes")
_COMMIT: Final = 4_096


def make(location: str, nodes: int) -> dict[str, float]:
    """Make a store in which each node was heard for an epoch. Its bytes."""
    dice = random.Random(SEED)
    store = open_store(location, CLOCK, LABEL)
    way, observed = store.way("http"), eyesight(1, dice)
    store.observe(way, EPOCH, observed)
    for number, up in enumerate(truth(nodes, dice)):
        track = store.track(Kind.LIVENESS, name_of(number))
        store.mark_bits(track, EPOCH, heard(up, observed, dice), way)
        if number % _COMMIT == _COMMIT - 1:
            store.commit()
    store.commit()
    store.fold()
    size = store.size()
    store.close()
    return {"bytes": size, "cpu": process_time()}


def compact(location: str) -> dict[str, float]:
    """Compact the store. Its bytes afterwards, and the processor seconds that it took."""
    store = open_store(location, CLOCK, LABEL)
    began = process_time()
    store.compact(EPOCH + 1)
    took = process_time() - began
    size = store.size()
    store.close()
    return {"bytes": size, "cpu": took}


def close_stored(location: str, nodes: int, runs: int) -> dict[str, float]:
    """Close the epoch in the store: processor seconds by step, of the best run, and the peak of memory."""
    dice = random.Random(SEED)
    served = subjects(nodes)
    before = opened(served)
    names = [name_of(number) for number in range(nodes)]
    whole = range(TICKS)
    collect_garbage_seldom()
    best: dict[str, float] = {}
    for _ in range(runs):
        marks, wall = [process_time()], perf_counter()
        store = open_store(location, CLOCK, LABEL, read_only=True)
        record = store.read(EPOCH)
        store.close()
        marks.append(process_time())
        assert record.dark  # it was blind for a while
        marks.append(process_time())
        mine = [record.uptime("liveness", name, 0, whole) for name in names]
        marks.append(process_time())
        others = [_others(mine, dice) for _ in range(ORACLES - 1)]
        pause = process_time() - marks[-1]
        marks = [mark + pause for mark in marks]
        close([mine, *others], before, served, lambda: marks.append(process_time()))  # noqa: B023
        took = dict(zip((*READING, *STEPS), (end - start for start, end in pairwise(marks)), strict=True))
        took["all"] = sum(took.values())
        took["wall"] = perf_counter() - wall - pause
        if not best or took["all"] < best["all"]:
            best = took
        del record, mine, others
    return {**best, "peak": peak_bytes()}


def _others(mine: list[Uptime], dice: random.Random) -> list[Uptime]:
    """What another oracle signed of the same nodes: counts that differ a little."""
    return [Uptime(max(0, one.up - dice.randrange(3)), one.observed) for one in mine]


def name_of(number: int) -> bytes:
    """A node's address. Real ones are hashes: they don't come in the order in which nodes were first heard."""
    return random.Random(number).randbytes(20)


def in_process_of_its_own(*arguments: str) -> Mapping[str, float]:
    """What this module prints when it is run with those arguments."""
    done = subprocess.run(
        [sys.executable, "-m", "benchmarks.stored_epoch", *arguments],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode:
        raise RuntimeError(f"benchmarks.stored_epoch {' '.join(arguments)} failed:\n{done.stderr[-2_000:]}")
    return json.loads(done.stdout)


def main() -> None:
    """Do one of the two and print the result."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("what", choices=("make", "compact", "close"))
    parser.add_argument("--store", type=Path, required=True)
    parser.add_argument("--nodes", type=int, default=46_724)
    parser.add_argument("--runs", type=int, default=3)
    given = parser.parse_args()
    location = str(given.store)
    if given.what == "make":
        print(json.dumps(make(location, given.nodes)))
    elif given.what == "compact":
        print(json.dumps(compact(location)))
    else:
        print(json.dumps(close_stored(location, given.nodes, given.runs)))


if __name__ == "__main__":
    main()
