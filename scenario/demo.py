"""`epochal demo`: a whole network of processes on one machine; a node dies, and another takes over."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import shutil
import signal
import time
from contextlib import AsyncExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from rich.console import Console

from chain import compiler
from oracle.ground.address import raw_address
from oracle.ground.errors import EpochalError
from oracle.ground.ids import show_assignment
from oracle.ground.policy import Policy
from oracle.telemetry.store.opening import open_to_read
from oracle.telemetry.store.records import EpochRecord, Kind
from scenario.demo_news import News
from scenario.demo_result import UNIT, NodeResult, show
from scenario.healing.chain_view import Opened
from scenario.healing.story import Healed, delivery_of, kill, name_of, request_for, settled, successor_of
from scenario.healing.town import Team, Town, intent_for, options_for
from scenario.market import Serving
from scenario.network.options import PRICE, PROTOCOL_SHARE_PPM
from scenario.options import BadOption
from settlement.money import Rates

TEAM: Final = Team(oracles=4, nodes=6, slots=5)
JOB_EPOCHS: Final = 3
APPEAL_EPOCHS: Final = 1
OUTAGE_SECONDS: Final = 5
PAUSE_SECONDS: Final = 3.2
POLICY: Final = Policy(
    target_ppm=950_000,
    floor_ppm=500_000,
    csp_share_ppm=800_000,
    outage_seconds=OUTAGE_SECONDS,
    answer_seconds=60,
    cooldown_seconds=10,
)
KILLED_SLOT, PAUSED_SLOT = 2, 4
_LEAD_SECONDS: Final = 15
_AFTER_BOUNDARY: Final = 0.9
_SERVED_BEFORE_PAUSE: Final = 3.0


@dataclass(frozen=True, slots=True)
class DemoOptions:
    """out: folder for pictures and logs. epoch_length: seconds."""

    out: Path
    epoch_length: int


def demo(options: DemoOptions, console: Console) -> None:
    """Run the demonstration to its end, or until it is interrupted; nothing it started outlives it."""
    if options.out.exists() and not options.out.is_dir():
        raise BadOption(f"--out {options.out}: is a file; give a folder")
    console.print("[bold]Epochal[/]: nodes are paid for the time they really served.\n")
    with console.status("compiling the contracts (a few seconds the first time)"):
        compiler.load()
    for stale in ("state", "logs", "receipts"):
        shutil.rmtree(options.out / stale, ignore_errors=True)
        (options.out / stale).mkdir(parents=True)
    # A look that meets a new block between two questions is made again, and is no news.
    logging.getLogger("chain").setLevel(logging.ERROR)
    try:
        asyncio.run(_Demo(options, console).run())
    except (KeyboardInterrupt, asyncio.CancelledError):
        console.print("\nstopped; nothing is left running")
        raise KeyboardInterrupt from None


class _Demo:
    """The demonstration under way."""

    town: Town
    healed: Healed

    def __init__(self, options: DemoOptions, console: Console) -> None:
        self.options = options
        self.length = options.epoch_length
        self.console = console
        self._genesis = time.time()
        self._paused = 0

    async def run(self) -> None:
        """All of it."""
        main = asyncio.current_task()
        assert main is not None
        asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, main.cancel)
        out = self.options.out
        async with AsyncExitStack() as stack:
            with self.console.status("starting a private chain, deploying contracts, licensing nodes, funding the job"):
                intent = intent_for(TEAM, POLICY)
                wanted = options_for(out, TEAM, JOB_EPOCHS, self.length, POLICY, APPEAL_EPOCHS, _LEAD_SECONDS)
                self.town = await Town.open(wanted, intent, stack, lambda _: None)
            self._genesis = self.town.world.clock.genesis
            self._tell_setup()
            world = self.town.world
            news = News(self.town.another_view(), world.clock, TEAM.oracles, self.say)
            with self.console.status("") as status:
                watching = asyncio.create_task(self._watch(news, status.update))
                try:
                    await self._story()
                    await self._until_closed()
                finally:
                    watching.cancel()
                    with contextlib.suppress(asyncio.CancelledError):
                        await watching
            assignments = await asyncio.to_thread(self.town.view.assignments)
            totals = await asyncio.to_thread(world.totals, list(assignments))
        self._show(assignments, totals)

    async def _watch(self, news: News, status: object) -> None:
        """Tell what the chain says, until cancelled."""
        clock = self.town.world.clock
        while True:
            with contextlib.suppress(EpochalError):  # between two blocks; the next look tells
                await asyncio.to_thread(news.look)
            epoch, tick = clock.tick_at(max(int(time.time()), clock.genesis))
            assert callable(status)
            status(f"epoch {epoch}, second {tick + 1} of {self.length}")
            await asyncio.sleep(0.5)

    # The story

    async def _story(self) -> None:
        town, clock = self.town, self.town.world.clock
        await town.until("every slot has a node whose page answers", town.all_served, 3 * self.length)
        self.say(
            f"the orchestrator placed {TEAM.slots} nodes, which had accepted and started the page; each answers, as "
            f"{await town.where(KILLED_SLOT)}"
        )
        await self._pause()
        epoch = clock.epoch_at(int(time.time())) + 1
        if epoch >= JOB_EPOCHS:
            raise EpochalError(
                f"starting took until epoch {epoch - 1}, and the job has {JOB_EPOCHS}: the machine is busy; give a "
                "longer --epoch-length"
            )
        await self._at(clock.start(epoch) + _AFTER_BOUNDARY)
        await self._heal()
        await self._back()
        await settled(town, self.healed, 3 * self.length)
        await self._tell_shares()

    async def _pause(self) -> None:
        """Pause an agent for a few seconds of an epoch: too short to ask for another node, long enough to cost."""
        town, clock = self.town, self.town.world.clock
        serving = await asyncio.to_thread(town.view.serving)
        one = serving[PAUSED_SLOT]
        self._paused = one.id
        begin = max(time.time(), one.opened_at, clock.genesis) + _SERVED_BEFORE_PAUSE
        if clock.epoch_at(int(begin)) != clock.epoch_at(int(begin + PAUSE_SECONDS + 1)):
            begin = clock.start(clock.epoch_at(int(begin)) + 1) + _SERVED_BEFORE_PAUSE
        await self._at(int(begin) + 0.5)
        worker = town.workers[one.licence]
        worker.pause()
        self.say(f"[yellow]paused {name_of(one)}[/] (SIGSTOP to its agent)")
        await asyncio.sleep(PAUSE_SECONDS)
        worker.resume()
        self.say(f"[green]{name_of(one)} goes on[/] (SIGCONT), after {PAUSE_SECONDS:.0f} silent seconds")

    async def _heal(self) -> None:
        town, slot = self.town, KILLED_SLOT
        page = await town.page(slot)
        lost, killed = await kill(town, slot)
        with_it = f" and its page, process {page.pid}" if page else ""
        self.say(f"[red]killed {name_of(lost)}[/]: SIGKILL to its agent{with_it}; slot {slot} answers nobody")
        asked = await request_for(town, lost)
        requested = time.time()
        self.say(
            f"on chain: {asked.signatures} of {TEAM.oracles} oracles ask for another node in slot {slot} "
            f"(transaction {asked.transaction[:10]}…); {show_assignment(lost.id)} is closed as of "
            f"{asked.as_of - self._genesis:+.0f} s"
        )
        new = await successor_of(town, lost)
        assigned = time.time()
        delivery = await asyncio.to_thread(delivery_of, town, asked)
        if delivery is not None:
            self.say(f"the keeper brought the request to the orchestrator: {delivery.told or delivery.state.value}")
        self.say(f"{name_of(new)}, a spare, accepted and is placed: {show_assignment(new.id)}")

        async def answers() -> bool:
            return await town.served(slot, new.id)

        await town.until(f"the page in slot {slot} answers", answers, 2 * self.length)
        answering = time.time()
        self.healed = Healed(slot, lost, new, asked, killed, requested, assigned, answering)
        self.say(
            f"[green]slot {slot} answers again[/] from {name_of(new)}, {await town.where(slot)}: "
            f"[bold]{answering - killed:.1f} s[/] after the kill"
        )

    async def _back(self) -> None:
        """The killed node comes back, and finds that its assignment isn't its own any more."""
        town, lost = self.town, self.healed.lost
        worker, name = town.workers[lost.licence], show_assignment(lost.id)
        await asyncio.to_thread(worker.revive)
        self.say(f"{name_of(lost)} is started again")
        await town.until(f"{name_of(lost)} gives {name} up", lambda: not worker.runs(), 2 * self.length)
        self.say(f"{name_of(lost)} heard that {name} isn't its own any more: it is fenced, and runs and earns nothing")

    async def _tell_shares(self) -> None:
        known = await asyncio.to_thread(self.town.view.assignments)
        lost, new = known[self.healed.lost.id], known[self.healed.new.id]
        epoch = self.town.world.clock.epoch_at(self.healed.asked.as_of)
        gap = new.opened_at - lost.end
        self.say(
            f"epoch {epoch}, slot {KILLED_SLOT}: {name_of(lost)} is paid until {lost.end - self._genesis:+.0f} s, "
            f"{name_of(new)} from {new.opened_at - self._genesis:+.0f} s on; the {gap} s between cost nobody anything"
        )

    async def _until_closed(self) -> None:
        seconds = (JOB_EPOCHS + APPEAL_EPOCHS + 3) * self.length
        await self.town.until("the keeper closes the job", self.town.view.closed, seconds)
        await asyncio.sleep(2.0)  # the last burn is in a block of its own
        self.say("the keeper closed the job: nodes are paid, the customer is refunded, the burn share burned")

    # Telling

    def _tell_setup(self) -> None:
        world, out = self.town.world, self.options.out
        target, floor, refund, share = (
            f"{ppm // 10_000} %"
            for ppm in (POLICY.target_ppm, POLICY.floor_ppm, POLICY.csp_share_ppm, PROTOCOL_SHARE_PPM)
        )
        self.say(f"chain at {world.chain.url}, contracts deployed, {TEAM.nodes} licences linked to their nodes")
        self.say(
            f"a customer, whom a verifier vouches for, funded {JOB_EPOCHS} epochs of {self.length} s for {TEAM.slots} "
            f"slots at {PRICE // UNIT} a slot and epoch: deposit {world.deposit / UNIT:,.2f}"
        )
        self.say(
            f"policy: all is earned from {target} uptime, nothing below {floor}, linear between; of withheld money "
            f"{refund} returns, the rest burns; {share} of the earned burns; another node after {OUTAGE_SECONDS} s of "
            "outage"
        )
        self.say(
            f"{TEAM.oracles} oracles, {TEAM.nodes} agents, an orchestrator and a keeper run, each a process; logs in "
            f"{out / 'logs'}"
        )

    def _show(self, assignments: dict[int, Opened], totals: object) -> None:
        from scenario.audit import Totals

        assert isinstance(totals, Totals)
        fates = {self.healed.lost.id: "killed", self.healed.new.id: "took over", self._paused: "paused"}
        served = {one.licence: one for one in self.town.world.nodes}
        strips = self._records()
        results = [
            NodeResult(
                name_of(one),
                one.earned,
                one.accounted - one.earned,
                one.unmeasured,
                fates.get(one.id, "served"),
                self._strip(strips, served[one.licence], one),
            )
            for one in sorted(assignments.values(), key=lambda each: (each.licence, each.id))
        ]
        show(
            self.console,
            self.options.out,
            results,
            Rates(PRICE, self.length, PROTOCOL_SHARE_PPM, POLICY.csp_share_ppm),
            totals,
            self.town.world.clock.ticks_per_epoch,
            [
                f"{name_of(self.healed.lost)} was killed, {name_of(self.healed.new)} took its slot over "
                f"{self.healed.answering - self.healed.killed:.0f} s later"
            ],
        )

    def _records(self) -> list[list[EpochRecord]]:
        """By epoch of the job, what each oracle recorded."""
        records: list[list[EpochRecord]] = [[] for _ in range(JOB_EPOCHS)]
        for oracle in self.town.here.oracles:
            store = open_to_read(self.options.out / "state" / oracle.name / "oracle.sqlite")
            try:
                for epoch in range(JOB_EPOCHS):
                    records[epoch].append(store.read(epoch))
            finally:
                store.close()
        return records

    def _strip(self, records: list[list[EpochRecord]], node: Serving, assignment: Opened) -> list[int]:
        """2 up, 1 down, 0 not observed or not placed, for each tick of the job, as most oracles saw it."""
        strip = []
        clock, name = self.town.world.clock, raw_address(node.address)
        for epoch, of_epoch in enumerate(records):
            lines = [(one.observable(name), one.line(Kind.LIVENESS, name).up) for one in of_epoch]
            placed = clock.whole_ticks(epoch, assignment.opened_at, assignment.end)
            for tick in range(clock.ticks_per_epoch):
                seen = sum(observable >> tick & 1 for observable, _ in lines) if tick in placed else 0
                up = sum(up_bits >> tick & 1 for _, up_bits in lines)
                strip.append(0 if 2 * seen <= len(lines) else 2 if 2 * up > seen else 1)
        return strip

    async def _at(self, moment: float) -> None:
        await asyncio.sleep(max(0.0, moment - time.time()))

    def say(self, text: str) -> None:
        """Tell news, with the second of the network's time."""
        second = time.time() - self._genesis
        self.console.print(f"[dim]{second:+6.1f} s[/]  {text}", highlight=False)
