"""The way in for peers, for nodes with appeals, and for anyone who wants evidence. docs/protocol.md describes it.

Every refusal comes as early as it can: by connection, by sender's address, by size, by signature, by member, and only
then by content. A proxy in front of this server ends TLS.
"""

from __future__ import annotations

import asyncio
import json
import logging
import time
from collections import Counter
from collections.abc import Awaitable, Callable, Mapping
from hashlib import blake2b
from typing import Any, Final

from aiohttp import web

from oracle.committee.errors import Malformed
from oracle.committee.messages import MAGIC, MAX_ENVELOPE, Envelope
from oracle.ground.address import checksummed
from oracle.ground.errors import EpochalError
from oracle.ground.keccak import keccak256
from oracle.ground.typed_data import Domain
from oracle.peers.desk import Desk, PeerLimits
from oracle.peers.errors import NotNow, ServerError, Unsigned
from oracle.peers.paths import OBSERVATION, asked_by_hash, etag, method_of
from oracle.peers.recent import Recent
from oracle.peers.serving import Serving
from oracle.signing.compact import InvalidSignature
from oracle.telemetry.wire.appeal import MAX_SIZE as MAX_APPEAL
from oracle.telemetry.wire.appeal import MOST_OF_ONE, receipts_in
from oracle.telemetry.wire.budget import Budget, sender
from oracle.telemetry.wire.http_server import HttpServer, ServerLimits, TurnedAway

_LOG = logging.getLogger("epochal.peers")
_REFUSED_COST: Final = 20.0
_MOST_RECEIPTS: Final = MOST_OF_ONE * 255
"""Receipts in an appeal: of a committee as large as the contracts allow."""
_REMEMBERED: Final = 20_000
"""Messages and appeals that are known again when they come twice, and addresses of members."""

REASONS: Final = (
    "again appeals_busy bad_signature body busy connections headers malformed method not_a_member not_found not_now "
    "old overload path refused slow slow_reader too_large too_many_bytes too_many_refused too_often version"
).split()
"""Every reason for which something is turned away; "again" is a message or appeal that was taken before, "old" a
message of a round that is over: neither is told so."""


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
        self._appeals_waiting = 0
        self._messages_waiting: Counter[str] = Counter()
        self._seen = Recent(_REMEMBERED)
        self._members = Recent(_REMEMBERED)
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
        wanted = method_of(request.path)
        if wanted is None:
            return self._refuse(404, "path", "use a path of docs/protocol.md")
        if request.method != wanted:
            return self._refuse(405, "method", f"send {wanted} to this path", {"Allow": wanted})
        source = self._source(request)
        now = time.monotonic()
        if not self._by_address.has(source, now):
            return self._refuse(429, "too_many_refused", "wait a minute: too much came from this address")
        self._by_address.spend(source, 1, now)
        try:
            if request.method == "POST":
                return await (self._message if request.path == "/v1/messages" else self._appeal)(request, source)
            return await self._asked_for(request, source)
        except EpochalError as error:  # the store or the chain behind the desk
            return self._refuse(503, "not_now", str(error))

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
        if not self._desk.is_current(envelope.epoch):
            # As for a replay: old messages of a member are there for anybody to send again.
            self.refused["old"] += 1
            return _json(200, {"accepted": True})
        name, now = "0x" + author.hex(), time.monotonic()
        waiting = self._messages_waiting
        if not self._by_member.has(name, now) or waiting[name] >= self.limits.messages_waiting:
            return self._refuse(429, "too_often", f"{name} sends too many messages; wait a minute")
        self._by_member.spend(name, 1 + len(body) / 65_536, now)
        waiting[name] += 1
        try:
            await self._desk.deliver(author, envelope.message())
        except Malformed as error:
            return self._waste(source, 400, "malformed", str(error))
        except NotNow:
            raise
        except EpochalError as error:
            return self._waste(source, 409, "refused", str(error))
        finally:
            waiting[name] -= 1
        self._seen.add(mark)
        self._members.add(source)
        self.delivered[name] += 1
        return _json(200, {"accepted": True})

    async def _appeal(self, request: web.BaseRequest, source: str) -> web.StreamResponse:
        now = time.monotonic()
        if not self._appealing.has(source, now):
            return self._busy_with_appeals()
        self._appealing.spend(source, 1, now)
        body = await self._body(request, MAX_APPEAL)
        if not isinstance(body, bytes):
            return body
        if not 0 < receipts_in(body) <= _MOST_RECEIPTS:
            return self._waste(source, 400, "malformed", f"hand in an appeal with 1 to {_MOST_RECEIPTS} receipts")
        if self._appeals_waiting >= self.limits.appeals_waiting:
            return self._busy_with_appeals()
        self._appeals_waiting += 1
        try:
            async with self._judging:  # one at a time: an appeal costs many signatures
                return await self._judge(body, source)
        finally:
            self._appeals_waiting -= 1

    async def _judge(self, body: bytes, source: str) -> web.StreamResponse:
        mark = blake2b(body, digest_size=16).hexdigest()
        if mark in self._seen:  # anybody can fetch it, and hand it in again
            self.refused["again"] += 1
            return _json(200, {"accepted": True, "appeal": "0x" + keccak256(body).hex()})
        if not self._all_appeals.has("", time.monotonic()):
            return self._busy_with_appeals()
        try:
            key = await self._desk.hand_in(body)
        except Malformed as error:
            return self._waste(source, 400, "malformed", str(error))
        except NotNow:
            raise
        except EpochalError as error:
            # What nobody of the committee signed is made for nothing: it must use nothing up that nodes share.
            if not isinstance(error, Unsigned):
                self._all_appeals.spend("", 1, time.monotonic())
            return self._waste(source, 409, "refused", str(error))
        self._all_appeals.spend("", 1, time.monotonic())
        self._seen.add(mark)
        return _json(200, {"accepted": True, "appeal": key})

    def _busy_with_appeals(self) -> web.Response:
        return self._refuse(429, "appeals_busy", "hand it in later, or to another oracle: one is enough")

    async def _body(self, request: web.BaseRequest, longest: int) -> bytes | web.StreamResponse:
        body = await self.server.read_body(request, longest)
        if isinstance(body, bytes):
            self.received_bytes += len(body)
            return body
        status, told = body
        why = told["refused"][0]
        return self._refuse(status, why["reason"], why["cure"])

    # What is asked for.

    async def _asked_for(self, request: web.BaseRequest, source: str) -> web.StreamResponse:
        """Strangers may have half of the places, so that they keep no member waiting."""
        places = self.limits.waiting if source in self._members else self.limits.waiting // 2
        if self._waiting >= places:
            return self._refuse(503, "overload", "send again later")
        self._waiting += 1
        try:
            return await self._get(request, source)
        finally:
            self._waiting -= 1

    async def _get(self, request: web.BaseRequest, source: str) -> web.StreamResponse:
        path = request.path
        told: Mapping[str, Callable[[], Awaitable[list[dict[str, Any]]]]] = {
            "/v1/reports": self._desk.reports,
            "/v1/equivocations": self._desk.equivocations,
        }
        if path == "/v1/oracle":
            return _json(200, self._about)
        if path in told:
            listed = _dumped(await told[path]())
            return await self._send(request, source, len(listed), listed, None)
        asked = asked_by_hash(path)
        assert asked is not None
        key = bytes.fromhex(asked[2])
        if request.headers.get("If-None-Match", "").strip() == etag(key):
            return web.Response(status=304, headers={"ETag": etag(key)})
        if asked[1] == "evidence":
            size = await self._desk.evidence_size(key)
            return await self._send(request, source, size, lambda: self._desk.evidence(key), key)
        if asked.re is OBSERVATION:
            content = await self._desk.observation(int(asked[1]), key)
        else:
            content = await self._desk.appeal(key)
        return await self._send(request, source, None if content is None else len(content), content, key)

    async def _send(
        self,
        request: web.BaseRequest,
        source: str,
        size: int | None,
        content: bytes | Callable[[], Awaitable[bytes | None]] | None,
        key: bytes | None,
    ) -> web.StreamResponse:
        """Send a body that may be large: never more of them at a time than there is room for, and one that is still to
        be read (`content` does that) is read only when there is. `size` None: there is none."""
        if size is None:
            return self._missing()
        why = self.serving.refusal(source, size, source in self._members)
        if why is not None:
            cure = "wait a minute" if why == "too_many_bytes" else "ask again later, or another oracle"
            return self._refuse(429 if why == "too_many_bytes" else 503, why, cure)
        with self.serving.hold(source, size):
            found = await content() if callable(content) else content
            if found is None:
                return self._missing()
            kind = "application/json" if key is None else "application/octet-stream"
            headers = {"Content-Type": kind, "Cache-Control": "no-store"}
            if key is not None:
                headers |= {"ETag": etag(key), "Cache-Control": "public, max-age=31536000, immutable"}
            response = web.StreamResponse(headers=headers)
            response.content_length = len(found)
            if not await self.serving.send(request, response, found):
                self.refused["slow_reader"] += 1
        return response

    def _missing(self) -> web.Response:
        return self._refuse(404, "not_found", "this oracle doesn't have it; ask another")

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


def _dumped(value: object) -> bytes:
    return json.dumps(value).encode()


def _json(status: int, value: object, headers: Mapping[str, str] | None = None) -> web.Response:
    return web.Response(status=status, body=_dumped(value), content_type="application/json", headers=headers)
