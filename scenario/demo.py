"""`epochal demo`: a whole network on one machine, in real time and with real processes."""

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
from pathlib import Path

from apscheduler.schedulers.asyncio import AsyncIOScheduler
from rich.console import Console

from chain import compiler
from chain.anvil import Anvil
from chain.client import Chain
from chain.network import Network, NetworkSettings, Timing
from chain.transactions import LiveSender, SteppedSender, Wallet
from oracle.committee.errors import NotAgreed
from oracle.committee.in_process import SignedReport, agree_on
from oracle.committee.member import Member
from oracle.ground.address import raw_address
from oracle.ground.clock import EpochClock
from oracle.ground.ids import pack
from oracle.ground.policy import Policy
from oracle.telemetry.intake.collector import Collector
from oracle.telemetry.intake.roster import FixedRoster
from oracle.telemetry.store.records import Kind
from oracle.telemetry.ways.http import HttpWay
from scenario import audit
from scenario.demo_result import UNIT, NodeResult, show
from scenario.market import KYC, JobSpec, Market, Serving, key_of, oracle_signers
from scenario.options import BadOption
from scenario.oracles import local_members
from scenario.processes import NodeProcess
from settlement.keeper import Keeper
from settlement.money import Rates

NODES = 6
ORACLES = 4
JOB_EPOCHS = 4
APPEAL_EPOCHS = 1
PRICE = 100 * 10**6
PROTOCOL_SHARE_PPM = 150_000
TICK = 1
POLICY = Policy(target_ppm=950_000, floor_ppm=500_000, csp_share_ppm=800_000)
KILLED, PAUSED = "node-3", "node-5"

_ANVIL = ("--no-mining", "--order", "fifo", "--slots-in-an-epoch", "1", "--base-fee", "0", "--gas-price", "0")
# From now to the first epoch: what setting up and starting the processes takes, and a margin.
_SETUP_SECONDS = 5
# Blocks of the setting-up are a second apart and lie in the past.
_SETUP_BLOCKS = 60


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
    out = options.out
    for stale in (out / "state", out / "logs"):
        shutil.rmtree(stale, ignore_errors=True)
        stale.mkdir(parents=True)
    try:
        asyncio.run(_Demo(options, console).run())
    except (KeyboardInterrupt, asyncio.CancelledError):
        console.print("\nstopped; nothing is left running")
        raise KeyboardInterrupt from None


class _Demo:
    """The demonstration under way."""

    def __init__(self, options: DemoOptions, console: Console) -> None:
        self.out = options.out
        self.length = options.epoch_length
        self.console = console
        self.nodes: list[Serving] = []
        self.processes: dict[str, NodeProcess] = {}
        self.members: list[Member] = []
        self.collectors: list[Collector] = []
        self.reports: list[SignedReport] = []
        self.settled = -1
        self.failure: BaseException | None = None
        self.done = asyncio.Event()
        self._faults: list[tuple[float, Callable[[], None]]] = []

    async def run(self) -> None:
        """All of it."""
        stop_on_term = asyncio.current_task()
        assert stop_on_term is not None
        asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, stop_on_term.cancel)
        async with AsyncExitStack() as stack:
            with self.console.status("starting a private chain, deploying contracts, licensing nodes, funding the job"):
                self._set_up(stack)
                urls = await self._start_oracles(stack)
                self._start_nodes(stack, urls)
            self._tell_setup()
            self._plan_faults()
            await self._live()
            await asyncio.to_thread(self._wind_up)
        self._show()

    # Setting up.

    def _set_up(self, stack: AsyncExitStack) -> None:
        began = int(time.time())
        self.genesis = began + _SETUP_SECONDS
        anvil = stack.enter_context(
            Anvil(*_ANVIL, timestamp=began - _SETUP_BLOCKS, log=self.out / "logs" / "anvil.log")
        )
        self.chain = Chain(anvil.url)
        signers = oracle_signers(ORACLES)
        timing = Timing(
            genesis=self.genesis,
            epoch_length=self.length,
            settle_delay=1,
            agreement_span=3,
            activation_delay=2,
            review_delay=6,
            replacement_span=5,
            stall_span=self.length + 20,
            attestable_span=20,
            grace=3,
        )
        members = tuple(one.address for one in signers)
        settings = NetworkSettings(timing, members, APPEAL_EPOCHS, 2, PROTOCOL_SHARE_PPM, credential_kinds=KYC)
        ends_at = self.genesis + JOB_EPOCHS * self.length
        job = JobSpec(PRICE, NODES, self.genesis, ends_at, POLICY)
        market = Market.open(SteppedSender(self.chain), settings, job)
        self.nodes = market.license_nodes([f"node-{index + 1}" for index in range(NODES)])
        self.job, self.deposit = market.create_job()
        # From here on the chain lives in real time, a block a second.
        self.chain.rpc("evm_setTime", int(time.time()))
        self.chain.rpc("evm_setIntervalMining", 1)
        self.network: Network = market.network
        self.network.addresses.save(self.out / "addresses.json")
        self.clock = EpochClock(self.genesis, self.length, TICK)
        self.sender = LiveSender(self.chain)
        self.market = Market(self.sender, self.network, job)
        self.keeper = Keeper(self.network, self.sender, Wallet(self.chain, key_of("keeper")))
        self.ids = [pack(self.job, slot, 1) for slot in range(NODES)]
        stores = [self.out / "state" / f"oracle-{index + 1}.sqlite" for index in range(ORACLES)]
        self.members = local_members(self.network, self.clock, stores, stack)

    async def _start_oracles(self, stack: AsyncExitStack) -> list[str]:
        roster = FixedRoster({node.address: [key] for node, key in zip(self.nodes, self.ids, strict=True)})
        urls = []
        for member in self.members:
            collector = Collector(member.store, self.clock, member.signer, self.network.heartbeat_domain, roster)
            await collector.start()
            stack.push_async_callback(collector.stop)
            way = HttpWay(collector)
            urls.append(await way.start())
            stack.push_async_callback(way.stop)
            self.collectors.append(collector)
        return urls

    def _start_nodes(self, stack: AsyncExitStack, urls: list[str]) -> None:
        for node in self.nodes:
            process = NodeProcess(
                node.name,
                node.key,
                urls,
                self.chain.chain_id,
                self.network.addresses.attestations,
                TICK,
                self.out / "logs" / f"{node.name}.log",
            )
            self.processes[node.name] = process
            stack.callback(process.close)

    def _tell_setup(self) -> None:
        target, floor, refund, share = (
            f"{ppm // 10_000} %"
            for ppm in (POLICY.target_ppm, POLICY.floor_ppm, POLICY.csp_share_ppm, PROTOCOL_SHARE_PPM)
        )
        self._print(f"chain at {self.chain.url}, contracts deployed, {NODES} licences linked to their nodes")
        self._print(
            f"a customer, whom a verifier vouches for, funded {JOB_EPOCHS} epochs of {self.length} s for {NODES} slots "
            f"at {PRICE // UNIT} a slot and epoch: deposit {self.deposit / UNIT:,.2f}"
        )
        self._print(
            f"policy: all is earned from {target} uptime, nothing below {floor}, linear between; of withheld money "
            f"{refund} returns, the rest burns; {share} of the earned burns"
        )
        self._print(f"{ORACLES} oracles listen; {NODES} node processes beat each second, logs in {self.out / 'logs'}")

    # Living.

    def _plan_faults(self) -> None:
        def at(epochs: float) -> float:
            return self.genesis + epochs * self.length

        killed, paused = self.processes[KILLED], self.processes[PAUSED]
        self._faults = [
            (
                at(1 + 1 / 3),
                lambda: self._fault(killed.kill, f"[red]killed {KILLED}[/] (SIGKILL, process {killed.pid})"),
            ),
            (
                at(2 + 1 / 4),
                lambda: self._fault(paused.pause, f"[yellow]paused {PAUSED}[/] (SIGSTOP, process {paused.pid})"),
            ),
            (at(2 + 3 / 4), lambda: self._fault(paused.resume, f"[green]{PAUSED} goes on[/] (SIGCONT)")),
        ]

    def _fault(self, act: Callable[[], None], told: str) -> None:
        act()
        self._print(told)

    async def _live(self) -> None:
        """Open the assignments, then let the schedule ask what is due until everything is settled and released."""
        scheduler = AsyncIOScheduler(
            timezone="UTC", job_defaults={"coalesce": True, "misfire_grace_time": None, "max_instances": 1}
        )
        with self.console.status("waiting for epoch 0") as status:
            await self._until(self.genesis)
            await asyncio.to_thread(self._assign)
            self._print("the job's window opened; the orchestrator placed every node, which had accepted")
            scheduler.add_job(self._step, "interval", seconds=0.3, id="step")
            # A tick that finds the last one still at work is as it should be, and no news.
            logging.getLogger("apscheduler").setLevel(logging.ERROR)
            scheduler.start()
            try:
                while not self.done.is_set():
                    self._run_faults()
                    status.update(self._status())
                    with contextlib.suppress(asyncio.TimeoutError):
                        await asyncio.wait_for(self.done.wait(), 0.2)
            finally:
                scheduler.shutdown(wait=False)
        if self.failure:
            raise self.failure

    async def _step(self) -> None:
        """What is due now? Nothing is remembered but what is in the stores and on the chain."""
        try:
            over = await asyncio.to_thread(self._do_due)
        except NotAgreed as error:
            # Not yet: the anchor isn't finalized, and the next tick asks again. But not for ever.
            if time.time() < self.clock.end(len(self.reports)) + self.length:
                return
            self.failure, over = error, True
        except BaseException as error:
            self.failure, over = error, True
        if over:
            self.done.set()

    def _do_due(self) -> bool:
        """Do what is due; returns whether everything is done."""
        now = time.time()
        epoch = len(self.reports)
        last = JOB_EPOCHS - 1 + APPEAL_EPOCHS + 1
        attestations = self.network.attestations.functions
        if self.settled < epoch - 1:
            final, _, final_at = attestations.lastFinal().call(block_identifier="latest")
            if final_at and final == epoch - 1:
                report = self.reports[-1].draft
                transactions = self.keeper.settle(final, report.tree)
                self.settled = final
                for member in self.members:
                    member.forget(final)
                    member.prune(final)
                self._print(f"epoch {final}: final and settled ({transactions} transaction{'s' * (transactions != 1)})")
            return False
        if epoch > last:
            return True
        if now < self.clock.end(epoch) + self.network.timing.settle_delay:
            return False
        signed = agree_on(epoch, self.members)
        report_ = signed.draft.report
        self.keeper.attest(report_, signed.signers, signed.signatures)
        self.reports.append(signed)
        agreed = signed.draft.agreed[epoch]
        shares = {
            node.name: 100 * agreed[key].up // agreed[key].observed
            for node, key in zip(self.nodes, self.ids, strict=True)
            if key in agreed and agreed[key].observed
        }
        below = [f"{name} {share} %" for name, share in shares.items() if share < 100]
        full = len(shares) - len(below)
        shown = ", ".join([f"{full} node{'s' * (full != 1)} 100 %", *below])
        signatures = len(signed.signatures) // 64
        self._print(
            f"epoch {epoch}: {signatures} of {ORACLES} oracles signed root 0x{report_.root.hex()[:8]}…"
            + (f"; up: {shown}" if shares else "; the job is over, nothing to measure")
        )
        return False

    def _assign(self) -> None:
        while self.chain.block("latest").timestamp < self.genesis:
            time.sleep(0.1)
        terms = self.market.terms_hash()
        self.sender.send([self.market.assign(self.job, slot, 1, node, terms) for slot, node in enumerate(self.nodes)])

    def _run_faults(self) -> None:
        while self._faults and time.time() >= self._faults[0][0]:
            self._faults.pop(0)[1]()

    def _status(self) -> str:
        accepted = sum(sum(one.intake.accepted.values()) for one in self.collectors)
        now = max(int(time.time()), self.genesis)
        epoch, tick = self.clock.tick_at(now)
        what = "serving" if epoch < JOB_EPOCHS else "the job is over; waiting for the appeal span of withheld money"
        return f"epoch {epoch}, second {tick * TICK + 1} of {self.length}: {what}; {accepted:,} heartbeats acknowledged"

    async def _until(self, moment: float) -> None:
        await asyncio.sleep(max(0.0, moment - time.time()))

    # Winding up.

    def _wind_up(self) -> None:
        """Release what was withheld, pay everyone, close the job, burn."""
        settle_window = self.network.settle_window
        final_at = self.network.attestations.functions.lastFinal().call()[2]
        while self.chain.block("latest").timestamp < final_at + settle_window:
            time.sleep(0.1)
        self.keeper.release(self.ids)
        self._print("appeal span over: withheld money got its destination")
        self.keeper.claim(self.ids)
        self.keeper.close(self.job)
        self.keeper.refund(self.job)
        self.keeper.burn(self.job)
        self._print("nodes were paid, the job was closed, the customer refunded, the burn share burned")
        payees = [Wallet(self.chain, node.operator_key()).address for node in self.nodes]
        self.totals = audit.totals(self.network, self.job, self.ids, payees, self.market.csp.address, self.deposit)
        self.totals.check()
        self.booked = self.keeper.booked(self.ids)
        self.records = [member.store.read(epoch) for epoch in range(JOB_EPOCHS) for member in self.members]
        opened = self.members[0].reader.placed(self.chain.finalized(), -1)
        self.opened = {one.subject.assignment_id: one.subject.opened_at for one in opened}

    def _show(self) -> None:
        fates = {KILLED: "killed", PAUSED: "paused"}
        results = []
        for node, key in zip(self.nodes, self.ids, strict=True):
            one = self.booked[key]
            unmeasured = one.through - self.opened[key] - one.accounted
            withheld = one.accounted - one.earned
            fate = fates.get(node.name, "served")
            results.append(NodeResult(node.name, one.earned, withheld, unmeasured, fate, self._strip(node)))
        show(
            self.console,
            self.out,
            results,
            Rates(PRICE, self.length, PROTOCOL_SHARE_PPM, POLICY.csp_share_ppm),
            self.totals,
            self.clock.ticks_per_epoch,
            [f"{KILLED} was killed in epoch 1, {PAUSED} paused for half of epoch 2"],
        )

    def _strip(self, node: Serving) -> list[int]:
        """2 up, 1 down, 0 not observed, for each tick of the job, as most oracles saw it."""
        strip = []
        name = raw_address(node.address)
        for epoch in range(JOB_EPOCHS):
            records = self.records[epoch * ORACLES : (epoch + 1) * ORACLES]
            lines = [(one.observable(name), one.line(Kind.LIVENESS, name).up) for one in records]
            for tick in range(self.clock.ticks_per_epoch):
                seen = sum(observable >> tick & 1 for observable, _ in lines)
                up = sum(up_bits >> tick & 1 for _, up_bits in lines)
                strip.append(0 if 2 * seen <= ORACLES else 2 if 2 * up > seen else 1)
        return strip

    def _print(self, text: str) -> None:
        second = time.time() - self.genesis
        self.console.print(f"[dim]{second:+6.1f} s[/]  {text}", highlight=False)
