"""Brings what is due: several destinations at once, one message at a time to each."""

from __future__ import annotations

import asyncio
import logging
import random
from collections.abc import Callable, Collection, Mapping
from typing import Final, Protocol

from delivery.message import Message, Outcome, State, Verdict
from delivery.queue import Queue
from delivery.rules import Backoff, Next, after

_LOG = logging.getLogger(__name__)
_LOOK_SECONDS: Final = 1.0
"""How often to look for what other processes put."""


class Transport(Protocol):
    """A way to receivers. It raises nothing for what a receiver does: that is an outcome."""

    async def send(self, message: Message, now: float) -> Outcome:
        """One attempt; ends within the transport's own time limit."""

    async def close(self) -> None:
        """Let go of connections."""


class Sender:
    """Sends what is in a queue over transports, by channel. Makes this process the one that sends: SenderRunning.

    At least once: an attempt is written down after it ended, so one that a kill cut off is made again, with the same
    key. Make it and use it in one event loop; `close` at the end.
    """

    def __init__(
        self,
        queue: Queue,
        transports: Mapping[str, Transport],
        backoff: Backoff | None = None,
        at_once: int = 8,
        jitter: Callable[[], float] = random.random,
    ) -> None:
        queue.hold()
        self._queue = queue
        self._transports = transports
        self._backoff = backoff or Backoff()
        self._jitter = jitter
        self._at_once = at_once
        self._under_way: dict[tuple[str, str], asyncio.Task[bool]] = {}

    async def close(self) -> None:
        """Give up attempts under way, which will be made again, and let go of connections."""
        for task in self._under_way.values():
            task.cancel()
        await asyncio.gather(*self._under_way.values(), return_exceptions=True)
        self._under_way.clear()
        for transport in self._transports.values():
            await transport.close()

    async def run(self, stop: asyncio.Event) -> None:
        """Send until `stop` is set. QueueUnusable when the file fails."""
        while not stop.is_set():
            await self._begin()
            next_due = await asyncio.to_thread(self._queue.next_due)
            wait = _LOOK_SECONDS if next_due is None else min(_LOOK_SECONDS, max(0.02, next_due - self._queue.now()))
            stopping = asyncio.create_task(stop.wait())
            await asyncio.wait({stopping, *self._under_way.values()}, timeout=wait, return_when=asyncio.FIRST_COMPLETED)
            stopping.cancel()
            self._collect()

    async def once(self) -> int:
        """Try what is due now; returns how many attempts that took. A destination that doesn't take a message isn't
        tried any more this time, so this ends soon however many messages wait for one that hangs."""
        made, failed = 0, set[tuple[str, str]]()
        while True:
            made += await self._begin(failed)
            if not self._under_way:
                return made
            await asyncio.wait(self._under_way.values(), return_when=asyncio.FIRST_COMPLETED)
            failed |= self._collect()

    async def _begin(self, skipped: Collection[tuple[str, str]] = ()) -> int:
        """Start attempts, as many as may run; returns how many."""
        begun = 0
        for message in await asyncio.to_thread(self._queue.due, {*self._under_way, *skipped}):
            if len(self._under_way) >= self._at_once:
                break
            self._under_way[message.channel, message.destination] = asyncio.create_task(self._attempt(message))
            begun += 1
        return begun

    def _collect(self) -> set[tuple[str, str]]:
        """Forget tasks that ended; an error of theirs is one of the file or a bug, and is raised. Returns destinations
        that took nothing."""
        ended = [place for place, task in self._under_way.items() if task.done()]
        return {place for place in ended if not self._under_way.pop(place).result()}

    async def _attempt(self, message: Message) -> bool:
        """Try a message; whether its destination took it, or told that it never will."""
        queue, now = self._queue, self._queue.now()
        if now > message.deadline:
            last = f"; the last attempt: {message.told}" if message.told else ""
            told = f"its deadline passed after {message.attempts} attempts{last}"
            await asyncio.to_thread(queue.settle, message.key, Next(State.DEAD, now, told))
            return True
        number = await asyncio.to_thread(queue.begin, message)
        transport = self._transports.get(message.channel)
        if transport is None:
            outcome = Outcome(Verdict.NEVER, f"nothing here sends over {message.channel}; name it in the settings")
        else:
            outcome = await transport.send(message, now)
        decided = after(outcome, number, message.deadline, queue.now(), self._backoff, self._jitter())
        await asyncio.to_thread(queue.settle, message.key, decided)
        level = logging.WARNING if decided.state is State.DEAD else logging.INFO
        _LOG.log(level, "%s to %s: %s (%s)", message.label, message.destination, decided.state, decided.told)
        return outcome.verdict is not Verdict.LATER
