"""How a node's messages reach an oracle: what every way offers, and the way over HTTP.

A transport carries bytes and answers. It judges neither: the link that owns it does.
"""

from __future__ import annotations

import json
from typing import Any, Protocol
from urllib.parse import urlsplit

import aiohttp

from node.errors import LinkError as LinkError
from node.settings import MQTT_SCHEMES, BrokerAccess
from oracle.telemetry.wire.answers import Answer

LONGEST_ANSWER = 65_536
LONGEST_RECEIPT = 262_144
"""Bytes: a receipt of 65,535 bytes in hexadecimal, and some."""
FIRST_PATIENCE = 5.0


class Transport(Protocol):
    """A way to one oracle, for one node.

    Each call gives the answer's status and JSON object as HTTP has them, on every way; LinkError for no answer within
    `patience` seconds (the owner sets it), a broken one, or one that is too long. 404 from `open_session` means that
    this way carries no sessions. Calls may overlap: a receipt is asked for while a beat is under way.
    """

    patience: float

    async def terms(self) -> Answer:
        """The answer of GET /v1/challenge."""

    async def beat(self, wire: bytes) -> Answer:
        """The answer to one encoded heartbeat, signed or sealed."""

    async def open_session(self, wire: bytes) -> Answer:
        """The answer to the opening of a session."""

    async def receipt(self, node: str, epoch: int) -> Answer:
        """The answer to the question for a receipt; `node` is a 0x address."""

    async def close(self) -> None:
        """Let go of connections. Calls under way may end in LinkError."""


class HttpTransport:
    """The way to the oracle at the base URL `url`, over a client session that its owner closes.

    `longest`: bytes of an answer beyond which it is none; a receipt may be longer.
    """

    def __init__(self, url: str, http: aiohttp.ClientSession, longest: int = LONGEST_ANSWER) -> None:
        self.patience = FIRST_PATIENCE
        self._url = url.rstrip("/")
        self._http = http
        self._longest = longest

    async def terms(self) -> Answer:
        return await self._call("GET", "/v1/challenge")

    async def beat(self, wire: bytes) -> Answer:
        return await self._call("POST", "/v1/heartbeats", wire)

    async def open_session(self, wire: bytes) -> Answer:
        return await self._call("POST", "/v1/sessions", wire)

    async def receipt(self, node: str, epoch: int) -> Answer:
        return await self._call("GET", f"/v1/receipts/{node.lower()}/{epoch}", longest=LONGEST_RECEIPT)

    async def close(self) -> None:
        pass

    async def _call(self, method: str, path: str, body: bytes | None = None, longest: int | None = None) -> Answer:
        longest = longest or self._longest
        timeout = aiohttp.ClientTimeout(total=self.patience)
        try:
            async with self._http.request(
                method, self._url + path, data=body, timeout=timeout, allow_redirects=False
            ) as response:
                status, raw = response.status, b""
                async for chunk in response.content.iter_any():
                    raw += chunk
                    if len(raw) > longest:
                        raise LinkError(f"its answer is longer than {longest} bytes")
        except TimeoutError as error:
            raise LinkError(f"no answer within {self.patience:g} s") from error
        except (aiohttp.ClientError, OSError, ValueError) as error:
            raise LinkError(str(error) or type(error).__name__) from error
        return status, json_object(status, raw)


def json_object(status: int, raw: bytes) -> dict[str, Any]:
    """The JSON object of an answer; LinkError, naming the status, where there is none."""
    try:
        answer = json.loads(raw)
    except (ValueError, RecursionError) as error:
        raise LinkError(f"it answers {status} without JSON; is this an oracle's URL?") from error
    if not isinstance(answer, dict):
        raise LinkError(f"it answers {status} without a JSON object; is this an oracle's URL?")
    return answer


def open_transport(url: str, chain_id: int, http: aiohttp.ClientSession, access: BrokerAccess) -> Transport:
    """The way that the URL's scheme asks for. SettingsError if the broker's client can't be set up."""
    if urlsplit(url).scheme not in MQTT_SCHEMES:
        return HttpTransport(url, http)
    from node.mqtt_transport import MqttTransport  # an agent without a broker doesn't load its client

    return MqttTransport(url, chain_id, access)
