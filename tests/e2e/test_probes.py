# SPDX-License-Identifier: Apache-2.0
"""The prober against real servers: those that answer, and those that try to hold it up or send it elsewhere."""

from __future__ import annotations

import asyncio
import contextlib
import random
import socket
import ssl
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path

import pytest

from oracle.ground.clock import EpochClock
from oracle.ground.typed_data import Heartbeat
from oracle.signing.signer import derive
from oracle.telemetry.intake.collector import Collector
from oracle.telemetry.intake.roster import FixedRoster
from oracle.telemetry.probes import addresses
from oracle.telemetry.probes.addresses import AddressRule, Resolver
from oracle.telemetry.probes.attempt import Failure, Outcome, Target, attempt
from oracle.telemetry.probes.prober import Prober, ProbeSettings
from oracle.telemetry.store.opening import open_store
from oracle.telemetry.store.records import EpochRecord, Kind
from tests.services import free_port

LOCAL = AddressRule(allowed=["127.0.0.0/8", "::1/128"])
LIMIT = 0.5
Handler = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]


@contextlib.asynccontextmanager
async def serving(handler: Handler) -> AsyncIterator[int]:
    """A TCP server on 127.0.0.1; yields its port."""

    async def handle(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(OSError, asyncio.IncompleteReadError):
            await handler(reader, writer)
        writer.close()

    server = await asyncio.start_server(handle, "127.0.0.1", 0)
    try:
        yield server.sockets[0].getsockname()[1]
    finally:
        server.close()


def saying(answer: bytes) -> Handler:
    async def handler(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(answer)
        await writer.drain()

    return handler


async def hanging(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    await asyncio.sleep(30)


async def dripping(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    for byte in b"HTTP/1.1 200 OK\r\n":
        writer.write(bytes([byte]))
        await asyncio.sleep(0.1)


async def flooding(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    writer.write(b"HTTP/1.1 200 OK\r\n\r\n")
    while True:
        writer.write(b"x" * 100_000)
        await writer.drain()


async def babbling(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    while True:
        writer.write(b"x" * 100_000)
        await writer.drain()


async def probe(url: str, rule: AddressRule = LOCAL) -> Outcome:
    resolver = Resolver()
    try:
        return await attempt(Target.parse(url), rule, resolver, ssl.create_default_context(), LIMIT)
    finally:
        resolver.close()


@pytest.mark.parametrize(
    ("handler", "failure"),
    [
        (saying(b"HTTP/1.1 200 OK\r\n\r\n"), None),
        (saying(b"HTTP/1.0 204 No Content\r\n\r\n"), None),
        (saying(b"HTTP/1.1 302 Found\r\nLocation: http://10.0.0.1/\r\n\r\n"), None),
        (flooding, None),
        (saying(b"HTTP/1.1 503 Busy\r\n\r\n"), Failure.STATUS),
        (saying(b"HTTP/1.1 404 Gone\r\n\r\n"), Failure.STATUS),
        (saying(b"HTTP/1.1 100 Continue\r\n\r\n"), Failure.STATUS),
        (saying(b""), Failure.NO_ANSWER),
        (saying(b"SSH-2.0-x\r\n"), Failure.NO_ANSWER),
        (babbling, Failure.NO_ANSWER),
        (hanging, Failure.TIMEOUT),
        (dripping, Failure.TIMEOUT),
    ],
)
def test_attempt__over_http__status_line_in_time_is_all_that_counts(handler: Handler, failure: Failure | None) -> None:
    async def run() -> tuple[Outcome, float]:
        async with serving(handler) as port:
            began = time.monotonic()
            outcome = await probe(f"http://127.0.0.1:{port}/health")
            return outcome, time.monotonic() - began

    outcome, seconds = asyncio.run(run())
    assert outcome.failure is failure
    assert seconds < LIMIT + 0.4


def test_attempt__redirect__is_not_followed() -> None:
    visits = []

    async def secret(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        visits.append(await reader.readline())

    async def run() -> Outcome:
        async with serving(secret) as inner:
            answer = f"HTTP/1.1 307 Go\r\nLocation: http://127.0.0.1:{inner}/\r\n\r\n".encode()
            async with serving(saying(answer)) as port:
                outcome = await probe(f"http://127.0.0.1:{port}/")
            await asyncio.sleep(0.05)
            return outcome

    assert asyncio.run(run()) == Outcome()
    assert not visits


def test_attempt__over_tcp__a_connection_is_an_answer() -> None:
    async def run() -> tuple[Outcome, Outcome]:
        async with serving(hanging) as port:
            up = await probe(f"tcp://127.0.0.1:{port}")
        return up, await probe(f"tcp://127.0.0.1:{free_port()}")

    up, down = asyncio.run(run())
    assert up.failure is None
    assert down.failure is Failure.REFUSED


def test_attempt__plain_http_where_tls_is_due__is_tls() -> None:
    async def run() -> Outcome:
        async with serving(saying(b"")) as port:
            return await probe(f"https://127.0.0.1:{port}/")

    assert asyncio.run(run()).failure in (Failure.TLS, Failure.TIMEOUT)


def test_attempt__internal_address__is_forbidden_whatever_its_name(monkeypatch: pytest.MonkeyPatch) -> None:
    visits = []

    async def internal(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        visits.append(1)

    asked = []

    def look_up(host: str) -> list[str]:
        # The DNS of whoever rebinds names: a good address at first, an internal one to whoever asks again.
        asked.append(host)
        return ["127.0.0.1"] if host == "inner.example" or asked.count(host) > 1 else ["192.0.2.1"]

    monkeypatch.setattr(addresses, "_look_up", look_up)

    async def run() -> list[Outcome]:
        async with serving(internal) as port:
            nowhere = AddressRule(allowed=["192.0.2.0/24"])
            return [
                await probe(f"tcp://127.0.0.1:{port}", AddressRule()),
                await probe(f"http://inner.example:{port}/", AddressRule()),
                await probe(f"tcp://rebind.example:{port}", nowhere),
            ]

    literal, named, rebound = asyncio.run(run())
    assert literal.failure is Failure.FORBIDDEN_ADDRESS
    assert named.failure is Failure.FORBIDDEN_ADDRESS
    assert rebound.failure not in (None, Failure.FORBIDDEN_ADDRESS)  # nothing answers at 192.0.2.1
    assert asked.count("rebind.example") == 1
    assert not visits


def test_attempt__unknown_name__is_dns(monkeypatch: pytest.MonkeyPatch) -> None:
    def look_up(host: str) -> list[str]:
        raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")

    monkeypatch.setattr(addresses, "_look_up", look_up)
    assert asyncio.run(probe("http://nobody.example/")).failure is Failure.DNS


def test_addresses__dns_becomes_slow__known_address_serves(monkeypatch: pytest.MonkeyPatch) -> None:
    slow = False

    def look_up(host: str) -> list[str]:
        if slow:
            time.sleep(0.5)
        return ["127.0.0.1"]

    monkeypatch.setattr(addresses, "_look_up", look_up)
    monkeypatch.setattr(addresses, "FRESH_SECONDS", 0)

    async def run() -> float:
        nonlocal slow
        resolver = Resolver()
        assert await resolver.addresses("a.example", 0.1) == ["127.0.0.1"]
        slow = True
        began = time.monotonic()
        assert await resolver.addresses("a.example", 0.1) == ["127.0.0.1"]
        taken = time.monotonic() - began
        await asyncio.sleep(0.5)
        resolver.close()
        return taken

    assert asyncio.run(run()) < 0.4


UP, DOWN, HANG = 1, 2, 3


def test_prober__workloads_come_and_go__their_ticks_tell(tmp_path: Path) -> None:
    begins = int(time.time()) + 1
    clock = EpochClock(genesis=begins, length=60, tick=1)
    store = open_store(tmp_path / "store.sqlite", clock, "31337:test")
    domain = Heartbeat.domain(31337, "0x" + "11" * 20)
    collector = Collector(store, clock, derive("test", "oracle"), domain, FixedRoster({}))

    async def run() -> tuple[Prober, int]:
        await collector.start()
        async with serving(saying(b"HTTP/1.1 200 OK\r\n\r\n")) as up, serving(hanging) as hangs:
            gone = await asyncio.start_server(saying(b"HTTP/1.1 200 OK\r\n\r\n"), "127.0.0.1", 0)
            port = gone.sockets[0].getsockname()[1]
            targets = {
                UP: f"http://127.0.0.1:{up}/",
                DOWN: f"http://127.0.0.1:{port}/",
                HANG: f"http://127.0.0.1:{hangs}/",
                4: "gopher://x/",
            }
            settings = ProbeSettings(period=1, allowed=("127.0.0.0/8",))
            prober = Prober(collector, lambda: targets, settings, random.Random(1))
            await prober.start()
            await asyncio.sleep(begins + 3.95 - time.time())
            gone.close()  # down from tick 4 on
            await asyncio.sleep(begins + 7.95 - time.time())
            trouble = prober.trouble
            await prober.stop()
        await collector.stop()
        assert trouble is None
        return prober, port

    prober, port = asyncio.run(run())
    record: EpochRecord = store.read(0)
    saved = store.get_state("probes/failures")
    store.close()
    lines = {one: record.line(Kind.PROBE, one.to_bytes(16, "big")) for one in (UP, DOWN, HANG, 4)}
    first = lines[UP].seen & -lines[UP].seen
    every = (1 << 7) - first  # from the first whole tick; the last one's neighbour was still out
    assert first in (1, 2)
    assert lines[UP].up == lines[UP].seen == every
    assert lines[DOWN].seen == every
    assert lines[DOWN].up == every & 0b1111
    assert (lines[HANG].up, lines[HANG].seen) == (0, every)
    assert lines[4].seen == 0
    assert "http://" in prober.invalid[4]
    assert prober.failures[DOWN].reason is Failure.REFUSED
    assert str(port) in prober.failures[DOWN].detail
    assert prober.failures[HANG].reason is Failure.TIMEOUT
    assert prober.failed[Failure.REFUSED] >= 3
    assert prober.dark_ticks == 0
    assert saved is not None
    assert b'"refused"' in saved
