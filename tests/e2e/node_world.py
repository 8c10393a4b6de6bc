# SPDX-License-Identifier: Apache-2.0
"""Real oracles, agents and gateways for the tests of what a node's operator runs."""

from __future__ import annotations

import asyncio
import json
import os
import sys
import time
from collections.abc import AsyncIterator, Callable, Collection
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from pathlib import Path

from oracle.ground.clock import EpochClock
from oracle.ground.typed_data import Heartbeat
from oracle.signing.signer import derive
from oracle.telemetry.intake.collector import Collector
from oracle.telemetry.intake.roster import FixedRoster
from oracle.telemetry.store.opening import open_store
from oracle.telemetry.store.records import Kind
from oracle.telemetry.ways.http import HttpWay
from tests.project import ROOT

CHAIN = 31337
ATTESTATIONS = "0x" + "11" * 20
DOMAIN = Heartbeat.domain(CHAIN, ATTESTATIONS)
KEY = "22" * 32
NODE = "0x1563915e194d8cfba1943570603f7606a3115508"


class Oracle:
    """An oracle's telemetry that can be stopped and started again on its port, with its store."""

    def __init__(self, folder: Path, name: str = "oracle", length: int = 3600, served: Collection[int] = ()) -> None:
        self.signer = derive("test", name)
        self.address = self.signer.address.lower()
        self.clock = EpochClock(genesis=int(time.time()) - 5, length=length, tick=1)
        self.roster = FixedRoster({NODE: served})
        self.store = open_store(folder / f"{name}.db", self.clock, "net")
        self.port = 0
        self.url = ""

    async def start(self) -> None:
        self.collector = Collector(self.store, self.clock, self.signer, DOMAIN, self.roster)
        self.intake = self.collector.intake
        self.way = HttpWay(self.collector)
        await self.collector.start()
        self.url = await self.way.start(port=self.port)
        self.port = int(self.url.rsplit(":", 1)[1])

    async def stop(self) -> None:
        await self.way.stop()
        await self.collector.stop()

    @property
    def accepted(self) -> int:
        return sum(self.intake.accepted.values())

    def bits(self, epoch: int = 0, node: str = NODE) -> int:
        return self.store.bits(self.store.track(Kind.LIVENESS, bytes.fromhex(node[2:])), epoch)

    def ticks(self, node: str = NODE) -> list[int]:
        bits = self.bits(node=node)
        return [tick for tick in range(bits.bit_length()) if bits >> tick & 1]


@asynccontextmanager
async def oracles(*given: Oracle) -> AsyncIterator[None]:
    """These oracles, running."""
    for oracle in given:
        await oracle.start()
    try:
        yield
    finally:
        for oracle in given:
            await oracle.stop()
            oracle.store.close()


class Process:
    """A command of `epochal node` in a process of its own, and what it printed."""

    def __init__(self, process: asyncio.subprocess.Process) -> None:
        self.process = process
        self.lines: list[str] = []
        self._reading = asyncio.create_task(self._read())

    async def _read(self) -> None:
        assert self.process.stdout is not None
        while line := await self.process.stdout.readline():
            self.lines.append(line.decode().rstrip("\n"))

    @property
    def text(self) -> str:
        return "\n".join(self.lines)

    async def says(self, text: str, within: float = 30) -> str:
        """The first line that holds the text."""
        await until(lambda: text in self.text, within, self)
        return next(line for line in self.lines if text in line)

    async def end(self, number: int) -> int:
        """Send the signal; its exit code, when all it said is read."""
        self.process.send_signal(number)
        status = await self.process.wait()
        await self._reading
        return status


@asynccontextmanager
async def epochal_node(*arguments: str, **environment: str) -> AsyncIterator[Process]:
    """`epochal node ARGUMENTS`, as its operator starts it."""
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "cli.main", "node", *arguments),
        cwd=ROOT,
        env={**os.environ, "NODE_KEY": KEY, **environment},
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
    )
    try:
        yield Process(process)
    finally:
        if process.returncode is None:
            process.kill()
        await process.wait()


def agent(urls: list[str], *arguments: str, key: str = KEY) -> AbstractAsyncContextManager[Process]:
    """An agent that beats to these oracles."""
    options = [option for url in urls for option in ("--oracle", url)]
    options += ["--chain-id", str(CHAIN), "--attestations", ATTESTATIONS, "--key-env", "NODE_KEY"]
    return epochal_node("run", *options, *arguments, NODE_KEY=key)


async def until(met: Callable[[], object], within: float = 30, process: Process | None = None) -> None:
    """Wait for it; a failure shows what the process said."""
    try:
        async with asyncio.timeout(within):
            while not met():
                await asyncio.sleep(0.05)
    except TimeoutError:
        raise AssertionError(f"not met within {within} s; it said:\n{process.text if process else ''}") from None


async def command_output(*arguments: str) -> tuple[int, str]:
    """Exit status and output of an `epochal node` command that ends by itself."""
    async with epochal_node(*arguments) as process:
        async with asyncio.timeout(20):
            status = await process.process.wait()
            await process._reading
        return status, process.text


def json_file(path: Path, content: object) -> Path:
    path.write_text(json.dumps(content))
    return path
