# SPDX-License-Identifier: Apache-2.0
"""Deployed networks to play histories on, and their state as it is stored: read word by word, in one call."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import Any

from eth_utils.crypto import keccak
from web3.contract.contract import ContractFunction

from chain.errors import ContractReverted
from chain.event_decoding import EventDecoder
from chain.network import Network
from chain.transactions import GAS_CAP, Call, checked, signed
from oracle.committee.anchor import AnchorReader
from settlement.model_reports import Rules
from tests.contract.differential.reallocating import decoder
from tests.contract.world import PROTOCOL_PPM, Licence, World

# Places of the escrow's mappings, in the order of contracts/escrow/EscrowStorage.sol.
STATUS, TALLIES, OUTFLOWS, RECORDS, HELD = 2, 3, 4, 7, 9
VARIANTS = ({}, {"appeal_epochs": 1, "protocol_share_ppm": 333_333}, {"appeal_epochs": 0}, {"appeal_epochs": 3})
DEEP = 10**12


@dataclass(frozen=True)
class Place:
    """One network, its linked licences and what it fixed."""

    network: Network
    linked: list[Licence]
    members: list[str]
    rules: Rules
    reader: AnchorReader
    """As oracles read the chain."""
    events: EventDecoder
    """Of what is told of requests for other nodes."""


@dataclass(frozen=True)
class Stored:
    """What the escrow has stored: assignments, jobs, and held seconds by mark, each as a plain dict."""

    accounts: dict[int, dict[str, int]]
    jobs: list[dict[str, int]]


@dataclass(frozen=True)
class Mined:
    """A transaction: the custom error's name, "" where it went through, and its logs."""

    error: str
    logs: list[Any]


class Stage:
    """A world with several networks; `enter` one, play, and nothing has happened."""

    def __init__(self, world: World, variants: Sequence[dict[str, int]] = VARIANTS[:3]) -> None:
        self.world = world
        self.funder = world.person("funder")
        self.rich = world.person("csp")
        self.places = []
        for changes in variants:
            if changes:
                world.enter(world.deploy(**changes))  # type: ignore[arg-type]
            network = world.network
            world.do(self.funder, world.token.mint(self.funder.address, DEEP))
            world.do(self.funder, world.token.approve(network.addresses.bonds, DEEP))
            members = network.registry.functions.membersOf(1).call()
            rules = Rules(
                clock=network.clock(1),
                activation_delay=network.timing.activation_delay,
                review_delay=network.timing.review_delay,
                stall_span=network.timing.stall_span,
                attestable_span=network.timing.attestable_span,
                settle_window=network.settle_window,
                appeal_epochs=changes.get("appeal_epochs", network.appeal_epochs),
                protocol_share_ppm=changes.get("protocol_share_ppm", PROTOCOL_PPM),
            )
            self.places.append(Place(network, world.linked, members, rules, AnchorReader(network), decoder(network)))

        # The same people link their licences in each network.
        for one in (one for place in self.places for one in place.linked):
            for wallet in (one.holder.wallet, one.node.wallet):
                wallet.nonce = world.chain.w3.eth.get_transaction_count(wallet.address)

    def undone(self) -> AbstractContextManager[World]:
        """What happens inside never happened."""
        return self.world.undone()

    def enter(self, number: int) -> Place:
        """Bind the world to a network."""
        place = self.places[number % len(self.places)]
        self.world._bind(place.network)
        self.world.linked = place.linked
        return place

    def mine(self, time: int, calls: Sequence[Call]) -> list[Mined]:
        """One block with all calls in their order; what each came to."""
        world, chain = self.world, self.world.chain
        assert time > world.now, (time, world.now)
        raws = [signed(chain, call, 0, GAS_CAP - 1) for call in calls]
        hashes: list[str] = []
        for start in range(0, len(raws), 25):
            hashes += chain.batch([("eth_sendRawTransaction", [raw]) for raw in raws[start : start + 25]])
        chain.rpc("evm_setNextBlockTimestamp", time)
        chain.rpc("evm_mine")
        world.sender.now = time
        receipts = chain.batch([("eth_getTransactionReceipt", [one]) for one in hashes])
        mined = []
        for call, receipt in zip(calls, receipts, strict=True):
            if int(receipt["status"], 16):
                mined.append(Mined("", receipt["logs"]))
                continue
            try:
                checked(chain, call, chain.w3.eth.get_transaction_receipt(receipt["transactionHash"]))
            except ContractReverted as error:
                mined.append(Mined(type(error).__name__ if type(error) is not ContractReverted else str(error), []))
        return mined

    def read(self, accounts: Sequence[int], jobs: int) -> Stored:
        """The stored words of assignments and of the first jobs."""
        places = [_place(mapping, key) for key in accounts for mapping in (RECORDS, HELD)]
        for job in range(1, jobs + 1):
            outflow = _place(OUTFLOWS, job)
            places += [_place(STATUS, job), _place(TALLIES, job), outflow, outflow + 1]
        function = self.world.escrow.words([one.to_bytes(32) for one in places])
        data = self.world.chain.call_data(function.address, function._encode_transaction_data())
        words = iter([int.from_bytes(data[i : i + 32]) for i in range(64, len(data), 32)])
        return Stored({key: _account(next(words), next(words)) for key in accounts}, [_job(words) for _ in range(jobs)])

    def ask(self, function: ContractFunction) -> Any:
        """What a view returns."""
        return self.world.chain.call(function)


def _place(mapping: int, key: int) -> int:
    return int.from_bytes(keccak(key.to_bytes(32) + mapping.to_bytes(32)))


def _cut(word: int, *sizes: tuple[str, int]) -> dict[str, int]:
    """A packed word's fields, from the lowest bit."""
    fields = {}
    for name, bits in sizes:
        fields[name] = word & (1 << bits) - 1
        word >>= bits
    assert word == 0
    return fields


def _account(word: int, held: int) -> dict[str, Any]:
    names = ("opened_at", "closed_at", "through", "accounted", "earned", "claimed")
    fields: dict[str, Any] = _cut(word, *((name, 40) for name in names), ("holds", 1), ("marked", 1))
    two = _cut(held, ("m0", 40), ("s0", 40), ("m1", 40), ("s1", 40))
    buckets: dict[int, int] = {}
    for mark, seconds in ((two["m0"], two["s0"]), (two["m1"], two["s1"])):
        if seconds:
            buckets[mark] = buckets.get(mark, 0) + seconds
    return {**fields, "held": buckets}


def _job(words: Any) -> dict[str, int]:
    status = _cut(
        next(words),
        *(("starts_at", 40), ("stop", 40), ("window", 16), ("leaving", 8), ("closed", 8), ("penal", 8)),
        *(("funded", 48), ("deposited", 48), ("slots", 32)),
    )
    names = ("earned", "unmeasured", "released", "held", "claimed")
    tally = _cut(next(words), *((name, 44) for name in names), ("rounding", 36))
    outflow = _cut(next(words), ("refunded", 128), ("burned", 128))
    return {**status, **tally, **outflow, **_cut(next(words), ("to_protocol", 128))}
