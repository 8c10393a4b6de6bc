"""One run of a network: start it, let faults happen when they are due, watch, settle, and judge what came of it."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import shutil
import signal
import time
from collections.abc import Callable
from contextlib import AsyncExitStack
from dataclasses import dataclass
from typing import Final

import aiohttp

from chain import compiler
from oracle.ground.errors import EpochalError
from scenario.network import judging
from scenario.network.faults import REHEARSALS, Span, spans
from scenario.network.fleet import Oracle
from scenario.network.options import APPEAL_EPOCHS, TICK, NetworkOptions
from scenario.network.result import FaultResult, NetworkResult, NodeSeconds
from scenario.network.settling import Settling
from scenario.network.starting import Started, last_line, start
from scenario.network.watching import ChainWatch, Mined, Voices, evidence
from scenario.network.world import World

_LOOK_SECONDS: Final = 0.5
_PATIENCE_EPOCHS: Final = 3
"""Epochs after the last one until a run that lacks something ends."""
Tell = Callable[[str], None]


def run_network(options: NetworkOptions, tell: Tell) -> NetworkResult:
    """Run a network to its end, or until it is interrupted; nothing it started outlives it.

    tell: takes each line of news. EpochalError where it can't be started or wound up.
    """
    compiler.load()
    # The harness's own reader tells of each reorg, which is a fault here.
    logging.getLogger("chain").setLevel(logging.ERROR)
    for stale in ("state", "logs"):
        shutil.rmtree(options.out / stale, ignore_errors=True)
        (options.out / stale).mkdir(parents=True)
    try:
        return asyncio.run(_Run(options, tell).go())
    except (KeyboardInterrupt, asyncio.CancelledError):
        raise KeyboardInterrupt from None


@dataclass
class _AtWork:
    """A fault's time at work, and when all was well again (UNIX seconds)."""

    span: Span
    recovered: float | None = None


class _Run:
    """A run under way."""

    here: Started
    world: World
    oracles: tuple[Oracle, ...]
    watch: ChainWatch
    settling: Settling

    def __init__(self, options: NetworkOptions, tell: Tell) -> None:
        self.options = options
        self._tell = tell
        self.voices = Voices()
        self.at_work: list[_AtWork] = []
        self.problems: list[str] = []
        self.unwell: dict[int, set[int]] = {}
        """By oracle, the epochs in which a fault kept it from running at some time."""
        self.failed_told: set[int] = set()
        self.unsettled = ""

    async def go(self) -> NetworkResult:
        """All of it."""
        main = asyncio.current_task()
        assert main is not None
        asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, main.cancel)
        async with AsyncExitStack() as stack:
            session = await stack.enter_async_context(aiohttp.ClientSession())
            self.here = await start(self.options, stack, session, self._tell_starting)
            self.world, self.oracles = self.here.world, self.here.oracles
            self.watch, self.settling = ChainWatch(self.world.network), Settling(self.world)
            self.at_work = [_AtWork(span) for fault in self.options.faults for span in spans(fault, self.world.clock)]
            await self._open()
            timeline = asyncio.create_task(self._run_faults())
            try:
                await self._live(session, timeline)
            finally:
                timeline.cancel()
            return await asyncio.to_thread(self._finish)

    # Living.

    async def _open(self) -> None:
        """Wait for epoch 0, and place the nodes."""
        late = time.time() - self.world.clock.genesis
        self.say(f"all oracles are alive{f', {late:.0f} s into epoch 0' if late > 0 else ''}")
        await asyncio.sleep(max(0.0, -late))
        await asyncio.to_thread(self.world.assign)
        self.say("the job's window opened; every node was placed")

    async def _run_faults(self) -> None:
        """Begin and end each fault when it is due."""
        due: list[tuple[float, int, Span]] = []
        for one in self.at_work:
            due.append((one.span.begin, 1, one.span))
            if one.span.fault.kind.lasting:
                due.append((one.span.end, 0, one.span))
        # What ends goes before what begins at the same time.
        for moment, begins, span in sorted(due, key=lambda one: one[:2]):
            await asyncio.sleep(max(0.0, moment - time.time()))
            if begins:
                self.say(f"fault {span.fault.text}: {span.fault.kind.does}")
                await self.here.injector.begin(span.fault)
            else:
                await self.here.injector.end(span.fault)
                self.say(f"fault {span.fault.text} is over")

    async def _live(self, session: aiohttp.ClientSession, timeline: asyncio.Task[None]) -> None:
        """Watch and settle until every epoch has its outcome, or it is too late for that."""
        last = self.world.clock.end(self.options.epochs - 1)
        give_up = last + _PATIENCE_EPOCHS * self.options.epoch_length
        while True:
            if timeline.done():
                timeline.result()  # raises where a fault couldn't be made
            self._look_after_processes()
            with contextlib.suppress(EpochalError):  # the chain may be busy with a reorg: the next look tells
                for mined in await asyncio.to_thread(self.watch.look):
                    self._tell_report(mined)
                await self._settle(session)
            await self.voices.ask(session, self.oracles)
            self._tell_failed()
            self._note_recovered()
            if not self.options.hold and (self._complete() or time.time() > give_up):
                return
            await asyncio.sleep(_LOOK_SECONDS)

    def _look_after_processes(self) -> None:
        now = time.time()
        epoch = self.world.clock.epoch_at(int(max(now, self.world.clock.genesis)))
        for oracle in self.oracles:
            if not oracle.well:
                self.unwell.setdefault(oracle.number, set()).add(epoch)
        for member in (*self.oracles, *self.here.nodes):
            if member.ended_by_itself is None:
                continue
            self.problems.append(f"epoch {epoch}: {member.name} ended with status {member.ended_by_itself}")
            self.say(f"[red]{self.problems[-1]}[/]: {last_line(member)}")
            member.restart()

    async def _settle(self, session: aiohttp.ClientSession) -> None:
        """Settle the newest final report, if it isn't yet; the older ones' seconds are in it."""
        mined = self.watch.reports.get(self.watch.final_epoch)
        if mined is None or mined.epoch in self.settling.settled:
            return
        bundle = await evidence(session, self.oracles, mined.evidence)
        if bundle is None:
            return
        try:
            sent = await asyncio.to_thread(self.settling.settle, mined, bundle)
        except EpochalError as error:
            if str(error) != self.unsettled:
                self.say(f"[yellow]epoch {mined.epoch}: not settled yet: {error}[/]")
            self.unsettled = str(error)
            return
        self.say(f"epoch {mined.epoch}: final and settled ({sent} transaction{'s' * (sent != 1)})")

    def _tell_report(self, mined: Mined) -> None:
        late = mined.mined - self.world.clock.end(mined.epoch)
        again = ", once more after a reorg" if any(epoch == mined.epoch for epoch, _ in self.watch.taken_back) else ""
        self.say(
            f"[green]epoch {mined.epoch}: attested[/] {late} s after its end; {mined.signatures} of "
            f"{self.options.oracles + len(self.options.guests)} oracles signed root 0x{mined.root.hex()[:8]}…{again}"
        )

    def _tell_failed(self) -> None:
        """Tell of an epoch that most oracles recorded as failed."""
        votes: dict[int, list[str]] = {}
        for told in self.voices.told.values():
            for one in told.values():
                if one.kind != "attested":
                    votes.setdefault(one.epoch, []).append(one.why)
        for epoch, why in sorted(votes.items()):
            if epoch not in self.failed_told and 2 * len(why) > self.options.oracles:
                self.failed_told.add(epoch)
                self.say(f"[yellow]epoch {epoch}: failed[/] ({why[0]}); a later report carries its seconds")

    def _note_recovered(self) -> None:
        """A fault is recovered from once a report was mined after its end and every oracle that runs knows of it."""
        now = time.time()
        for one in self.at_work:
            if one.recovered is not None or now < one.span.end:
                continue
            after = [epoch for epoch, mined in self.watch.reports.items() if mined.mined >= one.span.end]
            running = [oracle for oracle in self.oracles if oracle.well]
            if after and all(self.voices.attested(oracle.number) >= min(after) for oracle in running):
                one.recovered = now

    def _complete(self) -> bool:
        """Whether every epoch has its outcome at every oracle, and the last one's report is settled."""
        epochs = range(self.options.epochs)
        reached = [epoch for epoch in self.settling.settled if epoch >= epochs[-1]]
        wanted = epochs[-1] + (APPEAL_EPOCHS + 1 if self.options.wind_up else 0)
        return (
            bool(reached)
            and self.watch.final_epoch >= wanted
            and self.watch.final_epoch in self.settling.settled
            and all(one.recovered is not None for one in self.at_work)
            and all(set(epochs) <= self.voices.told.get(one.number, {}).keys() for one in self.oracles)
        )

    # Ending.

    def _finish(self) -> NetworkResult:
        """Close the accounts, and judge."""
        world, options = self.world, self.options
        keeper = world.keeper()
        booked = keeper.booked(world.assignments)
        seconds = [
            NodeSeconds(node.name, booked[key].earned, booked[key].accounted - booked[key].earned)
            for node, key in zip(world.nodes, world.assignments, strict=True)
        ]
        if options.wind_up:
            final_at = world.network.attestations.functions.lastFinal().call()[2]
            while world.head().timestamp < final_at + world.network.settle_window:
                time.sleep(0.1)
            self.settling.wind_up()
            self.say("withheld money was released, nodes were paid, the job was closed, the burn share burned")
        last = options.epochs if not options.hold else self.watch.final_epoch + 1
        ends = {epoch: world.clock.end(epoch) for epoch in range(last)}
        results = judging.epoch_results(range(last), ends, self.watch.reports, self.voices.told)
        for epoch in sorted(set(self.watch.twice)):
            self.problems.append(f"epoch {epoch}: two reports of it are on chain")
        self.problems += judging.unrecorded(results, self.voices.told, self._there(last))
        self.problems += judging.believed_lies(
            self.settling.followed, self._honest(), world.network.report_domain, TICK
        )
        hit = {f"node-{number}" for fault in options.faults for number in fault.nodes}
        self.problems += judging.underpaid(seconds, {one.name for one in world.nodes} - hit)
        for oracle in self.oracles:
            with oracle.log.open(encoding="utf-8", errors="replace") as log:
                self.problems += judging.alarms(oracle.name, log)
        for one in self.at_work:
            if one.recovered is None:
                self.problems.append(f"{one.span.fault.text}: no report that all oracles know came after its end")
        return NetworkResult(
            oracles=options.oracles,
            nodes=options.nodes,
            epoch_length=options.epoch_length,
            epochs=results,
            faults=[self._fault_result(one) for one in self.at_work],
            seconds=seconds,
            totals=world.totals(),
            taken_back=len(self.watch.taken_back),
            settled=self.settling.transactions,
            start_seconds=round(self.here.seconds, 1),
            problems=self.problems,
        )

    def _there(self, epochs: int) -> dict[int, set[int]]:
        """By oracle, the epochs in whose rounds nothing kept it from running."""
        return {
            one.number: {
                epoch
                for epoch in range(epochs)
                if not {epoch, epoch + 1, epoch + 2} & self.unwell.get(one.number, set())
            }
            for one in self.oracles
        }

    def _honest(self) -> set[bytes]:
        """Oracles that were never told to lie, nor had a wrong clock."""
        bad = {n for one in self.options.faults if one.name in (*REHEARSALS, "skew") for n in one.oracles}
        return {bytes.fromhex(one.address[2:]) for one in self.oracles if one.number not in bad}

    def _fault_result(self, one: _AtWork) -> FaultResult:
        genesis, span = self.world.clock.genesis, one.span
        recovered = None if one.recovered is None else round(one.recovered - span.end, 1)
        return FaultResult(span.fault.text, round(span.begin - genesis, 1), round(span.end - genesis, 1), recovered)

    def _tell_starting(self, text: str) -> None:
        self._tell(f"             {text}")

    def say(self, text: str) -> None:
        """Tell news, with the second of the network's time."""
        self._tell(f"{time.time() - self.world.clock.genesis:+7.1f} s  {text}")
