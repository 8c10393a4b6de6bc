"""An intake put together: the collector, its way in over HTTP and the further ones, started and stopped in order."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from contextlib import AsyncExitStack
from typing import Protocol

from oracle.ground.clock import EpochClock
from oracle.ground.typed_data import Domain
from oracle.service.settings import IntakeSettings
from oracle.signing.signer import Signer
from oracle.telemetry.intake import clock_sync
from oracle.telemetry.intake.collector import Collector
from oracle.telemetry.intake.roster import Roster
from oracle.telemetry.store.bitmaps import BitmapStore
from oracle.telemetry.ways.http import HttpLimits, HttpWay


class WayIn(Protocol):
    """A further way in, such as a broker or probes: started after the collector and stopped before it."""

    async def start(self) -> object:
        """Begin."""

    async def stop(self) -> None:
        """End."""


MakeWay = Callable[[Collector, IntakeSettings], WayIn]


async def collect(
    stack: AsyncExitStack,
    store: BitmapStore,
    clock: EpochClock,
    domain: Domain,
    roster: Roster,
    signer: Signer,
    settings: IntakeSettings,
    ways: Sequence[MakeWay],
    now: Callable[[], float] = time.time,
) -> tuple[Collector, HttpWay, str]:
    """A running collector, its HTTP way and the URL of that; `stack` stops them. `now` tells UNIX seconds.

    ServerError, and what the ways raise, at the start.
    """
    collector = Collector(store, clock, signer, domain, roster, secret=settings.secret, now=now)
    largest = settings.max_clock_error
    if largest is not None:
        collector.eyes.conditions.append(lambda: clock_sync.trouble(largest))
    await collector.start()
    stack.push_async_callback(collector.stop)
    http = HttpWay(collector, HttpLimits(trust_forwarded=settings.trust_forwarded), settings.way("http"))
    url = await http.start(*settings.listen)
    stack.push_async_callback(http.stop)
    for make in ways:
        way = make(collector, settings)
        await way.start()
        stack.push_async_callback(way.stop)
    return collector, http, url
