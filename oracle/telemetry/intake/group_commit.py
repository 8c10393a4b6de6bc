"""One durable commit for many waiting requests: the disk syncs once, then all of them are answered."""

from __future__ import annotations

import asyncio
import logging
import time
from concurrent.futures import ThreadPoolExecutor

from oracle.telemetry.store.bitmaps import BitmapStore
from oracle.telemetry.store.errors import StoreError

_LOG = logging.getLogger("epochal.telemetry")


class GroupCommit:
    """Commits a store in a thread of its own whenever somebody waits for it. Use it inside one event loop."""

    def __init__(self, store: BitmapStore) -> None:
        self._store = store
        self._thread = ThreadPoolExecutor(1, "epochal-commit")
        self._wanted = asyncio.Event()
        self._next: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._stopping = False
        self._task = asyncio.create_task(self._run())
        self.failure: str | None = None
        """Why the last commit failed, or None if it succeeded."""
        self.commits = 0
        """How many succeeded."""
        self.failures = 0
        self.slowest = 0.0
        """Seconds that the slowest one took."""

    async def durable(self) -> None:
        """Return when everything marked before the call is durable. StoreError if it could not be made so."""
        if self._task.done():
            raise StoreError("commits have stopped after a bug, see the log; restart the oracle")
        self._wanted.set()
        await asyncio.shield(self._next)

    def request(self) -> None:
        """Ask for a commit without waiting for it."""
        self._wanted.set()

    async def stop(self) -> None:
        """Finish the commit under way, make the last one, and end. StoreError if the last one failed."""
        self._stopping = True
        self._wanted.set()
        await self._task
        self._thread.shutdown()
        last, self._next = self._next, asyncio.get_running_loop().create_future()
        try:
            self._store.commit()
        except StoreError as error:
            _fail(last, error)
            raise
        last.set_result(None)

    async def _run(self) -> None:
        loop = asyncio.get_running_loop()
        while not self._stopping:
            await self._wanted.wait()
            self._wanted.clear()
            waiting, self._next = self._next, loop.create_future()
            began = time.monotonic()
            try:
                await loop.run_in_executor(self._thread, self._store.write, self._store.take())
            except StoreError as error:
                if self.failure is None:
                    _LOG.error("heartbeats are not durable: %s", error)
                self.failure = str(error)
                self.failures += 1
                _fail(waiting, error)
            except BaseException as error:
                self.failure = f"{error!r}"
                self.failures += 1
                for each in (waiting, self._next):  # those that came during this commit wait for one that won't come
                    _fail(each, StoreError(f"the commit failed by a bug: {error!r}; restart the oracle"))
                raise
            else:
                if self.failure is not None:
                    _LOG.warning("heartbeats are durable again")
                self.failure = None
                self.commits += 1
                self.slowest = max(self.slowest, time.monotonic() - began)
                waiting.set_result(None)


def _fail(waiting: asyncio.Future[None], error: StoreError) -> None:
    waiting.set_exception(error)
    waiting.exception()  # nobody may be waiting
