"""Reaching one's peers: messages are pushed, contents are fetched and checked as they arrive.

Nothing of an answer is believed: its size is limited while it comes, its pace is watched, redirects aren't followed,
and what was asked for by its hash must have that hash. No peer's silence holds up what is fetched from another.
"""

from __future__ import annotations

import asyncio
import json
import os
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

import aiohttp

from oracle.committee.messages import MAGIC
from oracle.committee.observation import MAX_ENTRIES
from oracle.ground.keccak import keccak256
from oracle.ground.typed_data import Domain
from oracle.peers.errors import PeerRefused, PeerUnreachable, WrongAnswer
from oracle.peers.fetching import Places, Room, Share
from oracle.telemetry.wire.appeal import MAX_SIZE as MAX_APPEAL

MAX_OBSERVATION: Final = 28 + 24 * MAX_ENTRIES + 64
MAX_EVIDENCE: Final = 1 << 30
_MAX_JSON: Final = 8 * 1024 * 1024
_MAX_REFUSAL: Final = 65_536
_SIGNATURE: Final = 64
_OFF_THE_LOOP: Final = 1 << 20
"""Bytes whose hash is computed in another thread: the loop has heartbeats to take."""


@dataclass(frozen=True, slots=True)
class ClientLimits:
    """What peers may cost.

    patience     seconds until a peer has answered, and may be behind the slowest pace
    slowest      bytes a second below which a fetch is given up
    fetches      contents fetched at a time from one peer
    evidence     bundles of evidence beside them, from one peer
    buffered     bytes of contents that have come in part, from all peers; when there are more, large ones are given up.
                 Bundles have a room of their own, for one of the largest
    connections  open ones to one peer
    """

    patience: float = 10.0
    slowest: int = 256 * 1024
    fetches: int = 2
    evidence: int = 1
    buffered: int = 256 * 1024 * 1024
    connections: int = 8


class PeerClient:
    """Sends to peers and fetches from them. Make it and use it in one event loop; close it at the end."""

    def __init__(self, source_address: str | None = None, limits: ClientLimits | None = None) -> None:
        """`source_address`: which of this machine's addresses to connect from; None: any."""
        self.limits = limits or ClientLimits()
        self.bytes: Counter[str] = Counter(out=0, **{"in": 0})
        """Bytes of bodies "out" and "in"."""
        self._source = source_address
        self._http: aiohttp.ClientSession | None = None
        self._places = Places(self.limits.fetches)
        self._bundle_places = Places(self.limits.evidence)
        self._room = Room(self.limits.buffered)
        self._bundle_room = Room(MAX_EVIDENCE)

    async def close(self) -> None:
        """Close all connections."""
        http, self._http = self._http, None
        if http is not None:
            await http.close()

    async def push(self, url: str, envelope: bytes) -> None:
        """Bring a message. PeerUnreachable, PeerRefused, WrongAnswer."""
        self.bytes["out"] += len(envelope)
        await self._call("POST", url, "/v1/messages", _MAX_REFUSAL, envelope)

    async def hand_in(self, url: str, appeal: bytes) -> str:
        """Hand an appeal in; the hash that the oracle knows it by. Errors as for `push`."""
        self.bytes["out"] += len(appeal)
        told = _object(url, await self._call("POST", url, "/v1/appeals", _MAX_REFUSAL, appeal))
        key = told.get("appeal")
        if key != "0x" + keccak256(appeal).hex():
            raise WrongAnswer(f"{url}: took the appeal as {str(key)[:80]!r}, which isn't its hash")
        return str(key)

    async def about(self, url: str, domain: Domain) -> str:
        """The address (0x text) of the oracle that answers there. WrongAnswer if it speaks another version or serves
        another network than that of the report domain; further errors as for `push`."""
        told = _object(url, await self._call("GET", url, "/v1/oracle", _MAX_REFUSAL))
        ours = {"protocol": MAGIC.decode(), "chainId": domain.chain_id, "attestations": domain.contract.lower()}
        theirs = {key: told.get(key) for key in ours}
        if isinstance(theirs["attestations"], str):
            theirs["attestations"] = theirs["attestations"].lower()
        wrong = [f"{key} is {str(theirs[key])[:80]!r}, not {ours[key]!r}" for key in ours if theirs[key] != ours[key]]
        if wrong or not isinstance(told.get("oracle"), str):
            raise WrongAnswer(f"{url}: {'; '.join(wrong) or 'tells no oracle'}")
        return str(told["oracle"])

    async def observation(self, url: str, epoch: int, content_hash: bytes) -> bytes:
        """The content of an observation, without the signature that comes with it: who asks has one already, and equal
        views of several oracles are one content. Errors as for `push`."""
        path = f"/v1/observations/{epoch}/0x{content_hash.hex()}"
        raw = await self._fetch(url, path, MAX_OBSERVATION)
        return await _checked(url, raw[:-_SIGNATURE], content_hash)

    async def appeal(self, url: str, key: bytes) -> bytes:
        """An appeal by its hash. Errors as for `push`."""
        return await _checked(url, await self._fetch(url, f"/v1/appeals/0x{key.hex()}", MAX_APPEAL), key)

    async def evidence(self, url: str, key: bytes) -> bytes:
        """An evidence bundle by its hash. Errors as for `push`."""
        async with self._bundle_places.of(url):
            raw = await self._call("GET", url, f"/v1/evidence/0x{key.hex()}", MAX_EVIDENCE, room=self._bundle_room)
        return await _checked(url, raw, key)

    async def listed(self, url: str, what: str) -> list[Any]:
        """The JSON list of "reports" or "equivocations". Errors as for `push`."""
        raw = await self._fetch(url, f"/v1/{what}", _MAX_JSON)
        found = _read(url, raw)
        if not isinstance(found, list):
            raise WrongAnswer(f"{url}: answers /v1/{what} with something else than a list")
        return found

    async def _fetch(self, url: str, path: str, longest: int) -> bytes:
        async with self._places.of(url):
            return await self._call("GET", url, path, longest)

    async def _call(
        self, method: str, url: str, path: str, longest: int, body: bytes | None = None, room: Room | None = None
    ) -> bytes:
        """The body of an answer of status 200."""
        with (room or self._room).answer() as share:
            return await self._exchange(method, url, path, longest, body, share)

    async def _exchange(
        self, method: str, url: str, path: str, longest: int, body: bytes | None, share: Share
    ) -> bytes:
        where = url.rstrip("/")
        started = asyncio.get_running_loop().time()
        try:
            async with asyncio.timeout(self.limits.patience) as deadline:
                async with self._session().request(method, where + path, data=body, allow_redirects=False) as response:
                    good = response.status == 200
                    raw = bytearray()
                    most = longest if good else _MAX_REFUSAL
                    if (response.content_length or 0) > most:
                        raise WrongAnswer(f"{url}: announces {response.content_length} bytes, at most {most} are taken")
                    async for part in response.content.iter_any():
                        raw += part
                        self.bytes["in"] += len(part)
                        if len(raw) > most:
                            raise WrongAnswer(f"{url}: sends more than {most} bytes")
                        if not share.grow(len(part)):
                            raise PeerUnreachable(f"{url}: {len(raw)} bytes so far, and no room beside other answers")
                        deadline.reschedule(started + self.limits.patience + len(raw) / self.limits.slowest)
        except TimeoutError as error:
            raise PeerUnreachable(
                f"{url}: no answer within {self.limits.patience:g} s, or one too slow to wait for"
            ) from error
        except (aiohttp.ClientError, OSError, ValueError) as error:
            raise PeerUnreachable(f"{url}: {_why(error)}") from error
        if good:
            return bytes(raw)
        if 300 <= response.status < 400:
            raise WrongAnswer(f"{url}: sends us elsewhere ({response.status}); its operator must announce where it is")
        raise _refusal(url, response.status, bytes(raw))

    def _session(self) -> aiohttp.ClientSession:
        if self._http is None:
            local = None if self._source is None else (self._source, 0)
            self._http = aiohttp.ClientSession(
                connector=aiohttp.TCPConnector(
                    limit=0, limit_per_host=self.limits.connections, local_addr=local, ttl_dns_cache=60
                ),
                # Compressed answers are taken as they are, and fail by their hash: a small one may hold a huge one.
                auto_decompress=False,
                headers={"Accept-Encoding": "identity", "User-Agent": "epochal"},
                cookie_jar=aiohttp.DummyCookieJar(),
                timeout=aiohttp.ClientTimeout(total=None),
                trust_env=False,
            )
        return self._http


def _why(error: Exception) -> str:
    """Why there was no answer, without the library's words, which name the host again."""
    if isinstance(error, aiohttp.ClientConnectorDNSError):
        return "the host's name isn't known"
    if isinstance(error, aiohttp.ClientSSLError):  # its number is OpenSSL's
        return f"no TLS with it: {getattr(error.__cause__, 'reason', None) or 'its certificate or its version'}"
    if isinstance(error, aiohttp.ClientConnectorError) and (error.os_error.errno or 0) > 0:
        return os.strerror(error.os_error.errno or 0).lower()
    return str(error) or type(error).__name__


async def _checked(url: str, content: bytes, wanted: bytes) -> bytes:
    found = await asyncio.to_thread(keccak256, content) if len(content) > _OFF_THE_LOOP else keccak256(content)
    if found != wanted:
        raise WrongAnswer(f"{url}: gives content of hash 0x{found.hex()} where 0x{wanted.hex()} was asked for")
    return content


def _refusal(url: str, status: int, raw: bytes) -> PeerRefused:
    try:
        told: Any = json.loads(raw)
    except (ValueError, RecursionError):
        told = None
    told = told if isinstance(told, dict) else {}
    reason, cure = (str(told.get(key, ""))[:300] for key in ("reason", "cure"))
    shown = " ".join("".join(one if one.isprintable() else " " for one in f"{reason}: {cure}").split())
    return PeerRefused(f"{url}: refuses with {status} {shown}", status, reason)


def _read(url: str, raw: bytes) -> Any:
    try:
        return json.loads(raw)
    except (ValueError, RecursionError) as error:
        raise WrongAnswer(f"{url}: answers without JSON; is it an oracle?") from error


def _object(url: str, raw: bytes) -> Mapping[str, Any]:
    found = _read(url, raw)
    if not isinstance(found, dict):
        raise WrongAnswer(f"{url}: answers without a JSON object; is it an oracle?")
    return found
