# SPDX-License-Identifier: Apache-2.0
"""What the chain tells telemetry: who may beat, which placements are over, and by what evidence each is measured."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass, replace
from pathlib import Path

import pytest

from chain.anvil import Anvil
from chain.client import Chain
from chain.network import Network, NetworkSettings, Timing, WrongDeployment
from chain.transactions import Call, SteppedSender, Wallet
from oracle.committee.anchor import AnchorReader
from oracle.committee.member import Member
from oracle.ground.address import raw_address
from oracle.ground.bitmap import span
from oracle.ground.clock import EpochClock
from oracle.ground.ids import pack
from oracle.ground.policy import Policy
from oracle.ground.uptime import Uptime
from oracle.service.chain_roster import ChainRoster
from oracle.telemetry.store.opening import open_store
from oracle.telemetry.store.records import Kind
from scenario.market import JobSpec, Market, Serving, oracle_signers
from scenario.timeline import Timeline

STEPPED = "--no-mining --order fifo --slots-in-an-epoch 1 --disable-block-gas-limit --base-fee 0 --gas-price 0".split()
GENESIS = 1_700_000_000
CLOCK = EpochClock(GENESIS, length=600, tick=10)
SPEC = JobSpec(price=10**6, slots=2, starts_at=GENESIS, ends_at=CLOCK.start(3), policy=Policy())
EVIDENCE = ("liveness", "health", "probe")


@dataclass(frozen=True)
class Town:
    """Three jobs, one for each evidence; node "one" serves slot 0 of all, "two" slot 1 of the first."""

    timeline: Timeline
    network: Network
    nodes: list[Serving]
    jobs: list[int]


@pytest.fixture(scope="module")
def town() -> Iterator[Town]:
    with Anvil(*STEPPED, timestamp=GENESIS - 3_600) as anvil:
        sender = SteppedSender(Chain(anvil.url))
        signers = tuple(one.address for one in oracle_signers(4))
        settings = NetworkSettings(Timing.for_epochs(GENESIS, CLOCK.length, 1), signers, 1, 60, 0)
        first = Market.open(sender, settings, SPEC)
        nodes = first.license_nodes(["one", "two", "idle"])
        specs = [replace(SPEC, policy=Policy(evidence=one)) for one in EVIDENCE]
        timeline = Timeline(sender)
        jobs = [Market(sender, first.network, spec).create_job()[0] for spec in specs]
        timeline.reach(GENESIS)
        # An actor's wallet counts its own transactions: one market at a time.
        for spec, job in zip(specs, jobs, strict=True):
            market = Market(timeline, first.network, spec)
            placed = nodes[:2] if job == jobs[0] else nodes[:1]
            terms = market.terms_hash()
            timeline.send([market.assign(job, slot, 1, node, terms) for slot, node in enumerate(placed)])
        timeline.finalize(sender.chain.block("latest"))
        yield Town(timeline, first.network, nodes, jobs)


def test_observation__each_assignment__by_the_evidence_its_policy_names(town: Town, tmp_path: Path) -> None:
    one = raw_address(town.nodes[0].address)
    keys = [pack(job, 0, 1) for job in town.jobs]
    with closing(open_store(tmp_path / "store.sqlite", CLOCK, "net")) as store:
        http = store.way("http")
        store.observe(http, 0, (1 << 60) - 1)
        store.mark_bits(store.track(Kind.LIVENESS, one), 0, (1 << 50) - 1, http)
        for key in keys:
            store.mark_bits(store.track(Kind.HEALTH, one + key.to_bytes(16, "big")), 0, (1 << 30) - 1, http)
            probe = store.track(Kind.PROBE, key.to_bytes(16, "big"))
            store.mark_bits(probe, 0, (1 << 10) - 1)
            store.see(probe, 0, (1 << 40) - 1)
        # Opened in the block after the genesis: the first tick is nobody's.
        town.timeline.reach(CLOCK.end(0))
        town.timeline.finalize(town.network.chain.block("latest"))
        member = Member(oracle_signers(4)[0], store, AnchorReader(town.network), CLOCK)
        ticks = member.observe(0).view().ticks
    assert [ticks[key] for key in keys] == [Uptime(49, 59), Uptime(29, 59), Uptime(9, 39)]
    assert ticks[pack(town.jobs[0], 1, 1)] == Uptime(0, 59)


def test_observation__several_intakes_of_one_oracle__is_of_what_any_saw(town: Town, tmp_path: Path) -> None:
    one = raw_address(town.nodes[0].address)
    with (
        closing(open_store(tmp_path / "1.sqlite", CLOCK, "net")) as first,
        closing(open_store(tmp_path / "2.sqlite", CLOCK, "net")) as second,
    ):
        for store, ticks in ((first, range(30)), (second, range(30, 50))):
            way = store.way("mqtt@" + store.location[-8])
            store.observe(way, 0, (1 << 60) - 1)
            store.mark_bits(store.track(Kind.LIVENESS, one), 0, span(ticks), way)
        town.timeline.reach(CLOCK.end(0))
        town.timeline.finalize(town.network.chain.block("latest"))
        member = Member(oracle_signers(4)[1], first, AnchorReader(town.network), CLOCK, [second])
        assert member.observe(0).view().ticks[pack(town.jobs[0], 0, 1)] == Uptime(49, 59)


def test_roster__linked_placed_closed_unlinked__as_finalized_blocks_have_it(town: Town) -> None:
    roster = ChainRoster(town.network)
    roster.refresh()
    one, two, idle = (node.address for node in town.nodes)
    mine, other = pack(town.jobs[0], 0, 1), pack(town.jobs[0], 1, 1)
    assert len(roster) == 3
    assert [roster.knows(node) for node in (one, two, idle, "0x" + "99" * 20)] == [True, True, True, False]
    assert not roster.fenced(one, mine)
    assert roster.fenced(two, mine)
    assert not roster.fenced(idle, pack(town.jobs[0], 5, 1)), "opened a moment ago, for all it knows"

    operator = Wallet(town.network.chain, town.nodes[2].operator_key())
    unlink = town.network.licences.functions.unlink(town.nodes[2].licence)
    town.timeline.send(
        [
            Market(town.timeline, town.network, SPEC).close_assignment(town.jobs[0], 1, 1),
            Call.of("unlink", operator, unlink, 200_000),
        ]
    )
    assert not roster.fenced(two, other)
    town.timeline.finalize(town.network.chain.block("latest"))
    roster.refresh()
    assert roster.fenced(two, other)
    assert not roster.fenced(one, mine)
    assert [roster.knows(node) for node in (one, two, idle)] == [True, True, False]

    town.timeline.reach(SPEC.ends_at)
    town.timeline.finalize(town.network.chain.block("latest"))
    roster.refresh()
    assert roster.fenced(one, mine), "the job is over"


def test_network__addresses_of_another_chain__refused_in_one_line(town: Town) -> None:
    nowhere = replace(town.network.addresses, attestations="0x" + "99" * 20)
    with pytest.raises(WrongDeployment, match="the network's contracts aren't at 0x9999"):
        Network(town.network.chain, nowhere)
