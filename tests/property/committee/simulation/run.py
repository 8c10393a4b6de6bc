# SPDX-License-Identifier: Apache-2.0
"""`make simulate`: runs many seeds of the simulated committee and names those in which something was wrong.

make simulate ARGS="--seeds 5000"            seeds 0 to 4999
make simulate ARGS="--seed 417 --tell"       one seed, with its story
make simulate ARGS="--requests --seeds 500"  asking for other nodes
"""

from __future__ import annotations

import argparse
import multiprocessing
import sys
import time
from collections.abc import Iterable

from tests.property.committee.request_runs import run_of
from tests.property.committee.simulation.simulation import Result, simulate

SHOWN = 5
"""Of what is wrong in one seed."""


def main() -> int:
    """Exits with 1 if any seed failed."""
    parser = argparse.ArgumentParser(prog="make simulate", description="Simulate the committee in virtual time.")
    parser.add_argument("--seeds", type=int, default=1_000, help="how many (1000)")
    parser.add_argument("--first", type=int, default=0, help="the first one (0)")
    parser.add_argument("--seed", type=int, help="this one alone")
    parser.add_argument("--tell", action="store_true", help="print what happened")
    parser.add_argument("--jobs", type=int, default=1, help="processes (1)")
    parser.add_argument("--requests", action="store_true", help="simulate how other nodes are asked for")
    given = parser.parse_args()
    if given.requests:
        return report_requests(range(given.first, given.first + given.seeds) if given.seed is None else [given.seed])
    if given.seed is not None:
        result = simulate(given.seed, tell=given.tell)
        sys.stdout.writelines(line + "\n" for line in result.trace)
        return report([result], time.monotonic())
    seeds = range(given.first, given.first + given.seeds)
    began = time.monotonic()
    if given.jobs == 1:
        return report(map(simulate, seeds), began)
    with multiprocessing.get_context("spawn").Pool(given.jobs) as pool:
        return report(pool.imap(simulate, seeds, chunksize=8), began)


def report(results: Iterable[Result], began: float) -> int:
    """Print what was wrong as it comes, and the figures."""
    count = final = failed = 0
    wrong: list[int] = []
    for result in results:
        count += 1
        final += result.final
        failed += result.failed
        if result.violations:
            wrong.append(result.seed)
            print(f"seed {result.seed}:", *result.violations[:SHOWN], sep="\n  ", flush=True)
    seconds = time.monotonic() - began
    print(
        f"simulate: {count} seeds in {seconds:.1f} s, {final} reports final, {failed} epochs carried by later ones; "
        + (f"wrong: {', '.join(map(str, wrong))}" if wrong else "nothing wrong")
    )
    return 1 if wrong else 0


def report_requests(seeds: Iterable[int]) -> int:
    """As `report`, for requests."""
    began, wrong, late = time.monotonic(), list[int](), list[float]()
    for result in map(run_of, seeds):
        late.append(result.late)
        if result.violations:
            wrong.append(result.seed)
            print(f"seed {result.seed}:", *result.violations[:SHOWN], sep="\n  ", flush=True)
    late.sort()
    print(
        f"simulate: {len(late)} seeds in {time.monotonic() - began:.1f} s; from when a node was due until it was asked "
        f"for: {late[len(late) // 2]:.1f} slots in the median, {late[-1]:.1f} at most; "
        + (f"wrong: {', '.join(map(str, wrong))}" if wrong else "nothing wrong")
    )
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
