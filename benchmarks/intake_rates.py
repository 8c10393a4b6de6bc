# SPDX-License-Identifier: Apache-2.0
"""What one real intake process takes in, over HTTP and over MQTT: every heartbeat verified and durable before its
answer."""

from __future__ import annotations

import asyncio
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from benchmarks.fleet import NETWORK, Fleet, Terms, sealed
from benchmarks.intake_process import CHAIN, CONTRACT, ORACLE_KEY, IntakeProcess, clock_now, scratch
from benchmarks.load import Load, LoadFailed, Request, ask, batches, post, singles
from benchmarks.witness import Witness
from oracle.ground.clock import EpochClock
from oracle.ground.typed_data import Heartbeat
from oracle.signing.signer import LocalSigner
from oracle.telemetry.intake.collector import Collector
from oracle.telemetry.intake.intake import TICKS_PER_CHALLENGE, Accepted
from oracle.telemetry.intake.roster import FixedRoster
from oracle.telemetry.store.opening import open_store
from oracle.telemetry.wire.session import Session

CONNECTIONS: Final = 256
FEW: Final = 48
"""Connections of gateways: with BATCH nodes behind each, they bring the whole network."""
SITES: Final = 64
"""Addresses from which sessions are opened: one may open only so many."""
BATCH: Final = 1_000
RUNS: Final = 3
EPOCH: Final = 86_400
TICK: Final = 10
ROTATIONS: Final = 3
"""Rotations of the challenge through which sealed batches are brought; the tick after one is dearer."""
_SLICE: Final = 8_192
"""Sessions opened before the challenge is asked for again."""


@dataclass(frozen=True, slots=True)
class Rate:
    """`beats` a second, with the intake's and the senders' share of a processor each, and the middle latency."""

    beats: float
    intake: float = 0.0
    senders: float = 0.0
    middle: float = 0.0
    fastest: float = 0.0


class Intake:
    """An intake process with a fleet of nodes, and load for it. Made by `running`."""

    def __init__(self, fleet: Fleet, process: IntakeProcess) -> None:
        self.fleet = fleet
        self.process = process
        self._sequence = 0

    async def terms(self) -> Terms:
        """What it tells nodes now."""
        return Terms.of((await ask(self.process.url, "/v1/challenge"))[1])

    async def flood(self, requests: list[Request], connections: int = CONNECTIONS, addresses: int = 1) -> Rate:
        """Bring all requests as fast as they are answered. LoadFailed if anything was refused."""
        witness = Witness(self.process.clock, self.fleet.size)
        load = Load(self.process.url, witness, connections, addresses)
        await load.open()
        before, mine = self.process.usage(), time.process_time()
        took = await load.flood(requests)
        used, own = self.process.usage().cpu - before.cpu, time.process_time() - mine
        load.close()
        if witness.refused or witness.failed:
            raise LoadFailed(f"refused: {dict(witness.refused)}, failed: {dict(witness.failed)}")
        beats = witness.accepted or witness.answers  # openings of sessions aren't heartbeats
        return Rate(beats / took, used / took, own / took, witness.percentiles()[0][1])

    async def signed(self, size: int = 1, start: int = 0, stop: int | None = None) -> Rate:
        """A signed heartbeat of each node, `size` in a request."""
        self._sequence += 1
        beats = await asyncio.to_thread(self.fleet.sign, await self.terms(), self._sequence, start, stop)
        if size == 1:
            return await self.flood(singles(beats, start))
        return await self.flood(batches(beats, size, start), FEW)

    async def open(self) -> tuple[list[Session], Rate]:
        """Open a session of each node; the rate is that of the slowest slice of them."""
        sessions: list[Session] = []
        rates: list[Rate] = []
        while len(sessions) < self.fleet.size:
            start, stop = len(sessions), min(self.fleet.size, len(sessions) + _SLICE)
            opened = await asyncio.to_thread(self.fleet.open, await self.terms(), start, stop)
            requests = [Request(post("/v1/sessions", raw), ()) for raw, _ in opened]
            rates.append(await self.flood(requests, addresses=SITES))
            sessions += [session for _, session in opened]
        return sessions, min(rates, key=lambda rate: rate.beats)

    async def sealed(self, sessions: list[Session]) -> Rate:
        """A sealed heartbeat of each node, one in a request."""
        self._sequence += 1
        return await self.flood(singles(sealed(await self.terms(), sessions, self._sequence)))

    async def bursts(self, sessions: list[Session]) -> Rate:
        """In each tick a sealed heartbeat of each node, BATCH in a request, with the challenge of the last answer.

        The rate is that of all ticks of the best rotation together, `fastest` that of the fastest tick.
        """
        clock, rates = self.process.clock, []
        for _ in range(1 + ROTATIONS * TICKS_PER_CHALLENGE):
            self._sequence += 1
            requests = batches(sealed(await self.terms(), sessions, self._sequence), BATCH)
            await asyncio.sleep(clock.tick - (time.time() - clock.genesis) % clock.tick + 0.05)
            rates.append(await self.flood(requests, FEW))
        del rates[0]  # the first one of an epoch makes its bitmaps
        rotations = [rates[start : start + TICKS_PER_CHALLENGE] for start in range(0, len(rates), TICKS_PER_CHALLENGE)]
        together = max(len(some) / sum(1 / rate.beats for rate in some) for some in rotations)
        middle = sorted(rate.middle for rate in rates)[len(rates) // 2]
        return Rate(together, middle=middle, fastest=max(rate.beats for rate in rates))


@contextmanager
def running(nodes: int, tick: int = TICK) -> Iterator[Intake]:
    """An intake on an empty store, on the repository's disk."""
    with tempfile.TemporaryDirectory(dir=scratch(), prefix="rate-") as name, Fleet(nodes) as fleet:
        folder = Path(name)
        clock = clock_now(EPOCH, tick)
        with IntakeProcess(folder, str(folder / "store.sqlite"), clock, fleet.addresses) as process:
            process.start()
            yield Intake(fleet, process)
            process.stop()


@dataclass(frozen=True, slots=True)
class HttpRates:
    """What one process takes in over HTTP."""

    signed: Rate
    sealed: Rate
    opened: Rate
    signed_batches: Rate
    sealed_batches: Rate


def over_http(nodes: int = NETWORK) -> HttpRates:
    """All rates over HTTP; the best of RUNS, except for sessions and bursts."""
    with running(nodes) as intake:
        asyncio.run(intake.signed(BATCH))  # every node has been heard once: what follows is any other tick
        signed = _best([asyncio.run(intake.signed()) for _ in range(RUNS)])
        signed_batches = _best([asyncio.run(intake.signed(BATCH)) for _ in range(RUNS)])
    with running(nodes, tick=1) as intake:
        sessions, opened = asyncio.run(intake.open())
        sealed_batches = asyncio.run(intake.bursts(sessions))
        sealed_singly = _best([asyncio.run(intake.sealed(sessions)) for _ in range(RUNS)])
    return HttpRates(signed, sealed_singly, opened, signed_batches, sealed_batches)


def commit_each(beats: int = 3_000) -> float:
    """Signed heartbeats a second that are judged and committed one by one, without any network."""
    now = time.time()
    clock = EpochClock(int(now) - TICK, EPOCH, TICK)
    domain = Heartbeat.domain(CHAIN, CONTRACT)
    signer = LocalSigner(bytes.fromhex(ORACLE_KEY[2:]))
    with tempfile.TemporaryDirectory(dir=scratch(), prefix="each-") as folder, Fleet(beats) as fleet:
        store = open_store(Path(folder) / "store.sqlite", clock, "benchmark")
        roster = FixedRoster(dict.fromkeys(fleet.addresses, ()))
        collector = Collector(store, clock, signer, domain, roster)
        way = collector.eyes.way("http")
        signed = fleet.sign(Terms.of(collector.intake.terms()), 1)
        began = time.perf_counter()
        for raw in signed:
            if not isinstance(collector.intake.accept(raw, way), Accepted):
                raise LoadFailed("a heartbeat was refused")
            store.commit()
        took = time.perf_counter() - began
        store.close()
    return beats / took


def _best(rates: list[Rate]) -> Rate:
    return max(rates, key=lambda rate: rate.beats)
