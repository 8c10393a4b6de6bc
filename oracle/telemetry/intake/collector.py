"""One oracle's collecting: the store, the intake, the eyes and the commits that all its ways in share."""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import Callable, Iterable

from prometheus_client.core import Metric

from oracle.ground.clock import EpochClock
from oracle.ground.typed_data import Domain
from oracle.signing.signer import Signer
from oracle.telemetry.intake.eyes import Eyes
from oracle.telemetry.intake.group_commit import GroupCommit
from oracle.telemetry.intake.intake import Intake
from oracle.telemetry.intake.roster import Roster
from oracle.telemetry.store.bitmaps import BitmapStore
from oracle.telemetry.store.errors import StoreError

LONGEST_PULSE = 1.0
WEIGH_SECONDS = 60.0


class Collector:
    """What the ways in stand on. `start` it before them and `stop` it after them; the store stays open.

    `now` tells UNIX seconds; `longest_gap` is that of the eyes, in seconds; `secret` is that of the challenges, see
    `Intake`.
    """

    def __init__(
        self,
        store: BitmapStore,
        clock: EpochClock,
        signer: Signer,
        domain: Domain,
        roster: Roster,
        *,
        now: Callable[[], float] = time.time,
        steady: Callable[[], float] | None = None,
        longest_gap: float | None = None,
        secret: bytes | None = None,
    ) -> None:
        self.store = store
        self.clock = clock
        self.now = now
        self.roster = roster
        self._pause = min(LONGEST_PULSE, clock.tick / 4)
        # A process that was held up for longer may have missed heartbeats of this tick.
        gap = min(clock.tick, 2 * self._pause + 1) if longest_gap is None else longest_gap
        self.eyes = Eyes(store, clock, now, steady or time.monotonic, gap)
        self.intake = Intake(store, clock, signer, domain, roster, now, secret)
        self.eyes.conditions.append(self.trouble)
        self.told_by_ways: list[Callable[[], Iterable[Metric]]] = []
        """Each way's own metrics, see `metrics`."""
        self.store_bytes = 0
        """What the store took at rest when it was last asked, a minute ago at most."""
        self._commits: GroupCommit | None = None
        self._pulse: asyncio.Task[None] | None = None
        self._weighing: asyncio.Task[None] | None = None

    @property
    def commits(self) -> GroupCommit:
        """The commits of the store. StoreError unless the collector runs."""
        if self._commits is None:
            raise StoreError("the oracle is stopping; send to it again later")
        return self._commits

    def trouble(self) -> str | None:
        """Why nothing that comes in can be made durable now, or None."""
        if self._commits is None or self._pulse is None:
            return "the collector isn't running"
        if self._pulse.done():
            return "the pulse that tells observed ticks has stopped; restart the oracle"
        return self._commits.failure

    async def receipt(self, node: str, epoch: int) -> bytes | None:
        """See `Intake.receipt`; all that it holds is durable. StoreError."""
        signed = await asyncio.to_thread(self.intake.receipt, node, epoch)
        if signed is not None:
            await self.commits.durable()
        return signed

    async def start(self) -> None:
        """Begin to watch and to commit."""
        self._commits = GroupCommit(self.store)
        self._pulse = asyncio.create_task(self._watch(self._commits))
        self._weighing = asyncio.create_task(self._weigh())

    async def stop(self) -> None:
        """Make the last marks durable and end. StoreError if that fails."""
        for task in (self._pulse, self._weighing):
            if task is not None:
                task.cancel()
                with contextlib.suppress(asyncio.CancelledError):
                    await task
        commits, self._commits, self._pulse = self._commits, None, None
        if commits is not None:
            await commits.stop()

    async def _watch(self, commits: GroupCommit) -> None:
        while True:
            self.eyes.pulse()
            commits.request()
            await asyncio.sleep(self._pause)

    async def _weigh(self) -> None:
        """Ask for the store's size now and then: a database that hangs holds up neither pulse nor metrics."""
        while True:
            with contextlib.suppress(StoreError):  # the commits tell it
                self.store_bytes = await asyncio.to_thread(self.store.size)
            await asyncio.sleep(WEIGH_SECONDS)
