"""`epochal replay`: a trace of real availability through the same code and the same contracts, on a chain whose clock
is moved by hand."""

from __future__ import annotations

import json
import time
from collections import defaultdict
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, replace
from typing import Any, Protocol

from chain.anvil import Anvil
from chain.client import Chain
from chain.network import Addresses, Network, NetworkSettings, Timing
from chain.transactions import SteppedSender, Wallet
from oracle.committee.agreement import leaves_by_id
from oracle.committee.in_process import SignedReport, agree_on
from oracle.ground.errors import EpochalError
from oracle.ground.ids import pack
from oracle.ground.leaves import Leaf
from oracle.telemetry.traces.trace import Trace, load
from scenario import audit, plots, results
from scenario.checkpoint import CannotResume, Workspace, write_whole
from scenario.feeds import DirectFeed, Feed, HttpFeed
from scenario.hands import interruptible, take_over
from scenario.market import JobSpec, Market, Serving, key_of, node_key, oracle_signers
from scenario.options import LEAD, BadOption, ReplayOptions, Schedule, fingerprint, schedule
from scenario.oracles import local_members
from scenario.reallocation.calls import Mover, committee_of
from scenario.reallocation.facts import Moves
from scenario.reallocation.figures import Told, told
from scenario.reallocation.files import Rows, comparable, write_moves
from scenario.reallocation.moves import plan_moves
from scenario.settler import Settler
from scenario.timeline import Event, Timeline
from settlement.money import Rates

# Blocks only when asked for, in the order of arrival, finalized two blocks behind the head, gas for nothing.
_ANVIL = (
    "--no-mining",
    # A dump of its state is loaded as one request.
    "--no-request-size-limit",
    "--order",
    "fifo",
    "--slots-in-an-epoch",
    "1",
    "--disable-block-gas-limit",
    "--base-fee",
    "0",
    "--gas-price",
    "0",
)
_SECONDS_BETWEEN_DUMPS = 10.0


class Stopped(EpochalError):
    """The replay was asked to stop; it can go on."""


class Progress(Protocol):
    """Who is told how far a replay is."""

    def phase(self, name: str) -> None:
        """A phase began."""

    def epoch(self, done: int, of: int) -> None:
        """So many epochs are done."""


@dataclass(frozen=True, slots=True)
class Outcome:
    """What a finished replay came to."""

    summary: dict[str, Any]


def replay(options: ReplayOptions, progress: Progress) -> Outcome:
    """Run a replay, or go on with one, to its end; writes the files of docs/replay.md into `options.out`.

    Raises TraceError, BadOption or CannotResume before anything is written, Stopped after an interrupt, once the
    present epoch is checkpointed.
    """
    trace = load(options.trace)
    plan = schedule(options, trace)
    without = told(plan, trace) if options.reallocation else None
    comparable(options, plan)
    workspace = Workspace(options.out)
    held = workspace.load(fingerprint(options, plan))
    with ExitStack() as stack:
        if options.rpc:
            chain = Chain(options.rpc)
            take_over(chain, plan, fresh=held is None)
        else:
            chain = Chain(stack.enter_context(Anvil(*_ANVIL, timestamp=plan.clock.genesis - LEAD)).url)
        if held is None:
            try:
                options.out.mkdir(parents=True, exist_ok=True)
            except OSError as error:
                raise BadOption(f"--out {options.out}: {error.strerror}; give a folder that can be made") from error
            workspace.prepare()
        elif held.chain_dump is not None:
            chain.rpc("anvil_loadState", held.chain_dump)
        moves = None
        if options.reallocation:
            progress.phase("working out who is replaced when")
            moves = plan_moves(trace, plan, options.policy, options.reallocation, committee_of(options.oracles))
            plan = replace(plan, spans=moves.spans)
        run = _Replay(options, plan, trace, workspace, chain, progress, stack, moves, without)
        if held is None:
            run.begin()
        else:
            run.resume(held.state)
        with interruptible() as asked:
            for epoch in range(run.next_epoch, plan.after):
                run.epoch(epoch)
                if asked():
                    run.checkpoint()
                    raise Stopped(f"stopped after epoch {epoch}; the same command goes on from there ({options.out})")
        return run.finish()


class _Replay:
    """A replay under way."""

    def __init__(
        self,
        options: ReplayOptions,
        plan: Schedule,
        trace: Trace,
        workspace: Workspace,
        chain: Chain,
        progress: Progress,
        stack: ExitStack,
        moves: Moves | None,
        without: Told | None,
    ) -> None:
        self.options = options
        self.moves = moves
        self.without = without
        self.plan = plan
        self.trace = trace
        self.workspace = workspace
        self.chain = chain
        self.progress = progress
        self.stack = stack
        self.next_epoch = plan.first
        self.wall: dict[str, float] = defaultdict(float)
        self.leaves: dict[int, Leaf] = {}
        self.timeline = Timeline(SteppedSender(chain))
        self._last_dump = time.monotonic()
        length = options.epoch_length
        self.settings = NetworkSettings(
            timing=Timing.for_epochs(plan.clock.genesis, length, options.appeal_epochs),
            signers=tuple(signer.address for signer in oracle_signers(options.oracles)),
            appeal_epochs=options.appeal_epochs,
            settle_window=max(1, length // 24),
            protocol_share_ppm=options.protocol_share_ppm,
        )
        self.job_spec = JobSpec(options.price, plan.slots, plan.starts_at, plan.ends_at, options.policy)

    # From nothing to a funded job, or from a checkpoint.

    def begin(self) -> None:
        """Deploy the network, license the nodes, fund the job."""
        self.progress.phase("setting up contracts, licences and the job")
        with self._timed("setup"):
            self.market = Market.open(self.timeline, self.settings, self.job_spec)
            self.nodes = self.market.license_nodes(self.plan.nodes)
            self.job, self.deposit = self.market.create_job()
            self._ready()
        self.checkpoint()

    def resume(self, state: dict[str, Any]) -> None:
        """Take a checkpoint's state up."""
        self.progress.phase(f"going on with epoch {state['next_epoch']}")
        head = self.chain.block("latest")
        if state["head"] != head.hash:
            raise CannotResume(
                f"{self.options.out}: the chain at {self.chain.url} isn't where this replay left it (block "
                f"{head.number}); give it that chain, or another --out"
            )
        self.next_epoch = state["next_epoch"]
        self.wall.update(state["wall"])
        self.timeline.gas.used.update(state["gas"])
        self.leaves = {int(key): Leaf(1, int(key), *values) for key, values in state["leaves"].items()}
        network = Network(self.chain, Addresses(**state["addresses"]))
        self.market = Market(self.timeline, network, self.job_spec)
        self.job, self.deposit = state["job"], state["deposit"]
        self.nodes = []
        for licence, name in enumerate(self.plan.nodes, start=state["first_licence"]):
            self.nodes.append(Serving.of(name, node_key(name), licence))
        self._ready()

    def _ready(self) -> None:
        """What begin and resume share: oracles, keeper, the things that happen at exact times."""
        self.network = self.market.network
        self.keeper = Settler(self.network, self.timeline, Wallet(self.chain, key_of("keeper")))
        self.rates = Rates(
            self.options.price,
            self.options.epoch_length,
            self.options.protocol_share_ppm,
            self.options.policy.csp_share_ppm,
        )
        self.ids = [pack(self.job, span.slot, span.generation) for span in self.plan.spans]
        stores = [self.workspace.store(index) for index in range(self.options.oracles)]
        self.members = local_members(self.network, self.plan.clock, stores, self.stack)
        self.feed: Feed = DirectFeed(self.members)
        if self.options.telemetry == "http":
            self.feed = HttpFeed(self.members, self.plan.clock, self.network.heartbeat_domain, self.nodes)
        self.stack.callback(self.feed.close)
        terms, nodes = self.market.terms_hash(), {node.name: node for node in self.nodes}
        events = []
        if self.moves is not None:
            self.mover = Mover(self.market, self.keeper.wallet, self.job, self.plan.clock, self.options.oracles)
            events += self.mover.events(self.moves)
        for span in self.plan.spans:
            node = nodes[span.node]
            events.append(
                Event(
                    span.start,
                    lambda s=span, n=node: self.market.assign(self.job, s.slot, s.generation, n, terms),  # type: ignore[misc]
                )
            )
            if span.end < self.plan.ends_at and self.moves is None:
                events.append(
                    Event(span.end, lambda s=span: self.market.close_assignment(self.job, s.slot, s.generation))  # type: ignore[misc]
                )
        self.timeline.plan(events)

    # One epoch.

    def epoch(self, epoch: int) -> None:
        """Measure, agree, attest and, when it is due, settle one epoch."""
        done = epoch - self.plan.first
        self.progress.epoch(done, self.plan.after - self.plan.first)
        with self._timed("telemetry"):
            self._feed(epoch)
        with self._timed("chain time"):
            self.timeline.reach(self.plan.clock.end(epoch))
            self.timeline.finalize(self.chain.block("latest"))
        with self._timed("agreement"):
            signed = agree_on(epoch, self.members)
        with self._timed("attestation"):
            self._submit(signed)
        with self._timed("settlement"):
            if (done + 1) % self.options.settle_every == 0 or epoch + 1 == self.plan.after:
                self.keeper.settle(epoch, signed.draft.tree)
        with self._timed("files"):
            self._write(signed)
            for member in self.members:
                member.forget(epoch)
        self.next_epoch = epoch + 1
        if time.monotonic() - self._last_dump > _SECONDS_BETWEEN_DUMPS or self.options.rpc:
            self.checkpoint()
        self.progress.epoch(done + 1, self.plan.after - self.plan.first)

    def _feed(self, epoch: int) -> None:
        """Telemetry in: what each oracle would have seen of the epoch."""
        clock = self.plan.clock
        start, end = clock.start(epoch), clock.end(epoch)
        seen = [
            (node, self.trace.bits(node.name, clock, epoch))
            for node in self.nodes
            if any(since < end and until > start for since, until in self.trace.enrolments(node.name))
        ]
        self.feed.epoch(epoch, seen)

    def _submit(self, signed: SignedReport) -> None:
        """Wait the settle delay, submit, and wait until the report is final."""
        report = signed.draft.report
        self.timeline.reach(self.plan.clock.end(report.epoch) + self.settings.timing.settle_delay)
        self.keeper.attest(report, signed.signers, signed.signatures)
        self.timeline.reach(self.timeline.now + self.settings.timing.activation_delay)
        # The next round reads the last final report from finalized state.
        self.timeline.finalize(self.chain.block("latest"))

    def _write(self, signed: SignedReport) -> None:
        epoch = signed.draft.report.epoch
        rows = results.epoch_rows(
            signed.draft,
            self.leaves,
            self.job,
            self.plan.spans,
            self.plan.clock,
            self.plan.ends_at,
            self.options.policy.window_epochs,
            epoch - 1,
        )
        domain = self.network.report_domain
        shown = {
            "name": domain.name,
            "version": domain.version,
            "chainId": domain.chain_id,
            "verifyingContract": domain.contract,
        }
        committee = sorted((member.signer.address for member in self.members), key=lambda address: int(address, 16))
        write_whole(self.options.out / "reports" / f"{epoch}.json", results.report_json(signed, shown, committee))
        write_whole(self.options.out / "evidence" / f"{epoch}.json", signed.draft.evidence.decode())
        write_whole(self.workspace.rows / f"{epoch}.json", json.dumps(rows))
        self.leaves.update(leaves_by_id(signed.draft.tree.leaves))

    def checkpoint(self) -> None:
        """Write down where this replay stands."""
        with self._timed("files"):
            state = {
                "options": fingerprint(self.options, self.plan),
                "next_epoch": self.next_epoch,
                "head": self.chain.block("latest").hash,
                "addresses": {name: getattr(self.network.addresses, name) for name in Addresses.__dataclass_fields__},
                "job": self.job,
                "deposit": self.deposit,
                "first_licence": self.nodes[0].licence,
                "leaves": {str(key): [leaf.earned, leaf.accounted] for key, leaf in self.leaves.items()},
                "gas": dict(self.timeline.gas.used),
                "wall": dict(self.wall),
            }
            # Where chain time runs ahead of short epochs, the next anchor lies behind the head: its state too then.
            behind = self.timeline.now >= self.plan.clock.end(self.next_epoch)
            dump = None if self.options.rpc else self.chain.rpc("anvil_dumpState", behind)
            self.workspace.save(state, dump)
            self._last_dump = time.monotonic()
            for member in self.members:
                # Whoever goes on from here needs the ledger of the last final report, and none before it.
                member.prune(max(0, self.next_epoch - 1))

    # The end.

    def finish(self) -> Outcome:
        """Run chain time past the last release, pay everyone, close the job, write the files."""
        self.progress.phase("releasing, paying and closing")
        timing = self.settings.timing
        with self._timed("closing"):
            last = self.network.attestations.functions.lastProgress().call()
            self.timeline.reach(last + timing.stall_span + timing.attestable_span)
            self.keeper.release(self.ids)
            self.keeper.claim(self.ids)
            self.keeper.close(self.job)
            self.keeper.refund(self.job)
            self.keeper.burn(self.job)
        payees = {node.name: Wallet(self.chain, node.operator_key()).address for node in self.nodes}
        totals = audit.totals(
            self.network, self.job, self.ids, list(payees.values()), self.market.csp.address, self.deposit
        )
        totals.check()
        if self.moves is not None:
            self.mover.check(self.moves, self.plan.ends_at)
        self.progress.phase("writing files and drawing")
        with self._timed("files"):
            rows = [
                json.loads((self.workspace.rows / f"{epoch}.json").read_text())
                for epoch in range(self.plan.first, self.plan.after)
            ]
            uptime = sorted(row for one in rows for row in one["uptime"])
            settlement = sorted((row for one in rows for row in one["settlement"]), key=lambda row: (row[2], row[4]))
            paid = results.payouts(settlement, self.rates, self.plan.nodes, totals)
            audit.check_each(self.network, payees, paid)
            out = self.options.out
            plots.uptime_by_epoch(out / "uptime.png", uptime, self.plan.first, self.plan.after)
            plots.money(out / "money.png", paid, totals)
            results.write_csv(out / "uptime.csv", results.UPTIME, uptime)
            results.write_csv(out / "settlement.csv", results.SETTLEMENT, settlement)
            results.write_csv(out / "payouts.csv", results.PAYOUTS, paid)
            further = {}
            if self.moves is not None and self.without is not None:
                further["reallocation"] = write_moves(
                    self.options,
                    self.plan,
                    self.job,
                    self.moves,
                    self.without,
                    Rows(uptime, settlement, paid),
                    self.rates,
                    self.trace,
                )
        summary = {
            "nodes": len(self.plan.nodes),
            "epochs": self.plan.after - self.plan.first,
            **{name: getattr(totals, name) for name in audit.Totals.__dataclass_fields__},
            **further,
            "gas": self.timeline.gas.summary(),
            "wall_seconds": {phase: round(seconds, 3) for phase, seconds in self.wall.items()},
            "options": fingerprint(self.options, self.plan),
        }
        write_whole(self.options.out / "summary.json", json.dumps(summary, indent=2) + "\n")
        self.workspace.clear()
        return Outcome(summary)

    @contextmanager
    def _timed(self, phase: str) -> Iterator[None]:
        began = time.perf_counter()
        try:
            yield
        finally:
            self.wall[phase] += time.perf_counter() - began
