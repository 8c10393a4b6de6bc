"""The real agent in a process of its own, against a real oracle, a dead one and a silent one."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import sys
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from oracle.ground.clock import EpochClock
from oracle.ground.typed_data import Heartbeat
from oracle.signing.signer import derive
from oracle.telemetry.http import TelemetryServer
from oracle.telemetry.intake import Intake, Reason
from oracle.telemetry.store import BitmapStore
from tests.project import ROOT

CHAIN = 31337
ATTESTATIONS = "0x" + "11" * 20
ORACLE = derive("test", "oracle").address
KEY = "22" * 32
NODE = "0x1563915e194d8cfba1943570603f7606a3115508"
AGENT = """
import json, sys
from node.agent import run_agent
from node.settings import NodeSettings
given = json.loads(sys.argv[1])
sys.exit(run_agent(NodeSettings(**{**given, "oracles": tuple(given["oracles"])})))
"""


class Oracle:
    """An oracle's telemetry that can be stopped and started again on its port, with its store."""

    def __init__(self, folder: Path) -> None:
        self.clock = EpochClock(genesis=int(time.time()) - 5, length=3600, tick=1)
        self.store = BitmapStore(folder / "store.db", self.clock, "net")
        self.port = 0
        self.url = ""

    async def start(self) -> None:
        domain = Heartbeat.domain(CHAIN, ATTESTATIONS)
        self.intake = Intake(self.store, self.clock, ORACLE, domain, {NODE}, time.time)
        self.server = TelemetryServer(self.intake, self.store)
        self.url = await self.server.start(port=self.port)
        self.port = int(self.url.rsplit(":", 1)[1])

    def ticks(self) -> list[int]:
        bits = self.store.read(0).up.get(NODE, 0)
        return [tick for tick in range(bits.bit_length()) if bits >> tick & 1]

    async def until(self, met: Callable[[], bool]) -> None:
        async with asyncio.timeout(10):
            while not met():
                await asyncio.sleep(0.05)


@asynccontextmanager
async def silent_port() -> AsyncIterator[int]:
    """A port that takes connections and never answers."""

    async def ignore(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while await reader.read(1024):
            pass
        writer.close()

    async with await asyncio.start_server(ignore, "127.0.0.1", 0) as server:
        yield server.sockets[0].getsockname()[1]


@asynccontextmanager
async def agent(oracles: list[str], **options: object) -> AsyncIterator[asyncio.subprocess.Process]:
    given = {"oracles": oracles, "chain_id": CHAIN, "attestations": ATTESTATIONS, "key_env": "NODE_KEY", **options}
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-c", AGENT, json.dumps(given)),
        cwd=ROOT,
        env={**os.environ, "NODE_KEY": KEY},
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
    )
    try:
        yield process
    finally:
        if process.returncode is None:
            process.kill()
        await process.wait()


async def said(process: asyncio.subprocess.Process) -> str:
    assert process.stdout is not None
    return (await process.stdout.read()).decode()


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path


def test_agent__killed_and_started_again__beats_each_tick_it_lives(folder: Path) -> None:
    async def story() -> None:
        oracle = Oracle(folder)
        await oracle.start()
        async with silent_port() as silent:
            others = ["http://127.0.0.1:1", f"http://127.0.0.1:{silent}"]
            async with agent([*others, oracle.url]) as process:
                await oracle.until(lambda: len(oracle.ticks()) >= 4)
                process.send_signal(signal.SIGKILL)
                await process.wait()
            killed = oracle.ticks()
            assert killed == list(range(killed[0], killed[-1] + 1))
            await asyncio.sleep(2.1)
            assert oracle.ticks() == killed

            async with agent([oracle.url, *others]) as process:
                await oracle.until(lambda: len(oracle.ticks()) >= len(killed) + 2)
                process.send_signal(signal.SIGTERM)
                lines = await said(process)
                assert await process.wait() == 0
        assert oracle.intake.refused == dict.fromkeys(Reason, 0)
        assert f"oracle {oracle.url}: beating every 1 s, accepted by {ORACLE.lower()}\n" in lines
        assert "oracle http://127.0.0.1:1: unreachable (" in lines
        assert lines.count("unreachable") in (1, 2)  # the silent one is given up after 5 s
        assert lines.rstrip().splitlines()[-1].lower().startswith(f"node {NODE}: stopped after ")
        await oracle.server.stop()
        oracle.store.close()

    asyncio.run(story())


def test_agent__oracle_restarts__finds_it_again_with_a_new_challenge(folder: Path) -> None:
    async def story() -> None:
        oracle = Oracle(folder)
        await oracle.start()
        async with agent([oracle.url], tick=0.3) as process:
            await oracle.until(lambda: oracle.intake.accepted >= 2)
            await oracle.server.stop()
            await asyncio.sleep(0.5)
            await oracle.start()
            await oracle.until(lambda: oracle.intake.accepted >= 2)
            assert oracle.intake.refused[Reason.STALE_CHALLENGE] == 1
            process.send_signal(signal.SIGINT)
            lines = await said(process)
            assert await process.wait() == 0
        states = [line.split(": ", 1)[1].split()[0] for line in lines.splitlines() if line.startswith("oracle")]
        assert states == ["beating", "unreachable", "beating"]
        await oracle.server.stop()
        oracle.store.close()

    asyncio.run(story())


def test_agent__unlicensed_or_behind_in_sequence__says_so_or_catches_up(folder: Path) -> None:
    async def story() -> None:
        oracle = Oracle(folder)
        await oracle.start()
        ahead = (time.time_ns() // 1_000_000) + 10**9
        oracle.store.mark(NODE, 0, 0, ahead)
        async with agent([oracle.url], tick=0.3) as process:
            await oracle.until(lambda: oracle.intake.accepted >= 2)
            assert oracle.intake.refused[Reason.REPLAYED_SEQUENCE] == 1
            oracle.intake._known = set()
            await oracle.until(lambda: oracle.intake.refused[Reason.UNKNOWN_NODE] >= 2)
            process.send_signal(signal.SIGTERM)
            lines = await said(process)
            assert await process.wait() == 0
        assert lines.count("refused: unknown_node; link the node's address to a licence") == 1
        await oracle.server.stop()
        oracle.store.close()

    asyncio.run(story())
