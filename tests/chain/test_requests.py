# SPDX-License-Identifier: Apache-2.0
"""Requests for other nodes on a real chain: what an oracle sees and reads, and what the contract makes of it."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest

from chain.anvil import Anvil
from chain.client import Chain
from chain.events import EventLog
from chain.journal.entry import State
from chain.journal.fees import FeeLimits
from chain.journal.journal import TransactionJournal
from chain.network import Network, NetworkSettings, Timing
from chain.transactions import GAS_CAP, Call, SteppedSender, Wallet
from oracle.committee.anchor import AnchorReader
from oracle.committee.breach_watch import BreachWatch
from oracle.committee.effects import Effect, Send, SubmitRequests
from oracle.committee.member import Member
from oracle.committee.placing_book import PlacingBook, placing_log
from oracle.committee.reallocating import Reallocating
from oracle.committee.reallocation_messages import Asked
from oracle.ground.address import raw_address
from oracle.ground.breaches import Breach, Reason, request_id
from oracle.ground.clock import EpochClock
from oracle.ground.ids import pack
from oracle.ground.policy import Policy
from oracle.ground.reallocations import Reallocation
from oracle.service.requesting import ENTRIES_AT_ONCE, plan
from oracle.signing.signer import LocalSigner
from oracle.telemetry.store.bitmaps import BitmapStore
from oracle.telemetry.store.opening import open_store
from oracle.telemetry.store.records import Kind
from scenario.market import JobSpec, Market, Serving, key_of, oracle_signers
from scenario.timeline import Timeline

pytestmark = pytest.mark.chain

STEPPED = "--no-mining --order fifo --slots-in-an-epoch 1 --base-fee 0 --gas-price 0".split()
GENESIS = 1_700_000_000
CLOCK = EpochClock(GENESIS, length=1_200, tick=10)
TICKS = CLOCK.ticks_per_epoch
POLICY = Policy(missed_epochs=1, outage_seconds=200, answer_seconds=600, cooldown_seconds=700, maintenance_seconds=100)
NODES = 44
DOWN = range(ENTRIES_AT_ONCE + 2)
SPEC = JobSpec(1_000_003, NODES, GENESIS, CLOCK.end(9), POLICY)
SIGNERS = sorted(oracle_signers(4), key=lambda one: int(one.address, 16))


class Place:
    """The deployed network after its first epoch began, and an oracle's eyes on it."""

    def __init__(self, chain: Chain, network: Network, nodes: list[Serving], job: int, folder: Path) -> None:
        self.chain, self.network, self.nodes, self.job = chain, network, nodes, job
        self.folder = folder
        self.stack = ExitStack()
        self.timeline = Timeline(SteppedSender(chain))
        self.market = Market(self.timeline, network, SPEC)
        self.governor = Wallet(chain, key_of("governor"))
        self.stores: list[BitmapStore] = []
        self.gas: list[tuple[int, int]] = []
        """Used, and the limit, of each transaction that brought requests."""
        self.watches = [self.watch(index) for index in range(4)]

    def watch(self, index: int) -> BreachWatch:
        store = open_store(self.folder / f"{index}.sqlite", CLOCK, "requests")
        self.stack.callback(store.close)
        self.stores.append(store)
        network = Network(Chain(self.chain.url), self.network.addresses)
        book = PlacingBook(EventLog.of(network), placing_log(network))
        return BreachWatch(network, book, CLOCK, [store])

    def see(self, epoch: int, until: int, down: dict[int, int]) -> None:
        """All oracles observe the epoch's ticks before `until`; the nodes of `down` are up before the tick told."""
        for store in self.stores:
            way = store.way("test")
            store.observe(way, epoch, (1 << until) - 1)
            for index, node in enumerate(self.nodes):
                track = store.track(Kind.LIVENESS, raw_address(node.address))
                store.mark_bits(track, epoch, (1 << min(until, down.get(index, until))) - 1, way)

    def reach(self, time: int) -> None:
        """Blocks up to that time, which are then final."""
        self.timeline.reach(time)
        self.timeline.finalize(self.chain.block("latest"))

    def do(self, who: Wallet, function: Any) -> None:
        self.timeline.send([Call.of("do", who, function, 500_000)])
        self.timeline.finalize(self.chain.block("latest"))

    def assignment(self, slot: int) -> int:
        return pack(self.job, slot, 1)

    def agree(self, now: int) -> list[SubmitRequests]:
        """What the committee wants brought on chain in the slot at `now`, with messages that take no time."""
        machines = [
            Reallocating(signer, self.network.reallocation_domain, watch, CLOCK)
            for signer, watch in zip(SIGNERS, self.watches, strict=True)
        ]
        by_address = {machine.address: machine for machine in machines}
        under_way: deque[tuple[bytes, Effect]] = deque()
        for machine in machines:
            under_way += [(machine.address, effect) for effect in machine.tick(now)]
        wanted: list[SubmitRequests] = []
        while under_way:
            sender, effect = under_way.popleft()
            if isinstance(effect, SubmitRequests):
                wanted.append(effect)
            if isinstance(effect, Send):
                for peer in effect.to:
                    under_way += [(peer, each) for each in by_address[peer].take(sender, effect.message, now)]
        return wanted

    def bring(self, wanted: SubmitRequests) -> list[Any]:
        """Carry requests out through the journal, and mine them; the events."""
        watch = self.watches[0]
        terms = [watch.terms(wanted.requests[place].assignment) for place in wanted.places]
        path = self.folder / "journal.sqlite"
        with TransactionJournal(path, self.chain, LocalSigner(key_of("keeper")), FeeLimits()) as journal:
            entries = plan(journal, self.network, wanted, terms)
            journal.step(self.timeline.now)
            self.timeline.send([])
            journal.step(self.timeline.now)
            assert [journal.entry(one.key).state for one in entries] == [State.MINED] * len(entries)  # type: ignore[union-attr]
            for one in entries:
                receipt = self.chain.w3.eth.get_transaction_receipt(journal.entry(one.key).hash)  # type: ignore[union-attr, arg-type]
                assert receipt["status"] == 1
                limit = self.chain.w3.eth.get_transaction(receipt["transactionHash"])["gas"]
                self.gas.append((receipt["gasUsed"], limit))
        head = self.chain.block("latest").number
        events = self.network.reallocations.events
        assert not self.chain.logs(events.ReallocationSkipped, head, head)
        return [log["args"] for log in self.chain.logs(events.ReallocationRequested, head, head)]


@pytest.fixture(scope="module")
def deployed() -> Iterator[tuple[Chain, Network, list[Serving], int]]:
    with Anvil(*STEPPED, timestamp=GENESIS - 3_600) as anvil:
        chain = Chain(anvil.url)
        addresses = tuple(one.address for one in SIGNERS)
        settings = NetworkSettings(Timing.for_epochs(GENESIS, CLOCK.length, 1), addresses, 1, 60, 0)
        market = Market.open(SteppedSender(chain), settings, SPEC)
        nodes = market.license_nodes([f"node {index}" for index in range(NODES)])
        job, _ = market.create_job()
        sender = SteppedSender(chain)
        terms = market.terms_hash()
        sender.at(GENESIS).send([market.assign(job, 0, 1, nodes[0], terms)])
        rest = [market.assign(job, slot, 1, node, terms) for slot, node in enumerate(nodes) if slot]
        for start in range(0, len(rest), 20):
            sender.send(rest[start : start + 20])
        yield chain, market.network, nodes, job


@pytest.fixture
def place(deployed: tuple[Chain, Network, list[Serving], int], tmp_path: Path) -> Iterator[Place]:
    chain, network, nodes, job = deployed
    snapshot = chain.rpc("evm_snapshot")
    here = Place(chain, network, nodes, job, tmp_path)
    with here.stack:
        yield here
    chain.rpc("evm_revert", snapshot)


def test_request__many_outages__are_agreed_signed_and_carried_out_in_two_transactions(place: Place) -> None:
    now = GENESIS + 600
    place.reach(now)
    # All but a few of so many at once would be the oracle's own darkness.
    place.see(0, 60, dict.fromkeys(DOWN, 30))
    seen = place.watches[0].breaches(0, now)
    start = GENESIS + 30 * 10
    assert list(seen.values()) == [
        Breach(place.assignment(slot), Reason.OUTAGE, start - 30, start, start + 30) for slot in DOWN
    ]
    (wanted,) = place.agree(now)
    told = place.bring(wanted)
    contract = place.network.addresses.reallocations
    assert {one["assignment"]: (one["asOf"], one["reason"], one["id"]) for one in told} == {
        key: (start, 2, request_id(place.chain.chain_id, contract, key, 0, 2)) for key in map(place.assignment, DOWN)
    }
    assert len(place.gas) == 2
    # A limit that leaves no request without gas, however cold its storage.
    assert all(used * 4 < limit * 3 < GAS_CAP * 3 for used, limit in place.gas)
    # Nothing is asked for twice: by the newest block, finalized or not.
    assert not place.watches[1].breaches(0, now)
    assert not place.watches[1].askable([Asked(one["assignment"], Reason.OUTAGE, start) for one in told], now)


def test_request__one__is_refused_by_the_contract_the_second_time(place: Place) -> None:
    now = GENESIS + 600
    place.reach(now)
    place.see(0, 60, {3: 30})
    (wanted,) = place.agree(now)
    assert len(place.bring(wanted)) == 1
    terms = [place.watches[0].terms(place.assignment(3))]
    with TransactionJournal(
        place.folder / "other.sqlite", place.chain, LocalSigner(key_of("csp")), FeeLimits()
    ) as journal:
        (entry,) = plan(journal, place.network, wanted, terms)
        journal.step(place.timeline.now)
        again = journal.entry(entry.key)
        assert again is not None
        assert (again.state, again.hash) == (State.REFUSED, "")
        assert "Replayed" in again.reason


def test_leaf__any__is_the_contracts(place: Place) -> None:
    one = Reallocation(b"\1" * 32, place.assignment(5), 4, 2**40 - 1)
    assert bytes(place.network.reallocations.functions.leafOf(one.abi_values()).call()) == one.leaf()


def test_request__slot_cooling_down__is_not_askable_until_it_has(place: Place) -> None:
    now = GENESIS + 600
    place.reach(now)
    place.see(0, 60, {3: 30})
    (wanted,) = place.agree(now)
    (told,) = place.bring(wanted)
    second, terms = pack(place.job, 3, 2), place.market.terms_hash()
    spare = place.market.license_nodes(["spare"])[0]
    place.timeline.send([place.market.assign(place.job, 3, 2, spare, terms)])
    asked = [Asked(second, Reason.OUTAGE, place.timeline.now)]
    watch = place.watches[0]
    assert not watch.askable(asked, place.timeline.now + 1)
    assert watch.askable(asked, now + 2 + POLICY.cooldown_seconds + 60) == asked
    assert told["slot"] == 3


def test_request__licence_suspended__is_as_of_its_suspension_and_carried_out(place: Place) -> None:
    place.reach(GENESIS + 300)
    licence = place.nodes[7].licence
    suspend = place.network.trust.functions.suspend(1 << 248 | licence, 7, b"\1" * 32)
    place.timeline.send([Call.of("suspend", place.governor, suspend, 500_000)])
    since = place.timeline.now
    now = GENESIS + 600
    place.reach(now)
    place.see(0, 60, {})
    assert list(place.watches[0].breaches(0, now).values()) == [
        Breach(place.assignment(7), Reason.OUTCAST, since, since, since)
    ]
    (wanted,) = place.agree(now)
    (told,) = place.bring(wanted)
    assert (told["assignment"], told["reason"], told["asOf"]) == (place.assignment(7), 3, since)


def test_breach__suspension_lifted__is_none(place: Place) -> None:
    place.reach(GENESIS + 300)
    node = 2 << 248 | int(place.nodes[7].address, 16)
    place.do(place.governor, place.network.trust.functions.suspend(node, 7, b"\1" * 32))
    assert list(place.watches[0].breaches(0, GENESIS + 400)) == [(place.assignment(7), Reason.OUTCAST)]
    place.do(place.governor, place.network.trust.functions.liftSuspension(node))
    assert not place.watches[0].breaches(0, GENESIS + 400)


def test_request__maintenance_longer_than_counts__is_asked_for_from_its_beginning_on(place: Place) -> None:
    place.reach(GENESIS + 100)
    start, node = GENESIS + 400, place.nodes[9]
    operator = Wallet(place.chain, node.operator_key())
    place.do(operator, place.network.maintenance.functions.declare(node.licence, start, start + 300))
    short = place.nodes[10]
    declare = place.network.maintenance.functions.declare(short.licence, start, start + 90)
    place.do(Wallet(place.chain, short.operator_key()), declare)
    place.reach(start + 200)
    # Both are down: of the first 100 s count as unmeasured, of the second all.
    place.see(0, 60, {9: 40, 10: 40})
    assert not place.watches[0].breaches(0, start - 1)
    (wanted,) = place.agree(start + 40)
    (told,) = place.bring(wanted)
    assert (told["assignment"], told["reason"], told["asOf"]) == (place.assignment(9), 4, start)


def test_observation__declared_maintenance__is_unmeasured_as_far_as_the_policy_counts_it(place: Place) -> None:
    place.reach(GENESIS + 100)
    node, start = place.nodes[9], GENESIS + 400
    operator = Wallet(place.chain, node.operator_key())
    # 30 s, and 300 s of which 70 are left.
    place.do(operator, place.network.maintenance.functions.declare(node.licence, start, start + 30))
    place.do(operator, place.network.maintenance.functions.declare(node.licence, start + 200, start + 500))
    place.see(0, TICKS, {9: 40})
    place.reach(CLOCK.end(0))
    member = Member(SIGNERS[0], place.stores[0], AnchorReader(Network(place.chain, place.network.addresses)), CLOCK)
    ticks = member.observe(0).view().ticks
    other, mine = ticks[place.assignment(8)], ticks[place.assignment(9)]
    assert other.up == other.observed
    assert (other.observed - mine.observed, other.up - mine.up) == (3 + 7, TICKS - 40)


def test_request__epoch_without_up_time__is_asked_for_at_the_next_ones_start(place: Place) -> None:
    place.see(0, TICKS, {5: 0, 6: 1})
    place.see(1, 8, {5: 0, 6: 0})
    now = CLOCK.start(1) + 80
    place.reach(now)
    start = CLOCK.start(1)
    # Slot 0 alone was opened at the very start of epoch 0: in no other was a whole epoch missed yet.
    assert not place.watches[0].breaches(1, now)
    place.see(1, TICKS, {5: 0, 6: 5})
    place.see(2, 8, {5: 0, 6: 0, 0: 0})
    now, start = CLOCK.start(2) + 80, CLOCK.start(2)
    place.reach(now)
    assert list(place.watches[0].breaches(2, now).values()) == [
        Breach(place.assignment(5), Reason.MISSED_EPOCHS, start + 1, start + 1, start + 1)
    ]
    (wanted,) = place.agree(now)
    (told,) = place.bring(wanted)
    assert (told["assignment"], told["reason"], told["asOf"]) == (place.assignment(5), 1, start + 1)


def test_breaches__whole_network_silent__are_none(place: Place) -> None:
    now = GENESIS + 900
    place.reach(now)
    place.see(0, 90, dict.fromkeys(range(NODES), 30))
    assert not place.watches[0].breaches(0, now)


def test_breaches__job_stopped_or_assignment_closed__are_none(place: Place) -> None:
    now = GENESIS + 600
    place.reach(now)
    place.see(0, 60, {3: 30, 4: 30})
    place.timeline.send([place.market.close_assignment(place.job, 3, 1)])
    # Not final yet, and known all the same.
    assert list(place.watches[0].breaches(0, now)) == [(place.assignment(4), Reason.OUTAGE)]
    assert not place.watches[0].breaches(0, SPEC.ends_at)
