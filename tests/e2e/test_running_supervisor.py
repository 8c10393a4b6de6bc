# SPDX-License-Identifier: Apache-2.0
"""Real processes behind their guards: nothing of them stays, and nothing takes more than it may."""

from __future__ import annotations

import asyncio
import os
import signal
import sys
from collections.abc import Awaitable, Callable
from pathlib import Path

import pytest

from node.running.supervisor import (
    MARK,
    OUTPUT_BYTES,
    Command,
    Ended,
    Limits,
    Means,
    Supervisor,
    cores_for,
    kill_marked,
)
from tests.e2e.node_world import until

DEAF = "import signal, time; signal.signal(signal.SIGTERM, signal.SIG_IGN); time.sleep(900)"
# A daemon as of old: two forks, a session of its own, deaf, its parent gone.
DAEMON = f"""
import os, sys, time
if os.fork() == 0:
    os.setsid()
    if os.fork() == 0:
        os.execv(sys.executable, [sys.executable, "-c", {DEAF!r}])
    os._exit(0)
time.sleep(float(sys.argv[1]))
"""


class Bench:
    """Starts commands in a folder."""

    def __init__(self, folder: Path, limits: Limits) -> None:
        self.folder = folder
        self.means = Means(os.urandom(8).hex())
        self.supervisor = Supervisor(self.means)
        self.limits = limits

    def command(self, *argv: str) -> Command:
        path = {"PATH": os.environ["PATH"]}
        return Command(argv, self.folder, path, self.folder / "log", self.folder, self.limits, "one")

    async def finish(self, *argv: str, within: float = 20) -> Ended:
        return await self.supervisor.finish(self.command(*argv), within)

    def left(self) -> list[int]:
        return [
            int(entry.name)
            for entry in Path("/proc").iterdir()
            if entry.name.isdigit() and f"{MARK}={self.means.mark}".encode() in environment(entry)
        ]


def environment(entry: Path) -> list[bytes]:
    try:
        return (entry / "environ").read_bytes().split(b"\0")
    except OSError:
        return []


def story(folder: Path, run: Callable[[Bench], Awaitable[None]], **limits: int) -> None:
    async def whole() -> None:
        bench = Bench(folder, Limits(**{"cpu_millis": 1000, "memory_mb": 64, "storage_mb": 20, **limits}))
        await run(bench)
        assert not bench.left()

    asyncio.run(whole())


def test_finish__ends_by_itself__status_and_output(tmp_path: Path) -> None:
    async def run(bench: Bench) -> None:
        assert await bench.finish("true") == Ended("exit", 0)
        assert await bench.finish("sh", "-c", "echo out; echo err >&2; exit 3") == Ended("exit", 3)
        assert (tmp_path / "log.stdout.log").read_text() == "out\n"
        assert (tmp_path / "log.stderr.log").read_text() == "err\n"
        assert await bench.finish("sh", "-c", "kill -9 $$") == Ended("exit", -9)
        missing = await bench.finish("no-such-program")
        assert (missing.reason, missing.status) == ("start", None)
        assert "no-such-program" in missing.detail
        late = await bench.finish("sleep", "900", within=0.5)
        assert late.reason == "stopped"

    story(tmp_path, run)


@pytest.mark.parametrize("way", ["stopped", "exit", "guard killed", "agent gone"])
def test_tree__daemon_deaf_to_sigterm__nothing_left_however_it_ends(tmp_path: Path, way: str) -> None:
    async def run(bench: Bench) -> None:
        process = await bench.supervisor.start(
            bench.command(sys.executable, "-c", DAEMON, "0.5" if way == "exit" else "900")
        )
        await until(lambda: len(bench.left()) == (2 if way == "exit" and process.ended.done() else 3))
        if way == "stopped":
            assert (await process.stop(0.3)).reason == "stopped"
        elif way == "guard killed":
            process._guard.kill()
            assert (await process.ended).reason == "lost"
        elif way == "agent gone":
            assert process._guard.stdin is not None
            process._guard.stdin.close()
            assert (await process.ended).reason == "stopped"
        else:
            assert await process.ended == Ended("exit", 0)

    story(tmp_path, run)


def test_limits__more_than_allowed__killed_with_the_reason(tmp_path: Path) -> None:
    async def run(bench: Bench) -> None:
        # One process that asks for too much at once meets the wall; several that do it together are seen.
        wall = await bench.finish(sys.executable, "-c", "bytearray(1 << 30)")
        assert wall == Ended("exit", 1)
        assert "MemoryError" in (tmp_path / "log.stderr.log").read_text()
        three = "import os, time\nos.fork(), os.fork()\nheld = os.urandom(24 << 20)\ntime.sleep(900)"
        memory = await bench.finish(sys.executable, "-c", three)
        assert (memory.reason, memory.status) == ("memory", -9)
        files = "for n in 1 2 3; do head -c 9000000 /dev/zero > $n; done; sleep 900"
        storage = await bench.finish("sh", "-c", files)
        assert (storage.reason, storage.status) == ("storage", -9)
        for name in "123":
            (tmp_path / name).unlink()
        assert (await bench.finish("sh", "-c", "head -c 30000000 /dev/zero > large")).status not in (0, None)
        assert (tmp_path / "large").stat().st_size <= 20 << 20
        (tmp_path / "large").unlink()
        bomb = await bench.finish("sh", "-c", "while :; do sleep 900 & done")
        assert bomb.reason in ("processes", "memory")

    story(tmp_path, run)


def test_limits__inside_the_workload__what_the_kernel_says(tmp_path: Path) -> None:
    async def run(bench: Bench) -> None:
        tell = (
            "import os, resource as r; from pathlib import Path; status = Path('/proc/self/status').read_text()\n"
            "print(len(os.sched_getaffinity(0)), os.nice(0), r.getrlimit(r.RLIMIT_CORE)[1],"
            " r.getrlimit(r.RLIMIT_NOFILE)[1], r.getrlimit(r.RLIMIT_FSIZE)[1] >> 20, 'NoNewPrivs:\\t1' in status,"
            " sorted(os.environ))"
        )
        assert not (await bench.finish(sys.executable, "-c", tell)).failed
        told = (tmp_path / "log.stdout.log").read_text()
        assert told.startswith(f"1 {os.nice(0) + 5} 0 4096 20 True ['EPOCHAL_RUN', 'EPOCHAL_RUNS'")
        assert "HOME" not in told

    story(tmp_path, run)


def test_output__without_end__bounded_and_the_newest(tmp_path: Path) -> None:
    async def run(bench: Bench) -> None:
        assert not (await bench.finish("sh", "-c", "seq 1000000")).failed
        files = [tmp_path / "log.stdout.log", tmp_path / "log.stdout.log.1"]
        assert sum(path.stat().st_size for path in files) <= OUTPUT_BYTES
        assert files[0].read_text().endswith("999999\n1000000\n")

    story(tmp_path, run)


def test_user__named__workload_runs_as_it(tmp_path: Path) -> None:
    if os.geteuid() != 0:
        pytest.skip("only root starts processes as another user")
    tmp_path.chmod(0o755)

    async def run() -> None:
        bench = Bench(tmp_path, Limits(1000, 64, 20))
        supervisor = Supervisor(Means(bench.means.mark, user=(65534, 65534)))
        assert not (await supervisor.finish(bench.command("sh", "-c", "id -u; id -G"), 10)).failed
        assert (tmp_path / "log.stdout.log").read_text().split() == ["65534", "65534"]

    asyncio.run(run())


def test_cgroup__where_one_is_ours__joined_and_removed(tmp_path: Path) -> None:
    mounts = [line.split() for line in Path("/proc/mounts").read_text().splitlines()]
    root = next((Path(words[1]) for words in mounts if words[2] == "cgroup2"), None)
    if root is None or not os.access(root, os.W_OK):
        pytest.skip("no cgroup v2 may be made here")
    ours = root / f"epochal-test-{os.getpid()}"
    ours.mkdir()

    async def run() -> None:
        bench = Bench(tmp_path, Limits(1000, 64, 20))
        supervisor = Supervisor(Means(bench.means.mark, cgroup=ours))
        process = await supervisor.start(bench.command(sys.executable, "-c", DAEMON, "900"))
        await until(lambda: len(bench.left()) == 3)
        (inner,) = (path for path in ours.iterdir() if path.is_dir())
        assert len((inner / "cgroup.procs").read_text().split()) == 2
        assert (await process.stop(0.2)).reason == "stopped"
        assert not inner.exists()
        assert not bench.left()

    try:
        asyncio.run(run())
    finally:
        ours.rmdir()


def test_kill_marked__another_mark__left_alone() -> None:
    async def run() -> None:
        one, other = [
            await asyncio.create_subprocess_exec("sleep", "900", env={MARK: name}) for name in ("one-of-this", "other")
        ]
        assert await asyncio.to_thread(kill_marked, MARK, "one-of-this") == 1
        assert await one.wait() == -signal.SIGKILL
        assert other.returncode is None
        other.kill()
        await other.wait()

    asyncio.run(run())


def test_cores_for__limits_and_turns__rounded_up_and_spread() -> None:
    assert cores_for(0, (0, 1, 2), 0) == [0]
    assert cores_for(1001, (0, 1, 2), 2) == [0, 2]
    assert cores_for(99_000, (4, 5), 1) == [4, 5]
