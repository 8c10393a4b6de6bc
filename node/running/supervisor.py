"""Starts commands behind a guard (`guard.py`) each, and learns how they end.

What is enforced on a workload, and by what:

    memory      the guard looks four times a second and kills what takes more; RLIMIT_DATA is the wall in between
    storage     the guard looks every 5 s; RLIMIT_FSIZE bounds a single file
    processes   the guard looks
    CPU         as many cores as the limit needs, rounded up, and a niceness below the agent's
    with a delegated cgroup v2, the kernel enforces memory, CPU and processes by the controllers it has
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import secrets
import signal
import sys
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from node.running import guard
from node.running.errors import TryAgain

MARK = "EPOCHAL_RUNS"
"""Environment variable that all processes of one runs folder have, so that the next start finds what is left."""
RUN = "EPOCHAL_RUN"
"""Environment variable with a value of its own for each start of a command."""
OUTPUT_BYTES = 2 << 20
MOST_PROCESSES = 512
MOST_FILES = 4096
NICENESS = 5
GRACE = 10.0
"""Seconds from SIGTERM to SIGKILL."""
_PERIOD = 100_000
"""Microseconds in which cgroup's CPU time is counted."""
_LATE = 30.0
"""Seconds beyond the grace after which a guard that says nothing is given up."""


@dataclass(frozen=True, slots=True)
class Limits:
    """Thousandths of a core; megabytes of memory; megabytes of storage."""

    cpu_millis: int
    memory_mb: int
    storage_mb: int


@dataclass(frozen=True, slots=True)
class Command:
    """What to start: argv in `folder` with exactly this environment.

    Output goes to `output`.stdout.log and `output`.stderr.log; the storage counted is all of `watched`. `name` is that
    of its cgroup.
    """

    argv: tuple[str, ...]
    folder: Path
    environment: Mapping[str, str]
    output: Path
    watched: Path
    limits: Limits
    name: str


@dataclass(frozen=True, slots=True)
class Ended:
    """How it ended.

    reason   "exit" by itself, "memory", "storage" or "processes" for too much of it, "stopped" by order, "start" if it
             could not be started, "lost" if its guard was killed, "health" if it wasn't healthy for too long
    status   exit status, or minus the number of the signal; None without a process
    """

    reason: str
    status: int | None
    detail: str = ""

    @property
    def failed(self) -> bool:
        """Whether it ended otherwise than by exit status 0."""
        return self.reason != "exit" or self.status != 0

    def __str__(self) -> str:
        status = "" if self.status is None else f"status {self.status}"
        if self.status is not None and self.status < 0:
            with contextlib.suppress(ValueError):
                status = signal.Signals(-self.status).name
        return " ".join(part for part in (self.reason, status, self.detail and f"({self.detail})") if part)


@dataclass(frozen=True, slots=True)
class Means:
    """What this node enforces with.

    mark     value of `MARK`; `cores` those that workloads may use; `cgroup` a folder of cgroup v2 that is ours and
             holds no process itself; `user` (user id, group id) that workloads run as, None: the agent's
    """

    mark: str
    cores: tuple[int, ...] = field(default_factory=lambda: tuple(sorted(os.sched_getaffinity(0))))
    cgroup: Path | None = None
    user: tuple[int, int] | None = None


def cores_for(cpu_millis: int, cores: tuple[int, ...], turn: int) -> list[int]:
    """The cores that a workload may use: as many as its limit needs, rounded up; `turn` spreads workloads."""
    count = max(1, min(len(cores), -(-cpu_millis // 1000)))
    return sorted(cores[(turn + place) % len(cores)] for place in range(count))


class Process:
    """One command behind its guard. `ended` is done when nothing of it is left."""

    def __init__(self, guard_process: asyncio.subprocess.Process, run: str, cgroup: Path | None) -> None:
        self._guard = guard_process
        self._run = run
        self._cgroup = cgroup
        self.pid = 0
        """Of the command; 0 before it started."""
        self.started = asyncio.Event()
        self.ended: asyncio.Task[Ended] = asyncio.create_task(self._follow())

    async def stop(self, grace: float = GRACE) -> Ended:
        """SIGTERM to all of it, SIGKILL after the grace. Returns when nothing of it is left."""
        assert self._guard.stdin is not None
        with contextlib.suppress(ConnectionError):
            self._guard.stdin.write(f"stop {grace}\n".encode())
            await self._guard.stdin.drain()
        try:
            return await asyncio.wait_for(asyncio.shield(self.ended), grace + _LATE)
        except TimeoutError:
            self._guard.kill()  # `_follow` clears up what it leaves
            return await asyncio.shield(self.ended)

    async def _follow(self) -> Ended:
        assert self._guard.stdout is not None
        ended: Ended | None = None
        while line := await self._guard.stdout.readline():
            event = json.loads(line)
            if event["event"] == "started":
                self.pid = event["pid"]
                self.started.set()
            else:
                ended = Ended(event["reason"], event["status"], event["detail"])
        await self._guard.wait()
        if ended is None:
            ended = Ended("lost", None, "its guard was killed")
            await asyncio.to_thread(kill_marked, RUN, self._run)
        if self._cgroup is not None:
            with contextlib.suppress(OSError):
                self._cgroup.rmdir()
        return ended


class Supervisor:
    """Starts commands with the means of this node."""

    def __init__(self, means: Means) -> None:
        self.means = means
        self._turn = 0

    async def start(self, command: Command) -> Process:
        """The command behind its guard; whether it could be started tells `Process.ended`. TryAgain without a guard."""
        starting = asyncio.create_task(self._start(command))
        try:
            return await asyncio.shield(starting)
        except asyncio.CancelledError:
            await (await starting).stop(0)
            raise

    async def _start(self, command: Command) -> Process:
        means = self.means
        limits = command.limits
        self._turn += 1
        run = secrets.token_hex(16)
        cgroup = self._cgroup(command.name, limits)
        spec = {
            "argv": list(command.argv),
            "folder": str(command.folder),
            "environment": {**command.environment, MARK: means.mark, RUN: run},
            "output": str(command.output),
            "output_bytes": OUTPUT_BYTES,
            "memory_mb": limits.memory_mb,
            # Stacks of threads and the like count, so the wall is further away than the limit.
            "data_mb": 2 * limits.memory_mb + 256,
            "storage_mb": limits.storage_mb,
            "watched": str(command.watched),
            "processes": MOST_PROCESSES,
            "files": MOST_FILES,
            "cpus": cores_for(limits.cpu_millis, means.cores, self._turn),
            "nice": NICENESS,
            "cgroup": str(cgroup) if cgroup else None,
            "user": list(means.user) if means.user else None,
        }
        try:
            command.output.parent.mkdir(parents=True, exist_ok=True)
            started = await asyncio.create_subprocess_exec(
                *(sys.executable, "-I", "-S", str(guard.__file__)),
                stdin=asyncio.subprocess.PIPE,
                stdout=asyncio.subprocess.PIPE,
                env={MARK: means.mark},
                start_new_session=True,  # a terminal's Ctrl-C is the agent's to judge
            )
        except OSError as error:
            raise TryAgain(f"{command.argv[0]} could not be started: {error}") from error
        assert started.stdin is not None
        with contextlib.suppress(ConnectionError):
            started.stdin.write(json.dumps(spec).encode() + b"\n")
            await started.stdin.drain()
        return Process(started, run, cgroup)

    async def finish(self, command: Command, within: float) -> Ended:
        """Run it to its end; after `within` seconds it is killed."""
        process = await self.start(command)
        try:
            return await asyncio.wait_for(asyncio.shield(process.ended), within)
        except TimeoutError:
            await process.stop(0)
            return Ended("stopped", None, f"it took longer than {within:g} s")
        except asyncio.CancelledError:
            await process.stop(0)
            raise

    def _cgroup(self, name: str, limits: Limits) -> Path | None:
        """A cgroup of its own with the limits that the kernel's controllers take. TryAgain if it can't be made."""
        if self.means.cgroup is None:
            return None
        folder = self.means.cgroup / f"epochal-{name}-{self._turn}"
        try:
            folder.mkdir()
            for file, value in (
                ("memory.max", str(limits.memory_mb << 20)),
                ("memory.swap.max", "0"),
                ("cpu.max", f"{max(1000, limits.cpu_millis * _PERIOD // 1000)} {_PERIOD}"),
                ("pids.max", str(MOST_PROCESSES)),
            ):
                if (folder / file).exists():
                    (folder / file).write_text(value)
        except OSError as error:
            raise TryAgain(f"cgroup {folder} can't be made: {error}; check --cgroup") from error
        return folder


def kill_marked(name: str, value: str, within: float = 10.0) -> int:
    """SIGKILL to every process whose environment has this variable with this value, until there is none; how many.

    TryAgain if some are left after `within` seconds. Only processes whose environment may be read are seen: those of
    the same user, or all for root.
    """
    wanted = f"{name}={value}".encode()
    killed: set[int] = set()
    until = time.monotonic() + within
    while True:
        left = [pid for pid in _processes() if wanted in _environment(pid)]
        if not left:
            return len(killed)
        if time.monotonic() >= until:
            raise TryAgain(f"processes {left} of an earlier run don't end: look at them by hand")
        for pid in left:
            with contextlib.suppress(ProcessLookupError, PermissionError):
                os.kill(pid, signal.SIGKILL)
                killed.add(pid)
        time.sleep(0.02)


def _processes() -> list[int]:
    own = os.getpid()
    pids = [int(entry.name) for entry in Path("/proc").iterdir() if entry.name.isdigit()]
    return [pid for pid in pids if pid != own]


def _environment(pid: int) -> list[bytes]:
    """NAME=VALUE of a process's start; none for one that is gone, a zombie, or not ours to read."""
    try:
        return Path(f"/proc/{pid}/environ").read_bytes().split(b"\0")
    except OSError:
        return []
