# SPDX-License-Identifier: Apache-2.0
"""Relays between oracles: bytes are held back, late or cut off on one path, and on no other."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest

from scenario.network.relay import PeerPaths, Relay, address_of

pytestmark = pytest.mark.e2e


async def echo(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    while data := await reader.read(1 << 16):
        writer.write(data)
        await writer.drain()
    writer.close()


@asynccontextmanager
async def relayed(paths: PeerPaths, callee: int) -> AsyncIterator[Relay]:
    server = await asyncio.start_server(echo, "127.0.0.1", 0)
    relay = Relay(server.sockets[0].getsockname()[1], paths.towards(callee))
    await relay.start()
    try:
        yield relay
    finally:
        await relay.stop()
        server.close()


class Caller:
    """A connection to a relay from the address of an oracle."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.reader, self.writer = reader, writer

    @staticmethod
    async def dial(relay: Relay, oracle: int) -> Caller:
        address = address_of(oracle) if oracle else "127.0.0.1"
        return Caller(*await asyncio.open_connection("127.0.0.1", relay.port, local_addr=(address, 0)))

    async def ask(self, data: bytes) -> bytes:
        self.writer.write(data)
        async with asyncio.timeout(5):
            return await self.reader.readexactly(len(data))


def test_relay__held_pair__waits_and_loses_nothing_while_others_pass() -> None:
    async def go() -> None:
        paths = PeerPaths(3)
        async with relayed(paths, 3) as relay:
            parted, other, stranger = [await Caller.dial(relay, one) for one in (1, 2, 0)]
            assert await parted.ask(b"before") == b"before"
            cut = paths.across(((1,), (2, 3)))
            for gate in cut:
                gate.hold()
            waiting = asyncio.create_task(parted.ask(b"x" * 300_000))
            assert await other.ask(b"passes") == b"passes"
            assert await stranger.ask(b"passes too") == b"passes too"
            await asyncio.sleep(0.1)
            assert not waiting.done()
            for gate in cut:
                gate.let_go()
            assert await waiting == b"x" * 300_000

    asyncio.run(go())


def test_relay__two_holds__pass_only_when_both_are_over() -> None:
    async def go() -> None:
        gate = PeerPaths(2).between(2, 1)
        gate.hold()
        gate.hold()
        gate.let_go()
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(gate.passed(), 0.05)
        gate.let_go()
        await asyncio.wait_for(gate.passed(), 1)

    asyncio.run(go())


def test_relay__cut__hangs_up_and_refuses_until_mended() -> None:
    async def go() -> None:
        paths = PeerPaths(2)
        gate = paths.between(1, 2)
        async with relayed(paths, 2) as relay:
            caller = await Caller.dial(relay, 1)
            assert await caller.ask(b"hello") == b"hello"
            gate.cut()
            for one in (caller, await Caller.dial(relay, 1)):
                with pytest.raises((asyncio.IncompleteReadError, ConnectionError)):
                    await one.ask(b"anybody?")
            gate.mend()
            assert await (await Caller.dial(relay, 1)).ask(b"again") == b"again"

    asyncio.run(go())


def test_relay__slow_path__is_late_both_ways_and_keeps_the_order() -> None:
    async def go() -> None:
        paths = PeerPaths(2)
        for gate in paths.of(1):
            gate.delay += 0.2
        async with relayed(paths, 2) as relay:
            caller = await Caller.dial(relay, 1)
            began = time.monotonic()
            sent = bytes(range(256)) * 2_000
            assert await caller.ask(sent) == sent
            assert 0.4 <= time.monotonic() - began < 2

    asyncio.run(go())


def test_relay__dead_server__hangs_up() -> None:
    async def go() -> None:
        paths = PeerPaths(2)
        async with relayed(paths, 2) as relay:
            relay._target = 1  # nobody listens there
            with pytest.raises((asyncio.IncompleteReadError, ConnectionError)):
                await (await Caller.dial(relay, 1)).ask(b"anybody?")

    asyncio.run(go())
