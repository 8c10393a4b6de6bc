"""A gateway's side towards one oracle: many nodes' heartbeats in few requests, and each node's part of the answers.

It can't forge: it holds no key. It doesn't invent: a heartbeat is "accepted" when the oracle's answer accounts for
every heartbeat of the request and doesn't refuse this one; everything else is a refusal or 503.
"""

from __future__ import annotations

import asyncio
import time
from collections import deque
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any

import aiohttp

from node.answers import one_line
from node.errors import LinkError
from node.transport import HttpTransport
from oracle.telemetry.wire.answers import MAX_BEATS, MAX_BODY, STATUS, Answer, problem

PATIENCE = 5.0
"""Seconds that the oracle has for an answer, and that a heartbeat may wait altogether."""
AT_A_TIME = 8
"""Requests with heartbeats on their way to one oracle."""
LONGEST_ANSWER = 1 << 20
_SHARED = ("epoch", "tick", "challenge", "now")


@dataclass(frozen=True, slots=True)
class _Group:
    """The heartbeats of one request of one node, and who waits for their answer."""

    frames: list[bytes]
    size: int
    answer: asyncio.Future[Answer]


class Relay:
    """Relays to the oracle at `url`. `batch` is the longest wait in seconds for more heartbeats to send along; at most
    `queue` of them wait. `say` gets a line whenever the oracle comes or goes."""

    def __init__(
        self, url: str, http: aiohttp.ClientSession, batch: float, queue: int, say: Callable[[str], None]
    ) -> None:
        self.url = url.rstrip("/")
        self.waiting = 0
        """Heartbeats that wait to be sent."""
        self.relayed = 0
        """Heartbeats that the oracle accepted."""
        self.trouble: str | None = "not asked yet"
        self.transport = HttpTransport(url, http, LONGEST_ANSWER)
        self.transport.patience = PATIENCE
        self._batch = batch
        self._queue = queue
        self._say = say
        self._groups: deque[_Group] = deque()
        self._arrived = asyncio.Event()
        self._enough = asyncio.Event()
        self._slots = asyncio.Semaphore(AT_A_TIME)
        self._sending: set[asyncio.Task[None]] = set()
        self._terms: tuple[float, dict[str, Any]] | None = None
        self._asking: asyncio.Task[Answer] | None = None

    async def terms(self) -> Answer:
        """The oracle's terms, at most a tick old (a challenge turns every six); its clock is moved on."""
        if self._terms is not None:
            age = time.monotonic() - self._terms[0]
            told = self._terms[1]
            if age < min(10.0, _seconds(told.get("tick"))):
                return 200, {**told, "now": _seconds(told.get("now")) + age}
        if self._asking is None or self._asking.done():
            self._asking = asyncio.create_task(self._ask_terms())
        return await asyncio.shield(self._asking)

    async def beat(self, frames: list[bytes]) -> Answer:
        """The oracle's answer to these heartbeats of one node, which are well formed."""
        if self.waiting + len(frames) > self._queue:
            return problem(503, "busy", "send again in the next tick; more heartbeats wait here than can be sent on")
        group = _Group(frames, sum(map(len, frames)), asyncio.get_running_loop().create_future())
        self._groups.append(group)
        self.waiting += len(frames)
        self._arrived.set()
        if self.waiting >= MAX_BEATS:
            self._enough.set()
        try:
            async with asyncio.timeout(PATIENCE):
                return await group.answer
        except TimeoutError:
            return problem(503, "upstream", "send again in the next tick; the oracle doesn't answer in time")

    async def pass_on(self, question: Callable[[], Any]) -> Answer:
        """The oracle's answer to one question that is passed on as it is."""
        try:
            status, answer = await question()
        except LinkError as error:
            return self._unreachable(error)
        self._reached()
        if status == 421:  # another oracle, or one with another session key than it told before
            self._terms = None
        return status, answer

    async def run(self) -> None:
        """Send what arrives until cancelled."""
        try:
            while True:
                await self._arrived.wait()
                try:
                    async with asyncio.timeout(self._batch):
                        await self._enough.wait()
                except TimeoutError:
                    pass
                await self._slots.acquire()
                task = asyncio.create_task(self._send(self._take()))
                self._sending.add(task)
                task.add_done_callback(self._sent)
        finally:
            _give_up(self._groups)
            for task in self._sending:
                task.cancel()
            await asyncio.gather(*self._sending, return_exceptions=True)

    def _take(self) -> list[_Group]:
        """The next heartbeats to send: those of whole requests, as many as the oracle takes at once."""
        taken: list[_Group] = []
        count = size = 0
        while self._groups:
            group = self._groups[0]
            if taken and (count + len(group.frames) > MAX_BEATS or size + group.size > MAX_BODY):
                break
            self._groups.popleft()
            self.waiting -= len(group.frames)
            if not group.answer.done():  # nobody waits any more
                taken.append(group)
                count += len(group.frames)
                size += group.size
        if not self._groups:
            self._arrived.clear()
        if self.waiting < MAX_BEATS:
            self._enough.clear()
        return taken

    async def _send(self, groups: list[_Group]) -> None:
        if not groups:
            return
        body = b"".join(frame for group in groups for frame in group.frames)
        try:
            status, answer = await self.transport.beat(body)
            self._reached()
            answers = divide(status, answer, [len(group.frames) for group in groups])
        except LinkError as error:
            answers = [self._unreachable(error)] * len(groups)
        except BaseException:
            _give_up(groups)
            raise
        for group, own in zip(groups, answers, strict=True):
            self.relayed += own[1]["accepted"]
            if not group.answer.done():
                group.answer.set_result(own)

    def _sent(self, task: asyncio.Task[None]) -> None:
        self._sending.discard(task)
        self._slots.release()
        if not task.cancelled() and task.exception() is not None:
            self._say(f"oracle {self.url}: a bug of Epochal's: {one_line(repr(task.exception()))}")

    async def _ask_terms(self) -> Answer:
        asked_at = time.monotonic()
        status, answer = await self.pass_on(self.transport.terms)
        if status == 200:
            self._terms = (asked_at, answer)
        return status, answer

    def _unreachable(self, error: LinkError) -> Answer:
        if self.trouble is None or self.trouble == "not asked yet":
            self._say(f"oracle {self.url}: unreachable ({one_line(str(error))})")
        self.trouble = str(error)
        self._terms = None
        cure = f"send again in the next tick; the gateway can't reach the oracle: {error}"
        return problem(503, "upstream", one_line(cure))

    def _reached(self) -> None:
        if self.trouble is not None:
            self.trouble = None
            self._say(f"oracle {self.url}: relaying")


def divide(status: int, answer: dict[str, Any], sizes: list[int]) -> list[Answer]:
    """Each request's own part of the answer to all of them together; `sizes`: how many heartbeats each had.

    An answer that doesn't account for every heartbeat accepts none: each gets its status if that is an error's, or 503.
    """
    total = sum(sizes)
    refused = _by_index(answer.get("refused", []), total)
    fenced = _by_index(answer.get("fenced", []), total)
    accepted = answer.get("accepted")
    whole = refused is None or fenced is None or type(accepted) is not int or accepted + len(refused) != total
    if refused is None or fenced is None or whole or status >= 500 or (status != 200 and accepted):
        return [_as_a_whole(status, answer)] * len(sizes)
    shared = {key: answer[key] for key in _SHARED if key in answer}
    parts: list[Answer] = []
    start = 0
    for size in sizes:
        own = {"accepted": 0, "refused": [], **shared}
        own["refused"] = [{**refused[i], "index": i - start} for i in range(start, start + size) if i in refused]
        own["accepted"] = size - len(own["refused"])
        told = [{**fenced[i], "index": i - start} for i in range(start, start + size) if i in fenced]
        if told:
            own["fenced"] = told
        parts.append((200 if own["accepted"] else status_of(own["refused"][0]), own))
        start += size
    return parts


def status_of(refusal: dict[str, Any]) -> int:
    """The status with which an oracle answers a single heartbeat that it refuses so."""
    reason = refusal.get("reason")
    return STATUS.get(reason, 400) if isinstance(reason, str) else 400


def _give_up(groups: Iterable[_Group]) -> None:
    """Let nobody wait for an answer that won't come."""
    for group in groups:
        if not group.answer.done():
            group.answer.set_result(problem(503, "stopping", "send again in the next tick; the gateway stops"))


def _as_a_whole(status: int, answer: dict[str, Any]) -> Answer:
    refused = answer.get("refused")
    first = refused[0] if isinstance(refused, list) and refused else None
    if status < 400 or not isinstance(first, dict) or not isinstance(first.get("reason"), str):
        return problem(503, "upstream", "send again in the next tick; the oracle's answer makes no sense")
    return problem(status, first["reason"], one_line(str(first.get("cure", ""))))


def _by_index(entries: Any, total: int) -> dict[int, dict[str, Any]] | None:
    """The entries by their `index`; None unless each has one of its own below `total`."""
    if not isinstance(entries, list) or not all(isinstance(entry, dict) for entry in entries):
        return None
    found = {entry["index"]: entry for entry in entries if type(entry.get("index")) is int}
    if len(found) != len(entries) or not all(0 <= index < total for index in found):
        return None
    return found


def _seconds(value: Any) -> float:
    return float(value) if isinstance(value, int | float) and not isinstance(value, bool) else 0.0
