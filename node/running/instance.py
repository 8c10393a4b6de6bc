"""One workload of this node, from its making to its end: started, watched, started again, brought up to date."""

from __future__ import annotations

import asyncio
import contextlib
import json
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import aiohttp

from node.answers import one_line
from node.running import health
from node.running.errors import CannotRun, TryAgain
from node.running.making import Made, Maker, first
from node.running.ports import port_environment
from node.running.restart import History, Verdict, backoff, decide
from node.running.source import LONGEST_BACKOFF, redacted, tail
from node.running.store import RunsFolder
from node.running.supervisor import GRACE, Ended, Process, Supervisor
from oracle.ground.ids import show_assignment, unpack
from oracle.telemetry.wire.workloads import Health
from orchestrator.wire.intent import Intent

FIRST_RETRY, LONGEST_RETRY = 5, 300
"""Seconds before another try to make a version that could not be made."""


@dataclass(slots=True)
class Shown:
    """What the node tells of the workload. `state` is one of `polling.STATES`; `intent` the hash of what runs, or is
    being made."""

    intent: bytes
    state: str = "uninitialized"
    health: Health = Health.STARTING
    reason: str = ""
    detail: str = ""


class Instance:
    """Runs one assignment until `stop`. `told` is called whenever `shown` changed; `say` gets a line for each change.

    `give_ports` gives the workload its ports (TryAgain if there are none).
    """

    def __init__(
        self,
        assignment: int,
        intent: Intent,
        maker: Maker,
        runs: RunsFolder,
        supervisor: Supervisor,
        http: aiohttp.ClientSession,
        give_ports: Callable[[int, Intent], dict[str, int]],
        told: Callable[[], None],
        say: Callable[[str], None],
    ) -> None:
        self.assignment = assignment
        self.shown = Shown(intent.hash)
        self._wanted = intent
        self._maker = maker
        self._runs = runs
        self._supervisor = supervisor
        self._http = http
        self._give_ports = give_ports
        self._told = told
        self._say = say
        self._changed = asyncio.Event()
        self._process: Process | None = None
        self._task = asyncio.create_task(self._live())

    def change(self, intent: Intent) -> None:
        """Run this from now on; what runs goes on until the new version is ready."""
        self._wanted = intent
        self._changed.set()

    def tell_peers(self) -> None:
        """The record's peers changed: write the file that the workload may read again."""
        with contextlib.suppress(FileNotFoundError):
            peers = self._runs.get(self.assignment).peers
            part = self._maker.peers.with_suffix(".part")
            part.write_text(json.dumps(list(peers)), encoding="utf-8")
            part.replace(self._maker.peers)

    async def stop(self) -> None:
        """Stop it. Returns when nothing of it is left."""
        self._show("stopping", Health.STOPPED, "by order")
        self._task.cancel()
        await asyncio.gather(self._task, return_exceptions=True)
        self._show("stopped", Health.STOPPED, "by order")

    async def _live(self) -> None:
        try:
            record = self._runs.get(self.assignment)
            if record.verdict and record.made_of == self._wanted.hash.hex():
                # It had ended for good before this agent started; only something new starts it again.
                made = self._maker.again(record.made, self._wanted, record.commit)
                self._show(record.verdict, Health.STOPPED, record.reason)
                made = await self._next(made)
            else:
                known = record.made if record.made_of == self._wanted.hash.hex() else ""
                made = await self._make_first(known, record.commit)
            while True:
                made = await self._serve(made)
        except Exception as error:
            self._show("failed", Health.STOPPED, "bug", f"a bug of Epochal's: {error!r}")
            raise

    async def _make_first(self, known: str, commit: str) -> Made:
        """The first version. Goes on until there is one."""
        tries = 0
        while True:
            self._changed.clear()
            intent = self._wanted
            self.shown.intent = intent.hash
            self._show("starting", Health.STARTING, "")
            try:
                return await first(self._maker, intent, known, commit)
            except CannotRun as error:
                self._show("failed", Health.STOPPED, "cannot_run", str(error))
                await self._changed.wait()
            except (TryAgain, OSError) as error:
                pause = backoff(FIRST_RETRY, LONGEST_RETRY, tries)
                tries += 1
                self._show("restarting", Health.STOPPED, "not_made", f"{error}; another try in {pause} s")
                with contextlib.suppress(TimeoutError):
                    await asyncio.wait_for(self._changed.wait(), pause)
            known = ""

    async def _next(self, made: Made | None) -> Made:
        """The next version, when there is something new and it is ready: another intent, or another commit."""
        bad, failures = "", 0
        while True:
            source = made.intent.source if made else None
            pause = None
            if source is not None:
                pause = max(source.poll_seconds, backoff(source.poll_seconds, LONGEST_BACKOFF, failures))
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._changed.wait(), pause)
            intent, changed = self._wanted, self._changed.is_set()
            self._changed.clear()
            try:
                if not changed:
                    commit = await self._maker.newest_commit(intent)
                    failures = 0
                    if made is None or commit in (made.commit, bad):
                        continue
                    bad = commit
                    self._line(f"new commit {commit[:12]}: making it ready")
                return await self._maker.make(intent)
            except (TryAgain, OSError) as error:
                failures += 1
                bad = ""
                self._line(f"{error}; {'goes on as it is' if self._process else 'another try follows'}")
                if changed:
                    await asyncio.sleep(backoff(FIRST_RETRY, LONGEST_RETRY, failures))
                    self._changed.set()
            except CannotRun as error:
                # What runs goes on; the orchestrator sees by the intent's hash that it isn't the new one.
                self.shown.detail = one_line(redacted(str(error)))
                self._line(f"the new version can't run: {error}")
                self._told()

    async def _serve(self, made: Made) -> Made:
        """Run this version, again and again as its rule says, until the next one is ready, which it returns."""
        record = self._runs.get(self.assignment)
        self.shown.intent = made.intent.hash
        self._runs.change(
            self.assignment, made=made.folder.name, made_of=made.intent.hash.hex(), commit=made.commit, verdict=""
        )
        await asyncio.to_thread(self._maker.clear, made.folder)
        history = History(record.restarts, record.started) if record.made == made.folder.name else History()
        following = asyncio.create_task(self._next(made))
        try:
            while not following.done():
                started = int(time.time())
                history = History(history.restarts, started)
                ended = await self._once(made, following)
                if ended is None:
                    break
                now = int(time.time())
                decision = decide(made.intent.restart, history, ended.failed, now)
                history = decision.history
                self._runs.change(self.assignment, restarts=history.restarts, started=history.started)
                detail = f"{ended}" if not ended.failed else f"{ended}; {tail(self._output, 'stderr', 3)}"
                if decision.verdict is Verdict.AGAIN:
                    pause = max(0, decision.at - now)
                    detail = f"{detail}; restart {history.restarts} in {pause} s"
                    self._show("restarting", Health.STOPPED, ended.reason, detail)
                    await asyncio.wait([following], timeout=pause)
                else:
                    state = decision.verdict.value
                    self._runs.change(self.assignment, verdict=state, reason=ended.reason)
                    self._show(state, Health.STOPPED, ended.reason, detail)
                    await asyncio.wait([following])
            return following.result()
        finally:
            following.cancel()
            await asyncio.gather(following, return_exceptions=True)

    async def _once(self, made: Made, following: asyncio.Task[Made]) -> Ended | None:
        """One start to its end; None if it was ended for the next version."""
        try:
            ports = self._give_ports(self.assignment, made.intent)
            self.tell_peers()
            environment = self._environment(made, ports)
            command = self._maker.command(made.intent, made.intent.command, made.folder, environment)
            self._show("starting", Health.STARTING, "")
            process = self._process = await self._supervisor.start(command)
        except (TryAgain, OSError) as error:
            return Ended("start", None, str(error))
        watching = asyncio.create_task(health.watch(made.intent.health, ports, self._http, self._looked))
        try:
            await asyncio.wait([process.ended, watching, following], return_when=asyncio.FIRST_COMPLETED)
            if process.ended.done():
                return process.ended.result()
            if watching.done():
                watching.result()
                await self._end(process, "not healthy")
                return Ended("health", None, f"not healthy for {made.intent.health.timeout_seconds} s")
            await self._end(process, "for the next version")
            return None
        finally:
            watching.cancel()
            await asyncio.gather(watching, return_exceptions=True)
            if not process.ended.done():
                await process.stop(GRACE)
            self._process = None

    async def _end(self, process: Process, why: str) -> None:
        self._show("stopping", Health.STOPPED, why)
        await process.stop(GRACE)

    def _environment(self, made: Made, ports: dict[str, int]) -> dict[str, str]:
        """What tells the workload who it is."""
        job, slot, _ = unpack(self.assignment)
        told = {
            **port_environment(ports),
            "EPOCHAL_ASSIGNMENT": show_assignment(self.assignment),
            "EPOCHAL_JOB": str(job),
            "EPOCHAL_SLOT": str(slot),
            "EPOCHAL_REPLICAS": str(made.intent.replicas),
            "EPOCHAL_PEERS": json.dumps(list(self._runs.get(self.assignment).peers)),
            "EPOCHAL_PEERS_FILE": str(self._maker.peers),
        }
        if made.commit:
            told["EPOCHAL_COMMIT"] = made.commit
        if made.intent.pipeline is not None:
            told["EPOCHAL_PIPELINE"] = str(made.folder / "pipeline.json")
        return told

    @property
    def _output(self) -> Path:
        return self._maker.logs / "workload"

    def _looked(self, found: Health) -> None:
        if found is Health.STARTING:
            self._show("starting", found, "")
        else:
            self._show("running", found, "")

    def _show(self, state: str, found: Health, reason: str, detail: str = "") -> None:
        shown = self.shown
        before = (shown.state, shown.health, shown.reason)
        detail = one_line(redacted(detail))
        shown.state, shown.health, shown.reason = state, found, reason
        if detail or reason:
            shown.detail = detail
        if before != (state, found, reason):
            name = "" if state != "running" else f", {found.name.lower()}"
            self._line(f"{state}{name}{f' ({reason})' if reason else ''}{f': {detail}' if detail else ''}")
            self._told()

    def _line(self, text: str) -> None:
        self._say(f"assignment {show_assignment(self.assignment)}: {one_line(redacted(text))}")
