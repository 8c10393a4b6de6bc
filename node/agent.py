"""The node agent: one process, one key, one link to each oracle, until it is told to stop."""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
from collections.abc import AsyncIterator, Callable, Coroutine, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import aiohttp

from node.oracle_link import OracleLink
from node.receipt_keeper import LAST_WORD, ReceiptKeeper
from node.receipts import ReceiptFolder
from node.running.guard import PR_SET_DUMPABLE, prctl
from node.running.orchestrator_link import OrchestratorLink
from node.running.runner import Runner
from node.settings import BrokerAccess, NodeSettings
from node.transport import Transport, open_transport
from node.workloads import Workloads
from oracle.ground.typed_data import Heartbeat
from oracle.signing.keys import load_key
from oracle.signing.signer import Signer
from oracle.telemetry.wire.workloads import MAX_WORKLOADS


def run_agent(settings: NodeSettings) -> int:
    """Beat to all oracles until SIGTERM or SIGINT, and return the exit code 0.

    Prints a line at the start, one for each change in the state of a link or a workload, one at each epoch's end for
    each oracle, and one at the end. KeyUnusable if the key can't be loaded; SettingsError if a broker's password or the
    folder of receipts can't be used.
    """
    signer = load_key(settings.key_env, settings.keystore, settings.password_file, os.environ)
    asyncio.run(Agent(settings, signer, settings.broker_access(os.environ)).run())
    return 0


class Agent:
    """One node's agent. `say` gets each line; the default prints it."""

    def __init__(
        self,
        settings: NodeSettings,
        signer: Signer,
        access: BrokerAccess | None = None,
        say: Callable[[str], None] | None = None,
    ) -> None:
        self._settings = settings
        self._signer = signer
        self._access = access or BrokerAccess()
        self._say = say or say_line
        self._domain = Heartbeat.domain(settings.chain_id, settings.attestations)
        self._folder = (
            ReceiptFolder(settings.receipts, signer.address, self._domain) if settings.receipts is not None else None
        )

    async def run(self) -> None:
        """Beat in this event loop until SIGTERM, SIGINT or cancellation."""
        settings, address = self._settings, self._signer.address
        # Names of workloads that take long to resolve mustn't keep the names of oracles waiting.
        threads = ThreadPoolExecutor(MAX_WORKLOADS + 2 * len(settings.oracles) + 4, "epochal-node")
        asyncio.get_running_loop().set_default_executor(threads)
        workloads = Workloads(
            settings.targets(),
            settings.workloads_file,
            settings.on_fenced,
            len(settings.oracles),
            settings.secrets(),
            self._say,
            settings.tick,
        )
        self._say(f"node {address}: beating to {len(settings.oracles)} oracle(s)")
        async with aiohttp.ClientSession(cookie_jar=aiohttp.DummyCookieJar(), auto_decompress=False) as http:
            ways = [open_transport(url, settings.chain_id, http, self._access) for url in settings.oracles]
            pairs = [self._link(url, way, workloads) for url, way in zip(settings.oracles, ways, strict=True)]
            try:
                with stop_signals() as stop:
                    runs = [run() for link, keeper in pairs for run in (link.run, keeper.run)]
                    async with self._running(http, workloads) as orchestrated:
                        await run_until(stop, [workloads.run(), *orchestrated, *runs])
                        # While the answers of the last heartbeats still count.
                        await _at_most(LAST_WORD, [keeper.last_word() for _, keeper in pairs])
            finally:
                await asyncio.gather(*(way.close() for way in ways), return_exceptions=True)
        self._say(f"node {address}: stopped after {sum(link.sent for link, _ in pairs)} accepted heartbeats")

    @contextlib.asynccontextmanager
    async def _running(
        self, http: aiohttp.ClientSession, workloads: Workloads
    ) -> AsyncIterator[list[Coroutine[Any, Any, None]]]:
        """What runs workloads for an orchestrator, if one is named. They end with this."""
        settings = self._settings.running
        if settings is None:
            yield []
            return
        # The key is in this process's memory and environment: no workload of the same user may look into it.
        prctl(PR_SET_DUMPABLE, 0)
        runner = Runner(settings, workloads.feed, self._say)
        workloads.on_fence = runner.fence
        try:
            await runner.begin()
            yield [OrchestratorLink(settings, self._settings.chain_id, self._signer, http, runner, self._say).run()]
        finally:
            await runner.end()

    def _link(self, url: str, way: Transport, workloads: Workloads) -> tuple[OracleLink, ReceiptKeeper]:
        keeper = ReceiptKeeper(way, self._signer.address, self._domain, self._folder, lambda line: link.tell(line))
        link = OracleLink(
            url,
            way,
            self._signer,
            self._domain,
            self._say,
            health=workloads.health,
            listeners=(workloads.listener(url), keeper),
            tick=self._settings.tick,
            sealed=self._settings.sealed,
        )
        return link, keeper


@contextlib.contextmanager
def stop_signals() -> Iterator[asyncio.Event]:
    """An event that SIGTERM and SIGINT set."""
    stop, loop = asyncio.Event(), asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)
    try:
        yield stop
    finally:
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.remove_signal_handler(number)


async def run_until(stop: asyncio.Event, runs: list[Coroutine[Any, Any, None]]) -> None:
    """Run these until the event is set. They end only by a bug: the first that does shows it."""
    tasks = [asyncio.create_task(run) for run in runs]
    stopped = asyncio.create_task(stop.wait())
    try:
        done, _ = await asyncio.wait([stopped, *tasks], return_when=asyncio.FIRST_COMPLETED)
    finally:
        for task in (stopped, *tasks):
            task.cancel()
        await asyncio.gather(stopped, *tasks, return_exceptions=True)
    for task in tasks:
        if task in done:
            task.result()


async def _at_most(seconds: float, runs: list[Coroutine[Any, Any, None]]) -> None:
    """Run these together and give up what takes longer."""
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(seconds):
            await asyncio.gather(*runs)


def say_line(line: str) -> None:
    """Print a line at once."""
    print(line, flush=True)
