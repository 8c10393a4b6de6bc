"""One node's link to one oracle: one heartbeat in each tick, whatever happens on the way.

The link learns from the oracle's answers what it needs: its address and challenge, the tick, and how far
its clock is from here, so that heartbeats fall inside ticks and not on their edges. Nothing of it is
trusted: the oracle can spoil only its own link.
"""

from __future__ import annotations

import asyncio
import json
import random
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import aiohttp

from oracle.ground.address import raw_address
from oracle.ground.errors import EpochalError, InvalidValue
from oracle.ground.typed_data import Domain
from oracle.signing.signer import Signer
from oracle.telemetry import heartbeat

FIRST_PAUSE = 0.1
LONGEST_PAUSE = 30.0
UNKNOWN_PERIOD = 5.0
"""Seconds between tries, and for one, before the oracle has told its tick."""
LONGEST_ANSWER = 65_536
LONGEST_TICK = 86_400
LATEST = 2**40
"""Whole UNIX seconds above this are no time that an oracle may tell."""
MOST_TRIES = 3
"""Heartbeats sent in a row for one tick when the oracle asks for another challenge or sequence."""


class LinkError(EpochalError):
    """The oracle could not be reached, or its answer made no sense: try again after a pause."""


@dataclass(frozen=True, slots=True)
class Terms:
    """What an oracle says of itself: address, challenge, genesis and tick (seconds), its clock less ours."""

    oracle: str
    challenge: bytes
    genesis: float
    tick: float
    ahead: float


class OracleLink:
    """Beats to the oracle at `url` until cancelled. `say` gets one line whenever the link's state changes.

    `tick` in seconds overrides the oracle's own. Sequences start at the time in milliseconds, so they rise
    over restarts; if the clock was set back meanwhile, the oracle tells the last one that it accepted.
    """

    def __init__(
        self,
        url: str,
        signer: Signer,
        domain: Domain,
        http: aiohttp.ClientSession,
        say: Callable[[str], None],
        tick: float | None = None,
    ) -> None:
        self.url = url.rstrip("/")
        self.sent = 0
        """Heartbeats that the oracle accepted."""
        self._signer = signer
        self._domain = domain
        self._http = http
        self._say = say
        self._tick = tick
        self._terms: Terms | None = None
        self._challenge = b""
        self._sequence = 0
        self._state = ""
        # Each node has its own place in the first half of the tick, so that they don't all come at once.
        self._phase = 0.1 + 0.4 * (int(signer.address[-4:], 16) / 0xFFFF)

    async def run(self) -> None:
        """Beat until cancelled. Failures of the oracle are said and retried, never raised."""
        failures = 0
        while True:
            try:
                if self._terms is None:
                    self._terms = await self._ask_terms()
                    self._challenge = self._terms.challenge
                await self._beat(self._terms)
                failures = 0
                await asyncio.sleep(self._until_next(self._terms))
            except LinkError as error:
                self._turn("unreachable", f"unreachable ({error}); retrying")
                failures += 1
                longest = min(LONGEST_PAUSE, self._period())
                pause = min(longest, FIRST_PAUSE * 2 ** min(failures, 16))
                await asyncio.sleep(pause * random.uniform(0.5, 1.0))

    def _period(self) -> float:
        return self._tick or (self._terms.tick if self._terms else UNKNOWN_PERIOD)

    def _until_next(self, terms: Terms) -> float:
        """Seconds until this node's place in the oracle's next tick."""
        period = self._period()
        there = time.monotonic() + terms.ahead - terms.genesis
        place = self._phase * period
        return period - (there - place) % period

    async def _beat(self, terms: Terms) -> None:
        """Send one heartbeat. LinkError if the oracle can't be reached; a refusal is said."""
        refusal: dict[str, Any] = {}
        for _ in range(MOST_TRIES):
            self._sequence = max(self._sequence + 1, time.time_ns() // 1_000_000)
            if self._sequence >= 2**64:
                raise LinkError(f"it claims to have accepted sequence {self._sequence - 1}, the last there is")
            wire = heartbeat.sign(self._signer, self._domain, terms.oracle, self._sequence, self._challenge)
            before = time.monotonic()
            status, answer = await self._call("POST", "/v1/heartbeats", wire)
            if "challenge" in answer:
                self._challenge = _hex(answer["challenge"], 32)
            if "now" in answer:
                self._terms = replace(terms, ahead=_number(answer, "now", LATEST) - before)
            if status == 200 and answer.get("accepted") == 1:
                self.sent += 1
                self._turn("beating", f"beating every {self._period():g} s, accepted by {terms.oracle}")
                return
            refusal = _first_refusal(status, answer)
            reason = refusal["reason"]
            if reason == "replayed_sequence" and isinstance(refusal.get("last_sequence"), int):
                self._sequence = max(self._sequence, refusal["last_sequence"])
            elif reason == "wrong_oracle":
                self._terms = None
                raise LinkError("another oracle answers at this URL")
            elif reason != "stale_challenge":
                break
        if status >= 500:
            raise LinkError(f"it can't store heartbeats now: {refusal['cure']}")
        self._turn(f"refused {refusal['reason']}", f"refused: {refusal['reason']}; {refusal['cure']}")

    async def _ask_terms(self) -> Terms:
        before = time.monotonic()
        status, answer = await self._call("GET", "/v1/challenge")
        if status != 200:
            raise LinkError(f"it answers {status} to /v1/challenge")
        oracle = answer.get("oracle")
        try:
            raw_address(oracle if isinstance(oracle, str) else "")
        except InvalidValue as error:
            raise LinkError("it tells no address of its own; is this an oracle's URL?") from error
        return Terms(
            oracle=str(oracle),
            challenge=_hex(answer.get("challenge"), 32),
            genesis=_number(answer, "genesis", LATEST),
            tick=max(0.001, _number(answer, "tick", LONGEST_TICK)),
            ahead=_number(answer, "now", LATEST) - before,
        )

    async def _call(self, method: str, path: str, body: bytes | None = None) -> tuple[int, dict[str, Any]]:
        """(HTTP status, JSON object) of one request. LinkError for no answer, a late one or another thing."""
        timeout = aiohttp.ClientTimeout(total=min(10.0, max(1.0, self._period())))
        try:
            async with self._http.request(
                method, self.url + path, data=body, timeout=timeout, allow_redirects=False
            ) as response:
                status, raw = response.status, b""
                async for chunk in response.content.iter_any():
                    raw += chunk
                    if len(raw) > LONGEST_ANSWER:
                        raise LinkError(f"its answer is longer than {LONGEST_ANSWER} bytes")
        except TimeoutError as error:
            raise LinkError(f"no answer within {timeout.total:g} s") from error
        except (aiohttp.ClientError, OSError, ValueError) as error:
            raise LinkError(str(error) or type(error).__name__) from error
        try:
            answer = json.loads(raw)
        except (ValueError, RecursionError) as error:
            raise LinkError(f"it answers {status} without JSON; is this an oracle's URL?") from error
        if not isinstance(answer, dict):
            raise LinkError(f"it answers {status} without a JSON object; is this an oracle's URL?")
        return status, answer

    def _turn(self, state: str, line: str) -> None:
        if state != self._state:
            self._state = state
            self._say(f"oracle {self.url}: {_one_line(line)}")


def _hex(text: Any, size: int) -> bytes:
    try:
        raw = bytes.fromhex(text.removeprefix("0x"))
    except (ValueError, AttributeError, TypeError) as error:
        raise LinkError("its challenge is not hexadecimal") from error
    if len(raw) != size:
        raise LinkError(f"its challenge has {len(raw)} bytes, not {size}")
    return raw


def _number(answer: dict[str, Any], key: str, most: int) -> float:
    value = answer.get(key)
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 <= value <= most:
        raise LinkError(f"its {key} is not a number from 0 to {most}")
    return float(value)


def _first_refusal(status: int, answer: dict[str, Any]) -> dict[str, Any]:
    refused = answer.get("refused")
    first = refused[0] if isinstance(refused, list) and refused else None
    if not isinstance(first, dict) or not isinstance(first.get("reason"), str):
        raise LinkError(f"it answers {status} with neither acceptance nor reason")
    return {**first, "cure": str(first.get("cure", ""))}


def _one_line(text: str) -> str:
    """`text` fit for a terminal: an oracle's words may hold anything."""
    return "".join(c if c.isprintable() else " " for c in text)[:300]
