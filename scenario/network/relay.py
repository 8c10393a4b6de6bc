"""TCP relays between processes, whose bytes can be held back, made late or cut off.

An oracle dials from 127.0.1.i, so a relay knows who calls, and a pair can be parted without touching the others.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable, Iterator
from typing import Final

_CHUNK: Final = 1 << 16
# Chunks under way in one direction before the sender has to wait.
_WINDOW: Final = 64


class Gate:
    """What happens to the bytes of one path. Faults overlap, so each is counted, and undone by itself."""

    def __init__(self) -> None:
        self._held = 0
        self._broken = 0
        self.delay = 0.0
        """Seconds that each byte is late."""
        self._open = asyncio.Event()
        self._open.set()
        self._connections: set[asyncio.Task[None]] = set()

    @property
    def broken(self) -> bool:
        """Whether connections are refused."""
        return self._broken > 0

    def hold(self) -> None:
        """Let no byte pass, as a partition does: connections stay, and what is sent waits."""
        self._held += 1
        self._open.clear()

    def let_go(self) -> None:
        """Undo one `hold`."""
        self._held -= 1
        if not self._held:
            self._open.set()

    def cut(self) -> None:
        """Hang up, and refuse further connections."""
        self._broken += 1
        for connection in self._connections:
            connection.cancel()

    def mend(self) -> None:
        """Undo one `cut`."""
        self._broken -= 1

    async def passed(self) -> None:
        """Wait until bytes may pass."""
        await self._open.wait()

    @contextlib.contextmanager
    def carrying(self, connection: asyncio.Task[None]) -> Iterator[None]:
        """Count a connection as one of this path's."""
        self._connections.add(connection)
        try:
            yield
        finally:
            self._connections.discard(connection)


class Relay:
    """A listener on the loopback address that carries every connection on to one port there.

    gate_of: the gate for a caller's address.
    """

    def __init__(self, target_port: int, gate_of: Callable[[str], Gate]) -> None:
        self._target = target_port
        self._gate_of = gate_of
        self._server: asyncio.Server | None = None
        self.port = 0

    async def start(self) -> None:
        """Listen."""
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", 0)
        self.port = self._server.sockets[0].getsockname()[1]

    async def stop(self) -> None:
        """Stop listening; connections end with the loop's tasks."""
        if self._server:
            self._server.close()

    @property
    def url(self) -> str:
        """Where it listens."""
        return f"http://127.0.0.1:{self.port}"

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        caller = writer.get_extra_info("peername")[0]
        gate = self._gate_of(caller)
        connection = asyncio.current_task()
        assert connection is not None
        onward: asyncio.StreamWriter | None = None
        try:
            if gate.broken:
                return
            with gate.carrying(connection):
                # In the caller's name: an oracle gives every sender's address a budget of its own.
                back, onward = await asyncio.open_connection("127.0.0.1", self._target, local_addr=(caller, 0))
                async with asyncio.TaskGroup() as both:
                    both.create_task(_pump(gate, reader, onward))
                    both.create_task(_pump(gate, back, writer))
        except* (OSError, asyncio.CancelledError):
            pass  # who hung up, or the gate that did, is nothing to tell of
        finally:
            for end in (writer, onward):
                if end is not None:
                    end.transport.abort()


async def _pump(gate: Gate, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Carry bytes one way until their end."""
    under_way: asyncio.Queue[tuple[float, bytes]] = asyncio.Queue(_WINDOW)
    now = asyncio.get_running_loop().time

    async def take_in() -> None:
        while data := await reader.read(_CHUNK):
            await under_way.put((now() + gate.delay, data))
        await under_way.put((now() + gate.delay, b""))

    async with asyncio.TaskGroup() as both:
        both.create_task(take_in())
        while True:
            due, data = await under_way.get()
            if (late := due - now()) > 0:
                await asyncio.sleep(late)
            await gate.passed()
            if not data:
                break
            writer.write(data)
            await writer.drain()
    with contextlib.suppress(OSError):
        writer.write_eof()


class PeerPaths:
    """The paths between every two of n oracles, which are numbered from 1."""

    def __init__(self, count: int) -> None:
        self._gates = {(a, b): Gate() for a in range(1, count + 1) for b in range(a + 1, count + 1)}
        self._outside = Gate()
        """For whoever isn't an oracle: never shut."""

    def between(self, one: int, other: int) -> Gate:
        """The gate between two oracles."""
        return self._gates.get((min(one, other), max(one, other)), self._outside)

    def towards(self, callee: int) -> Callable[[str], Gate]:
        """The gate of an oracle's relay, by who calls."""
        return lambda caller: self.between(caller_number(caller), callee)

    def of(self, oracle: int) -> list[Gate]:
        """The gates of all paths of an oracle."""
        return [gate for pair, gate in self._gates.items() if oracle in pair]

    def across(self, groups: tuple[tuple[int, ...], ...]) -> list[Gate]:
        """The gates between oracles of different groups."""
        group_of = {one: index for index, group in enumerate(groups) for one in group}
        return [gate for (a, b), gate in self._gates.items() if group_of.get(a) != group_of.get(b)]


def address_of(oracle: int) -> str:
    """The address that an oracle dials from."""
    return f"127.0.1.{oracle}"


def caller_number(address: str) -> int:
    """The oracle that dials from an address; 0 for anybody else."""
    head, _, tail = address.rpartition(".")
    return int(tail) if head == "127.0.1" else 0
