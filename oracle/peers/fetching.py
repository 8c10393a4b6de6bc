"""How many fetches from peers are under way, and how much memory their answers take: each peer has its own share."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager


class Places:
    """A few fetches at a time from each peer: one that is silent keeps nobody waiting but those who wait for it."""

    def __init__(self, each: int) -> None:
        self._each = each
        self._gates: dict[str, asyncio.Semaphore] = {}
        self._users: Counter[str] = Counter()

    @asynccontextmanager
    async def of(self, url: str) -> AsyncIterator[None]:
        """Wait for a place with that peer, and hold it."""
        self._users[url] += 1
        try:
            async with self._gates.setdefault(url, asyncio.Semaphore(self._each)):
                yield
        finally:
            self._users[url] -= 1
            if not self._users[url]:
                del self._users[url], self._gates[url]


class Room:
    """Bytes of answers that have come in part.

    When all together are more than the room, whoever grows beyond an equal share of it gives way. So there are never
    more than twice as many, and no large answer that comes slowly keeps the others out.
    """

    def __init__(self, size: int) -> None:
        self._size = size
        self._held = 0
        self._answers = 0

    @contextmanager
    def answer(self) -> Iterator[Share]:
        """A share for one answer, empty at first and given back at the end."""
        share = Share(self)
        self._answers += 1
        try:
            yield share
        finally:
            self._answers -= 1
            self._held -= share.size

    def take(self, more: int, size: int) -> bool:
        """Hold `more` bytes of an answer that has `size` then; False when it has to give way."""
        self._held += more
        return self._held <= self._size or size * self._answers <= self._size


class Share:
    """What one answer takes of the room."""

    def __init__(self, room: Room) -> None:
        self.size = 0
        self._room = room

    def grow(self, more: int) -> bool:
        """Take `more` bytes; False when the answer is to be given up."""
        self.size += more
        return self._room.take(more, self.size)
