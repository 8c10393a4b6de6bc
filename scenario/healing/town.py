"""A network whose job runs web servers, with all of its parts as processes; whose node is killed, and what heals it."""

from __future__ import annotations

import asyncio
import contextlib
import inspect
import json
import time
from collections.abc import Callable, Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import aiohttp

from chain.client import Chain
from chain.network import Network
from oracle.ground.errors import EpochalError
from oracle.ground.ids import show_assignment
from oracle.ground.policy import Policy
from orchestrator.wire.intent import Intent
from scenario.healing.chain_view import ChainView
from scenario.healing.staff import KeeperDaemon, Orchestrator, Worker
from scenario.healing.workload import page_intent
from scenario.network.fleet import Member, free_ports
from scenario.network.options import NetworkOptions
from scenario.network.starting import Started, last_line, start
from scenario.network.world import World

POLICY: Final = Policy(
    target_ppm=950_000,
    floor_ppm=500_000,
    csp_share_ppm=800_000,
    outage_seconds=4,
    answer_seconds=60,
    cooldown_seconds=10,
)
_PATIENCE: Final = aiohttp.ClientTimeout(total=2)
_START_SECONDS: Final = 60


@dataclass(frozen=True, slots=True)
class Team:
    """How many take part. slots: nodes that serve; the others are spares."""

    oracles: int
    nodes: int
    slots: int


def options_for(
    out: Path,
    team: Team,
    epochs: int,
    epoch_length: int,
    policy: Policy = POLICY,
    appeal_epochs: int = 0,
    lead_seconds: int = 0,
) -> NetworkOptions:
    """A network whose job names the first nodes as its targets, and the others as spares."""
    return NetworkOptions(
        out,
        team.oracles,
        team.nodes,
        epochs,
        epoch_length,
        slots=team.slots,
        policy=policy,
        intent=intent_for(team, policy).hash,
        appeal_epochs=appeal_epochs,
        lead_seconds=lead_seconds,
    )


def intent_for(team: Team, policy: Policy) -> Intent:
    """What the job of such a network runs. Licences are numbered from 1, in order of the nodes."""
    targets, spares = range(1, team.slots + 1), range(team.slots + 1, team.nodes + 1)
    return page_intent(team.slots, policy, targets, spares)


@dataclass(frozen=True, slots=True)
class Page:
    """What a slot's web server answered: the assignment as job/slot/generation, and its process."""

    assignment: str
    pid: int


class Town:
    """A network that runs, and its staff."""

    def __init__(
        self, here: Started, session: aiohttp.ClientSession, orchestrator: Orchestrator, keeper: KeeperDaemon
    ) -> None:
        self.here, self.session = here, session
        self.orchestrator, self.keeper = orchestrator, keeper
        self.world: World = here.world
        self.workers = {one.serving.licence: one for one in here.nodes if isinstance(one, Worker)}
        """By licence."""
        self.slots = self.world.options.slots
        self.view = ChainView(self.world.network, self.world.job, self.slots)

    @staticmethod
    async def open(options: NetworkOptions, intent: Intent, stack: AsyncExitStack, tell: Callable[[str], None]) -> Town:
        """Start all of it; the stack ends it. EpochalError for a process that doesn't come up."""
        session = await stack.enter_async_context(aiohttp.ClientSession())
        staff: list[Orchestrator] = []

        async def hire(world: World, oracles: Sequence[str]) -> Sequence[Member]:
            one = Orchestrator(world, free_ports(1)[0])
            staff.append(one)
            stack.callback(one.close)
            one.start()
            # Agents that find nobody wait for longer and longer.
            await _until_healthy(one, session)
            return [Worker(world, each, oracles, one.url) for each in world.nodes]

        here = await start(options, stack, session, tell, hire)
        (orchestrator,) = staff
        keeper = KeeperDaemon(here.world, orchestrator, [one.peer_url for one in here.oracles])
        stack.callback(keeper.close)
        keeper.start()
        town = Town(here, session, orchestrator, keeper)
        # Once all nodes are known: else those that are up first are taken, targets or not.
        await town.until("all nodes poll the orchestrator", town.knows_all, _START_SECONDS)
        await town.bring(intent)
        return town

    def another_view(self) -> ChainView:
        """A view for another thread, with a client of its own."""
        network = Network(Chain(self.world.chain.url), self.world.network.addresses)
        return ChainView(network, self.world.job, self.slots)

    async def bring(self, intent: Intent) -> None:
        """Hand the orchestrator what the job runs. EpochalError when it doesn't take it."""
        async with self.session.post(f"{self.orchestrator.url}/v1/intents", data=intent.canonical()) as answer:
            if answer.status != 201:
                raise EpochalError(f"the orchestrator doesn't take the intent: {await answer.text()}")

    # What is to be seen

    async def knows_all(self) -> bool:
        """Whether the orchestrator has heard of every node."""
        found = await self._ask("/v1/nodes")
        return found is not None and len(found) == len(self.workers)

    async def job(self) -> dict[str, Any]:
        """The job as its orchestrator tells of it; {} while that doesn't answer."""
        return await self._ask(f"/v1/jobs/{self.world.job}") or {}

    async def where(self, slot: int) -> str:
        """URL of a slot's web server, as the orchestrator tells it; "": nowhere."""
        told = (await self.job()).get("slots", [])
        if slot >= len(told) or "main" not in told[slot]["ports"]:
            return ""
        return f"http://{told[slot]['host']}:{told[slot]['ports']['main']}/"

    async def page(self, slot: int) -> Page | None:
        """What the web server of a slot answers, where the orchestrator says that it is; None: nothing."""
        url = await self.where(slot)
        return await self.page_at(url) if url else None

    async def page_at(self, url: str) -> Page | None:
        """What a web server answers; None: nothing."""
        try:
            async with self.session.get(url, timeout=_PATIENCE) as answer:
                told = json.loads(await answer.read())
                return Page(str(told["assignment"]), int(told["pid"]))
        except (aiohttp.ClientError, TimeoutError, ValueError):
            return None

    async def served(self, slot: int, assignment: int) -> bool:
        """Whether that assignment's web server answers in the slot."""
        page = await self.page(slot)
        return page is not None and page.assignment == show_assignment(assignment)

    async def all_served(self) -> bool:
        """Whether every slot has an assignment on chain whose web server answers."""
        serving = await asyncio.to_thread(self.view.serving)
        if len(serving) < self.slots:
            return False
        return all([await self.served(slot, one.id) for slot, one in serving.items()])

    # Waiting

    async def until(self, what: str, met: Callable[[], Any], seconds: float, pause: float = 0.2) -> Any:
        """Wait for something true, which is returned: a coroutine's result, or that of a call in a thread.

        EpochalError after so many seconds, or when a process has ended by itself.
        """
        end = time.monotonic() + seconds
        while True:
            found = await met() if inspect.iscoroutinefunction(met) else await asyncio.to_thread(met)
            if found:
                return found
            self.look_after()
            if time.monotonic() > end:
                raise EpochalError(f"not within {seconds:.0f} s: {what}; see {self.world.options.out / 'logs'}")
            await asyncio.sleep(pause)

    def look_after(self) -> None:
        """EpochalError for a process that ended by itself."""
        for one in (*self.here.oracles, *self.here.nodes, self.orchestrator, self.keeper):
            if one.ended_by_itself is not None:
                raise EpochalError(f"{one.name} ended with status {one.ended_by_itself}: {last_line(one)}")

    async def _ask(self, path: str) -> Any:
        """What the orchestrator answers; None: nothing, or a refusal."""
        try:
            async with self.session.get(self.orchestrator.url + path, timeout=_PATIENCE) as answer:
                return await answer.json() if answer.status == 200 else None
        except (aiohttp.ClientError, TimeoutError, ValueError):
            return None


async def _until_healthy(one: Orchestrator, session: aiohttp.ClientSession) -> None:
    """EpochalError when it doesn't come up."""
    end = time.monotonic() + _START_SECONDS
    while time.monotonic() < end and one.ended_by_itself is None:
        with contextlib.suppress(aiohttp.ClientError, TimeoutError):
            async with session.get(f"{one.url}/health", timeout=_PATIENCE) as answer:
                if answer.status == 200:
                    return
        await asyncio.sleep(0.1)
    raise EpochalError(f"the orchestrator isn't there: {last_line(one)}")
