"""Sending large answers: no more at a time than there is memory for, and none to readers that only hold the line."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

from aiohttp import web

from oracle.telemetry.wire.budget import Budget

_PART: Final = 256 * 1024


class Serving:
    """Answers under way, by what they hold of memory."""

    def __init__(self, room: int, slowest: int, patience: float, budget: Budget) -> None:
        """`room`: bytes of all answers under way; `slowest`: bytes a second; `patience`: seconds that a reader may be
        behind that pace; `budget`: bytes for each address."""
        self.sent_bytes = 0
        self._room = room
        self._slowest = slowest
        self._patience = patience
        self._budget = budget
        self._under_way = 0

    def refusal(self, source: str, size: int, is_member: bool) -> str | None:
        """Why an answer of `size` bytes isn't sent to an address now; None when it may be, within `hold`.

        Members' addresses may use all of the room and strangers' half of it. Whatever its size, an answer is sent
        when nothing else is under way.
        """
        room = self._room if is_member else self._room // 2
        if self._under_way and self._under_way + size > room:
            return "busy"
        if not self._budget.has(source, time.monotonic()):
            return "too_many_bytes"
        return None

    @contextmanager
    def hold(self, source: str, size: int) -> Iterator[None]:
        """Count an answer of `size` bytes to an address, from before it is read until it is sent."""
        self._budget.spend(source, size, time.monotonic())
        self._under_way += size
        try:
            yield
        finally:
            self._under_way -= size

    async def send(self, request: web.BaseRequest, response: web.StreamResponse, content: bytes) -> bool:
        """Send `content`; False when the reader was too slow or went away, and the connection is closed."""
        until = asyncio.get_running_loop().time() + self._patience + len(content) / self._slowest
        try:
            async with asyncio.timeout_at(until):
                await response.prepare(request)
                view = memoryview(content)
                for start in range(0, len(content), _PART):
                    await response.write(view[start : start + _PART])
                    self.sent_bytes += len(view[start : start + _PART])
                await response.write_eof()
        except (TimeoutError, ConnectionError):
            if request.transport is not None:
                request.transport.abort()
            return False
        return True
