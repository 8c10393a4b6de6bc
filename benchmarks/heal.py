# SPDX-License-Identifier: Apache-2.0
"""`python -m benchmarks.heal` kills nodes of a network of real processes, one in each epoch, at a moment drawn by the
seed, and measures how long each slot is without an answering workload, and until both nodes are paid."""

from __future__ import annotations

import argparse
import asyncio
import logging
import os
import random
import statistics
import sys
import tempfile
import time
from collections.abc import Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final

from rich.console import Console
from rich.table import Table

from chain import compiler
from oracle.ground.clock import EpochClock
from oracle.ground.errors import EpochalError
from scenario.audit import Totals
from scenario.healing.chain_view import Opened
from scenario.healing.story import Healed, heal, name_of, settled
from scenario.healing.town import POLICY, Team, Town, intent_for, options_for

TEAM: Final = Team(oracles=5, nodes=8, slots=5)
_OFF: Final = 2
"""Seconds by which what a node is paid for may differ from how long it lived: ticks are whole at both ends."""


@dataclass(frozen=True, slots=True)
class Row:
    """One kill. `into`: seconds since its epoch began. `paid`: when both nodes' seconds of it were paid, UNIX time."""

    healed: Healed
    into: float
    paid: float


def main() -> None:
    """Run the campaign, print its table, and exit with 1 unless every slot healed and all money is there."""
    parser = argparse.ArgumentParser(description="Kill nodes, and time how their slots heal.")
    parser.add_argument("--kills", type=int, default=10)
    parser.add_argument("--epoch-length", type=int, default=30, help="seconds, at least 20")
    parser.add_argument("--outage-seconds", type=int, default=POLICY.outage_seconds, help="of the job's policy")
    parser.add_argument("--seed", type=int, default=None, help="of the moments and slots; a fresh one")
    parser.add_argument("--keep", type=Path, default=None, help="folder for logs, which are else thrown away")
    given = parser.parse_args()
    seed = random.randrange(1 << 32) if given.seed is None else given.seed
    compiler.load()
    logging.getLogger("chain").setLevel(logging.ERROR)
    with tempfile.TemporaryDirectory(prefix="heal-") as scratch:
        folder: Path = given.keep or Path(scratch)
        for name in ("state", "logs", "receipts"):
            (folder / name).mkdir(parents=True, exist_ok=True)
        try:
            rows, totals = asyncio.run(_campaign(folder, given, random.Random(seed)))
        except EpochalError as error:
            print(f"seed {seed}: {error}", file=sys.stderr)
            sys.exit(1)
    show(rows, totals, seed, given.epoch_length, given.outage_seconds)


async def _campaign(folder: Path, given: argparse.Namespace, chance: random.Random) -> tuple[Sequence[Row], Totals]:
    policy = replace(POLICY, outage_seconds=given.outage_seconds)
    length = given.epoch_length
    # Twice as many as it should take: the job must not end before the last slot has healed.
    options = options_for(folder, TEAM, 2 * given.kills + 6, length, policy)
    async with AsyncExitStack() as stack:
        town = await Town.open(options, intent_for(TEAM, policy), stack, print)
        await town.until("every page answers", town.all_served, 5 * length)
        rows: list[Row] = []
        for number in range(given.kills):
            clock = town.world.clock
            epoch = clock.epoch_at(int(max(time.time(), clock.genesis))) + 1
            await asyncio.sleep(max(0.0, clock.start(epoch) + chance.uniform(0, length) - time.time()))
            healed = await heal(town, chance.randrange(TEAM.slots))
            into = (healed.killed - clock.genesis) % length
            print(
                f"{number + 1}: {name_of(healed.lost)} healed in {healed.answering - healed.killed:.1f} s", flush=True
            )
            await asyncio.to_thread(town.workers[healed.lost.licence].revive)
            rows.append(Row(healed, into, await settled(town, healed, 4 * length)))
        known = await asyncio.to_thread(town.view.assignments)
        for row in rows:
            _check(row, known[row.healed.lost.id], town.world.clock)
        totals = await asyncio.to_thread(town.world.totals, list(known))
    return rows, totals


def _check(row: Row, lost: Opened, clock: EpochClock) -> None:
    """EpochalError where a dead node earned, or a living one didn't."""
    lived = row.healed.killed - lost.opened_at
    # An outage that goes over an epoch's end is downtime in the epoch that it began in, and costs what the policy says.
    least = lived - _OFF if clock.epoch_at(int(row.healed.killed)) == clock.epoch_at(lost.end) else 0
    if not least <= lost.earned <= lived + _OFF:
        raise EpochalError(f"{name_of(lost)} lived for {lived:.0f} s and earned {lost.earned} s")


def show(rows: Sequence[Row], totals: Totals, seed: int, length: int, outage: int) -> None:
    """Print the table."""
    table = Table(title=f"{len(rows)} nodes killed with their workloads; seconds after the kill", title_justify="left")
    for column in ("kill", "second of the epoch", "asked for on chain", "placed", "answers again", "both paid"):
        table.add_column(column, justify="right")
    for number, row in enumerate(rows, 1):
        one = row.healed
        moments = (one.requested, one.assigned, one.answering, row.paid)
        table.add_row(str(number), f"{row.into:.1f}", *(f"{each - one.killed:.1f}" for each in moments))
    table.add_section()
    spans = [
        [getattr(row.healed, name) - row.healed.killed for row in rows]
        for name in ("requested", "assigned", "answering")
    ]
    spans.append([row.paid - row.healed.killed for row in rows])
    for name, of in (("median", statistics.median), ("longest", max)):
        table.add_row(name, "", *(f"{of(each):.1f}" for each in spans))
    Console().print(table)
    print(
        f"{TEAM.oracles} oracles, {TEAM.nodes} agents, orchestrator, keeper and anvil on {os.cpu_count()} processors; "
        f"epochs of {length} s, ticks of 1 s, another node after {outage} s of outage; seed {seed}\n"
        f"deposit {totals.deposits} = {totals.paid} paid + {totals.held} held + {totals.refunded} refunded + "
        f"{totals.burned} burned + {totals.remaining} remaining: every unit is accounted for"
    )


if __name__ == "__main__":
    main()
