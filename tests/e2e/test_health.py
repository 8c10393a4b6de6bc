# SPDX-License-Identifier: Apache-2.0
"""The server of /live, /ready and /metrics."""

from __future__ import annotations

import asyncio
from typing import Any

import aiohttp
import pytest

from oracle.service.health import Health, HealthServer, HealthUnavailable
from oracle.service.metrics import DaemonMetrics, Series


def test_health__asked__tells_why() -> None:
    waits = ["waits for the chain"]
    trouble: list[str] = []
    metrics = DaemonMetrics()
    told = Health(lambda: trouble[0] if trouble else None, lambda: waits, metrics.exposition)

    async def story() -> None:
        server = HealthServer(told)
        url = await server.start("127.0.0.1", 0)
        async with aiohttp.ClientSession() as session:

            async def ask(path: str, method: str = "GET") -> tuple[int, Any]:
                async with session.request(method, url + path) as answer:
                    return answer.status, await answer.json() if "json" in answer.content_type else await answer.text()

            assert await ask("/live") == (200, {"live": True, "reason": None})
            assert await ask("/ready") == (503, {"ready": False, "waiting_for": ["waits for the chain"]})
            waits.clear()
            assert await ask("/ready") == (200, {"ready": True, "waiting_for": []})
            trouble.append("stands still")
            assert (await ask("/live"))[0] == 503
            metrics.add(Series.ROUNDS, "attested")
            assert 'epochal_oracle_rounds_total{outcome="attested"} 1.0' in (await ask("/metrics"))[1]
            assert (await ask("/else"))[0] == 404
            assert (await ask("/live", "POST"))[0] == 405
        host, port = url.removeprefix("http://").split(":")
        with pytest.raises(HealthUnavailable, match="health_listen: can't listen"):
            await HealthServer(told).start(host, int(port))
        await server.stop()

    asyncio.run(story())
