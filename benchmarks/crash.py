# SPDX-License-Identifier: Apache-2.0
"""`python -m benchmarks.crash` kills the intake at random moments under load, starts it again on the same store each
time, and checks that the store holds all that was acknowledged and nothing that was not sent.

A killed process shows that nothing is acknowledged before it is written and that no half-written state misleads the
next process. What a disk does without power, it doesn't show.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import os
import random
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from benchmarks.fleet import Fleet, Terms, sealed
from benchmarks.intake_process import IntakeProcess, clock_now, scratch
from benchmarks.load import Load, LoadFailed, Request, ask, batches, post, singles
from benchmarks.witness import Verdict, Witness

TICK: Final = 1
EPOCH: Final = 10
"""Seconds of an epoch: short, so that a campaign goes through many."""
HURRIED: Final = """
from oracle.service import intake_service
from oracle.telemetry.store import bitmaps
bitmaps.FOLD_BYTES = 20_000
intake_service._HOUSEKEEPING_SECONDS = 0.25
"""
"""Bitmaps are written all the time and old epochs compacted at once, so that kills meet both."""
NODES: Final = 1_500
CONNECTIONS: Final = 24
BATCH: Final = 50
ROUNDS: Final = 6
"""Heartbeats of each node between two kills, as far as the kill lets them."""
SHORTEST, LONGEST = 0.02, 0.8
"""Seconds of load before a kill."""
UNSEEN: Final = 0.1
"""Share of the kills that come before the intake listens."""


@dataclass
class Campaign:
    """What a campaign found."""

    seed: int
    kills: int
    early: int
    """Kills before the intake listened."""
    under_way: int
    """Kills that left requests without an answer."""
    seconds: float
    witness: Witness
    verdict: Verdict

    @property
    def refused(self) -> Counter[str]:
        return self.witness.refused + self.witness.failed

    @property
    def holds(self) -> bool:
        return self.verdict.holds


def main() -> None:
    """Run a campaign, print its summary, and exit with 1 unless it holds."""
    parser = argparse.ArgumentParser(description="Kill the intake under load, again and again.")
    parser.add_argument("--kills", type=int, default=100)
    parser.add_argument("--store", choices=("sqlite", "postgres"), default="sqlite")
    parser.add_argument("--seed", type=int, default=None, help="of an earlier campaign")
    given = parser.parse_args()
    seed = random.randrange(1 << 32) if given.seed is None else given.seed
    with tempfile.TemporaryDirectory(dir=scratch(), prefix="crash-") as name, _location(given.store, name) as store:
        try:
            found = asyncio.run(campaign(Path(name), store, given.kills, seed, sys.stdout.isatty()))
        except LoadFailed as error:
            sys.exit(f"seed {seed}: {error}")
    print(f"store     {given.store}, seed {seed}")
    print(f"kills     {found.kills} in {found.seconds:,.0f} s: {found.under_way} with requests under way, "
          f"{found.early} before it listened")  # fmt: skip
    print(f"verdict   {found.verdict}")
    print(f"refused   {dict(found.refused) or 'none'}")
    print("holds" if found.holds else "DOES NOT HOLD")
    sys.exit(0 if found.holds else 1)


async def campaign(folder: Path, store: str, kills: int, seed: int, show: bool = False) -> Campaign:
    """Kill the intake on `store` so many times; moments and load follow from the seed, the machine's pace aside."""
    dice = random.Random(seed)
    clock = clock_now(EPOCH, TICK)
    witness = Witness(clock, NODES)
    early = under_way = 0
    began = time.monotonic()
    with Fleet(NODES) as fleet, IntakeProcess(folder, store, clock, fleet.addresses, HURRIED) as intake:
        for kill in range(kills):
            intake.launch()
            if kill and dice.random() < UNSEEN:
                await asyncio.sleep(dice.uniform(0, 2))
                intake.kill()
                early += 1
                continue
            await asyncio.to_thread(intake.wait)
            under_way += await _load_and_kill(intake, fleet, witness, dice)
            if show:
                print(f"\r{kill + 1} kills, {witness.accepted:,} acknowledged ", end="", file=sys.stderr, flush=True)
        await asyncio.to_thread(intake.start)  # what the last kill left is opened once more
        await asyncio.to_thread(intake.stop)
        held = intake.read()
        verdict = witness.judge([held.read(epoch) for epoch in held.epochs()], fleet.names)
        held.close()
    return Campaign(seed, kills, early, under_way, time.monotonic() - began, witness, verdict)


async def _load_and_kill(intake: IntakeProcess, fleet: Fleet, witness: Witness, dice: random.Random) -> bool:
    """Bring all forms of heartbeats at once, and kill it meanwhile. Whether requests were left without an answer."""
    load = Load(intake.url, witness, CONNECTIONS)
    await load.open()
    requests = await _requests(intake.url, fleet, load, dice)
    before = witness.lost
    flooding = asyncio.create_task(load.flood(requests))
    await asyncio.sleep(dice.uniform(SHORTEST, LONGEST))
    intake.kill()
    await flooding
    while load.connected:
        await asyncio.sleep(0)
    return witness.lost > before


async def _requests(url: str, fleet: Fleet, load: Load, dice: random.Random) -> list[Request]:
    """Each node several times: some sealed, some signed, alone and in batches. A node's sequences rise."""
    terms = Terms.of((await ask(url, "/v1/challenge"))[1])
    third = fleet.size // 3
    opened = await asyncio.to_thread(fleet.open, terms, 0, third // 4)
    await load.flood([Request(post("/v1/sessions", raw), ()) for raw, _ in opened])
    sessions = [session for _, session in opened]
    half = len(sessions) // 2
    requests: list[Request] = []
    for sequence in range(1, ROUNDS + 1):
        beats = sealed(terms, sessions, sequence)
        signed = await asyncio.to_thread(fleet.sign, terms, sequence, third, fleet.size)
        rounds = singles(beats[:half]) + batches(beats[half:], BATCH, half)
        rounds += singles(signed[:third], third) + batches(signed[third:], BATCH, 2 * third)
        dice.shuffle(rounds)
        requests += rounds
    return requests


@contextlib.contextmanager
def _location(kind: str, folder: str) -> Iterator[str]:
    """Where the store is: a file in the folder, or a new database of a PostgreSQL server of its own."""
    if kind == "sqlite":
        yield str(Path(folder) / "store.sqlite")
        return
    os.environ.setdefault("EPOCHAL_REQUIRE_SERVICES", "1")  # where a test would be skipped, this fails
    from tests.services import postgres_server

    with postgres_server() as server:
        yield server.fresh()


if __name__ == "__main__":
    main()
