"""Whether a running workload is healthy, by its intent's own rule and `node.checks`."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Mapping

import aiohttp

from node.checks import look
from node.targets import Target
from oracle.telemetry.wire.workloads import Health
from orchestrator.wire.intent_parts import HealthCheck

LONGEST_LOOK = 5.0
"""Seconds that one look may take."""


def target_of(check: HealthCheck, ports: Mapping[str, int]) -> Target | None:
    """Where to look; None: nowhere, it is healthy once it ran for `delay_seconds`."""
    if check.mode == "delay":
        return None
    every = float(check.interval_seconds)
    port = ports[check.port]
    if check.mode == "endpoint" or (check.mode == "auto" and check.path):
        return Target("http", f"http://127.0.0.1:{port}{check.path}", every, min(LONGEST_LOOK, every))
    return Target("tcp", f"tcp://127.0.0.1:{port}", every, min(LONGEST_LOOK, every))


async def watch(
    check: HealthCheck, ports: Mapping[str, int], http: aiohttp.ClientSession, tell: Callable[[Health], None]
) -> None:
    """Look again and again and tell each result; returns when it wasn't healthy for `timeout_seconds` on end.

    What comes before the first healthy look is STARTING. The seconds count from the start and from the last healthy
    look, so a workload that hangs later on doesn't stay for ever either.
    """
    target = target_of(check, ports)
    if target is None:
        await asyncio.sleep(check.delay_seconds)
        tell(Health.HEALTHY)
        await asyncio.Event().wait()
        return
    was_healthy, healthy_at = False, time.monotonic()
    while True:
        began = time.monotonic()
        found = await look(target, http, {})
        if found is Health.HEALTHY:
            was_healthy, healthy_at = True, time.monotonic()
        elif time.monotonic() - healthy_at >= check.timeout_seconds:
            return
        tell(found if was_healthy else Health.STARTING)
        # Quicker before the first healthy look: that is what a moved job waits for.
        every = target.every if was_healthy else min(target.every, 0.5)
        await asyncio.sleep(max(0.05, began + every - time.monotonic()))
