"""The way in over HTTP: how nodes reach one oracle. `openapi.json` beside this file describes it.

Answers are JSON. A refusal names its reason and its cure. A proxy in front of this server ends TLS.
"""

from __future__ import annotations

import asyncio
import logging
import re
import time
from collections import Counter, OrderedDict
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from aiohttp import web
from prometheus_client.core import Metric

from oracle.ground.errors import EpochalError
from oracle.telemetry.intake.collector import Collector
from oracle.telemetry.intake.intake import Refused, Tally
from oracle.telemetry.intake.metrics import CONTENT_TYPE, counter, exposition, gauge
from oracle.telemetry.store.errors import StoreError
from oracle.telemetry.ways import answers
from oracle.telemetry.wire.answers import Answer, problem, wasted
from oracle.telemetry.wire.budget import Budget, sender
from oracle.telemetry.wire.http_server import HttpServer, ServerLimits, TurnedAway, json_response

_LOG = logging.getLogger("epochal.telemetry.http")
_BLIND_SECONDS: Final = 2.0
_OLD_ROSTER_SECONDS: Final = 300
_OPENAPI: Final = Path(__file__).with_name("openapi.json").read_bytes()
_RECEIPT: Final = re.compile(r"/v1/receipts/(0x[0-9a-fA-F]{40})/(0|[1-9][0-9]{0,8})")
_METHODS: Final = {
    "/v1/heartbeats": "POST",
    "/v1/sessions": "POST",
    "/v1/challenge": "GET",
    "/v1/openapi.json": "GET",
    "/live": "GET",
    "/ready": "GET",
    "/metrics": "GET",
}
_AT_ONCE: Final = 25 * 126
"""Bytes that are judged in one go; what is longer waits for its turn."""
_KNOWN_SENDERS: Final = 200_000


class ServerError(EpochalError):
    """The telemetry server can't listen."""


@dataclass(frozen=True, slots=True)
class HttpLimits:
    """What senders may cost.

    connections       open ones, all together
    per_peer          open ones of one address
    waiting           requests being answered at a time, all together
    header_seconds, body_seconds      within which a new connection's request, and a body, have to come
    buffered          bytes of bodies that have come in part, all together
    wasted_per_second, wasted_burst   signatures checked in vain for one address
    wasted_by_all     the same for all addresses together; beyond it only senders whose heartbeats counted are heard
    asked_per_second, asked_burst     receipts and sessions of one address
    trust_forwarded   the sender is the last address of X-Forwarded-For: only behind a proxy that adds it

    An address is that of a host; in IPv6, a network of 64 bits.
    """

    connections: int = 60_000
    per_peer: int = 2_000
    waiting: int = 20_000
    header_seconds: float = 10
    body_seconds: float = 10
    buffered: int = 128 * 1024 * 1024
    wasted_per_second: float = 20.0
    wasted_burst: float = 500.0
    wasted_by_all: float = 4_000.0
    asked_per_second: float = 100.0
    asked_burst: float = 2_000.0
    trust_forwarded: bool = False


class HttpWay:
    """Serves one collector over HTTP."""

    def __init__(self, collector: Collector, limits: HttpLimits | None = None, name: str = "http") -> None:
        self.limits = limits or HttpLimits()
        self.shed: Counter[str] = Counter(dict.fromkeys(_SHED, 0))
        """Requests and connections that were turned away before their heartbeats were looked at, by reason."""
        self.requests = 0
        self._collector = collector
        self._way = collector.eyes.way(name)
        self._wasted = Budget(self.limits.wasted_per_second, self.limits.wasted_burst)
        self._wasted_by_all = Budget(self.limits.wasted_by_all, 4 * self.limits.wasted_by_all)
        self._asked = Budget(self.limits.asked_per_second, self.limits.asked_burst)
        self._heard: OrderedDict[str, None] = OrderedDict()
        self._judging = asyncio.Lock()
        self._waiting = 0
        bounds = self.limits
        per_peer = None if bounds.trust_forwarded else bounds.per_peer
        self.server = HttpServer(
            self._answer,
            ServerLimits(
                bounds.connections, per_peer, bounds.header_seconds, bounds.body_seconds, buffered=bounds.buffered
            ),
            self._unheard,
            _LOG,
        )
        collector.told_by_ways.append(self._metrics)

    def _metrics(self) -> Iterator[Metric]:
        yield counter("epochal_http_requests", "Requests over HTTP.", self.requests)
        turned_away = "Requests and connections turned away unread, by reason."
        yield counter("epochal_http_turned_away", turned_away, self.shed)
        yield gauge("epochal_http_connections", "Open connections.", self.server.connections)

    async def start(self, host: str = "127.0.0.1", port: int = 0) -> str:
        """Listen, and return the URL it is bound to (port 0: any free one). ServerError if it can't."""
        try:
            url = await self.server.start(host, port)
        except OSError as error:
            raise ServerError(f"can't listen on {host}:{port} ({error.strerror}); name another address") from error
        self._way.trouble = None
        return url

    async def stop(self) -> None:
        """Answer the requests under way and stop listening."""
        self._way.trouble = "stopped"
        await self.server.stop()

    # Requests.

    async def _answer(self, request: web.BaseRequest) -> web.StreamResponse:
        self.requests += 1
        path = request.path
        wanted = _METHODS.get(path) or ("GET" if path.startswith("/v1/receipts/") else None)
        if wanted is None:
            return json_response(problem(404, "path", "use a path of /v1/openapi.json"))
        if request.method != wanted:
            return json_response(problem(405, "method", f"send {wanted} to this path"), {"Allow": wanted})
        if self._waiting >= self.limits.waiting:
            return self._overload()
        peer = self._peer(request)
        self._waiting += 1
        try:
            return await self._route(request, path, peer)
        finally:
            self._waiting -= 1

    async def _route(self, request: web.BaseRequest, path: str, peer: str) -> web.StreamResponse:
        if path == "/v1/heartbeats":
            return await self._heartbeats(request, peer)
        if path == "/v1/challenge":
            return json_response((200, self._collector.intake.terms()))
        if path == "/v1/sessions":
            return await self._session(request, peer)
        if path == "/v1/openapi.json":
            return web.Response(body=_OPENAPI, content_type="application/json")
        if path == "/live":
            return json_response((200, {"live": True}))
        if path == "/ready":
            return self._ready()
        if path == "/metrics":
            return web.Response(body=exposition(self._collector), headers={"Content-Type": CONTENT_TYPE})
        return await self._receipt(path, peer)

    def _ready(self) -> web.Response:
        trouble = self._collector.eyes.trouble()
        age = self._collector.roster.age
        if trouble is None and age > _OLD_ROSTER_SECONDS:
            trouble = f"the roster is {age:.0f} s old: the chain can't be read, and nodes linked since are refused"
        ways = {way.name: way.trouble for way in self._collector.eyes.ways.values()}
        reason = trouble or next((f"{name}: {told}" for name, told in ways.items() if told), None)
        return json_response((503 if reason else 200, {"ready": reason is None, "reason": reason}))

    async def _heartbeats(self, request: web.BaseRequest, peer: str) -> web.Response:
        body = await self._body(request, peer)
        if not isinstance(body, bytes):
            return body
        collector = self._collector
        intake, received = collector.intake, collector.now()
        tally = Tally()
        if len(body) <= _AT_ONCE:
            self._judge(body, tally, peer, received)
        else:
            # One long message at a time: who sends many at once pays for the first before the second is looked at.
            async with self._judging:
                if not self._may(peer):
                    return self._too_many()
                try:
                    for _ in intake.judge(body, tally, self._way, received):
                        await asyncio.sleep(0)
                finally:
                    self._charge(peer, tally)
        status, answer = answers.heartbeats(intake, tally, received, collector.now())
        if tally.accepted:
            try:
                await collector.commits.durable()
            except StoreError as error:
                return self._turn_away("storage", answers.not_stored(error))
        return json_response((status, answer))

    async def _session(self, request: web.BaseRequest, peer: str) -> web.Response:
        body = await self._body(request, peer)
        if not isinstance(body, bytes):
            return body
        if not self._ask(peer):
            return self._too_many()
        opened = self._collector.intake.open_session(body)
        if isinstance(opened, Refused):
            self._charge(peer, Tally(refused=[(0, opened)]))
        return json_response(answers.session(opened))

    async def _receipt(self, path: str, peer: str) -> web.Response:
        asked = _RECEIPT.fullmatch(path)
        if asked is None:
            return json_response(problem(400, "receipt", "ask for /v1/receipts/NODE/EPOCH: address, number"))
        if not self._ask(peer):
            return self._too_many()
        node, epoch = asked[1].lower(), int(asked[2])
        try:
            signed = await self._collector.receipt(node, epoch)
        except StoreError as error:
            return self._turn_away("storage", answers.not_stored(error))
        return json_response(answers.receipt(signed))

    async def _body(self, request: web.BaseRequest, peer: str) -> bytes | web.Response:
        """The request's body, or the answer to a request whose body isn't worth reading."""
        if not self._may(peer):
            return self._too_many()
        failure = self._collector.trouble()
        if failure:
            return self._turn_away("storage", answers.not_stored(failure))
        body = await self.server.read_body(request)
        if not isinstance(body, bytes):
            return self._turn_away(body[1]["refused"][0]["reason"], body)
        # Somebody else of this address may have wasted its budget meanwhile.
        return body if self._may(peer) else self._too_many()

    # Refusals of whole requests.

    def _judge(self, body: bytes, tally: Tally, peer: str, received: float) -> None:
        for _ in self._collector.intake.judge(body, tally, self._way, received):
            pass
        self._charge(peer, tally)

    def _charge(self, peer: str, tally: Tally) -> None:
        if tally.refused:
            cost = wasted(refused.reason for _, refused in tally.refused)
            now = time.monotonic()
            self._wasted.spend(peer, cost, now)
            self._wasted_by_all.spend("", cost, now)
        if tally.accepted and peer not in self._heard:
            self._heard[peer] = None
            if len(self._heard) > _KNOWN_SENDERS:
                self._heard.popitem(last=False)

    def _may(self, peer: str) -> bool:
        """Whether what a sender sends is looked at now."""
        now = time.monotonic()
        return self._wasted.has(peer, now) and (peer in self._heard or self._wasted_by_all.has("", now))

    def _ask(self, peer: str) -> bool:
        """Whether a sender may have another signature of ours, or another session; takes it off his budget."""
        now = time.monotonic()
        if not self._asked.has(peer, now):
            return False
        self._asked.spend(peer, 1.0, now)
        return True

    def _peer(self, request: web.BaseRequest) -> str:
        if self.limits.trust_forwarded:
            told = ",".join(request.headers.getall("X-Forwarded-For", ())).rpartition(",")[2].strip()
            if told:
                return sender(told)
        return sender(request.remote or "")

    def _overload(self) -> web.Response:
        self._blind()
        return self._turn_away("overload", problem(503, "overload", "send again later"))

    def _unheard(self, why: TurnedAway) -> None:
        self.shed["headers" if why is TurnedAway.HEADERS else "connections"] += why is not TurnedAway.BUFFERED
        if why in (TurnedAway.FULL, TurnedAway.BUFFERED):
            self._blind()

    def _blind(self) -> None:
        """Somebody wasn't heard because of the load: the way is blind for a while."""
        self._way.blind_until = self._collector.eyes.steady() + _BLIND_SECONDS

    def _too_many(self) -> web.Response:
        cure = "wait a minute; most of what came from here was refused"
        return self._turn_away("too_many_refused", problem(429, "too_many_refused", cure))

    def _turn_away(self, reason: str, answer: Answer) -> web.Response:
        self.shed[reason] += 1
        return json_response(answer)


_SHED: Final = ("overload", "slow", "body", "too_large", "too_many_refused", "storage", "connections", "headers")
