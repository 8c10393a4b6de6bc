"""Whether nodes are heard: by the receipts that oracles sign for anyone who asks."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from typing import Any, Final

import aiohttp

from notify.facts import Presence, Window
from oracle.ground.bitmap import count
from oracle.ground.bitmap import span as bits_of
from oracle.ground.clock import EpochClock
from oracle.ground.median import fault_bound
from oracle.ground.typed_data import Domain
from oracle.signing.compact import InvalidSignature
from oracle.telemetry.wire.receipt import MalformedReceipt, decode, signed_by

MOST_EPOCHS: Final = 31
"""Epochs of a window that are asked about; of a longer window, the newest."""
_LONGEST: Final = 262_144
_PATIENCE: Final = 10.0
_AT_ONCE: Final = 8
_LAG_TICKS: Final = 2
"""The newest ticks, in which a heartbeat may still be on its way."""


@dataclass(frozen=True, slots=True)
class Voices:
    """What oracles said of a node's epoch: ticks that enough of them acknowledged, and whether enough answered."""

    ticks: int
    known: bool


def tally(said: Iterable[int], answered: int, asked: int) -> Voices:
    """Of masks that different oracles signed: up to f of those `asked` may lie or be blind, so f + 1 must say the same,
    and all but f must have answered. Pure."""
    faults = fault_bound(asked)
    at_least = [-1] + [0] * (faults + 1)
    for bits in said:
        for number in range(faults + 1, 0, -1):
            at_least[number] |= at_least[number - 1] & bits
    return Voices(at_least[-1], answered >= max(1, asked - faults))


def presence_of(epochs: Sequence[tuple[int, Voices]], clock: EpochClock) -> Presence:
    """A node's presence, from neighbouring epochs in rising order. Pure."""
    start = clock.start(epochs[0][0])
    for epoch, voices in reversed(epochs):
        if voices.ticks:
            heard = clock.start(epoch) + voices.ticks.bit_length() * clock.tick
            return Presence(voices.known and epochs[-1][1].known, start, heard)
    return Presence(all(voices.known for _, voices in epochs), start, None)


def window_of(epochs: Sequence[tuple[int, Voices]], clock: EpochClock, start: int, end: int, now: int) -> Window | None:
    """What a window lost so far by heartbeats; None where not enough oracles answered. Pure."""
    seen, lost = min(end, now - _LAG_TICKS * clock.tick), 0
    for epoch, voices in epochs:
        if not voices.known:
            return None
        ticks = clock.whole_ticks(epoch, start, seen)
        mask = bits_of(ticks)
        lost += count(mask & ~voices.ticks) * clock.tick
    return Window(start, end, max(start, seen), lost)


class PresenceAsker:
    """Asks oracles' intakes for receipts of nodes. Nothing that isn't signed by a member counts as heard.

    Answers for epochs that are over are remembered once all oracles gave theirs.
    """

    def __init__(self, oracles: Sequence[str], domain: Domain) -> None:
        self._urls = tuple(oracles)
        self._domain = domain
        self._over: dict[tuple[str, int], Voices] = {}

    async def ask(
        self, nodes: Collection[str], epochs: Sequence[int], current: int, members: Collection[str]
    ) -> dict[str, list[tuple[int, Voices]]]:
        """Of each node and epoch, what the oracles say. `members`: lower-case addresses of those in force."""
        timeout = aiohttp.ClientTimeout(total=_PATIENCE)
        gate = asyncio.Semaphore(_AT_ONCE)
        async with aiohttp.ClientSession(timeout=timeout, cookie_jar=aiohttp.DummyCookieJar()) as http:
            asked = [(node, epoch) for node in nodes for epoch in epochs]
            told = await asyncio.gather(*(self._voices(http, gate, *one, current, members) for one in asked))
        found: dict[str, list[tuple[int, Voices]]] = {node: [] for node in nodes}
        for (node, epoch), voices in zip(asked, told, strict=True):
            found[node].append((epoch, voices))
        for key in [key for key in self._over if key[1] < current - MOST_EPOCHS]:
            del self._over[key]
        return found

    async def troubles(self, tick: int, members: Collection[str]) -> list[str]:
        """What is wrong with the oracles named, a line each: for who checks settings."""
        found, seen = [], dict[str, str]()
        timeout = aiohttp.ClientTimeout(total=_PATIENCE)
        async with aiohttp.ClientSession(timeout=timeout, cookie_jar=aiohttp.DummyCookieJar()) as http:
            for url in self._urls:
                answer = await _fetched(http, f"{url}/v1/challenge")
                terms = answer[1] if answer and answer[0] == 200 and isinstance(answer[1], dict) else {}
                oracle = str(terms.get("oracle", "")).lower()
                if not oracle:
                    found.append(f"{url}: no oracle's intake answers there; name where nodes send heartbeats")
                elif str(terms.get("attestations", "")).lower() != self._domain.contract.lower():
                    found.append(f"{url}: is an oracle of another network, {terms.get('attestations')}")
                elif oracle not in members:
                    found.append(f"{url}: {oracle} isn't in the committee in force, so its word doesn't count")
                elif terms.get("tick") != tick:
                    found.append(f"{url}: says that the tick is {terms.get('tick')} s, not {tick} s; correct tick")
                elif oracle in seen:
                    found.append(f"{url}: is {oracle} as {seen[oracle]} is; name each oracle once")
                seen.setdefault(oracle, url)
        return found

    async def _voices(
        self,
        http: aiohttp.ClientSession,
        gate: asyncio.Semaphore,
        node: str,
        epoch: int,
        current: int,
        members: Collection[str],
    ) -> Voices:
        if (known := self._over.get((node, epoch))) is not None:
            return known
        answers = await asyncio.gather(*(self._receipt(http, gate, url, node, epoch, members) for url in self._urls))
        by_signer: dict[str, int] = {}
        answered = 0
        for answer in answers:
            if answer is None:
                continue
            answered += 1
            signer, bits = answer
            if signer:
                by_signer[signer] = by_signer.get(signer, 0) | bits
        voices = tally(by_signer.values(), answered, len(self._urls))
        if epoch < current - 1 and answered == len(self._urls):
            self._over[node, epoch] = voices
        return voices

    async def _receipt(
        self,
        http: aiohttp.ClientSession,
        gate: asyncio.Semaphore,
        url: str,
        node: str,
        epoch: int,
        members: Collection[str],
    ) -> tuple[str, int] | None:
        """(signer, ticks); ("", 0) from who heard nothing; None from who didn't answer, or not as an oracle does."""
        async with gate:
            answer = await _fetched(http, f"{url}/v1/receipts/{node}/{epoch}")
        if answer is None:
            return None
        status, told = answer
        try:
            if status == 404 and told["refused"][0]["reason"] == "no_receipt":
                return "", 0
            receipt = decode(bytes.fromhex(told["receipt"].removeprefix("0x")))
            signer = signed_by(receipt, self._domain)
        except (ValueError, LookupError, TypeError, AttributeError, MalformedReceipt, InvalidSignature):
            return None
        if signer not in members or (receipt.node, receipt.epoch) != (node.lower(), epoch):
            return None
        return signer, receipt.bits


async def _fetched(http: aiohttp.ClientSession, url: str) -> tuple[int, Any] | None:
    """Status and JSON of an answer; None without one that is short enough and in time."""
    try:
        async with http.get(url, allow_redirects=False) as response:
            raw = b""
            async for chunk in response.content.iter_chunked(65_536):
                raw += chunk
                if len(raw) > _LONGEST:
                    return None
            return response.status, json.loads(raw)
    except (TimeoutError, aiohttp.ClientError, OSError, ValueError, RecursionError):
        return None
