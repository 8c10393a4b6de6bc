# SPDX-License-Identifier: Apache-2.0
"""`python -m benchmarks.soak` brings the whole network's heartbeats to one intake for some minutes, and checks that the
store holds exactly those that it acknowledged."""

from __future__ import annotations

import argparse
import asyncio
import gc
import sys
import tempfile
import time
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from benchmarks.fleet import NETWORK, Fleet, Terms
from benchmarks.intake_process import IntakeProcess, Usage, clock_now, scratch
from benchmarks.load import Load, LoadFailed, Request, ask, singles
from benchmarks.witness import Verdict, Witness

TICK: Final = 10
EPOCH: Final = 86_400
AHEAD: Final = 3.0
"""Seconds for which heartbeats are signed ahead; a challenge lives for a minute at least."""
SLICE: Final = 0.5
SAMPLE_SECONDS: Final = 5.0
GROWTH: Final = 1.1
"""Largest memory of the last third of a soak, as a multiple of that of the second: a leak shows in minutes."""
DRAIN_SECONDS: Final = 60.0


@dataclass
class Soaked:
    """What a soak found."""

    seconds: float
    verdict: Verdict
    witness: Witness
    samples: list[Usage]
    intake_share: float
    """Of one processor, of the intake."""
    senders_share: float
    """Of one processor, of the process that sends; those that sign aren't in it."""
    refused: Counter[str] = field(default_factory=Counter)

    @property
    def flat(self) -> bool:
        """Whether the intake's memory stayed where it was once every node had been heard."""
        third = len(self.samples) // 3
        if not third:
            return True
        second, last = self.samples[third : 2 * third], self.samples[2 * third :]
        return max(one.resident for one in last) <= GROWTH * max(one.resident for one in second)

    @property
    def holds(self) -> bool:
        return self.verdict.holds and self.flat and not self.refused


def main() -> None:
    """Soak, print, and exit with 1 when anything was lost, invented or refused, or when memory grew."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--minutes", type=float, default=5.0)
    parser.add_argument("--rate", type=float, default=4_672.0, help="heartbeats a second")
    parser.add_argument("--nodes", type=int, default=NETWORK)
    parser.add_argument("--connections", type=int, default=1_000)
    given = parser.parse_args()
    with tempfile.TemporaryDirectory(dir=scratch(), prefix="soak-") as folder:
        try:
            soaked = asyncio.run(soak(Path(folder), given.minutes * 60, given.rate, given.nodes, given.connections))
        except LoadFailed as error:
            sys.exit(str(error))
    _print(soaked, given.rate, given.nodes)
    sys.exit(0 if soaked.holds else 1)


async def soak(folder: Path, seconds: float, rate: float, nodes: int, connections: int) -> Soaked:
    """Bring `rate` heartbeats a second for `seconds`, node after node in turn."""
    clock = clock_now(EPOCH, TICK)
    witness = Witness(clock, nodes)
    with Fleet(nodes) as fleet, IntakeProcess(folder, str(folder / "store"), clock, fleet.addresses) as intake:
        await asyncio.to_thread(intake.start)
        load = Load(intake.url, witness, connections)
        samples: list[Usage] = []
        first = asyncio.Event()
        feeding = asyncio.create_task(_feed(fleet, intake, load, seconds, rate, first))
        await first.wait()
        gc.freeze()
        began, mine, before = time.perf_counter(), time.process_time(), intake.usage()
        while not feeding.done():
            await asyncio.wait([feeding], timeout=SAMPLE_SECONDS)
            samples.append(intake.usage())
            _progress(witness, samples[-1], load.backlog, time.perf_counter() - began)
        await feeding
        await load.drain(DRAIN_SECONDS)
        took = time.perf_counter() - began
        share = (intake.usage().cpu - before.cpu) / took
        load.close()
        own = (time.process_time() - mine) / took
        await asyncio.to_thread(intake.stop)
        store = intake.read()
        verdict = witness.judge([store.read(epoch) for epoch in witness.epochs], fleet.names)
        store.close()
    return Soaked(took, verdict, witness, samples, share, own, witness.refused + witness.failed)


async def _feed(
    fleet: Fleet, intake: IntakeProcess, load: Load, seconds: float, rate: float, first: asyncio.Event
) -> None:
    """Sign slices of heartbeats ahead, and send each when it is due."""
    per_slice = max(1, round(rate * SLICE))
    total = max(1, round(seconds * rate))
    waiting: list[asyncio.Task[list[Request]]] = []
    made = sent = 0
    start = 0.0
    while sent < total:
        while made < total and len(waiting) * SLICE < AHEAD:
            count = min(per_slice, total - made)
            waiting.append(asyncio.create_task(_signed(fleet, intake.url, made, count)))
            made += count
        requests = await waiting.pop(0)
        if not sent:
            for one in waiting:
                await one
            await load.open()
            start = time.perf_counter()
            first.set()
        await load.pace(requests, start + sent / rate, rate)
        sent += len(requests)


async def _signed(fleet: Fleet, url: str, made: int, count: int) -> list[Request]:
    """The next heartbeats; the nodes have their turns, and each its next sequence."""
    terms = Terms.of((await ask(url, "/v1/challenge"))[1])
    requests: list[Request] = []
    while count:
        turn, start = divmod(made, fleet.size)
        stop = min(fleet.size, start + count)
        beats: list[bytes] = []
        for part in fleet.sign_later(terms, turn + 1, start, stop):
            beats += await asyncio.wrap_future(part)
        requests += singles(beats, start)
        made, count = made + stop - start, count - (stop - start)
    return requests


def _progress(witness: Witness, usage: Usage, backlog: int, seconds: float) -> None:
    memory = f"{usage.resident / 1e6:6.0f} MB"
    print(f"{seconds:6.0f} s  {witness.accepted:>11,} acknowledged  {memory}  {backlog:>6,} waiting", flush=True)


def _print(soaked: Soaked, rate: float, nodes: int) -> None:
    resident = [one.resident / 1e6 for one in soaked.samples]
    witness = soaked.witness
    print(f"heartbeats        {witness.accepted:,} of {nodes:,} nodes in {soaked.seconds:,.0f} s: "
          f"{witness.accepted / soaked.seconds:,.0f} /s of {rate:,.0f} /s")  # fmt: skip
    print(f"store             {soaked.verdict}")
    print(f"refused           {dict(soaked.refused) or 'none'}")
    print("latency           " + ", ".join(f"{name} {took * 1e3:,.1f} ms" for name, took in witness.percentiles()))
    memory = f"first {resident[0]:,.0f} MB, last {resident[-1]:,.0f} MB, largest {max(resident):,.0f} MB"
    print(f"intake's memory   {memory}: {'flat' if soaked.flat else 'GROWS'}")
    print(f"processor         intake {soaked.intake_share:.0%} of one, sender {soaked.senders_share:.0%}")
    print("holds" if soaked.holds else "DOES NOT HOLD")


if __name__ == "__main__":
    main()
