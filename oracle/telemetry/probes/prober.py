"""The prober: asks every workload at random whether it answers, and writes down in which ticks it did.

A tick's probes are spread over its beginning; its end is left for answers that are late and for the witnesses by whom
the prober tells its own trouble from its targets'.
"""

from __future__ import annotations

import asyncio
import json
import logging
import ssl
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from math import floor
from random import Random
from secrets import SystemRandom
from typing import Final

from prometheus_client.core import Metric

from oracle.ground import bitmap
from oracle.ground.errors import InvalidValue
from oracle.ground.widths import uint
from oracle.telemetry.intake.collector import Collector
from oracle.telemetry.intake.metrics import counter, gauge
from oracle.telemetry.probes.addresses import AddressRule, OwnFault, Resolver
from oracle.telemetry.probes.attempt import Failure, InvalidTarget, Outcome, Target, attempt
from oracle.telemetry.probes.schedule import Covered, Schedule
from oracle.telemetry.store.errors import StoreError
from oracle.telemetry.store.records import Kind
from oracle.telemetry.ways.watched import watched

STATE_KEY: Final = "probes/failures"
"""Where the store keeps each assignment's last failure, for explanations: JSON, as `Prober.told` gives it."""

_LOG = logging.getLogger("epochal.telemetry.probes")
_SAVE_SECONDS: Final = 60.0
_SAVED_FAILURES: Final = 10_000


@dataclass(frozen=True, slots=True)
class ProbeSettings:
    """How the prober works.

    period        mean ticks between two probes of an answering workload
    timeout       seconds that one probe may take; 0: a quarter of a tick, at most 5 s
    concurrency   probes under way at a time
    allowed       networks besides global addresses that may be probed, as "10.0.0.0/8"
    refused       networks that may not, such as the oracle's own public one
    """

    period: int = 6
    timeout: float = 0.0
    concurrency: int = 1_000
    allowed: tuple[str, ...] = ()
    refused: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class LastFailure:
    """Why an assignment's last failed probe failed, and when (UNIX seconds)."""

    reason: Failure
    detail: str
    at: int


class Prober:
    """Probes what `targets()` names: assignment id -> URL, asked at each tick's beginning.

    `chance` draws the times, nobody may foretell it. `trouble` says why no probes are made now, or None.
    InvalidValue for settings that can't be.
    """

    def __init__(
        self,
        collector: Collector,
        targets: Callable[[], Mapping[int, str]],
        settings: ProbeSettings | None = None,
        chance: Random | None = None,
    ) -> None:
        self.settings = settings or ProbeSettings()
        tick = collector.clock.tick
        self.timeout = self.settings.timeout or min(5.0, tick / 4)
        if not 0 < self.timeout <= tick / 3:
            raise InvalidValue(f"probe timeout is {self.timeout} s with a tick of {tick} s; make it a third at most")
        if self.settings.concurrency < 1:
            raise InvalidValue(f"probe concurrency is {self.settings.concurrency}; make it one or more")
        self.rule = AddressRule(self.settings.allowed, self.settings.refused)
        self.answered = 0
        self.failed: Counter[Failure] = Counter(dict.fromkeys(Failure, 0))
        self.own_faults = 0
        """Probes that this machine could not make."""
        self.missed = 0
        """Probes that did not get their turn within their tick."""
        self.invalid: dict[int, str] = {}
        """Assignments whose target can't be probed, and why."""
        self.failures: dict[int, LastFailure] = {}
        self.trouble: str | None = "not started yet"
        self._collector = collector
        self._targets = targets
        self._chance = chance or SystemRandom()
        self._schedule = Schedule(self.settings.period, self._chance, collector.clock.ticks_per_epoch)
        self._parsed: dict[tuple[int, str], Target | str] = {}
        self._fault: OwnFault | None = None
        self._turns = asyncio.Semaphore(self.settings.concurrency)
        self._tls = ssl.create_default_context()
        self._resolver: Resolver | None = None
        self._task: asyncio.Task[None] | None = None
        self._saved_at = 0.0
        self._unsaved = False
        collector.told_by_ways.append(self._metrics)

    def _metrics(self) -> Iterator[Metric]:
        yield gauge("epochal_probes_up", "1 while probes are made, else 0.", int(self.trouble is None))
        yield gauge("epochal_probes_invalid_targets", "Targets that can't be probed.", len(self.invalid))
        yield counter("epochal_probes_answered", "Probes that were answered.", self.answered)
        failed = {reason.value: count for reason, count in self.failed.items()}
        yield counter("epochal_probes_failed", "Probes that failed, by reason.", failed)
        yield counter("epochal_probes_own_faults", "Probes that this machine could not make.", self.own_faults)
        yield counter("epochal_probes_missed", "Probes that did not get their turn.", self.missed)
        yield counter("epochal_probes_dark_ticks", "Ticks whose probes nearly all failed at once.", self.dark_ticks)

    @property
    def dark_ticks(self) -> int:
        """Ticks whose probes nearly all failed at once, so that they were thrown away."""
        return self._schedule.dark_ticks

    @property
    def told(self) -> dict[str, dict[str, str | int]]:
        """The newest last failures in a form for JSON: assignment id -> reason, detail, at (UNIX seconds)."""
        newest = sorted(self.failures.items(), key=lambda each: (-each[1].at, each[0]))[:_SAVED_FAILURES]
        return {str(one): {"reason": last.reason.value, "detail": last.detail, "at": last.at} for one, last in newest}

    async def start(self) -> None:
        """Begin with the next tick."""
        self._resolver = Resolver()
        self._task = watched(self._run(self._resolver), self, _LOG, "the prober")
        self.trouble = None

    async def stop(self) -> None:
        """End at once; the probes under way come to nothing."""
        task, self._task = self._task, None
        if task is not None:
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)
        if self._resolver is not None:
            self._resolver.close()
            self._resolver = None
        self.trouble = "stopped"
        await self._save()

    async def _run(self, resolver: Resolver) -> None:
        clock, now = self._collector.clock, self._collector.now
        last = clock.ticks_since_genesis(floor(now()))  # this tick has begun: too late for it
        while True:
            moment = now()
            tick = clock.ticks_since_genesis(floor(moment))
            if tick <= last or tick < 0:
                begins = clock.genesis + max(0, min(last, tick) + 1) * clock.tick
                # A clock that steps back must not make this sleep for good.
                await asyncio.sleep(max(0.001, min(begins - moment, clock.tick)))
                if tick < last:
                    last = tick
                continue
            last = tick
            await self._probe_tick(tick, moment - clock.genesis - tick * clock.tick, resolver)

    async def _probe_tick(self, tick: int, late: float, resolver: Resolver) -> None:
        """Make the probes of one tick, which began `late` seconds ago, and write what is certain."""
        targets = self._known_targets()
        due = self._schedule.begin(tick, targets.keys())
        length = self._collector.clock.tick
        # Two timeouts are left at the end: one for the last probes, one for witnesses.
        span = max(0.0, length - 2.1 * self.timeout - late)
        found = await self._ask({one: targets[one] for one in due}, span, resolver)
        outcomes = {one: outcome.failure is None for one, outcome in found.items()}
        self.missed += len(due) - len(found)
        named = self._schedule.witnesses(outcomes)
        heard = await self._ask({one: targets[one] for one in named}, 0.0, resolver) if named else {}
        certain = self._schedule.end(outcomes, {one: each.failure is None for one, each in heard.items()}, due)
        self._remember(found)
        self._write(certain)
        if self._fault is not None:  # one line a tick, however many there were
            _LOG.warning("probes could not be made, %d since the start: %s", self.own_faults, self._fault)
            self._fault = None
        if self._unsaved and self._collector.now() - self._saved_at >= _SAVE_SECONDS:
            await self._save()

    def _known_targets(self) -> dict[int, Target]:
        named = self._targets()
        parsed, self._parsed = self._parsed, {}
        targets, invalid = {}, {}
        for assignment, text in named.items():
            target = parsed.get((assignment, text)) or _target(assignment, text)
            self._parsed[assignment, text] = target
            if isinstance(target, Target):
                targets[assignment] = target
            else:
                invalid[assignment] = target
        self.invalid = invalid
        for gone in self.failures.keys() - named.keys():
            del self.failures[gone]
        return targets

    async def _ask(self, targets: Mapping[int, Target], span: float, resolver: Resolver) -> dict[int, Outcome]:
        """Probe them all, begun at random within `span` seconds; absent is whose turn didn't come."""
        loop = asyncio.get_running_loop()
        began = loop.time()
        latest = began + span + 0.1 * self.timeout

        async def one(target: Target, delay: float) -> Outcome | None:
            await asyncio.sleep(delay)
            async with self._turns:
                if loop.time() > latest:
                    return None
                try:
                    return await attempt(target, self.rule, resolver, self._tls, self.timeout)
                except OwnFault as fault:
                    self.own_faults += 1
                    self._fault = fault
                    return None
                except Exception:  # a target made by a stranger must not end everybody's probes
                    self.own_faults += 1
                    _LOG.exception("a bug kept %s from being probed", target)
                    return None

        async with asyncio.TaskGroup() as group:
            tasks = {
                assignment: group.create_task(one(target, self._chance.random() * span))
                for assignment, target in targets.items()
            }
        return {assignment: found for assignment, task in tasks.items() if (found := task.result()) is not None}

    def _remember(self, found: Mapping[int, Outcome]) -> None:
        at = floor(self._collector.now())
        for assignment, outcome in found.items():
            if outcome.failure is None:
                self.answered += 1
            else:
                self.failed[outcome.failure] += 1
                self.failures[assignment] = LastFailure(outcome.failure, outcome.detail, at)
                self._unsaved = True

    def _write(self, certain: Iterable[Covered]) -> None:
        store, per_epoch = self._collector.store, self._collector.clock.ticks_per_epoch
        for covered in certain:
            track = store.track(Kind.PROBE, covered.assignment.to_bytes(16, "big"))
            if covered.seen:
                first = covered.seen[0]
                for epoch, bits in bitmap.by_epoch(_mask(covered.seen, first), first, per_epoch):
                    store.see(track, epoch, bits)
                for epoch, bits in bitmap.by_epoch(_mask(covered.up, first), first, per_epoch):
                    store.mark_bits(track, epoch, bits)

    async def _save(self) -> None:
        if not self._unsaved:
            return
        self._unsaved = False
        self._saved_at = self._collector.now()
        try:
            await asyncio.to_thread(self._collector.store.put_state, STATE_KEY, json.dumps(self.told).encode())
        except StoreError as error:  # explanations only; the commits tell of a store that fails
            _LOG.warning("the reasons of failed probes are not kept: %s", error)


def _target(assignment: int, text: str) -> Target | str:
    """What to probe, or why it can't be. Strangers write targets: none may end everybody's probes."""
    try:
        uint("assignment", assignment, 128)
        return Target.parse(text)
    except (InvalidTarget, InvalidValue) as error:
        _LOG.warning("assignment %d isn't probed: %s", assignment, error)
        return str(error)
    except Exception as error:
        _LOG.exception("a bug keeps assignment %d from being probed", assignment)
        return f"a bug keeps it from being probed: {error!r}"


def _mask(ticks: Iterable[int], first: int) -> int:
    """Ticks as a mask whose bit 0 is tick `first`."""
    return sum(1 << tick - first for tick in ticks)
