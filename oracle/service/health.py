"""Whether the daemon lives and works: /live, /ready with what it waits for, /metrics. For its operator alone."""

from __future__ import annotations

import logging
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Final

from aiohttp import web

from oracle.ground.errors import EpochalError
from oracle.telemetry.intake.metrics import CONTENT_TYPE
from oracle.telemetry.wire.http_server import HttpServer, ServerLimits, TurnedAway, json_response

_LOG = logging.getLogger("epochal.health")
_LIMITS: Final = ServerLimits(connections=200, per_peer=None, idle_seconds=60)


class HealthUnavailable(EpochalError):
    """The server of health can't listen."""


@dataclass(frozen=True, slots=True)
class Health:
    """What the daemon tells of itself.

    live      why it does not go on by itself and must be started again, or None. Waiting is no such reason
    ready     what keeps it from working, each in a sentence; empty when nothing does
    metrics   in Prometheus's text format
    """

    live: Callable[[], str | None]
    ready: Callable[[], Sequence[str]]
    metrics: Callable[[], bytes]


class HealthServer:
    """Serves one daemon's health over HTTP."""

    def __init__(self, health: Health) -> None:
        self._health = health
        self.turned_away: Counter[TurnedAway] = Counter()
        self._server = HttpServer(self._answer, _LIMITS, self._turned_away, _LOG)

    def _turned_away(self, why: TurnedAway) -> None:
        self.turned_away[why] += 1

    async def start(self, host: str, port: int) -> str:
        """Listen, and return the URL (port 0: any free one). HealthUnavailable if it can't."""
        try:
            return await self._server.start(host, port, backlog=128)
        except OSError as error:
            raise HealthUnavailable(
                f"health_listen: can't listen on {host}:{port} ({error.strerror}); if this oracle runs already, "
                "leave it alone (never two with one key), else name another address"
            ) from error

    async def stop(self) -> None:
        """Stop listening."""
        await self._server.stop()

    async def _answer(self, request: web.BaseRequest) -> web.StreamResponse:
        if request.method not in ("GET", "HEAD"):
            return json_response((405, {"error": "send GET"}), {"Allow": "GET, HEAD"})
        match request.path:
            case "/live":
                trouble = self._health.live()
                return json_response((503 if trouble else 200, {"live": not trouble, "reason": trouble}))
            case "/ready":
                waits = list(self._health.ready())
                return json_response((503 if waits else 200, {"ready": not waits, "waiting_for": waits}))
            case "/metrics":
                return web.Response(body=self._health.metrics(), headers={"Content-Type": CONTENT_TYPE})
            case _:
                return json_response((404, {"error": "ask for /live, /ready or /metrics"}))
