"""A site's gateway: nodes that reach no oracle themselves beat through it, and oracles get few requests.

Towards nodes it has the interface of an oracle under /o/<index> for each one; see `node.relay` for what it does with
heartbeats. A gateway that is down is down-time for its whole site: run it where the site's own way out is.
"""

from __future__ import annotations

import asyncio
import json
import logging
import re
import time
from collections import OrderedDict
from collections.abc import Callable
from typing import Any

import aiohttp
from aiohttp import web

from node.agent import run_until, say_line, stop_signals
from node.errors import SettingsError
from node.relay import MOST_BYTES, Relay, problem, status_of
from node.settings import MOST_FRAMES, GatewaySettings
from node.transport import Answer
from oracle.telemetry.wire import frames, heartbeat, session

_LOG = logging.getLogger("epochal.gateway")
_PATH = re.compile(r"/o/(0|[1-9][0-9]{0,3})(/v1/[a-z]+)(?:/(0x[0-9a-fA-F]{40})/(0|[1-9][0-9]{0,8}))?")
_METHODS = {"/v1/challenge": "GET", "/v1/heartbeats": "POST", "/v1/sessions": "POST", "/v1/receipts": "GET"}
_BODY_SECONDS = 10
_REFUSED_PER_SECOND = 2.0
_REFUSED_BURST = 60.0
_PEERS = 10_000


def run_gateway(settings: GatewaySettings) -> int:
    """Relay until SIGTERM or SIGINT, and return the exit code 0. SettingsError if it can't listen."""
    asyncio.run(_serve(settings))
    return 0


async def _serve(settings: GatewaySettings) -> None:
    gateway = Gateway(settings)
    url = await gateway.start()
    for index, relay in enumerate(gateway.relays):
        say_line(f"gateway: {url}/o/{index} relays to {relay.url}")
    try:
        with stop_signals() as stop:
            await run_until(stop, [relay.run() for relay in gateway.relays])
    finally:
        await gateway.stop()
    say_line(f"gateway: stopped after {sum(relay.relayed for relay in gateway.relays)} accepted heartbeats")


class Gateway:
    """The server towards the nodes. The owner runs its `relays`."""

    def __init__(self, settings: GatewaySettings, say: Callable[[str], None] | None = None) -> None:
        self.relays: list[Relay] = []
        self._settings = settings
        self._say = say or say_line
        self._refused = _Allowance()
        self._http: aiohttp.ClientSession | None = None
        self._runner: web.ServerRunner | None = None

    async def start(self) -> str:
        """Listen, and return the URL that it is bound to. SettingsError if it can't."""
        settings = self._settings
        self._http = aiohttp.ClientSession(cookie_jar=aiohttp.DummyCookieJar(), auto_decompress=False)
        self.relays = [
            Relay(url, self._http, settings.batch_ms / 1000, settings.queue, self._say) for url in settings.oracles
        ]
        # A bare server: the router and middlewares of an application would cost more than the relaying.
        runner = web.ServerRunner(
            web.Server(self._answer, access_log=None, logger=_LOG, auto_decompress=False), shutdown_timeout=5
        )
        await runner.setup()
        host, port = settings.address()
        try:
            await web.TCPSite(runner, host, port, backlog=1024).start()
        except OSError as error:
            await runner.cleanup()
            await self._http.close()
            raise SettingsError(f"--listen {settings.listen}: can't listen there ({error.strerror})") from error
        self._runner = runner
        bound = runner.addresses[0]
        return f"http://[{bound[0]}]:{bound[1]}" if ":" in bound[0] else f"http://{bound[0]}:{bound[1]}"

    async def stop(self) -> None:
        """Stop listening and let go of the oracles."""
        if self._runner is not None:
            await self._runner.cleanup()
        if self._http is not None:
            await self._http.close()

    async def _answer(self, request: web.BaseRequest) -> web.Response:
        if request.method == "GET" and request.path in ("/live", "/ready"):
            return self._state(request.path)
        found = _PATH.fullmatch(request.path)
        wanted = _METHODS.get(found[2]) if found else None
        if found is None or wanted is None or (found[2] == "/v1/receipts") != bool(found[3]):
            return _json(problem(404, "path", "use /o/<index>/v1/challenge, heartbeats, sessions, receipts/NODE/EPOCH"))
        if int(found[1]) >= len(self.relays):
            return _json(problem(404, "oracle", f"this gateway relays to oracles 0 to {len(self.relays) - 1}"))
        if request.method != wanted:
            return _json(problem(405, "method", f"send {wanted} to this path"))
        relay, peer = self.relays[int(found[1])], request.remote or ""
        if not self._refused.has(peer):
            return _json(problem(429, "too_many_refused", "wait a minute; most of what came from here was refused"))
        if found[2] == "/v1/challenge":
            return _json(await relay.terms())
        if found[2] == "/v1/receipts":
            self._refused.spend(peer, 1)  # each costs the oracle a signature
            return _json(await relay.pass_on(lambda: relay.transport.receipt(found[3], int(found[4]))))
        body = await _read(request)
        if not isinstance(body, bytes):
            return _json(body)
        if found[2] == "/v1/sessions":
            status, answer = await relay.pass_on(lambda: relay.transport.open_session(body))
            refused = 0 if status == 200 else 1
        else:
            status, answer = await self._heartbeats(relay, body)
            refused = len(answer["refused"])
        # What one node wastes at the oracle would be held against the whole site.
        if status < 500:
            self._refused.spend(peer, refused)
        return _json((status, answer))

    async def _heartbeats(self, relay: Relay, body: bytes) -> Answer:
        """The oracle's answer to a node's heartbeats; what is no heartbeat isn't passed on.

        In a request of many it would take those behind it with it.
        """
        given = frames.split(body) or [b""]
        if len(given) > MOST_FRAMES:
            return problem(413, "too_large", f"send at most {MOST_FRAMES} heartbeats")
        good, refused = [], []
        for index, frame in enumerate(given):
            fault = _fault(frame)
            if fault is None:
                good.append((index, frame))
            else:
                refused.append({"index": index, "reason": fault[0], "cure": fault[1]})
        if not good:
            return status_of(refused[0]), {"accepted": 0, "refused": refused}
        status, answer = await relay.beat([frame for _, frame in good])
        if not refused:
            return status, answer
        for key in ("refused", "fenced"):
            if key in answer:
                answer = {**answer, key: [{**e, "index": good[e["index"]][0]} for e in answer[key]]}
        return status, {**answer, "refused": sorted([*answer["refused"], *refused], key=lambda e: int(e["index"]))}

    def _state(self, path: str) -> web.Response:
        oracles = [
            {"url": r.url, "relayed": r.relayed, "waiting": r.waiting, "trouble": r.trouble} for r in self.relays
        ]
        if path == "/live":
            return _json((200, {"live": True, "oracles": oracles}))
        ready = any(relay.trouble is None for relay in self.relays)
        return _json((200 if ready else 503, {"ready": ready, "oracles": oracles}))


class _Allowance:
    """How many refusals and receipts each peer may still cause, for a bounded number of peers."""

    def __init__(self) -> None:
        self._left: OrderedDict[str, tuple[float, float]] = OrderedDict()

    def has(self, peer: str) -> bool:
        return self._now(peer) > 0

    def spend(self, peer: str, count: int) -> None:
        if count:
            left = self._now(peer) - count
            self._left.pop(peer, None)
            self._left[peer] = (max(-_REFUSED_BURST, left), time.monotonic())
            if len(self._left) > _PEERS:
                self._left.popitem(last=False)

    def _now(self, peer: str) -> float:
        left, since = self._left.get(peer, (_REFUSED_BURST, 0.0))
        return min(_REFUSED_BURST, left + (time.monotonic() - since) * _REFUSED_PER_SECOND)


def _fault(frame: bytes) -> tuple[str, str] | None:
    """(reason, cure) for bytes that no oracle could read; None for a heartbeat of the right form."""
    decode: Callable[[bytes], Any] = (
        session.decode_sealed if frame[:1] == bytes((session.SEALED,)) else heartbeat.decode
    )
    try:
        decode(frame)
    except heartbeat.UnknownVersion as error:
        return "version", str(error)
    except heartbeat.MalformedHeartbeat as error:
        return "malformed", str(error)
    return None


async def _read(request: web.BaseRequest) -> bytes | Answer:
    """The request's body, or the answer to one that isn't taken."""
    body = b""
    try:
        async with asyncio.timeout(_BODY_SECONDS):
            async for chunk in request.content.iter_any():
                body += chunk
                if len(body) > MOST_BYTES:
                    return problem(413, "too_large", f"send at most {MOST_BYTES} bytes")
    except TimeoutError:
        return problem(408, "slow", f"send the body within {_BODY_SECONDS} s")
    except (web.RequestPayloadError, ConnectionError):
        return problem(400, "body", "send the whole body that the headers announce")
    return body


def _json(answer: Answer) -> web.Response:
    return web.Response(status=answer[0], body=json.dumps(answer[1]).encode(), content_type="application/json")
