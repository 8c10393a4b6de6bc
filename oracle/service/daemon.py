"""`epochal oracle run`: the whole oracle. It collects, agrees with its peers, and brings reports on chain."""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import time
from collections.abc import Callable
from contextlib import AsyncExitStack
from dataclasses import dataclass
from typing import Final

from apscheduler.schedulers.asyncio import AsyncIOScheduler

from chain.journal.fees import FeeLimits
from chain.journal.journal import TransactionJournal
from chain.network import Network
from oracle.committee.effects import Submit
from oracle.committee.round import TRANSIENT
from oracle.ground.errors import EpochalError
from oracle.peers.client import PeerClient
from oracle.peers.desk import PeerLimits
from oracle.peers.outbox import Outbox
from oracle.peers.server import PeerServer
from oracle.service.agreeing import Agreeing, Stopping, kept_outcomes
from oracle.service.attesting import Attesting
from oracle.service.chain_parts import ChainParts
from oracle.service.chain_roster import ChainRoster
from oracle.service.changes import Changes
from oracle.service.collecting import collect
from oracle.service.errors import SettingsError
from oracle.service.garbage import collect_garbage_seldom
from oracle.service.health import Health, HealthServer
from oracle.service.logs import Event, configure, logger, secrets_of
from oracle.service.metrics import DaemonMetrics, Series
from oracle.service.oracle_settings import OracleSettings
from oracle.service.patient import Patient
from oracle.service.peer_book import PeerBook
from oracle.service.rehearsal import core_class, member_class
from oracle.service.requesting import Requesting, requesting_for
from oracle.service.store_keeping import abstain_from_the_past, claim, keep_house
from oracle.service.ways_of_settings import intake_settings, ways_of
from oracle.signing.signer import LocalSigner, Signer
from oracle.telemetry.intake import clock_sync
from oracle.telemetry.intake.collector import Collector
from oracle.telemetry.intake.metrics import exposition
from oracle.telemetry.store.bitmaps import BitmapStore
from oracle.telemetry.store.opening import open_store, open_to_read

_GWEI: Final = 10**9
_CHAIN_SECONDS: Final = 5.0
_ROSTER_SECONDS: Final = 15
_BOOK_SECONDS: Final = 20.0
_HOUSEKEEPING_SECONDS: Final = 60
_SELF_TRIES: Final = 3
_SELF_SECONDS: Final = 2.0
EXIT_FAILED: Final = 1


@dataclass(frozen=True, slots=True)
class RunOptions:
    """watch: sign and submit nothing, but check every report. epoch: end once this epoch has its outcome."""

    watch: bool = False
    epoch: int | None = None


def run_oracle(patient: Patient, options: RunOptions) -> int:
    """Run until SIGTERM or SIGINT, or until the one epoch asked for has its outcome; returns the exit code.

    SettingsError, KeyUnusable, StoreError, WrongDeployment and servers' errors at the start: nothing was done then.
    """
    settings = patient.settings
    configure(settings.log_format, settings.log_level, secrets_of(settings, patient.environment))
    signer: Signer = LocalSigner(os.urandom(32)) if options.watch else patient.key
    gas_signer = None if options.watch else patient.gas_key
    if gas_signer is not None and gas_signer.address == signer.address:
        raise SettingsError(
            f"both keys are that of {signer.address}: let another one pay, whose theft costs its ether and no signature"
        )
    return asyncio.run(_Daemon(patient, options, signer, gas_signer).run())


class _Daemon:
    """The oracle while it runs."""

    def __init__(self, patient: Patient, options: RunOptions, signer: Signer, gas_signer: Signer | None) -> None:
        self.patient = patient
        self.settings: OracleSettings = patient.settings
        self.options = options
        self.signer = signer
        self.gas_signer = gas_signer
        self.metrics = DaemonMetrics()
        self.metrics.set(Series.UP, 1)
        self.stopping = asyncio.Event()
        self.waiting_for_chain = "the chain"
        self.agreeing: Agreeing | None = None
        self.attesting: Attesting | None = None
        self.collector: Collector | None = None
        self.changes = Changes()
        self._beat = time.monotonic()

    def now(self) -> float:
        """UNIX seconds by this oracle's clock."""
        return time.time() + self.settings.rehearsal_clock_offset

    async def run(self) -> int:
        """All of it."""
        loop = asyncio.get_running_loop()
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, self.stopping.set)
        async with AsyncExitStack() as stack:
            health = HealthServer(Health(self._live, self._ready, self._exposition))
            listen = self.settings.address("health_listen")
            if listen is not None:
                await health.start(*listen)
                stack.push_async_callback(health.stop)
            parts = await self._connect()
            if parts is not None:
                stack.callback(parts.events.close)
                await self._start(stack, parts)
                await self._until_done()
                logger().info(Event.STOPPING)
        logger().info(Event.STOPPED)
        return self._exit_code()

    async def _connect(self) -> ChainParts | None:
        """The chain's parts; waits for one that doesn't answer yet, as after a power cut. None when asked to stop."""
        while not self.stopping.is_set():
            try:
                return await asyncio.to_thread(ChainParts.open, self.patient)
            except TRANSIENT as error:
                if str(error) != self.waiting_for_chain:
                    logger().warning(Event.WAITING, reason=str(error))
                self.waiting_for_chain = str(error)
            await self._pause(_CHAIN_SECONDS)
        return None

    async def _start(self, stack: AsyncExitStack, parts: ChainParts) -> None:
        settings, network = self.settings, parts.network
        label = f"{network.chain.chain_id}:{network.addresses.attestations.lower()}"
        store = open_store(settings.store_location, parts.clock, label)
        stack.callback(store.close)
        if not self.options.watch:
            claim(store, self.signer)
        abstain_from_the_past(store, max(self.now(), parts.head.timestamp))
        roster = ChainRoster(network, parts.events)
        scheduler = AsyncIOScheduler(
            timezone="UTC", job_defaults={"coalesce": True, "misfire_grace_time": None, "max_instances": 1}
        )
        agreeing = self._agreeing(stack, parts, store)
        self.agreeing = agreeing
        attesting = self._attesting_for(stack, network)
        self.attesting = attesting
        await self._look_up(agreeing, roster)
        await self._refuse_a_second_self(agreeing, network)
        listen = settings.address("heartbeat_listen")
        url = None
        if listen is not None:
            told = intake_settings(settings, listen)
            ways = ways_of(settings, self.patient.environment)
            domain = network.heartbeat_domain
            self.collector, _, url = await collect(
                stack, store, parts.clock, domain, roster, self.signer, told, ways, self.now
            )
        await agreeing.start(stack)
        requesting = None
        if not self.options.watch:
            requesting = requesting_for(stack, parts, agreeing, settings, self.metrics, self.now)
        peer_url = await self._serve_peers(stack, agreeing, network)
        poll = min(5.0, max(0.2, parts.schedule.part / 8))
        scheduler.add_job(self._tick, "interval", seconds=poll, args=[agreeing, network], id="tick")
        scheduler.add_job(self._refresh, "interval", seconds=_ROSTER_SECONDS, args=[agreeing, roster], id="roster")
        book_every = min(_BOOK_SECONDS, max(1.0, parts.schedule.part))
        scheduler.add_job(self._refresh_book, "interval", seconds=book_every, args=[agreeing], id="peers")
        scheduler.add_job(
            keep_house,
            "interval",
            seconds=_HOUSEKEEPING_SECONDS,
            args=[store, self.now, _Retention(settings)],
            id="store",
        )
        if attesting is not None:
            every = min(2.0, max(0.25, parts.schedule.part / 8))
            scheduler.add_job(self._step, "interval", seconds=every, args=[attesting], id="transactions")
        if requesting is not None:
            requesting.attesting = attesting
            every = min(2.0, max(0.25, requesting.machine.slot_seconds / 8))
            scheduler.add_job(self._ask, "interval", seconds=every, args=[requesting], id="requests")
        scheduler.start()
        stack.callback(scheduler.shutdown, wait=False)
        collect_garbage_seldom()
        if settings.rehearsal or settings.rehearsal_clock_offset:
            logger().warning(Event.REHEARSING, what=settings.rehearsal, clock_offset=settings.rehearsal_clock_offset)
        self.waiting_for_chain = ""
        logger().info(
            Event.STARTED,
            oracle=self.signer.address,
            watching=self.options.watch,
            heartbeats=url,
            peers=peer_url,
            store=store.location,
            nodes=len(roster),
        )

    def _agreeing(self, stack: AsyncExitStack, parts: ChainParts, store: BitmapStore) -> Agreeing:
        settings = self.settings
        workers = []
        for location in settings.intake_stores:
            worker = open_to_read(location)
            stack.callback(worker.close)
            workers.append(worker)
        member = member_class(settings.rehearsal)(
            self.signer, store, parts.reader, parts.clock, workers, keep=settings.evidence_retain
        )
        core = core_class(settings.rehearsal)(
            member, parts.schedule, acts=not self.options.watch, ended=kept_outcomes(store)
        )
        book = PeerBook(parts.network, member.address, settings.endpoint, self.metrics, self.now)
        client = PeerClient(settings.bind_from)
        stack.push_async_callback(client.close)
        outbox = Outbox(client, book.url, clock=self.now)
        stack.push_async_callback(outbox.close)
        return Agreeing(core, book, client, outbox, self.metrics, self.now, self._submit, self._on_chain)

    def _attesting_for(self, stack: AsyncExitStack, network: Network) -> Attesting | None:
        if self.gas_signer is None:
            return None
        settings = self.settings
        limits = FeeLimits(
            max_fee_gwei=settings.max_fee_gwei,
            max_priority_gwei=settings.max_priority_gwei,
            stuck_seconds=settings.stuck_seconds,
            min_balance_wei=settings.min_balance_gwei * _GWEI,
        )
        journal = TransactionJournal(settings.transactions_path, network.chain, self.gas_signer, limits)
        stack.callback(journal.close)
        return Attesting(journal, network, self.metrics)

    async def _serve_peers(self, stack: AsyncExitStack, agreeing: Agreeing, network: Network) -> str | None:
        listen = self.settings.address("peer_listen")
        if listen is None:
            return None
        limits = PeerLimits(trust_forwarded=self.settings.trust_forwarded)
        server = PeerServer(agreeing, network.report_domain, self.signer.address, limits)
        agreeing.refused_requests = server.refused
        url = await server.start(*listen)
        stack.push_async_callback(server.stop)
        return url

    # What is due again and again.

    async def _tick(self, agreeing: Agreeing, network: Network) -> None:
        await self._guarded(agreeing.tick)
        self._beat = time.monotonic()
        self._measure_chain(network)
        reasons = self._ready()
        self.metrics.set(Series.READY, not reasons)
        self.changes.ready(reasons)

    async def _step(self, attesting: Attesting) -> None:
        await self._guarded(lambda: asyncio.to_thread(attesting.step, time.time()))

    async def _ask(self, requesting: Requesting) -> None:
        await self._guarded(requesting.tick)

    async def _refresh(self, agreeing: Agreeing, roster: ChainRoster) -> None:
        try:
            await agreeing.in_core(roster.refresh)
        except (Stopping, asyncio.CancelledError):
            if not self.stopping.is_set():
                raise
        except EpochalError as error:
            logger().warning(Event.ROSTER_OLD, reason=str(error))

    async def _refresh_book(self, agreeing: Agreeing) -> None:
        try:
            await agreeing.in_core(agreeing.book.refresh)
        except EpochalError:
            return  # `tick` tells of a chain that doesn't answer
        except asyncio.CancelledError:
            if not self.stopping.is_set():
                raise

    async def _look_up(self, agreeing: Agreeing, roster: ChainRoster) -> None:
        """Nodes and peers, before the servers listen; waits for a chain that went away meanwhile."""
        while not self.stopping.is_set():
            try:
                await agreeing.in_core(roster.refresh)
                await agreeing.in_core(agreeing.book.refresh)
            except TRANSIENT as error:
                logger().warning(Event.WAITING, reason=str(error))
                await self._pause(_CHAIN_SECONDS)
            else:
                return

    async def _refuse_a_second_self(self, agreeing: Agreeing, network: Network) -> None:
        """Two daemons with one key would sign two observations of an epoch, which is proof of a lie."""
        url = None if self.options.watch else agreeing.book.url(agreeing.core.member.address)
        if url is None:
            return
        for _ in range(_SELF_TRIES):
            try:
                there = await agreeing.client.about(url, network.report_domain)
            except EpochalError:
                return  # nobody there, as it should be
            if there.lower() != self.signer.address.lower():
                return
            await self._pause(_SELF_SECONDS)  # it may be about to end
        raise SettingsError(
            f"another daemon runs with this key at {url}: stop that one first; never run two with one key, they would "
            "sign two observations of one epoch"
        )

    async def _guarded(self, work: Callable[[], object]) -> None:
        """A bug in one tick is told and counted; the next tick comes all the same."""
        try:
            await work()  # type: ignore[misc]
        except (Stopping, asyncio.CancelledError):
            if not self.stopping.is_set():
                raise
        except EpochalError as error:
            logger().warning(Event.WAITING, reason=str(error))
        except Exception as error:
            self.metrics.add(Series.BUGS)
            logger().error(Event.BUG, exc_info=error)

    def _submit(self, wanted: Submit) -> None:
        if self.attesting is not None:
            self.attesting.submit(wanted)
            self.attesting.step(time.time())

    def _on_chain(self, epoch: int) -> None:
        if self.attesting is not None:
            self.attesting.drop_before(epoch)

    # What is told of it.

    def _live(self) -> str | None:
        silent = time.monotonic() - self._beat
        if self.agreeing is not None and not self.waiting_for_chain and silent > 300:
            return f"nothing was done for {silent:.0f} s"
        return None

    def _ready(self) -> list[str]:
        if self.waiting_for_chain:
            return [f"waits for the chain: {self.waiting_for_chain}"]
        reasons = []
        if self.agreeing is not None and self.agreeing.trouble:
            reasons.append(self.agreeing.trouble)
        if self.attesting is not None and self.attesting.trouble:
            reasons.append(self.attesting.trouble)
        if self.collector is not None and (trouble := self.collector.trouble()):
            reasons.append(trouble)
        return reasons

    def _exposition(self) -> bytes:
        others = [exposition(self.collector)] if self.collector is not None else []
        return self.metrics.exposition(*others)

    def _measure_chain(self, network: Network) -> None:
        states = network.chain.endpoints
        self.metrics.set(Series.RPC_ENDPOINTS, len(states))
        self.metrics.set(Series.RPC_HEALTHY, sum(one.healthy for one in states))
        self.metrics.set(Series.RPC_NEEDED, self.settings.rpc_agree or min(2, len(states)))
        self.metrics.set(Series.RPC_DISAGREEMENTS, network.chain.disagreements)
        self.changes.endpoints(network.chain)
        largest = self.settings.max_clock_error
        self.changes.clock(clock_sync.trouble(largest) if largest is not None else None)
        if self.attesting is not None:
            status = self.attesting.journal.status
            self.changes.balance(status.balance_low, status.balance)
        if self.agreeing is not None:
            self.agreeing.measure_events()
            self.changes.peers(self.agreeing.peers)

    async def _until_done(self) -> None:
        agreeing = self.agreeing
        if agreeing is None:
            return
        schedule = agreeing.core.schedule
        due = schedule.due(self.now())
        while not self.stopping.is_set():
            if self.options.epoch is not None and self._outcome() is not None and not self._under_way():
                return
            before, due = due, schedule.due(self.now())
            if due > before:  # a round begins: that needn't wait for the next tick
                await self._guarded(agreeing.tick)
            await self._pause(0.2)

    def _under_way(self) -> bool:
        """Whether a transaction of ours is still to be mined."""
        if self.attesting is None:
            return False
        return any(one.state.under_way and one.block is None for one in self.attesting.journal.pending())

    def _outcome(self) -> str | None:
        if self.agreeing is None or self.options.epoch is None:
            return None
        for one in self.agreeing.core.outcomes:
            if one.epoch >= self.options.epoch:
                return one.kind
        return None

    def _exit_code(self) -> int:
        if self.options.epoch is None:
            return 0
        return 0 if self._outcome() == "attested" else EXIT_FAILED

    async def _pause(self, seconds: float) -> None:
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(self.stopping.wait(), seconds)


@dataclass(frozen=True, slots=True)
class _Retention:
    """What the settings say of old epochs; 0 means never."""

    settings: OracleSettings

    @property
    def compact_after(self) -> int | None:
        return self.settings.compact_after or None

    @property
    def retain(self) -> int | None:
        return self.settings.retain
