"""The Deeploy API over HTTP: signed requests, bounded retries, and none sent twice that might count twice."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final, Protocol
from urllib.parse import urlsplit

import aiohttp

from oracle.signing.signer import Signer
from orchestrator.deeploy.errors import DeeployError, OutcomeUnknown, Refused, SettingsError, Unreachable, WrongAnswer
from orchestrator.deeploy.requests import DeeployRequest
from orchestrator.deeploy.signing import Form, sign_request
from orchestrator.deeploy.statuses import Answer, decode_answer

_TOO_MANY: Final = 429


@dataclass(frozen=True, slots=True)
class ClientLimits:
    """What a request may cost.

    patience    seconds until the answer is complete: the API itself waits up to 600 for a deployment
    connecting  seconds until somebody takes the connection
    tries       attempts of one request
    first_pause, longest_pause  seconds between attempts, twice as long each time
    answer      bytes of an answer
    nonce_lag   milliseconds that a nonce is behind this machine's clock, since the API refuses one from its future
    """

    patience: float = 630.0
    connecting: float = 10.0
    tries: int = 4
    first_pause: float = 1.0
    longest_pause: float = 30.0
    answer: int = 16 * 1024 * 1024
    nonce_lag: int = 2_000


class Nonces(Protocol):
    """The last nonce of each sender, kept as long as the sender's key."""

    def claim(self, sender: str, nonce: int) -> bool:
        """Whether the nonce is above all claimed before; it is claimed then."""


class NoncesInMemory:
    """For one process that is its key's only one."""

    def __init__(self) -> None:
        self._last: dict[str, int] = {}

    def claim(self, sender: str, nonce: int) -> bool:
        """See Nonces."""
        if nonce <= self._last.get(sender, 0):
            return False
        self._last[sender] = nonce
        return True


class DeeployClient:
    """One API and one sender. Make it and use it in one event loop; close it at the end."""

    def __init__(
        self,
        url: str,
        signer: Signer,
        nonces: Nonces,
        form: Form = Form.NEWER,
        limits: ClientLimits | None = None,
        milliseconds: Callable[[], int] = lambda: time.time_ns() // 1_000_000,
    ) -> None:
        """`milliseconds` is the clock, since 1970. SettingsError for a URL that is none."""
        parts = urlsplit(url)
        if parts.scheme not in ("http", "https") or not parts.hostname or parts.query or parts.fragment:
            raise SettingsError("Deeploy's URL (not shown) is none: give http:// or https://, a host and maybe a path")
        self.where = f"{parts.scheme}://{parts.netloc.rpartition('@')[2]}"
        self.limits = limits or ClientLimits()
        self._base = url.rstrip("/")
        self._signer = signer
        self._nonces = nonces
        self._form = form
        self._milliseconds = milliseconds
        self._http: aiohttp.ClientSession | None = None

    @property
    def sender(self) -> str:
        """Whose requests these are."""
        return self._signer.address

    async def close(self) -> None:
        """Close all connections."""
        http, self._http = self._http, None
        if http is not None:
            await http.close()

    async def signed(self, request: DeeployRequest) -> dict[str, Any]:
        """What `ask` would send as the body's `request`, with a nonce of its own."""
        nonce = await self._nonce()
        # A signer may be elsewhere and take its time.
        return await asyncio.to_thread(
            sign_request, request.body(), request.request_type, nonce, self._signer, self._form
        )

    async def ask(self, request: DeeployRequest) -> Answer:
        """Send a request, again if that can do no harm, each time with a new nonce and signature.

        Unreachable if it reached nobody. OutcomeUnknown if it may have been carried out and isn't `repeatable`. Refused
        and WrongAnswer as they say. A refusal inside of an answer is no exception here: see `Answer.or_refused`.
        """
        pause = self.limits.first_pause
        for left in range(self.limits.tries - 1, -1, -1):
            try:
                return await self._once(request)
            except (Unreachable, OutcomeUnknown) as error:
                if not left or (isinstance(error, OutcomeUnknown) and not request.repeatable):
                    raise
            await asyncio.sleep(pause)
            pause = min(2 * pause, self.limits.longest_pause)
        raise AssertionError("there is at least one try")

    async def _once(self, request: DeeployRequest) -> Answer:
        what = f"{request.endpoint} at {self.where}"
        body = json.dumps({"request": await self.signed(request)}, ensure_ascii=False).encode("utf-8")
        headers = {"Content-Type": "application/json"}
        try:
            async with self._session().post(
                f"{self._base}/{request.endpoint}", data=body, headers=headers, allow_redirects=False
            ) as response:
                return await self._read(what, response)
        except (aiohttp.ClientConnectorError, aiohttp.ConnectionTimeoutError) as error:
            raise Unreachable(f"{what}: nobody took the connection ({error}); nothing was done") from error
        except (aiohttp.ClientError, TimeoutError) as error:
            told = str(error) or type(error).__name__
            raise OutcomeUnknown(f"{what}: no whole answer came ({told}); it may have been done or not") from error

    async def _read(self, what: str, response: aiohttp.ClientResponse) -> Answer:
        if response.status == _TOO_MANY:
            raise Unreachable(f"{what}: too many requests; nothing was done")
        if response.status >= 500:
            raise OutcomeUnknown(f"{what}: status {response.status}; it may have been done or not")
        raw = await self._bounded(what, response)
        if response.status >= 400:
            raise Refused(f"{what}: status {response.status}: {raw[:300].decode('utf-8', 'replace')}; check the URL")
        if response.status != 200:
            raise WrongAnswer(f"{what}: status {response.status}: redirects aren't followed, give the API's own URL")
        try:
            document = json.loads(raw)
        except (ValueError, RecursionError) as error:
            raise WrongAnswer(f"{what}: the answer is no JSON ({error}); is the URL that of the API?") from error
        return decode_answer(document)

    async def _bounded(self, what: str, response: aiohttp.ClientResponse) -> bytes:
        parts = bytearray()
        async for chunk in response.content.iter_chunked(65_536):
            parts += chunk
            if len(parts) > self.limits.answer:
                raise WrongAnswer(f"{what}: the answer has more than {self.limits.answer} bytes")
        return bytes(parts)

    async def _nonce(self) -> int:
        """A nonce never used before and not in the future: where the clock stands still or went back, it is awaited."""
        for _ in range(5_000):
            nonce = self._milliseconds() - self.limits.nonce_lag
            if self._nonces.claim(self._signer.address, nonce):
                return nonce
            await asyncio.sleep(0.001)
        raise DeeployError(
            f"nonce {nonce} of {self._signer.address}: a later one was used already, so this machine's clock went "
            "back: set it right"
        )

    def _session(self) -> aiohttp.ClientSession:
        if self._http is None:
            limits = self.limits
            # One connection for each request: on one kept open, a request that was lost can't be told from one that
            # was carried out.
            self._http = aiohttp.ClientSession(
                connector=aiohttp.TCPConnector(force_close=True),
                timeout=aiohttp.ClientTimeout(total=limits.patience, sock_connect=limits.connecting),
            )
        return self._http
