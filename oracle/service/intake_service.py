"""`epochal oracle intake`: collects telemetry for one oracle until it is told to stop."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import signal
import time
from collections.abc import Callable
from contextlib import AsyncExitStack
from pathlib import Path

from apscheduler.schedulers.asyncio import AsyncIOScheduler

from chain.client import Chain, ChainUnavailable, RpcError
from chain.network import Addresses, Network
from oracle.ground.clock import EpochClock
from oracle.ground.errors import EpochalError
from oracle.ground.typed_data import Domain
from oracle.service.chain_roster import ChainRoster
from oracle.service.collecting import MakeWay, collect
from oracle.service.errors import SettingsError
from oracle.service.garbage import collect_garbage_seldom
from oracle.service.settings import (
    ChainNetwork,
    FixedNetwork,
    IntakeSettings,
    fixed_clock,
    load_nodes,
)
from oracle.service.store_keeping import abstain_from_the_past, claim, keep_house
from oracle.signing.signer import Signer
from oracle.telemetry.intake.roster import FixedRoster, Roster
from oracle.telemetry.store.opening import open_store

_LOG = logging.getLogger("epochal.service")
_ROSTER_SECONDS = 15
_CHAIN_SECONDS = 5
_HOUSEKEEPING_SECONDS = 60


_Found = tuple[EpochClock, Domain, Roster, Callable[[], None]]


def run_intake(settings: IntakeSettings, signer: Signer, ways: list[MakeWay]) -> int:
    """Collect until SIGTERM or SIGINT; returns the exit code 0. SettingsError, StoreError, ServerError at the start."""
    asyncio.run(_run(settings, signer, ways))
    return 0


async def _run(settings: IntakeSettings, signer: Signer, ways: list[MakeWay]) -> None:
    stop = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
    found = await _network_when_it_answers(settings, stop)
    if found is None:
        return
    clock, domain, roster, refresh = found
    label = f"{domain.chain_id}:{domain.contract.lower()}"
    async with AsyncExitStack() as stack:
        store = open_store(settings.store, clock, label)
        stack.callback(store.close)
        claim(store, signer)
        abstain_from_the_past(store, time.time())
        collector, _, url = await collect(stack, store, clock, domain, roster, signer, settings, ways)
        scheduler = AsyncIOScheduler(
            timezone="UTC", job_defaults={"coalesce": True, "misfire_grace_time": None, "max_instances": 1}
        )
        scheduler.add_job(_refresh, "interval", seconds=_ROSTER_SECONDS, args=[refresh], id="roster")
        scheduler.add_job(
            keep_house, "interval", seconds=_HOUSEKEEPING_SECONDS, args=[store, collector.now, settings], id="store"
        )
        scheduler.start()
        stack.callback(scheduler.shutdown, wait=False)
        collect_garbage_seldom()
        _say(f"oracle {signer.address}: listening on {url}, {len(roster)} nodes known, store {store.location}")
        await stop.wait()
        _say(f"oracle {signer.address}: stopping")
    _say(f"oracle {signer.address}: stopped after {sum(collector.intake.accepted.values())} heartbeats")


async def _network_when_it_answers(settings: IntakeSettings, stop: asyncio.Event) -> _Found | None:
    """As `_network`; waits for a chain that doesn't answer yet, as after a power cut. None when asked to stop."""
    waiting = False
    while not stop.is_set():
        try:
            return await asyncio.to_thread(_network, settings)
        except (ChainUnavailable, RpcError) as error:
            if not waiting:
                _say(f"--rpc: waiting for the chain; {error}")
            waiting = True
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(stop.wait(), _CHAIN_SECONDS)
    return None


def _network(settings: IntakeSettings) -> _Found:
    """Clock, heartbeat domain, roster, and what brings the roster up to date."""
    told = settings.network
    if isinstance(told, FixedNetwork):
        clock, domain = fixed_clock(told, settings.tick)
        nodes = _NodesFile(told.nodes)
        return clock, domain, nodes.roster, nodes.refresh
    assert isinstance(told, ChainNetwork)
    try:
        addresses = Addresses.load(told.deployment)
    except (OSError, ValueError, TypeError) as error:
        raise SettingsError(
            f"--network {told.deployment}: is no file of a network's addresses ({error}); give the one that the "
            "deployment wrote"
        ) from error
    network = Network(Chain(told.rpc), addresses)
    roster = ChainRoster(network)
    roster.refresh()
    return network.clock(settings.tick), network.heartbeat_domain, roster, roster.refresh


class _NodesFile:
    """The roster of a file of nodes, read again only when it changed: reading a large one holds up the heartbeats."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._stamp = self._changed()
        self.roster = FixedRoster(load_nodes(path))

    def refresh(self) -> None:
        """Take up a changed file. SettingsError leaves the roster as it was, until the next time."""
        stamp = self._changed()
        if stamp != self._stamp:
            self.roster.replace(load_nodes(self._path))
            self._stamp = stamp

    def _changed(self) -> tuple[int, int, int] | None:
        try:
            status = self._path.stat()
        except OSError:
            return None  # `load_nodes` says what is wrong
        return status.st_mtime_ns, status.st_size, status.st_ino


async def _refresh(refresh: Callable[[], None]) -> None:
    """Bring the roster up to date; an answer that can't be had leaves it as it was, until the next time."""
    try:
        await asyncio.to_thread(refresh)
    except EpochalError as error:
        _LOG.warning("the roster stays as it was: %s", error)


def _say(line: str) -> None:
    print(line, flush=True)
