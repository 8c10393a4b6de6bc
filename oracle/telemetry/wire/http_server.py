"""A server of plain HTTP whose connections can't be held for nothing: counted, by peer too, and closed when idle.

It carries requests and answers and knows nothing of either. A proxy in front of it ends TLS.
"""

from __future__ import annotations

import asyncio
import json
import logging
from collections import Counter
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from enum import Enum
from typing import Any

from aiohttp import web
from aiohttp.http_exceptions import HttpProcessingError
from aiohttp.web_protocol import RequestHandler

from oracle.telemetry.wire.answers import MAX_BODY, Answer, is_too_large, problem, too_large
from oracle.telemetry.wire.budget import sender


class TurnedAway(Enum):
    """Why somebody wasn't heard: too many connections are open, too many of its sender, no request came in time, too
    many bodies have come in part."""

    FULL = "full"
    PEER = "peer"
    HEADERS = "headers"
    BUFFERED = "buffered"


@dataclass(frozen=True, slots=True)
class ServerLimits:
    """What connections may take.

    connections      open ones, all together
    per_peer         open ones of one sender, see `budget.sender`; None: any, behind a proxy all have its address
    header_seconds   until a new one has brought its first request
    body_seconds     until a body has come whole
    idle_seconds     from an answer until the next request; one that has only begun to come is none yet
    buffered         bytes of bodies that have come in part, all together
    """

    connections: int
    per_peer: int | None
    header_seconds: float = 10
    body_seconds: float = 10
    idle_seconds: float = 120
    buffered: int = 128 * 1024 * 1024


class HttpServer:
    """Gives each request to `answer`, and tells `turned_away` of each sender that wasn't heard."""

    def __init__(
        self,
        answer: Callable[[web.BaseRequest], Awaitable[web.StreamResponse]],
        limits: ServerLimits,
        turned_away: Callable[[TurnedAway], None],
        logger: logging.Logger,
    ) -> None:
        self.limits = limits
        self.turned_away = turned_away
        self.logger = logger
        self.open: Counter[str] = Counter()
        """Open connections by sender; "" is all of them."""
        self._buffered = 0
        self._answer = answer
        self._runner: web.ServerRunner | None = None
        logger.addFilter(_is_no_noise)

    @property
    def connections(self) -> int:
        """How many are open."""
        return self.open[""]

    async def start(self, host: str, port: int, backlog: int = 4096) -> str:
        """Listen, and return the URL that it is bound to (port 0: any free one). OSError if it can't."""
        # A bare server: the router and middlewares of an application would cost more than a signature check.
        runner = web.ServerRunner(_Connections(self), shutdown_timeout=5)
        await runner.setup()
        try:
            await web.TCPSite(runner, host, port, backlog=backlog).start()
        except OSError:
            await runner.cleanup()
            raise
        self._runner = runner
        bound = runner.addresses[0]
        return f"http://[{bound[0]}]:{bound[1]}" if ":" in bound[0] else f"http://{bound[0]}:{bound[1]}"

    async def stop(self) -> None:
        """Answer the requests under way and stop listening."""
        runner, self._runner = self._runner, None
        if runner is not None:
            await runner.cleanup()

    def serve(self, request: web.BaseRequest) -> Awaitable[web.StreamResponse]:
        """For aiohttp: a whole head has come."""
        if isinstance(request.protocol, _Connection):
            request.protocol.asked = True
        return self._answer(request)

    async def read_body(self, request: web.BaseRequest, longest: int | None = None) -> bytes | Answer:
        """The request's body, or the answer to one that is too long, too slow or broken off.

        longest: bytes of a body that is no heartbeats; for those see `answers.is_too_large`.
        """
        most = MAX_BODY if longest is None else longest
        if (request.content_length or 0) > most:
            return too_large(longest)
        try:
            if request.content.is_eof():  # it came with the headers; a deadline would cost as much as a hash
                body: bytes | None = request.content.read_nowait()
            else:
                async with asyncio.timeout(self.limits.body_seconds):
                    body = await self._collect(request, most)
        except TimeoutError:
            return problem(408, "slow", f"send the body within {self.limits.body_seconds:g} s")
        except (web.RequestPayloadError, ConnectionError):
            return problem(400, "body", "send the whole body that the headers announce")
        if body is None or (is_too_large(body) if longest is None else len(body) > longest):
            return too_large(longest)
        return body

    async def _collect(self, request: web.BaseRequest, most: int) -> bytes | None:
        """The request's body, or None for one longer than any that is taken. TimeoutError while too much waits."""
        body = b""
        try:
            async for chunk in request.content.iter_any():
                body += chunk
                self._buffered += len(chunk)
                if len(body) > most:
                    return None
                if self._buffered > self.limits.buffered:
                    self.turned_away(TurnedAway.BUFFERED)
                    raise TimeoutError
        finally:
            self._buffered -= len(body)
        return body


def json_response(answer: Answer, headers: dict[str, str] | None = None) -> web.Response:
    """The answer as it travels."""
    body = json.dumps(answer[1]).encode()
    return web.Response(status=answer[0], body=body, content_type="application/json", headers=headers)


class _Connections(web.Server):
    """aiohttp's server, with connections of our own."""

    def __init__(self, owner: HttpServer) -> None:
        super().__init__(owner.serve)
        self._owner = owner

    def __call__(self) -> RequestHandler:
        return _Connection(
            self._owner,
            self,
            loop=asyncio.get_running_loop(),
            access_log=None,
            logger=self._owner.logger,
            auto_decompress=False,
            keepalive_timeout=self._owner.limits.idle_seconds,
        )


class _Connection(RequestHandler):
    """A connection. aiohttp would give its first request as long as it gives an idle one."""

    __slots__ = ("_counted", "_deadline", "_from", "_owner", "asked")

    def __init__(self, owner: HttpServer, manager: web.Server, **options: Any) -> None:
        super().__init__(manager, **options)
        self._owner = owner
        self.asked = False
        """Whether a whole head has come."""
        self._from = ""
        self._counted = False
        self._deadline: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        super().connection_made(transport)
        name = transport.get_extra_info("peername")
        self._from = sender(str(name[0])) if name else "?"
        opened, limits = self._owner.open, self._owner.limits
        opened[self._from] += 1
        opened[""] += 1
        self._counted = True
        if opened[""] > limits.connections:
            self._turn_away(TurnedAway.FULL)
        elif limits.per_peer is not None and opened[self._from] > limits.per_peer:
            self._turn_away(TurnedAway.PEER)
        else:
            self._deadline = asyncio.get_running_loop().call_later(limits.header_seconds, self._expect_request)

    def connection_lost(self, exc: BaseException | None) -> None:
        if self._deadline is not None:
            self._deadline.cancel()
        if self._counted:
            self._counted = False
            for key in (self._from, ""):
                self._owner.open[key] -= 1
                if not self._owner.open[key]:
                    del self._owner.open[key]
        super().connection_lost(exc)

    def _expect_request(self) -> None:
        if not self.asked:
            self._turn_away(TurnedAway.HEADERS)

    def _turn_away(self, why: TurnedAway) -> None:
        if self.transport is not None:
            self._owner.turned_away(why)
            self.transport.close()


def _is_no_noise(record: logging.LogRecord) -> bool:
    """Whoever sends us no HTTP gets a 400, not a page of our log."""
    return not (record.exc_info and isinstance(record.exc_info[1], HttpProcessingError))
