"""The health of what the node runs: looked at on a schedule of its own, reported with each heartbeat.

Nothing here delays a heartbeat: a beat takes the newest result that there is. A workload that was not looked at yet
is STARTING.
"""

from __future__ import annotations

import asyncio
import os
import random
import time
from collections.abc import Callable, Mapping
from pathlib import Path

import aiohttp

from node.answers import Acknowledged, Terms, one_line
from node.checks import look
from node.fencing import FenceQuorum
from node.targets import Target, parse_file, split_command
from oracle.ground.errors import InvalidValue
from oracle.ground.ids import show_assignment
from oracle.telemetry.wire.workloads import MAX_WORKLOADS, Health

REREAD = 2.0
"""Seconds between two looks at the workloads' file."""
LONGEST_FILE = 1 << 20
LONGEST_COMMAND = 10.0
"""Seconds that a stopping agent waits for an --on-fenced that is under way."""


class Workloads:
    """The workloads of one node. Use it inside one event loop.

    `targets` are fixed, or those of `file` as it is at any moment: a file that is gone or wrong leaves the last good
    ones in place. `secrets` are environment variables that commands don't get. `on_fenced` is started
    once for each assignment that enough of the `oracles` oracles call fenced. `say` gets a line for each change. `tick`
    is the time between heartbeats in seconds, None: each oracle's own.
    """

    def __init__(
        self,
        targets: Mapping[int, Target],
        file: Path | None,
        on_fenced: str | None,
        oracles: int,
        secrets: tuple[str, ...],
        say: Callable[[str], None],
        tick: float | None = None,
    ) -> None:
        self.on_fence: Callable[[int], object] = _nobody
        """Told of each assignment that is believed to be fenced: who runs it stops it."""
        self._tick = tick
        self._file = file
        self._on_fenced = on_fenced
        self._say = say
        self._environment = {name: value for name, value in os.environ.items() if name not in secrets}
        self._targets: dict[int, Target] = {}
        self._health: dict[int, Health] = {}
        self._fed: dict[int, Health] = {}
        self._fenced: set[int] = set()
        self._quorum = FenceQuorum(oracles)
        self._tasks: dict[int, asyncio.Task[None]] = {}
        self._commands: set[asyncio.Task[None]] = set()
        self._fixed = dict(targets)
        self._http: aiohttp.ClientSession | None = None
        self._trouble = ""

    def health(self) -> Mapping[int, Health]:
        """Assignment -> newest health, for the next heartbeat."""
        return {**self._health, **self._fed}

    def feed(self, assignment: int, health: Health | None) -> None:
        """The health of a workload that somebody else looks at; None: it isn't reported any more."""
        if health is None:
            self._fed.pop(assignment, None)
            self._fenced.discard(assignment)
            self._quorum.forget(assignment)
        elif assignment not in self._fenced:
            if assignment not in self._fed and len(self._fed.keys() | self._targets.keys()) >= MAX_WORKLOADS:
                self._say(f"assignment {show_assignment(assignment)}: not reported, {MAX_WORKLOADS} others are")
                return
            self._fed[assignment] = health

    async def run(self) -> None:
        """Look at the workloads until cancelled."""
        # A connection apiece: one that is open already says little about who else would be let in.
        connector = aiohttp.TCPConnector(force_close=True)
        async with aiohttp.ClientSession(
            connector=connector, cookie_jar=aiohttp.DummyCookieJar(), auto_decompress=False
        ) as http:
            self._http = http
            try:
                await self._follow()
            finally:
                for task in self._tasks.values():
                    task.cancel()
                await asyncio.gather(*self._tasks.values(), return_exceptions=True)
                if self._commands:
                    await asyncio.wait(self._commands, timeout=LONGEST_COMMAND)

    def listener(self, url: str) -> Listener:
        """Who hears what the oracle at this URL says of the assignments."""
        return Listener(url, self)

    def heard(self, url: str, terms: Terms, fenced: frozenset[int], reported: Mapping[int, Health]) -> None:
        """An oracle answered a heartbeat that carried `reported`."""
        asked = reported.keys() & self.health().keys()
        for assignment in self._quorum.hear(url, asked, fenced, self._tick or terms.tick, time.monotonic()):
            self._fence(assignment)

    async def _follow(self) -> None:
        self._take(self._fixed)
        stamp: object = None
        while True:
            if self._file is not None:
                stamp = await self._reread(self._file, stamp)
            await asyncio.sleep(REREAD)

    async def _reread(self, file: Path, stamp: object) -> object:
        """Take the file's workloads if it changed since `stamp`; its new stamp."""
        try:
            now, content = await asyncio.to_thread(_read_changed, file, stamp)
            if content is not None:
                self._take(parse_file(content))
            trouble = ""
        except (OSError, UnicodeDecodeError, InvalidValue) as error:
            now, trouble = None, f"--workloads {file}: {error}; going on with {len(self._targets)} workload(s)"
        if trouble and trouble != self._trouble:
            self._say(one_line(trouble))
        self._trouble = trouble
        return now

    def _take(self, targets: Mapping[int, Target]) -> None:
        """These are the workloads from now on."""
        for assignment in self._targets.keys() - targets.keys():
            self._drop(assignment)
            self._fenced.discard(assignment)
            self._say(f"assignment {show_assignment(assignment)}: no longer looked at")
        for assignment, target in targets.items():
            if self._targets.get(assignment) != target and assignment not in self._fenced:
                self._drop(assignment)
                self._health[assignment] = Health.STARTING
                self._tasks[assignment] = asyncio.create_task(self._watch(assignment, target))
        self._targets = dict(targets)

    def _drop(self, assignment: int) -> None:
        task = self._tasks.pop(assignment, None)
        if task is not None:
            task.cancel()
        self._health.pop(assignment, None)
        self._quorum.forget(assignment)

    async def _watch(self, assignment: int, target: Target) -> None:
        """Look again and again; a look that fails by a bug of ours counts as UNHEALTHY and is told."""
        assert self._http is not None
        while True:
            started = time.monotonic()
            try:
                found = await look(target, self._http, self._environment)
            except Exception as error:
                found = Health.UNHEALTHY
                self._say(f"assignment {show_assignment(assignment)}: a bug of Epochal's: {one_line(repr(error))}")
            if found is not self._health[assignment]:
                self._health[assignment] = found
                self._say(f"assignment {show_assignment(assignment)}: {found.name.lower()} ({one_line(target.where)})")
            # Not all at the same moment, and never sooner than asked for.
            await asyncio.sleep(max(0.0, started + target.every * random.uniform(1.0, 1.1) - time.monotonic()))

    def _fence(self, assignment: int) -> None:
        """The assignment is another node's, or nobody's, now."""
        self._fenced.add(assignment)
        self._drop(assignment)
        self._fed.pop(assignment, None)
        self.on_fence(assignment)
        name = show_assignment(assignment)
        self._say(f"assignment {name}: FENCED, most oracles say it isn't this node's any more; not reported any longer")
        if self._on_fenced is not None:
            task = asyncio.create_task(self._run_command(self._on_fenced, assignment))
            self._commands.add(task)
            task.add_done_callback(self._commands.discard)

    async def _run_command(self, command: str, assignment: int) -> None:
        name = show_assignment(assignment)
        environment = {
            **self._environment,
            "EPOCHAL_ASSIGNMENT": name,
            "EPOCHAL_ASSIGNMENT_ID": str(assignment),
        }
        try:
            process = await asyncio.create_subprocess_exec(
                *split_command("--on-fenced", command),
                env=environment,
                stdin=asyncio.subprocess.DEVNULL,
                start_new_session=True,
            )
        except OSError as error:
            self._say(f"assignment {name}: --on-fenced could not be started ({error}); STOP THE WORKLOAD YOURSELF")
            return
        status = await process.wait()
        failed = "" if status == 0 else "; STOP THE WORKLOAD YOURSELF"
        self._say(f"assignment {name}: --on-fenced ended with status {status}{failed}")


class Listener:
    """See `oracle_link.Listener`; one for each oracle."""

    def __init__(self, url: str, workloads: Workloads) -> None:
        self._url = url
        self._workloads = workloads

    def acknowledged(self, terms: Terms, heard: Acknowledged, reported: Mapping[int, Health]) -> None:
        self._workloads.heard(self._url, terms, heard.fenced, reported)


def _nobody(assignment: int) -> None:
    """Nobody else runs workloads."""


def _read_changed(file: Path, stamp: object) -> tuple[object, str | None]:
    """(stamp, content of the file or None if it has that stamp already)."""
    with file.open("rb") as opened:
        found = os.fstat(opened.fileno())
        now = (found.st_ino, found.st_size, found.st_mtime_ns)
        if now == stamp:
            return now, None
        content = opened.read(LONGEST_FILE + 1)
    if len(content) > LONGEST_FILE:
        raise InvalidValue(f"it is longer than {LONGEST_FILE} bytes")
    return now, content.decode()
