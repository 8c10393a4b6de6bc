"""All workloads of this node: what the orchestrator wants is run, what oracles call fenced is stopped."""

from __future__ import annotations

import asyncio
import shutil
from collections.abc import Callable, Coroutine, Iterable
from dataclasses import replace
from pathlib import Path
from typing import Any

import aiohttp

from node.answers import one_line
from node.errors import SettingsError
from node.running.errors import TryAgain
from node.running.instance import Instance
from node.running.making import Maker
from node.running.plan import Wanted, plan, room
from node.running.ports import choose, is_free
from node.running.settings import RunningSettings
from node.running.store import Record, RunsFolder
from node.running.supervisor import MARK, Means, Supervisor, kill_marked
from oracle.ground.errors import InvalidValue
from oracle.ground.ids import show_assignment
from oracle.telemetry.wire.workloads import Health
from orchestrator.wire import intent as intents
from orchestrator.wire.intent import Intent
from orchestrator.wire.intent_parts import Resources
from orchestrator.wire.polling import Running, Work

KEPT_FOLDERS = 50
"""Folders of workloads that are over, kept for their logs."""


class Runner:
    """Use it inside one event loop: `begin`, then `take` or `resume` as often as wanted, at last `end`.

    `feed(assignment, health)` is told each workload's health, None: not reported any more. `say` gets lines. `changed`
    is set whenever there is something new to tell the orchestrator.
    """

    def __init__(
        self, settings: RunningSettings, feed: Callable[[int, Health | None], None], say: Callable[[str], None]
    ) -> None:
        """SettingsError if the folder can't be used, or this system doesn't tell who is whose child."""
        if not Path("/proc/thread-self/children").exists():
            raise SettingsError(
                "--orchestrator: /proc/thread-self/children is missing: use a Linux with CONFIG_PROC_CHILDREN"
            )
        self.changed = asyncio.Event()
        self._settings = settings
        self._feed = feed
        self._say = say
        self._runs = RunsFolder(settings.runs)
        for assignment, record in self._runs.records.items():
            try:
                intents.from_document(record.intent)
            except InvalidValue as error:
                place = f"--runs {settings.runs}: state.json: {show_assignment(assignment)}"
                raise SettingsError(f"{place}: {error}; move the file away, workloads begin anew") from error
        means = Means(self._runs.mark, cgroup=settings.cgroup, user=settings.user())
        self._supervisor = Supervisor(means)
        self._http: aiohttp.ClientSession | None = None
        self._instances: dict[int, Instance] = {}
        self._intents: dict[int, Intent] = {}
        self._faults: dict[int, str] = {}
        self._said: dict[int, str] = {}
        self._stopping: set[int] = set()
        self._tasks: set[asyncio.Task[None]] = set()
        self._lock = asyncio.Lock()

    async def begin(self) -> None:
        """End what an agent that was killed left behind. SettingsError if it doesn't end."""
        try:
            left = await asyncio.to_thread(kill_marked, MARK, self._runs.mark)
        except TryAgain as error:
            raise SettingsError(f"--runs {self._settings.runs}: {error}") from error
        if left:
            self._say(f"ended {left} process(es) that an agent left behind")
        connector = aiohttp.TCPConnector(force_close=True)
        self._http = aiohttp.ClientSession(
            connector=connector, cookie_jar=aiohttp.DummyCookieJar(), auto_decompress=False
        )
        await asyncio.to_thread(self._tidy)

    async def resume(self) -> None:
        """Nobody tells what is wanted: run what ran before this agent was started again."""
        async with self._lock:
            for assignment, record in self._runs.records.items():
                if record.verdict != "fenced" and assignment not in self._instances:
                    self._start(assignment, intents.from_document(record.intent))

    async def end(self) -> None:
        """Stop all. What ran runs again after the next `begin`."""
        if self._tasks:
            await asyncio.gather(*self._tasks, return_exceptions=True)
        await asyncio.gather(*(instance.stop() for instance in self._instances.values()))
        if self._http is not None:
            await self._http.close()
        self._runs.close()

    async def take(self, work: Iterable[Work]) -> None:
        """This is all that the orchestrator wants here. What isn't wanted is being stopped when this returns."""
        wanted: dict[int, tuple[Intent, tuple[str, ...]]] = {}
        self._faults = {}
        for each in work:
            if each.order == "stop":
                continue
            known = self._runs.records.get(each.assignment)
            # An orchestrator that lost its store wants that to go on which is here.
            document = known.intent if known is not None and not each.intent else each.intent
            try:
                wanted[each.assignment] = (intents.from_document(document), each.peers)
            except InvalidValue as error:
                self._fault(each.assignment, str(error))
        async with self._lock:
            await self._bring_about(wanted)
            self._said = dict(self._faults)

    async def _bring_about(self, wanted: dict[int, tuple[Intent, tuple[str, ...]]]) -> None:
        records = self._runs.records
        for assignment in self._stopping & wanted.keys():
            del wanted[assignment]  # again when it has stopped
        for assignment in records.keys() - wanted.keys() - self._instances.keys() - self._faults.keys():
            # Fenced before, or over while this agent was away.
            self._runs.drop(assignment)
            await asyncio.to_thread(self._remove, self._runs.folder(assignment))
        running = {
            one: Wanted(self._intents[one].hash, records[one].peers)
            for one in self._instances
            if one not in self._stopping
        }
        # One whose new intent makes no sense goes on with the old one.
        for assignment in self._faults.keys() & running.keys():
            wanted[assignment] = (self._intents[assignment], records[assignment].peers)
        steps = plan(
            {one: Wanted(intent.hash, peers) for one, (intent, peers) in wanted.items()},
            running,
            {one for one, record in records.items() if record.verdict == "fenced"},
        )
        for assignment in steps.stop:
            self._say(f"assignment {show_assignment(assignment)}: stopping, the orchestrator doesn't want it here")
            self._stopping.add(assignment)
            self._later(self._drop(assignment))
        for assignment in (*steps.start, *steps.change):
            intent, peers = wanted[assignment]
            others = [each.resources for one, each in self._intents.items() if one != assignment]
            if not intent.resources.fits(room(self._settings.resources(), others)):
                self._fault(assignment, "asks for more than this node has left; see --capacity")
                continue
            self._intents[assignment] = intent
            if assignment in steps.start:
                known = records.get(assignment, Record({}))
                self._runs.put(assignment, replace(known, intent=intent.document, peers=peers))
                self._start(assignment, intent)
            else:
                self._runs.change(assignment, intent=intent.document, peers=peers)
                self._instances[assignment].change(intent)
        for assignment in steps.tell:
            self._runs.change(assignment, peers=wanted[assignment][1])
            self._instances[assignment].tell_peers()

    def fence(self, assignment: int) -> bool:
        """The oracles say that this assignment is another node's, or nobody's: stop it. Whether it ran here."""
        if assignment not in self._instances or assignment in self._stopping:
            return False
        # Before anything else, so that it doesn't come back if the agent dies now.
        self._runs.change(assignment, verdict="fenced", reason="fenced by the oracles")
        self._stopping.add(assignment)
        self._later(self._fence(assignment))
        return True

    def states(self) -> list[Running]:
        """What the orchestrator is told."""
        found = {}
        for assignment, record in self._runs.records.items():
            fenced = record.verdict == "fenced"
            found[assignment] = Running(
                assignment,
                intents.from_document(record.intent).hash,
                "stopped" if fenced else "restarting",
                False,
                record.reason if fenced else "the agent started again",
                {} if fenced else record.ports,
            )
        for assignment, instance in self._instances.items():
            shown, record = instance.shown, self._runs.get(assignment)
            if record.verdict == "fenced":
                continue
            healthy = shown.state == "running" and shown.health is Health.HEALTHY
            reason = self._faults.get(assignment) or shown.reason
            found[assignment] = Running(
                assignment, shown.intent, shown.state, healthy, reason[:1000], record.ports, shown.detail
            )
        for assignment, fault in self._faults.items():
            if assignment not in found:
                found[assignment] = Running(assignment, bytes(32), "failed", False, fault[:1000])
        return [found[one] for one in sorted(found)]

    def room(self, but: Iterable[Resources] = ()) -> Resources:
        """What is left of the capacity, less what is promised."""
        used = [*(intent.resources for intent in self._intents.values()), *but]
        return room(self._settings.resources(), used)

    def runs(self, assignment: int) -> bool:
        """Whether the assignment is among those of this node."""
        return assignment in self._instances

    def _start(self, assignment: int, intent: Intent) -> None:
        assert self._http is not None
        self._intents[assignment] = intent
        folder = self._runs.folder(assignment)
        maker = Maker(folder, folder.name, self._supervisor, self._settings.images, self._settings.git_schemes)
        self._instances[assignment] = Instance(
            assignment,
            intent,
            maker,
            self._runs,
            self._supervisor,
            self._http,
            self._ports,
            lambda: self._told(assignment),
            self._say,
        )
        self._told(assignment)

    def _ports(self, assignment: int, intent: Intent) -> dict[str, int]:
        records = self._runs.records
        taken = {port for one, record in records.items() if one != assignment for port in record.ports.values()}
        found = choose(intent.ports, records[assignment].ports, taken, self._settings.port_range(), is_free)
        self._runs.change(assignment, ports=found)
        return found

    async def _drop(self, assignment: int) -> None:
        await self._stop(assignment)
        self._runs.drop(assignment)
        self.changed.set()

    async def _fence(self, assignment: int) -> None:
        await self._stop(assignment)
        self.changed.set()

    async def _stop(self, assignment: int) -> None:
        await self._instances[assignment].stop()
        await asyncio.to_thread(self._remove, self._runs.folder(assignment))
        del self._instances[assignment], self._intents[assignment]
        self._stopping.discard(assignment)
        self._feed(assignment, None)

    def _told(self, assignment: int) -> None:
        instance = self._instances.get(assignment)
        if instance is not None:
            self._feed(assignment, instance.shown.health)
        self.changed.set()

    def _fault(self, assignment: int, fault: str) -> None:
        self._faults[assignment] = one_line(fault)
        if self._said.get(assignment) != self._faults[assignment]:
            self._say(f"assignment {show_assignment(assignment)}: not run: {one_line(fault)}")

    def _later(self, run: Coroutine[Any, Any, None]) -> None:
        task = asyncio.create_task(run)
        self._tasks.add(task)
        task.add_done_callback(self._done)

    def _done(self, task: asyncio.Task[None]) -> None:
        self._tasks.discard(task)
        if not task.cancelled() and (error := task.exception()) is not None:
            self._say(one_line(f"stopping a workload failed: {error!r}; what runs ends with this agent at the latest"))

    def _remove(self, folder: Path) -> None:
        """All but the logs."""
        Maker(folder, folder.name, self._supervisor, None, ()).remove()

    def _tidy(self) -> None:
        """Remove what belongs to no workload any more, and all but the newest logs."""
        known = {self._runs.folder(assignment) for assignment in self._runs.records}
        over = [folder for folder in self._runs.path.glob("*-*-*") if folder.is_dir() and folder not in known]
        over.sort(key=lambda folder: folder.stat().st_mtime, reverse=True)
        for folder in over:
            self._remove(folder)
        for folder in over[KEPT_FOLDERS:]:
            shutil.rmtree(folder, ignore_errors=True)
