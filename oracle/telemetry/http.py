"""The intake over HTTP: how nodes reach one oracle.

    GET  /v1/challenge    the oracle's address, its challenge, and the clock that a node times its
    heartbeats by POST /v1/heartbeats   one heartbeat or several, concatenated; answered when the marks are
    durable GET  /v1/live         whether heartbeats become durable now, and the counts

Answers are JSON. A refusal names its reason and its cure. A proxy in front of this server ends TLS and
limits rates.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import logging
from typing import Any

from aiohttp import web
from aiohttp.http_exceptions import HttpProcessingError

from oracle.ground.errors import EpochalError
from oracle.telemetry import heartbeat
from oracle.telemetry.group_commit import GroupCommit
from oracle.telemetry.intake import Accepted, Intake, Reason, Refused
from oracle.telemetry.store import BitmapStore, StoreError

MAX_BEATS = 1000
"""Heartbeats in one request."""

_LOG = logging.getLogger("epochal.telemetry.http")
# Whoever sends us no HTTP gets a 400, not a page of our log.
_LOG.addFilter(lambda record: not (record.exc_info and isinstance(record.exc_info[1], HttpProcessingError)))
_BODY_SECONDS = 10
_BEATS_WITHOUT_PAUSE = 100
_STATUS = {
    Reason.MALFORMED: 400,
    Reason.VERSION: 400,
    Reason.WRONG_ORACLE: 421,
    Reason.STALE_CHALLENGE: 409,
    Reason.BAD_SIGNATURE: 403,
    Reason.UNKNOWN_NODE: 403,
    Reason.REPLAYED_SEQUENCE: 409,
    Reason.BEFORE_GENESIS: 425,
}


class ServerError(EpochalError):
    """The telemetry server can't listen."""


class TelemetryServer:
    """Serves one intake. `store` is the one that the intake marks; it is committed here but not closed."""

    def __init__(self, intake: Intake, store: BitmapStore) -> None:
        self._intake = intake
        self._store = store
        self._commits: GroupCommit | None = None
        self._runner: web.ServerRunner | None = None
        self._pulse: asyncio.Task[None] | None = None

    async def start(self, host: str = "127.0.0.1", port: int = 0) -> str:
        """Listen, and return the URL it is bound to (port 0: any free one). ServerError if it can't."""
        runner = web.ServerRunner(self._server(), shutdown_timeout=5)
        await runner.setup()
        try:
            await web.TCPSite(runner, host, port).start()
        except OSError as error:
            await runner.cleanup()
            raise ServerError(f"can't listen on {host}:{port} ({error.strerror}); name another address") from error
        self._runner = runner
        self._commits = GroupCommit(self._store)
        self._pulse = asyncio.create_task(self._keep_alive(self._commits))
        bound = runner.addresses[0]
        return f"http://[{bound[0]}]:{bound[1]}" if ":" in bound[0] else f"http://{bound[0]}:{bound[1]}"

    async def stop(self) -> None:
        """Answer the requests under way, make the last marks durable and stop listening.

        Raises `StoreError` if the last commit fails.
        """
        if self._pulse:
            self._pulse.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await self._pulse
        if self._runner:
            await self._runner.cleanup()
        if self._commits:
            await self._commits.stop()
        self._pulse = self._runner = self._commits = None

    def _server(self) -> web.Server:
        # A bare server: the router and middlewares of an application would cost more than a signature check.
        return web.Server(self._answer, access_log=None, logger=_LOG, auto_decompress=False)

    async def _keep_alive(self, commits: GroupCommit) -> None:
        """Tell the intake several times a tick that it runs."""
        pause = min(1.0, self._intake.clock.tick / 4)
        while True:
            self._intake.alive()
            commits.request()
            await asyncio.sleep(pause)

    async def _answer(self, request: web.BaseRequest) -> web.Response:
        route = (request.method, request.path)
        if route == ("POST", "/v1/heartbeats"):
            return await self._heartbeats(request)
        if route == ("GET", "/v1/challenge"):
            return self._challenge()
        if route == ("GET", "/v1/live"):
            return self._live()
        if request.path in ("/v1/heartbeats", "/v1/challenge", "/v1/live"):
            return _problem(405, "method", "POST to /v1/heartbeats, GET the others")
        return _problem(404, "path", "use /v1/challenge, /v1/heartbeats or /v1/live")

    def _challenge(self) -> web.Response:
        clock, now = self._intake.clock, self._intake.now()
        return _json(
            200,
            {
                "oracle": self._intake.oracle,
                "challenge": "0x" + self._intake.challenges.current(now).hex(),
                "genesis": clock.genesis,
                "tick": clock.tick,
                "now": now,
            },
        )

    def _live(self) -> web.Response:
        failure = self._commits.failure if self._commits else "stopped"
        if self._pulse is None or self._pulse.done():
            failure = failure or "the pulse that tells observed ticks has stopped; restart the oracle"
        counts = {
            "accepted": self._intake.accepted,
            "refused": {k.value: n for k, n in self._intake.refused.items()},
        }
        if failure:
            return _json(503, {"live": False, "reason": failure, **counts})
        return _json(200, {"live": True, **counts})

    async def _heartbeats(self, request: web.BaseRequest) -> web.Response:
        try:
            body = await asyncio.wait_for(_body(request), _BODY_SECONDS)
        except TimeoutError:
            return _problem(408, "slow", f"send the body within {_BODY_SECONDS} s")
        except (web.RequestPayloadError, ConnectionError):
            return _problem(400, "body", "send the whole body that the headers announce")
        if body is None:
            return _problem(413, "too_large", f"send at most {MAX_BEATS} heartbeats in a request")
        received = self._intake.now()
        answer: dict[str, Any] = {"accepted": 0, "refused": [], "now": received}
        status = 0
        # A body that is not whole heartbeats is one malformed heartbeat.
        size = heartbeat.SIZE if body and len(body) % heartbeat.SIZE == 0 else max(1, len(body))
        for index, start in enumerate(range(0, max(1, len(body)), size)):
            if index and index % _BEATS_WITHOUT_PAUSE == 0:
                await asyncio.sleep(0)
            decision = self._intake.accept(body[start : start + size], received)
            if isinstance(decision, Accepted):
                answer["accepted"] += 1
                answer.update(epoch=decision.epoch, tick=decision.tick)
            else:
                answer["refused"].append(_refusal(index, decision))
                status = status or _STATUS[decision.reason]
        answer["challenge"] = "0x" + self._intake.challenges.current(received).hex()
        if not answer["accepted"]:
            return _json(status, answer)
        try:
            if self._commits is None:
                raise StoreError("the server is stopping; send to it again later")
            await self._commits.durable()
        except StoreError as error:
            return _problem(503, "storage", f"the oracle can't store heartbeats now: {error}")
        return _json(200, answer)


async def _body(request: web.BaseRequest) -> bytes | None:
    """The request's body, or None if it is longer than any that is taken."""
    limit = MAX_BEATS * heartbeat.SIZE
    if (request.content_length or 0) > limit:
        return None
    body = b""
    async for chunk in request.content.iter_any():
        body += chunk
        if len(body) > limit:
            return None
    return body


def _refusal(index: int, refused: Refused) -> dict[str, Any]:
    told: dict[str, Any] = {"index": index, "reason": refused.reason.value, "cure": refused.cure}
    if refused.last_sequence is not None:
        told["last_sequence"] = refused.last_sequence
    return told


def _problem(status: int, reason: str, cure: str) -> web.Response:
    return _json(status, {"accepted": 0, "refused": [{"index": 0, "reason": reason, "cure": cure}]})


def _json(status: int, answer: dict[str, Any]) -> web.Response:
    return web.Response(status=status, body=json.dumps(answer).encode(), content_type="application/json")
