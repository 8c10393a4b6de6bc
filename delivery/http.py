"""The way over HTTP: one POST, a time limit, no redirects, and little of the answer."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import aiohttp

from delivery.message import Message, Outcome, Verdict
from delivery.rules import pause_of, verdict_of
from oracle.ground.errors import EpochalError


class NotReachable(EpochalError):
    """At present nothing says where the destination is."""


@dataclass(frozen=True, slots=True)
class Request:
    """Where a message goes, and the headers it goes with."""

    url: str
    headers: Mapping[str, str]


def judged(status: int, body: bytes) -> Outcome:
    """What an answer says by its status alone."""
    return Outcome(verdict_of(status), said(status, body))


def said(status: int, body: bytes) -> str:
    """An answer in one line, to show."""
    text = " ".join(body[:300].decode("utf-8", "replace").split())
    shown = "".join(one for one in text if one.isprintable())[:200]
    return f"HTTP {status}{': ' + shown if shown else ''}"


class HttpTransport:
    """POSTs each message's body as JSON.

    `prepare` says for a message, and for when it is sent (UNIX seconds), where it goes; NotReachable from it means
    later. `judge` says what an answer means. `timeout` in seconds for a whole attempt; `longest`: bytes read of an
    answer.
    """

    def __init__(
        self,
        prepare: Callable[[Message, float], Request],
        judge: Callable[[int, bytes], Outcome] = judged,
        timeout: float = 10.0,
        longest: int = 65_536,
    ) -> None:
        self._prepare = prepare
        self._judge = judge
        self._timeout = timeout
        self._longest = longest
        self._http: aiohttp.ClientSession | None = None

    async def close(self) -> None:
        """Close all connections."""
        http, self._http = self._http, None
        if http is not None:
            await http.close()

    async def send(self, message: Message, now: float) -> Outcome:
        """See delivery.sender.Transport. The header Idempotency-Key is the message's key, at every attempt."""
        try:
            request = self._prepare(message, now)
        except NotReachable as error:
            return Outcome(Verdict.LATER, str(error))
        if self._http is None:
            self._http = aiohttp.ClientSession(
                timeout=aiohttp.ClientTimeout(total=self._timeout), cookie_jar=aiohttp.DummyCookieJar()
            )
        headers = {"Content-Type": "application/json", "Idempotency-Key": message.key, **request.headers}
        try:
            async with self._http.post(
                request.url, data=message.body, headers=headers, allow_redirects=False
            ) as response:
                body = b""
                async for chunk in response.content.iter_chunked(8_192):
                    body += chunk
                    if len(body) > self._longest:
                        return Outcome(
                            verdict_of(response.status),
                            f"HTTP {response.status}, with an answer of more than {self._longest} bytes",
                        )
                outcome = self._judge(response.status, body)
                pause = max(outcome.pause, pause_of(response.headers.get("Retry-After")))
                return Outcome(outcome.verdict, outcome.told, pause)
        except TimeoutError:
            return Outcome(Verdict.LATER, f"no answer within {self._timeout:g} s")
        except (aiohttp.ClientError, OSError, ValueError) as error:
            return Outcome(Verdict.LATER, str(error) or type(error).__name__)
