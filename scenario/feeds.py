"""How a replay's telemetry gets to the oracles: straight from the trace, or by signed heartbeats over HTTP."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Sequence
from contextlib import AsyncExitStack
from typing import Any, Protocol

import aiohttp

from oracle.committee.member import Member
from oracle.ground.address import raw_address
from oracle.ground.clock import EpochClock
from oracle.ground.errors import EpochalError
from oracle.ground.typed_data import Domain
from oracle.signing.signer import LocalSigner, Signer
from oracle.telemetry.intake.collector import Collector
from oracle.telemetry.intake.roster import FixedRoster
from oracle.telemetry.store.records import Kind
from oracle.telemetry.traces.trace import TickBits
from oracle.telemetry.ways.http import HttpWay
from oracle.telemetry.wire import heartbeat
from oracle.telemetry.wire.answers import MAX_BEATS
from scenario.market import Serving

Seen = Sequence[tuple[Serving, TickBits]]
"""Who is enrolled in an epoch, and what the trace tells of his ticks."""


class HeartbeatLost(EpochalError):
    """An oracle's intake did not accept what it should have: a bug, or a machine out of breath."""


class Feed(Protocol):
    """Brings the oracles what happened in an epoch."""

    def epoch(self, epoch: int, seen: Seen) -> None:
        """All of the epoch; durable when it returns."""

    def close(self) -> None:
        """Let go of what it holds."""


class DirectFeed:
    """Marks the trace's bits in each oracle's store."""

    def __init__(self, members: Sequence[Member]) -> None:
        self._members = members

    def epoch(self, epoch: int, seen: Seen) -> None:
        """See `Feed`."""
        for member in self._members:
            for node, bits in seen:
                track = member.store.track(Kind.LIVENESS, raw_address(node.address))
                member.store.mark_bits(track, epoch, bits.up)
                member.store.see(track, epoch, bits.seen)
            member.store.commit()

    def close(self) -> None:
        """See `Feed`."""


class HttpFeed:
    """Has each node sign a heartbeat in each tick in which the trace has it up, and sends it to every oracle's server.

    Only the clock isn't real: it goes from tick to tick. The trace has to know of every tick of who is enrolled, since
    an intake can't be blind for one node alone.
    """

    def __init__(self, members: Sequence[Member], clock: EpochClock, domain: Domain, nodes: Sequence[Serving]) -> None:
        self._clock = clock
        self._domain = domain
        self._signers = {node.address: LocalSigner(node.key) for node in nodes}
        self._now = float(clock.genesis)
        self._sequence = time.time_ns()
        self._loop = asyncio.new_event_loop()
        self._stack = AsyncExitStack()
        roster = FixedRoster({node.address: () for node in nodes})
        self._oracles = self._loop.run_until_complete(self._open(members, roster))

    async def _open(self, members: Sequence[Member], roster: FixedRoster) -> list[_Oracle]:
        http = await self._stack.enter_async_context(aiohttp.ClientSession())
        oracles = []
        for member in members:
            collector = Collector(
                member.store,
                self._clock,
                member.signer,
                self._domain,
                roster,
                now=self._tell,
                steady=self._tell,
                longest_gap=self._clock.tick,
            )
            await collector.start()
            self._stack.push_async_callback(collector.stop)
            way = HttpWay(collector)
            url = await way.start()
            self._stack.push_async_callback(way.stop)
            oracles.append(_Oracle(collector, url, http))
        return oracles

    def _tell(self) -> float:
        return self._now

    def epoch(self, epoch: int, seen: Seen) -> None:
        """See `Feed`. HeartbeatLost if an oracle doesn't accept a heartbeat."""
        self._loop.run_until_complete(self._epoch(epoch, seen))

    async def _epoch(self, epoch: int, seen: Seen) -> None:
        for tick in range(self._clock.ticks_per_epoch):
            begins = self._clock.start(epoch) + tick * self._clock.tick
            up = [self._signers[node.address] for node, bits in seen if bits.up >> tick & 1]
            for part in (0.0, 0.5):
                self._now = begins + part * self._clock.tick
                for oracle in self._oracles:
                    oracle.collector.eyes.pulse()
            for start in range(0, len(up), MAX_BEATS // 2):
                self._sequence += 1
                some = up[start : start + MAX_BEATS // 2]
                await asyncio.gather(*(oracle.beat(some, self._domain, self._sequence) for oracle in self._oracles))
        self._now = self._clock.end(epoch)
        for oracle in self._oracles:
            oracle.collector.eyes.pulse()
            await oracle.collector.commits.durable()

    def close(self) -> None:
        """See `Feed`."""
        self._loop.run_until_complete(self._stack.aclose())
        self._loop.close()


class _Oracle:
    """An oracle's server, and what its nodes know of it."""

    def __init__(self, collector: Collector, url: str, http: aiohttp.ClientSession) -> None:
        self.collector = collector
        self._url = url
        self._http = http
        self._oracle = ""
        self._challenge = ""

    async def beat(self, signers: Sequence[Signer], domain: Domain, sequence: int) -> None:
        """One heartbeat of each signer, in one request; once more where the challenge has turned meanwhile."""
        if not self._oracle:
            async with self._http.get(self._url + "/v1/challenge") as response:
                terms = await response.json()
            self._oracle, self._challenge = terms["oracle"], terms["challenge"]
        for _ in range(2):
            challenge = bytes.fromhex(self._challenge[2:])
            body = b"".join(heartbeat.sign(one, domain, self._oracle, sequence, challenge) for one in signers)
            async with self._http.post(self._url + "/v1/heartbeats", data=body) as response:
                answer: dict[str, Any] = await response.json()
            self._challenge = answer.get("challenge", self._challenge)
            if answer["accepted"] == len(signers):
                return
            if answer["refused"][0]["reason"] != "stale_challenge":
                break
        raise HeartbeatLost(f"{self._url} accepted {answer['accepted']} of {len(signers)}: {answer['refused'][0]}")
