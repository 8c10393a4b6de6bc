# SPDX-License-Identifier: Apache-2.0
"""Load over HTTP that costs its machine little: kept connections, requests encoded ahead, answers read by hand."""

from __future__ import annotations

import asyncio
import json
import time
from collections import deque
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

from benchmarks.witness import Witness

PER_ADDRESS = 1_000
"""Connections from one address of ours; the oracle has a limit on them, as on the sessions that one opens."""
STEP = 0.002
"""Seconds between two looks at what is due."""


class LoadFailed(Exception):
    """The load could not be brought. The text says what came instead."""


@dataclass(slots=True)
class Request:
    """One HTTP request, and the numbers of the nodes whose heartbeats it carries, in order."""

    raw: bytes
    nodes: Sequence[int]


def post(path: str, body: bytes) -> bytes:
    """An HTTP request with that body."""
    return b"POST %b HTTP/1.1\r\nHost: o\r\nContent-Length: %d\r\n\r\n%b" % (path.encode(), len(body), body)


def singles(beats: Sequence[bytes], first: int = 0) -> list[Request]:
    """A request for each heartbeat; they are those of the nodes from `first` on."""
    return [Request(post("/v1/heartbeats", raw), (first + i,)) for i, raw in enumerate(beats)]


def batches(beats: Sequence[bytes], size: int, first: int = 0) -> list[Request]:
    """Requests of up to `size` heartbeats each; they are those of the nodes from `first` on."""
    return [
        Request(
            post("/v1/heartbeats", b"".join(beats[start : start + size])),
            range(first + start, first + min(len(beats), start + size)),
        )
        for start in range(0, len(beats), size)
    ]


class Connection(asyncio.Protocol):
    """A kept connection that has at most one request under way."""

    def __init__(self, load: Load) -> None:
        self._load = load
        self._transport: asyncio.Transport | None = None
        self._read = b""
        self._request: Request | None = None
        self._since = 0.0
        self._sent_at = 0.0

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport

    def send(self, request: Request, due: float) -> None:
        """Send it; `due` is when it should have been sent (seconds of `time.perf_counter`)."""
        assert self._transport is not None
        self._request, self._since, self._sent_at = request, due, time.time()
        self._transport.write(request.raw)

    def data_received(self, data: bytes) -> None:
        self._read = read = self._read + data if self._read else data
        head = read.find(b"\r\n\r\n")
        if head < 0:
            return
        at = read.find(b"Content-Length: ")
        end = head + 4 + int(read[at + 16 : read.index(b"\r\n", at)])
        if len(read) < end:
            return
        self._read = read[end:]
        request, self._request = self._request, None
        assert request is not None
        status, body = int(read[9:12]), read[head + 4 : end]
        answer = json.loads(body) if body[:1] == b"{" else {}  # a bug of the oracle answers in plain words
        load = self._load
        load.witness.answered(request.nodes, status, answer, time.perf_counter() - self._since, self._sent_at)
        load.free(self)

    def connection_lost(self, exc: Exception | None) -> None:
        if self._request is not None:
            self._load.witness.unanswered(self._request.nodes, self._sent_at)
        self._load.lost(self)

    def close(self) -> None:
        if self._transport is not None:
            self._transport.abort()


class Load:
    """Brings requests to one oracle over some connections. Use it inside one event loop, `open` first."""

    def __init__(self, url: str, witness: Witness, connections: int, addresses: int = 1) -> None:
        """`addresses`: how many of ours the connections come from, at least; more than one only where all of
        127.0.0.0/8 is this machine, as on Linux."""
        self.witness = witness
        self._addresses = max(addresses, -(-connections // PER_ADDRESS))
        self._host, self._port = urlsplit(url).hostname or "", urlsplit(url).port or 80
        self._wanted = connections
        self._open: set[Connection] = set()
        self._free: deque[Connection] = deque()
        self._waiting: deque[tuple[Request, float]] = deque()
        self._source: Iterator[Request] = iter(())
        self._busy = 0
        self._idle = asyncio.Event()

    @property
    def connected(self) -> int:
        """Connections that are open."""
        return len(self._open)

    @property
    def backlog(self) -> int:
        """Requests that are due and wait for a free connection."""
        return len(self._waiting)

    async def open(self) -> None:
        """Connect. LoadFailed if the oracle isn't there."""
        loop = asyncio.get_running_loop()
        for number in range(self._wanted):
            source = (f"127.0.0.{1 + number % self._addresses}", 0) if self._addresses > 1 else None
            try:
                _, connection = await loop.create_connection(
                    lambda: Connection(self), self._host, self._port, local_addr=source
                )
            except OSError as error:
                raise LoadFailed(f"no connection to {self._host}:{self._port}: {error}") from error
            self._open.add(connection)
            self._free.append(connection)

    def close(self) -> None:
        """Let the connections go."""
        for connection in list(self._open):
            connection.close()

    async def flood(self, requests: Iterable[Request]) -> float:
        """Send all as fast as they are answered; returns the seconds until the last answer, or until all were lost.

        LoadFailed without a connection.
        """
        began = time.perf_counter()
        self._source = iter(requests)
        self._idle.clear()
        ready, self._free = self._free, deque()
        if not ready:
            raise LoadFailed(f"no connection to {self._host}:{self._port} is open; the oracle closed them")
        for connection in ready:
            self._next(connection)
        if self._busy:
            await self._idle.wait()
        self._source = iter(())
        return time.perf_counter() - began

    async def pace(self, requests: Sequence[Request], start: float, rate: float) -> None:
        """Send them at `rate` a second from `start` on (seconds of `time.perf_counter`), whatever the answers do.

        A latency counts from the moment at which the request was due.
        """
        sent = 0
        while sent < len(requests):
            now = time.perf_counter()
            due = min(len(requests), int((now - start) * rate) + 1) if now >= start else 0
            for number in range(sent, due):
                self._waiting.append((requests[number], start + number / rate))
            sent = max(sent, due)
            while self._waiting and self._free:
                self._send(self._free.popleft())
            await asyncio.sleep(STEP)

    async def drain(self, seconds: float) -> None:
        """Wait until all is answered. LoadFailed after so many seconds."""
        deadline = time.perf_counter() + seconds
        while self._busy or self._waiting:
            if time.perf_counter() > deadline:
                raise LoadFailed(f"{self._busy} requests have no answer after {seconds:g} s, {self.backlog} wait")
            await asyncio.sleep(STEP)

    def free(self, connection: Connection) -> None:
        """A connection has its answer and can take the next request."""
        self._busy -= 1
        self._next(connection)

    def lost(self, connection: Connection) -> None:
        """A connection is gone."""
        self._open.discard(connection)
        if connection in self._free:
            self._free.remove(connection)
        else:
            self._busy -= 1
        if not self._busy:
            self._idle.set()

    def _next(self, connection: Connection) -> None:
        request = next(self._source, None)
        if request is not None:
            self._busy += 1
            connection.send(request, time.perf_counter())
        elif self._waiting:
            self._send(connection)
        else:
            self._free.append(connection)
            if not self._busy:
                self._idle.set()

    def _send(self, connection: Connection) -> None:
        request, due = self._waiting.popleft()
        self._busy += 1
        connection.send(request, due)


async def ask(url: str, path: str, body: bytes | None = None) -> tuple[int, dict[str, Any]]:
    """(status, answer) of one request over a connection of its own. LoadFailed if there is no answer."""
    parts = urlsplit(url)
    try:
        reader, writer = await asyncio.open_connection(parts.hostname, parts.port)
        try:
            raw = f"GET {path} HTTP/1.1\r\nHost: o\r\n\r\n".encode() if body is None else post(path, body)
            writer.write(raw)
            head = await reader.readuntil(b"\r\n\r\n")
            length = int(head.split(b"Content-Length: ", 1)[1].split(b"\r\n", 1)[0])
            return int(head[9:12]), json.loads(await reader.readexactly(length))
        finally:
            writer.close()
    except (OSError, asyncio.IncompleteReadError) as error:
        raise LoadFailed(f"{url}{path}: no answer: {error}") from error
