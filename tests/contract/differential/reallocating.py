# SPDX-License-Identifier: Apache-2.0
"""The committee's requests for other nodes, signed, and what the contracts' events tell of them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from eth_utils.crypto import keccak
from web3.contract.contract import ContractFunction

from chain.errors import decode_revert
from chain.event_decoding import EventDecoder
from chain.network import Network
from oracle.ground.policy import Policy
from oracle.ground.reallocations import Reallocation, RequestTree
from oracle.ground.typed_data import ReallocationBatch
from tests.contract.differential.placing_model import Asked, Told
from tests.contract.world import FOREVER, INTENT, World, joined

OUTAGE = 2
QUORUM = (0, 1, 2)
STRANGE = keccak(text="in no tree")


def request(
    world: World, committee: int, epoch: int, assignment: int, as_of: int, price: int, policy: Policy
) -> ContractFunction:
    """A batch of one request because of an outage: its leaf is the root."""
    asked = Asked(keccak(text=f"{assignment} as of {as_of}"), assignment, OUTAGE, as_of)
    return requests(world, committee, epoch, [asked], [(price, policy)], single=True)


def requests(
    world: World,
    committee: int,
    epoch: int,
    asked: Sequence[Asked],
    terms: Sequence[tuple[int, Policy]],
    expiry: int = FOREVER,
    single: bool = False,
) -> ContractFunction:
    """A batch under one root, shown whole, each request with its job's price and policy."""
    network = world.network
    tree = RequestTree([Reallocation(one.id, one.assignment, one.reason, one.as_of) for one in asked])
    batch = ReallocationBatch(committee, epoch, tree.root, expiry)
    digest = batch.digest(network.reallocation_domain)
    signatures = joined([world.committee[member].sign(digest) for member in QUORUM])
    entries = [
        (
            tree.requests[place].abi_values(),
            network.addresses.token,
            price if one.terms else price + 1,
            policy.abi_values(),
            INTENT,
            [*tree.proof(place), *([] if one.proven else [STRANGE])],
        )
        for place, (one, (price, policy)) in enumerate(zip(asked, terms, strict=True))
    ]
    values = (batch.committee, batch.epoch, batch.root, batch.expiry)
    bits = sum(1 << member for member in QUORUM)
    calls = network.reallocations.functions
    if single:
        return calls.request(values, bits, signatures, *entries)
    return calls.requestMany(values, bits, signatures, entries)


def decoder(network: Network) -> EventDecoder:
    """Of all events that tell of requests."""
    contracts = {"placements": network.placements, "reallocations": network.reallocations}
    return EventDecoder({name: (one.address, one.abi) for name, one in contracts.items()})


def told(events: EventDecoder, logs: Sequence[Any]) -> list[Told]:
    """What a transaction's logs tell of requests, in their order."""
    found: list[Told] = []
    for log in logs:
        name = events.name(log["address"], log["topics"])
        if name is None:
            continue
        topics = b"".join(bytes.fromhex(topic[2:]) for topic in log["topics"])
        args = events.args(*name, topics, bytes.fromhex(log["data"][2:]))
        if name[1] == "ReallocationRequested":
            found.append(("requested", args["id"], tuple(args[each] for each in _REQUESTED)))
        elif name[1] == "ReallocationSkipped":
            error = decode_revert("carryOut", args["reason"].hex())
            found.append(("skipped", args["id"], type(error).__name__))
        elif name[1] == "ReallocationAnswered":
            found.append(("answered", args["request"], (args["assignment"],)))
    return found


_REQUESTED = ("assignment", "job", "slot", "reason", "asOf", "deadline")
