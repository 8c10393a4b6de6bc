"""A site's gateway: nodes that reach no oracle themselves beat through it, and oracles get few requests.

Towards nodes it has the interface of an oracle under /o/<index> for each one; see `node.relay` for what it does with
heartbeats. A gateway that is down is down-time for its whole site: run it where the site's own way out is.
"""

from __future__ import annotations

import asyncio
import logging
import re
import time
from collections import Counter
from collections.abc import Awaitable, Callable
from functools import partial
from typing import Any

import aiohttp
from aiohttp import web

from node.agent import run_until, say_line, stop_signals
from node.allowance import Allowance
from node.errors import SettingsError
from node.relay import PATIENCE, Relay, status_of
from node.settings import GatewaySettings
from oracle.telemetry.wire import frames, heartbeat, session
from oracle.telemetry.wire.answers import Answer, problem, wasted
from oracle.telemetry.wire.budget import Budget, sender
from oracle.telemetry.wire.http_server import HttpServer, ServerLimits, TurnedAway, json_response

_LOG = logging.getLogger("epochal.gateway")
_PATH = re.compile(r"/o/(0|[1-9][0-9]{0,3})(/v1/[a-z]+)(?:/(0x[0-9a-fA-F]{40})/(0|[1-9][0-9]{0,8}))?")
_METHODS = {"/v1/challenge": "GET", "/v1/heartbeats": "POST", "/v1/sessions": "POST", "/v1/receipts": "GET"}
_LIMITS = ServerLimits(connections=20_000, per_peer=1_000)
_ASKED_PER_SECOND = 10.0
_ASKED_BURST = 500.0
"""Sessions and receipts, which an oracle gives a whole site together."""
_SLICE = 30
"""Heartbeats of one peer that the oracle gets before it has judged those before."""
_TOO_MANY = problem(429, "too_many_refused", "wait a minute; most of what came from here was refused")


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

    def __init__(
        self,
        settings: GatewaySettings,
        say: Callable[[str], None] | None = None,
        limits: ServerLimits = _LIMITS,
    ) -> None:
        self.relays: list[Relay] = []
        self.turned_away: Counter[str] = Counter({why.value: 0 for why in TurnedAway})
        """Senders that weren't heard, by reason."""
        self._settings = settings
        self._say = say or say_line
        # One for each oracle: if one refuses everything, that mustn't keep nodes from the others.
        self._allowances = [Allowance() for _ in settings.oracles]
        self._asked = Budget(_ASKED_PER_SECOND, _ASKED_BURST)
        self._http: aiohttp.ClientSession | None = None
        self._server = HttpServer(self._answer, limits, self._turn_away, _LOG)

    async def start(self) -> str:
        """Listen, and return the URL that it is bound to. SettingsError if it can't."""
        settings = self._settings
        self._http = aiohttp.ClientSession(cookie_jar=aiohttp.DummyCookieJar(), auto_decompress=False)
        self.relays = [
            Relay(url, self._http, settings.batch_ms / 1000, settings.queue, self._say) for url in settings.oracles
        ]
        host, port = settings.address()
        try:
            return await self._server.start(host, port)
        except OSError as error:
            await self._http.close()
            raise SettingsError(f"--listen {settings.listen}: can't listen there ({error.strerror})") from error

    async def stop(self) -> None:
        """Stop listening and let go of the oracles."""
        await self._server.stop()
        if self._http is not None:
            await self._http.close()

    async def _answer(self, request: web.BaseRequest) -> web.Response:
        if request.method == "GET" and request.path in ("/live", "/ready"):
            return self._state(request.path)
        found = _PATH.fullmatch(request.path)
        wanted = _METHODS.get(found[2]) if found else None
        if found is None or wanted is None or (found[2] == "/v1/receipts") != bool(found[3]):
            return json_response(
                problem(404, "path", "use /o/<index>/v1/challenge, heartbeats, sessions, receipts/NODE/EPOCH")
            )
        if int(found[1]) >= len(self.relays):
            return json_response(problem(404, "oracle", f"this gateway relays to oracles 0 to {len(self.relays) - 1}"))
        if request.method != wanted:
            return json_response(problem(405, "method", f"send {wanted} to this path"))
        index, peer = int(found[1]), sender(request.remote or "")
        relay, allowance = self.relays[index], self._allowances[index]
        if not allowance.has(peer):
            return json_response(_TOO_MANY)
        if found[2] == "/v1/challenge":
            return json_response(await relay.terms())
        if found[2] != "/v1/heartbeats" and not self._may_ask(peer):
            return json_response(_TOO_MANY)
        if found[2] == "/v1/receipts":
            return json_response(await relay.pass_on(lambda: relay.transport.receipt(found[3], int(found[4]))))
        body = await self._server.read_body(request)
        if not isinstance(body, bytes):
            return json_response(body)
        if found[2] == "/v1/sessions":
            opening = relay.transport.open_session
            return json_response(await _judged(allowance, peer, 1, lambda: relay.pass_on(lambda: opening(body))))
        return json_response(await self._heartbeats(relay, allowance, peer, body))

    def _may_ask(self, peer: str) -> bool:
        """Whether a peer may have another session or receipt; takes it off what it has left."""
        now = time.monotonic()
        if not self._asked.has(peer, now):
            return False
        self._asked.spend(peer, 1, now)
        return True

    async def _heartbeats(self, relay: Relay, allowance: Allowance, peer: str, body: bytes) -> Answer:
        """The oracle's answer to a node's heartbeats; what is no heartbeat isn't passed on.

        In a request of many it would take those behind it with it.
        """
        good, refused = [], []
        for index, frame in enumerate(frames.split(body) or [b""]):
            fault = _fault(frame)
            if fault is None:
                good.append((index, frame))
            else:
                refused.append({"index": index, "reason": fault[0], "cure": fault[1]})
        if not good:
            return status_of(refused[0]), {"accepted": 0, "refused": refused}
        parts = []
        for start in range(0, len(good), _SLICE):
            some = good[start : start + _SLICE]
            beat = partial(relay.beat, [frame for _, frame in some])
            part = await _judged(allowance, peer, len(some), beat)
            if part[0] >= 500 or part == _TOO_MANY:  # nor would the rest be heard
                parts.append(([index for index, _ in good[start:]], part))
                break
            parts.append(([index for index, _ in some], part))
        return _merged(refused, parts)

    def _turn_away(self, why: TurnedAway) -> None:
        self.turned_away[why.value] += 1

    def _state(self, path: str) -> web.Response:
        oracles = [
            {"url": r.url, "relayed": r.relayed, "waiting": r.waiting, "trouble": r.trouble} for r in self.relays
        ]
        if path == "/live":
            return json_response((200, {"live": True, "oracles": oracles, "turned_away": self.turned_away}))
        ready = any(relay.trouble is None for relay in self.relays)
        return json_response((200 if ready else 503, {"ready": ready, "oracles": oracles}))


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


async def _judged(allowance: Allowance, peer: str, cost: int, question: Callable[[], Awaitable[Answer]]) -> Answer:
    """The oracle's answer to something of this peer's that may waste so much."""
    try:
        async with asyncio.timeout(PATIENCE):
            if not await allowance.take(peer, cost):
                return _TOO_MANY
    except TimeoutError:
        return problem(503, "busy", "send again in the next tick; too much from here waits for the oracle")
    in_vain = 0.0
    try:
        status, answer = await question()
        # What one node wastes at the oracle would be held against the whole site.
        if status < 500:
            in_vain = min(cost, wasted(_reasons(answer)))
    finally:
        allowance.settle(peer, cost, in_vain)
    return status, answer


def _reasons(answer: dict[str, Any]) -> list[str]:
    """The reasons in an answer that may hold anything."""
    refused = answer.get("refused")
    entries = [entry for entry in refused if isinstance(entry, dict)] if isinstance(refused, list) else []
    return [str(entry.get("reason")) for entry in entries]


def _merged(refused: list[dict[str, Any]], parts: list[tuple[list[int], Answer]]) -> Answer:
    """One answer to heartbeats some of which were refused here; `parts`: the places of others, and their answer."""
    if not refused and len(parts) == 1:
        return parts[0][1]
    whole: dict[str, Any] = {"accepted": 0}
    fenced: list[dict[str, Any]] = []
    for places, (_, answer) in parts:
        whole |= {key: value for key, value in answer.items() if key not in ("accepted", "refused", "fenced")}
        whole["accepted"] += answer["accepted"]
        told = answer["refused"]
        if answer["accepted"] + len(told) != len(places):  # as a whole
            told = [{**told[0], "index": index} for index in range(len(places))]
        refused = refused + [{**entry, "index": places[entry["index"]]} for entry in told]
        fenced += [{**entry, "index": places[entry["index"]]} for entry in answer.get("fenced", [])]
    whole["refused"] = sorted(refused, key=lambda entry: int(entry["index"]))
    if fenced:
        whole["fenced"] = fenced
    return 200 if whole["accepted"] else parts[0][1][0], whole
