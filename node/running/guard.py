"""The process between the agent and one workload: it starts it with limits, watches it, and outlives none of it.

Started as a script of its own, `python -I -S guard.py`, with the standard library alone, since there is one for each
workload. Its stdin brings one line of JSON (the fields of `Spec`) and later `stop SECONDS`; the end of stdin, which
comes with the agent's death however it died, stops the workload too. Its stdout tells, one JSON object a line:

    {"event": "started", "pid": 4711}
    {"event": "ended", "reason": "exit"|"memory"|"storage"|"processes"|"stopped"|"start", "status": 1, "detail": "…"}

It adopts what its descendants leave behind (PR_SET_CHILD_SUBREAPER), so that no daemon escapes. `status` is the exit
status, or minus the signal's number.
"""

from __future__ import annotations

import contextlib
import ctypes
import json
import os
import resource
import selectors
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

PR_SET_PDEATHSIG = 1
PR_SET_DUMPABLE = 4
PR_SET_CHILD_SUBREAPER = 36
PR_SET_NO_NEW_PRIVS = 38

LOOK = 0.25
"""Seconds between two looks at memory and processes."""
STORAGE_LOOK = 5.0
"""Seconds between two looks at the folder, or twenty times as long as one takes."""
ORPHANED_GRACE = 2.0
"""Seconds between SIGTERM and SIGKILL when the agent is gone."""
_CHUNK = 65_536
_PAGE = os.sysconf("SC_PAGESIZE")
_MEGABYTE = 1 << 20


@dataclass(frozen=True)
class Spec:
    """What to start and within which limits; 0 and None: no limit.

    argv, folder      the command and where it runs
    environment       all of it
    output            files' path without ending: .stdout.log and .stderr.log, each at most `output_bytes` with its .1
    memory_mb         resident memory of all its processes together; `data_mb` is what one may ask the kernel for
    storage_mb        what the folder `watched` may hold
    processes, files  how many processes it may be; open files of each
    cpus, nice        cores it may run on, and its niceness
    cgroup            a folder of cgroup v2 that exists and that it joins
    user              (user id, group id) that it runs as
    """

    argv: list[str]
    folder: str
    environment: dict[str, str]
    output: str
    output_bytes: int
    memory_mb: int = 0
    data_mb: int = 0
    storage_mb: int = 0
    watched: str = ""
    processes: int = 0
    files: int = 0
    cpus: list[int] | None = None
    nice: int = 0
    cgroup: str | None = None
    user: list[int] | None = None


def prctl(option: int, value: int) -> None:
    """OSError if the kernel refuses."""
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.prctl(option, value, 0, 0, 0):
        number = ctypes.get_errno()
        raise OSError(number, f"prctl({option}, {value}): {os.strerror(number)}")


class Output:
    """One stream of the workload, in a file that starts anew when half of its bytes are used."""

    def __init__(self, path: Path, most: int) -> None:
        self._path = path
        self._half = max(1, most // 2)
        self._file = path.open("ab", buffering=0)
        self._size = self._file.tell()
        self.trouble = ""

    def write(self, data: bytes) -> None:
        """Append; a disk that takes no more loses output, not the workload."""
        try:
            if self._size + len(data) > self._half and self._size:
                self._file.close()
                self._path.replace(self._path.with_name(self._path.name + ".1"))
                self._file = self._path.open("ab", buffering=0)
                self._size = 0
            data = data[-self._half :]
            self._size += self._file.write(data) or 0
        except (OSError, ValueError) as error:
            self.trouble = str(error)


def children_of(pid: int) -> Iterator[int]:
    """Direct children of a process, of all its threads; none if it is gone."""
    try:
        threads = list(Path(f"/proc/{pid}/task").iterdir())
    except OSError:
        return
    for thread in threads:
        with contextlib.suppress(OSError):
            yield from map(int, (thread / "children").read_bytes().split())


def descendants(pid: int) -> list[int]:
    """All processes below this one, parents first. One that forks meanwhile may be missed: look again."""
    found: dict[int, None] = {}
    todo = list(children_of(pid))
    while todo:
        child = todo.pop()
        if child not in found:
            found[child] = None
            todo.extend(children_of(child))
    return list(found)


def resident(pid: int) -> int:
    """Bytes of resident memory; 0 if it is gone."""
    try:
        return int(Path(f"/proc/{pid}/statm").read_bytes().split()[1]) * _PAGE
    except (OSError, IndexError, ValueError):
        return 0


def share(pid: int) -> int:
    """Bytes of resident memory, what is shared counted in parts; all of it where the kernel doesn't tell."""
    with contextlib.suppress(OSError, ValueError):
        for line in Path(f"/proc/{pid}/smaps_rollup").read_bytes().splitlines():
            if line.startswith(b"Pss:"):
                return int(line.split()[1]) * 1024
    return resident(pid)


def stored(folder: str) -> int:
    """Bytes on disk of all that is in the folder; what vanishes meanwhile isn't counted."""
    total, todo = 0, [folder]
    while todo:
        with contextlib.suppress(OSError), os.scandir(todo.pop()) as entries:
            for entry in entries:
                with contextlib.suppress(OSError):
                    total += entry.stat(follow_symlinks=False).st_blocks * 512
                    if entry.is_dir(follow_symlinks=False):
                        todo.append(entry.path)
    return total


class Guard:
    """Runs one workload to its end; `run` returns when nothing of it is left."""

    def __init__(self, spec: Spec) -> None:
        self._spec = spec
        self._selector = selectors.DefaultSelector()
        self._reason = ""
        self._detail = ""
        self._status: int | None = None
        self._main = 0
        self._kill_at: float | None = None
        self._storage_at = 0.0
        self._commands = b""
        self._streams: dict[int, Output] = {}

    def run(self) -> None:
        """Start, watch, and tell the end."""
        prctl(PR_SET_CHILD_SUBREAPER, 1)
        wakes, wake = os.pipe()
        for end in (wakes, wake):
            os.set_blocking(end, False)
        signal.set_wakeup_fd(wake)
        for number in (signal.SIGCHLD, signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
            signal.signal(number, lambda *_: None)
        self._selector.register(wakes, selectors.EVENT_READ, self._signalled)
        os.set_blocking(0, False)
        self._selector.register(0, selectors.EVENT_READ, self._commanded)
        try:
            self._start()
        except (OSError, ValueError, subprocess.SubprocessError) as error:
            self._end("start", f"{self._spec.argv[0]}: {error}")
            tell({"event": "ended", "reason": "start", "status": None, "detail": self._detail})
            return
        tell({"event": "started", "pid": self._main})
        while self._status is None:
            self._turn()
        self._sweep()
        reason = self._reason or "exit"
        tell({"event": "ended", "reason": reason, "status": self._status, "detail": self._detail})

    def _start(self) -> None:
        spec = self._spec
        process = subprocess.Popen(
            spec.argv,
            cwd=spec.folder,
            env=spec.environment,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            start_new_session=True,
            preexec_fn=self._inside,  # this process has one thread
        )
        self._main = process.pid
        process.returncode = 0  # reaped here with all the others, not by Popen
        for stream, name in ((process.stdout, "stdout"), (process.stderr, "stderr")):
            assert stream is not None
            descriptor = os.dup(stream.fileno())
            stream.close()
            os.set_blocking(descriptor, False)
            self._streams[descriptor] = Output(Path(f"{spec.output}.{name}.log"), spec.output_bytes)
            self._selector.register(descriptor, selectors.EVENT_READ, self._written)

    def _inside(self) -> None:
        """In the new process, before the command takes its place."""
        spec = self._spec
        if spec.cgroup:
            Path(spec.cgroup, "cgroup.procs").write_text("0")
        with contextlib.suppress(OSError):
            Path("/proc/self/oom_score_adj").write_text("500")  # rather than the agent
        if spec.cpus:
            os.sched_setaffinity(0, spec.cpus)
        if spec.nice:
            os.nice(spec.nice)
        _limit(resource.RLIMIT_CORE, 0)
        if spec.files:
            _limit(resource.RLIMIT_NOFILE, spec.files)
        if spec.data_mb:
            _limit(resource.RLIMIT_DATA, spec.data_mb * _MEGABYTE)
        if spec.storage_mb:
            _limit(resource.RLIMIT_FSIZE, spec.storage_mb * _MEGABYTE)
        if spec.user:
            user, group = spec.user
            os.setgroups([])
            os.setgid(group)
            os.setuid(user)
        # After setuid, which would undo the second of them.
        prctl(PR_SET_NO_NEW_PRIVS, 1)
        prctl(PR_SET_PDEATHSIG, signal.SIGKILL)

    def _turn(self) -> None:
        for key, _ in self._selector.select(LOOK):
            key.data(key.fd)
        self._reap()
        if self._status is not None:
            return
        if not self._reason:
            self._look()
        if self._kill_at is not None and time.monotonic() >= self._kill_at:
            self._kill(signal.SIGKILL)

    def _signalled(self, descriptor: int) -> None:
        numbers = os.read(descriptor, 4096)
        if any(number != signal.SIGCHLD for number in numbers):
            self._stop("stopped", ORPHANED_GRACE)

    def _commanded(self, descriptor: int) -> None:
        data = b""
        with contextlib.suppress(ConnectionError):
            data = os.read(descriptor, 4096)
        if not data:
            self._selector.unregister(descriptor)
            self._stop("stopped", ORPHANED_GRACE)
        self._commands += data
        while b"\n" in self._commands:
            line, _, self._commands = self._commands.partition(b"\n")
            self._stop("stopped", float(line.removeprefix(b"stop ")))

    def _written(self, descriptor: int) -> None:
        data = os.read(descriptor, _CHUNK)
        if data:
            self._streams[descriptor].write(data)
        else:
            self._selector.unregister(descriptor)
            os.close(descriptor)
            del self._streams[descriptor]

    def _look(self) -> None:
        """Stop at once what takes more than it may."""
        spec = self._spec
        pids = descendants(os.getpid())
        if spec.processes and len(pids) > spec.processes:
            self._end("processes", f"{len(pids)} processes, {spec.processes} allowed")
        most = spec.memory_mb * _MEGABYTE
        if most and sum(map(resident, pids)) > most and (used := sum(map(share, pids))) > most:
            self._end("memory", f"{used // _MEGABYTE} MB of memory, {spec.memory_mb} MB allowed")
        if spec.storage_mb and time.monotonic() >= self._storage_at:
            began = time.monotonic()
            size = stored(spec.watched)
            self._storage_at = began + max(STORAGE_LOOK, 20 * (time.monotonic() - began))
            if size > spec.storage_mb * _MEGABYTE:
                self._end("storage", f"{size // _MEGABYTE} MB stored, {spec.storage_mb} MB allowed")
        if self._reason:
            self._kill(signal.SIGKILL)

    def _end(self, reason: str, detail: str) -> None:
        self._reason = self._reason or reason
        self._detail = self._detail or detail

    def _stop(self, reason: str, grace: float) -> None:
        """SIGTERM to all of it, SIGKILL after the grace; a second wish can only shorten the first."""
        if not self._reason:
            self._end(reason, "")
            self._kill(signal.SIGTERM)
        until = time.monotonic() + grace
        self._kill_at = until if self._kill_at is None else min(until, self._kill_at)

    def _kill(self, number: int) -> None:
        if number == signal.SIGKILL and self._spec.cgroup:
            with contextlib.suppress(OSError):
                Path(self._spec.cgroup, "cgroup.kill").write_text("1")
        for pid in descendants(os.getpid()):
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, number)
                if number == signal.SIGTERM:
                    os.kill(pid, signal.SIGCONT)  # one that was stopped hears it too

    def _reap(self) -> None:
        """Let go of all that ended; the first process's end is the workload's."""
        with contextlib.suppress(ChildProcessError):
            while True:
                pid, status = os.waitpid(-1, os.WNOHANG)
                if pid == 0:
                    return
                if pid == self._main:
                    self._status = os.waitstatus_to_exitcode(status)

    def _sweep(self) -> None:
        """Nothing of it stays: what is left gets the rest of the grace, then SIGKILL until nothing is left."""
        self._kill(signal.SIGTERM)
        until = time.monotonic() + ORPHANED_GRACE if self._kill_at is None else self._kill_at
        while descendants(os.getpid()):
            if time.monotonic() >= until:
                # Stopped first, so that one that forks without end can't outrun it.
                self._kill(signal.SIGSTOP)
                self._kill(signal.SIGKILL)
            for key, _ in self._selector.select(0.01):
                key.data(key.fd)
            self._reap()
        # What was written before the end.
        while ready := [key for key, _ in self._selector.select(0) if key.fd in self._streams]:
            for key in ready:
                self._written(key.fd)


def _limit(which: int, most: int) -> None:
    """Soft and hard limit; never above the hard one that is there already."""
    _, hard = resource.getrlimit(which)
    least = most if hard == resource.RLIM_INFINITY else min(most, hard)
    resource.setrlimit(which, (least, least))


def tell(event: dict[str, Any]) -> None:
    """One line to the agent, if it is still there."""
    with contextlib.suppress(BrokenPipeError):
        os.write(1, json.dumps(event).encode() + b"\n")


def main() -> None:
    """Read the specification and run it."""
    line = b""
    while not line.endswith(b"\n"):
        data = os.read(0, 1)
        if not data:
            return  # the agent is gone before it began
        line += data
    signal.signal(signal.SIGPIPE, signal.SIG_IGN)
    Guard(Spec(**json.loads(line))).run()


if __name__ == "__main__":
    main()
    sys.stdout.flush()
    os._exit(0)
