"""The node agent: one process, one key, one link to each oracle, until it is told to stop."""

from __future__ import annotations

import asyncio
import os
import signal
from collections.abc import Callable

import aiohttp

from node.keys import load_signer
from node.oracle_link import OracleLink
from node.settings import NodeSettings
from oracle.ground.typed_data import Heartbeat
from oracle.signing.signer import Signer


def run_agent(settings: NodeSettings) -> int:
    """Beat to all oracles until SIGTERM or SIGINT, and return the exit code 0.

    Prints a line at the start, one for each change in the state of a link, and one at the end.
    SettingsError if the key can't be loaded.
    """
    signer = load_signer(settings, os.environ)
    asyncio.run(beat_until_stopped(settings, signer))
    return 0


async def beat_until_stopped(settings: NodeSettings, signer: Signer, say: Callable[[str], None] | None = None) -> None:
    """Run the links in this event loop until SIGTERM, SIGINT or cancellation; `say` gets each line."""
    tell = say or _print
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)
    domain = Heartbeat.domain(settings.chain_id, settings.attestations)
    tell(f"node {signer.address}: beating to {len(settings.oracles)} oracle(s)")
    async with aiohttp.ClientSession(cookie_jar=aiohttp.DummyCookieJar(), auto_decompress=False) as http:
        links = [OracleLink(url, signer, domain, http, tell, settings.tick) for url in settings.oracles]
        tasks = [asyncio.create_task(link.run()) for link in links]
        stopped = asyncio.create_task(stop.wait())
        try:
            done, _ = await asyncio.wait([stopped, *tasks], return_when=asyncio.FIRST_COMPLETED)
        finally:
            for task in (stopped, *tasks):
                task.cancel()
            await asyncio.gather(stopped, *tasks, return_exceptions=True)
            for number in (signal.SIGTERM, signal.SIGINT):
                loop.remove_signal_handler(number)
    for task in done - {stopped}:
        task.result()  # a link ends only by a bug: show it
    tell(f"node {signer.address}: stopped after {sum(link.sent for link in links)} accepted heartbeats")


def _print(line: str) -> None:
    print(line, flush=True)
