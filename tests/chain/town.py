# SPDX-License-Identifier: Apache-2.0
"""A network whose clock is moved by hand, and a committee of four with stores and keys of their own on it."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest

from chain.anvil import Anvil
from chain.client import Chain
from chain.deployment.settings import Licences, Swap
from chain.network import Addresses, Network, NetworkSettings, Timing
from chain.transactions import Call, SteppedSender, Wallet
from oracle.committee.anchor import AnchorReader
from oracle.committee.in_process import SignedReport
from oracle.committee.member import Member
from oracle.ground.address import raw_address
from oracle.ground.clock import EpochClock
from oracle.ground.policy import Policy
from oracle.telemetry.store.bitmaps import BitmapStore
from oracle.telemetry.store.opening import open_store
from oracle.telemetry.store.records import Kind
from scenario.market import JobSpec, Market, Serving, key_of, oracle_signers
from scenario.settler import Settler
from scenario.timeline import Event, Timeline

STEPPED = "--no-mining --order fifo --slots-in-an-epoch 1 --disable-block-gas-limit --base-fee 0 --gas-price 0".split()
GENESIS = 1_700_000_000
EPOCHS = 5
CLOCK = EpochClock(GENESIS, length=600, tick=10)
TICKS = CLOCK.ticks_per_epoch
ALL = (1 << TICKS) - 1
# The third node comes in the middle of epoch 0.
OPENED = (GENESIS, GENESIS, GENESIS + 300)
BINARY = Policy(target_ppm=900_000, floor_ppm=900_000)
SPEC = JobSpec(price=1_000_003, slots=3, starts_at=GENESIS, ends_at=CLOCK.start(EPOCHS), policy=BINARY)
SIGNERS = sorted(oracle_signers(4), key=lambda one: int(one.address, 16))
# Up in 60, in 57 and in 30 of 60 ticks.
HONEST = (ALL, ALL >> 3, ALL >> 30)


@dataclass(frozen=True)
class Deployed:
    chain: Chain
    addresses: Addresses
    nodes: list[Serving]
    job: int


@contextmanager
def deployment(
    oracle_pay: int = 0, licences: Licences | None = None, swap: Callable[[SteppedSender], Swap] | None = None
) -> Iterator[Deployed]:
    """A network on a chain of its own, with three licensed nodes and a funded job; `swap` deploys what that takes."""
    with Anvil(*STEPPED, timestamp=GENESIS - 3_600) as anvil:
        chain = Chain(anvil.url)
        sender = SteppedSender(chain)
        settings = NetworkSettings(
            timing=Timing.for_epochs(GENESIS, CLOCK.length, 1),
            signers=tuple(one.address for one in SIGNERS),
            appeal_epochs=1,
            settle_window=60,
            protocol_share_ppm=0,
            oracle_pay=oracle_pay,
            licences=licences or Licences(),
            swap=swap(sender) if swap else None,
        )
        market = Market.open(sender, settings, SPEC)
        nodes = market.license_nodes(["one", "two", "three"])
        job, _ = market.create_job()
        yield Deployed(chain, market.network.addresses, nodes, job)


@pytest.fixture(scope="module")
def deployed() -> Iterator[Deployed]:
    with deployment() as made:
        yield made


class Town:
    """The deployed network at its genesis, its timeline, and four oracles."""

    def __init__(self, at: Deployed, folder: Path) -> None:
        self.at = at
        self.folder = folder
        self.stack = ExitStack()
        self.timeline = Timeline(SteppedSender(at.chain))
        self.network = Network(at.chain, at.addresses)
        market = Market(self.timeline, self.network, SPEC)
        terms = market.terms_hash()
        self.timeline.plan(
            Event(opened, lambda slot=slot: market.assign(at.job, slot, 1, at.nodes[slot], terms))
            for slot, opened in enumerate(OPENED)
        )
        self.keeper = Settler(self.network, self.timeline, self.wallet("keeper"))
        self.stores: dict[int, BitmapStore] = {}
        self.members = [self.member(index) for index in range(4)]

    def wallet(self, label: str) -> Wallet:
        return Wallet(self.at.chain, key_of(label))

    def member(self, index: int, kind: Callable[..., Member] = Member) -> Member:
        """An oracle on its store, which is made when it isn't there, in place of the one that has it open."""
        if index in self.stores:
            self.stores[index].close()
        label = f"{self.at.chain.chain_id}:{self.at.addresses.attestations}"
        store = self.stores[index] = open_store(self.folder / f"{index}.sqlite", CLOCK, label)
        self.stack.callback(store.close)
        reader = AnchorReader(Network(Chain(self.at.chain.url), self.at.addresses))
        return kind(SIGNERS[index], store, reader, CLOCK)

    def see(self, epoch: int, up: Iterable[int] = HONEST, members: Iterable[Member] | None = None) -> None:
        """What oracles saw of the three nodes in an epoch."""
        ticks = list(up)
        for member in self.members if members is None else members:
            store = member.store
            way = store.way("test")
            store.observe(way, epoch, ALL)
            for node, bits in zip(self.at.nodes, ticks, strict=True):
                store.mark_bits(store.track(Kind.LIVENESS, raw_address(node.address)), epoch, bits, way)

    def end(self, epoch: int) -> None:
        """Move the chain's clock past an epoch and its first finalized block."""
        self.timeline.reach(CLOCK.end(epoch))
        self.timeline.finalize(self.at.chain.block("latest"))

    def attest(self, signed: SignedReport) -> None:
        """Submit a report and wait until it is final."""
        timing = self.network.timing
        epoch = signed.draft.report.epoch
        self.timeline.reach(CLOCK.end(epoch) + timing.settle_delay)
        self.timeline.send([self.submission(signed)])
        self.timeline.reach(self.timeline.now + timing.activation_delay)
        self.timeline.finalize(self.at.chain.block("latest"))
        for member in self.members:
            member.forget(epoch)

    def submission(self, signed: SignedReport, signers: int | None = None, gas: int | None = None) -> Call:
        one = signed.draft.report
        fields = (one.epoch, one.committee, one.root, one.parent, one.anchor, one.evidence)
        named = signed.signers if signers is None else signers
        signatures = signed.signatures[: 64 * named.bit_count()]
        function = self.network.attestations.functions.submit(fields, named, signatures)
        return Call.of("attest epoch", self.keeper.wallet, function, gas)

    def final_root(self, epoch: int) -> bytes:
        return bytes(self.network.attestations.functions.finalRoot(epoch).call())


@pytest.fixture
def town(deployed: Deployed, tmp_path: Path) -> Iterator[Town]:
    snapshot = deployed.chain.rpc("evm_snapshot")
    here = Town(deployed, tmp_path)
    with here.stack:
        yield here
    deployed.chain.rpc("evm_revert", snapshot)
