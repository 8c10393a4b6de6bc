"""The way in for peers, for nodes with appeals, and for anyone who wants evidence. docs/protocol.md describes it.

Every refusal comes as early as it can: by connection, by sender's address, by size, by signature, by member, and only
then by content. A proxy in front of this server ends TLS.
"""

from __future__ import annotations

import asyncio
import json
import logging
import re
import time
from collections import Counter, OrderedDict
from collections.abc import Awaitable, Callable, Mapping
from hashlib import blake2b
from typing import Any, Final

from aiohttp import web

from oracle.committee.errors import Malformed
from oracle.committee.messages import MAGIC, MAX_ENVELOPE, Envelope
from oracle.ground.address import checksummed
from oracle.ground.errors import EpochalError
from oracle.ground.typed_data import Domain
from oracle.peers.desk import Desk, PeerLimits
from oracle.peers.errors import NotNow, ServerError
from oracle.peers.serving import Serving
from oracle.signing.compact import InvalidSignature
from oracle.telemetry.wire.appeal import MAX_SIZE as MAX_APPEAL
from oracle.telemetry.wire.budget import Budget, sender
from oracle.telemetry.wire.http_server import HttpServer, ServerLimits, TurnedAway

_LOG = logging.getLogger("epochal.peers")
_OBSERVATION: Final = re.compile(r"/v1/observations/(0|[1-9][0-9]{0,18})/(?:0x)?([0-9a-f]{64})")
_BY_HASH: Final = re.compile(r"/v1/(appeals|evidence)/(?:0x)?([0-9a-f]{64})")
_PLAIN: Final = {
    "/v1/messages": "POST",
    "/v1/appeals": "POST",
    "/v1/oracle": "GET",
    "/v1/reports": "GET",
    "/v1/equivocations": "GET",
}
_REFUSED_COST: Final = 20.0
_REMEMBERED: Final = 20_000
"""Messages that are known again when they come twice, and addresses of members."""

REASONS: Final = (
    "again appeals_busy bad_signature body busy connections headers malformed method not_a_member not_found not_now "
    "overload path refused slow slow_reader too_large too_many_bytes too_many_refused too_often version"
).split()
"""Every reason for which something is turned away; "again" is a message that was taken before."""


class PeerServer:
    """Serves one oracle to its peers, and to the public what the public may see."""

    def __init__(self, desk: Desk, domain: Domain, oracle: str, limits: PeerLimits | None = None) -> None:
        """`domain` is the report domain; `oracle` this one's address, told to whoever asks."""
        self.limits = limits or PeerLimits()
        self.refused: Counter[str] = Counter(dict.fromkeys(REASONS, 0))
        """What was turned away, by reason."""
        self.delivered: Counter[str] = Counter()
        """Messages taken, by member (0x text)."""
        self.received_bytes = 0
        self._desk = desk
        self._domain = domain
        self._about = {"protocol": MAGIC.decode(), "oracle": oracle} | {
            "chainId": domain.chain_id,
            "attestations": domain.contract,
        }
        bounds = self.limits
        self._by_address = Budget(bounds.requests_per_second, bounds.requests_burst)
        self._by_member = Budget(bounds.messages_per_second, bounds.messages_burst)
        self._appealing = Budget(bounds.appeals_per_second, bounds.appeals_burst)
        self._all_appeals = Budget(10 * bounds.appeals_per_second, 10 * bounds.appeals_burst)
        self._judging = asyncio.Lock()
        self._seen = _Recent()
        self._members = _Recent()
        self._waiting = 0
        per_address = None if bounds.trust_forwarded else bounds.per_address
        self.server = HttpServer(
            self._answer,
            ServerLimits(
                bounds.connections, per_address, bounds.header_seconds, bounds.body_seconds, buffered=bounds.buffered
            ),
            self._unheard,
            _LOG,
        )
        allowed = Budget(bounds.bytes_per_second, bounds.bytes_burst)
        self.serving = Serving(bounds.sending, bounds.slowest, bounds.behind_seconds, allowed)

    async def start(self, host: str = "127.0.0.1", port: int = 0) -> str:
        """Listen, and return the URL it is bound to (port 0: any free one). ServerError if it can't."""
        try:
            return await self.server.start(host, port)
        except OSError as error:
            raise ServerError(f"can't listen on {host}:{port} ({error.strerror}); name another address") from error

    async def stop(self) -> None:
        """Answer the requests under way and stop listening."""
        await self.server.stop()

    async def _answer(self, request: web.BaseRequest) -> web.StreamResponse:
        wanted = _PLAIN.get(request.path) or ("GET" if _asked(request.path) else None)
        if wanted is None:
            return self._refuse(404, "path", "use a path of docs/protocol.md")
        if request.method != wanted:
            return self._refuse(405, "method", f"send {wanted} to this path", {"Allow": wanted})
        if self._waiting >= self.limits.waiting:
            return self._refuse(503, "overload", "send again later")
        source = self._source(request)
        now = time.monotonic()
        if not self._by_address.has(source, now):
            return self._refuse(429, "too_many_refused", "wait a minute: too much came from this address")
        self._by_address.spend(source, 1, now)
        self._waiting += 1
        try:
            if request.method == "POST":
                return await (self._message if request.path == "/v1/messages" else self._appeal)(request, source)
            return await self._get(request, source)
        except EpochalError as error:  # the store or the chain behind the desk
            return self._refuse(503, "not_now", str(error))
        finally:
            self._waiting -= 1

    # What is brought.

    async def _message(self, request: web.BaseRequest, source: str) -> web.StreamResponse:
        body = await self._body(request, MAX_ENVELOPE)
        if not isinstance(body, bytes):
            return body
        mark = blake2b(body, digest_size=16).hexdigest()
        if mark in self._seen:
            # Whoever replays a member's message takes it off his own budget, never off the member's.
            self.refused["again"] += 1
            return _json(200, {"accepted": True})
        try:
            envelope = Envelope.open(body)
            author = envelope.sender(self._domain)
        except Malformed as error:
            other = len(body) >= len(MAGIC) and body[:3] == MAGIC[:3] and body[:4] != MAGIC
            return self._waste(source, 400, "version" if other else "malformed", str(error))
        except InvalidSignature as error:
            return self._waste(source, 403, "bad_signature", str(error))
        if not await self._desk.is_member(author):
            cure = f"{checksummed(author)} is of no set in force: check key, chain id and contract"
            return self._waste(source, 403, "not_a_member", cure)
        name, now = "0x" + author.hex(), time.monotonic()
        if not self._by_member.has(name, now):
            return self._refuse(429, "too_often", f"{name} sends too many messages; wait a minute")
        self._by_member.spend(name, 1 + len(body) / 65_536, now)
        try:
            await self._desk.deliver(author, envelope.message())
        except Malformed as error:
            return self._waste(source, 400, "malformed", str(error))
        except NotNow:
            raise
        except EpochalError as error:
            return self._waste(source, 409, "refused", str(error))
        self._seen.add(mark)
        self._members.add(source)
        self.delivered[name] += 1
        return _json(200, {"accepted": True})

    async def _appeal(self, request: web.BaseRequest, source: str) -> web.StreamResponse:
        now = time.monotonic()
        if not (self._appealing.has(source, now) and self._all_appeals.has("", now)):
            return self._refuse(429, "appeals_busy", "hand it in later, or to another oracle: one is enough")
        self._appealing.spend(source, 1, now)
        self._all_appeals.spend("", 1, now)
        body = await self._body(request, MAX_APPEAL)
        if not isinstance(body, bytes):
            return body
        async with self._judging:  # one at a time: an appeal costs many signatures
            try:
                return _json(200, {"accepted": True, "appeal": await self._desk.hand_in(body)})
            except Malformed as error:
                return self._waste(source, 400, "malformed", str(error))
            except NotNow:
                raise
            except EpochalError as error:
                return self._waste(source, 409, "refused", str(error))

    async def _body(self, request: web.BaseRequest, longest: int) -> bytes | web.StreamResponse:
        body = await self.server.read_body(request, longest)
        if isinstance(body, bytes):
            self.received_bytes += len(body)
            return body
        status, told = body
        why = told["refused"][0]
        return self._refuse(status, why["reason"], why["cure"])

    # What is asked for.

    async def _get(self, request: web.BaseRequest, source: str) -> web.StreamResponse:
        path = request.path
        told: Mapping[str, Callable[[], Awaitable[list[dict[str, Any]]]]] = {
            "/v1/reports": self._desk.reports,
            "/v1/equivocations": self._desk.equivocations,
        }
        if path == "/v1/oracle":
            return _json(200, self._about)
        if path in told:
            return await self._send(request, source, _dumped(await told[path]()), None)
        asked = _asked(path)
        assert asked is not None
        key = bytes.fromhex(asked[2])
        if request.headers.get("If-None-Match", "").strip() == _etag(key):
            return web.Response(status=304, headers={"ETag": _etag(key)})
        if asked.re is _OBSERVATION:
            content = await self._desk.observation(int(asked[1]), key)
        else:
            content = await (self._desk.appeal if asked[1] == "appeals" else self._desk.evidence)(key)
        if content is None:
            return self._refuse(404, "not_found", "this oracle doesn't have it; ask another")
        return await self._send(request, source, content, key)

    async def _send(
        self, request: web.BaseRequest, source: str, content: bytes, key: bytes | None
    ) -> web.StreamResponse:
        """Send a body that may be large: never more of them at a time than there is room for."""
        kind = "application/json" if key is None else "application/octet-stream"
        headers = {"Content-Type": kind, "Cache-Control": "no-store"}
        if key is not None:
            headers |= {"ETag": _etag(key), "Cache-Control": "public, max-age=31536000, immutable"}
        why = self.serving.refusal(source, len(content), source in self._members)
        if why is not None:
            cure = "wait a minute" if why == "too_many_bytes" else "ask again later, or another oracle"
            return self._refuse(429 if why == "too_many_bytes" else 503, why, cure)
        response = web.StreamResponse(headers=headers)
        response.content_length = len(content)
        if not await self.serving.send(request, response, source, content):
            self.refused["slow_reader"] += 1
        return response

    # Refusals.

    def _source(self, request: web.BaseRequest) -> str:
        if self.limits.trust_forwarded:
            told = ",".join(request.headers.getall("X-Forwarded-For", ())).rpartition(",")[2].strip()
            if told:
                return sender(told)
        return sender(request.remote or "")

    def _waste(self, source: str, status: int, reason: str, cure: str) -> web.Response:
        """A refusal that cost work: the address has twenty requests fewer. A member's may be that of a proxy or a site
        that others use too, so it loses no more than the one."""
        if source not in self._members:
            self._by_address.spend(source, _REFUSED_COST - 1, time.monotonic())
        return self._refuse(status, reason, cure)

    def _refuse(self, status: int, reason: str, cure: str, headers: Mapping[str, str] | None = None) -> web.Response:
        self.refused[reason] += 1
        return _json(status, {"accepted": False, "reason": reason, "cure": cure}, headers)

    def _unheard(self, why: TurnedAway) -> None:
        if why is not TurnedAway.BUFFERED:  # that one is answered, and counted there
            self.refused["headers" if why is TurnedAway.HEADERS else "connections"] += 1


class _Recent:
    """The names that were added last."""

    def __init__(self) -> None:
        self._names: OrderedDict[str, None] = OrderedDict()

    def __contains__(self, name: str) -> bool:
        return name in self._names

    def add(self, name: str) -> None:
        self._names[name] = None
        self._names.move_to_end(name)
        if len(self._names) > _REMEMBERED:
            self._names.popitem(last=False)


def _asked(path: str) -> re.Match[str] | None:
    return _OBSERVATION.fullmatch(path) or _BY_HASH.fullmatch(path)


def _etag(key: bytes) -> str:
    return f'"{key.hex()}"'


def _dumped(value: object) -> bytes:
    return json.dumps(value).encode()


def _json(status: int, value: object, headers: Mapping[str, str] | None = None) -> web.Response:
    return web.Response(status=status, body=_dumped(value), content_type="application/json", headers=headers)
