# SPDX-License-Identifier: Apache-2.0
"""The committee's request for another node, signed."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from eth_utils.crypto import keccak
from web3.contract.contract import ContractFunction

from oracle.ground.policy import Policy
from oracle.ground.typed_data import Bytes32, TypedStruct, UInt64
from tests.contract.world import FOREVER, INTENT, World, joined

OUTAGE = 2
QUORUM = (0, 1, 2)


@dataclass(frozen=True, slots=True)
class ReallocationBatch(TypedStruct):
    """Requests of one epoch under one root."""

    DOMAIN: ClassVar[str] = "Epochal Reallocations"
    committee: UInt64
    epoch: UInt64
    root: Bytes32
    expiry: UInt64


def request(
    world: World, committee: int, epoch: int, assignment: int, as_of: int, price: int, policy: Policy
) -> ContractFunction:
    """A batch of one request because of an outage: its leaf is the root."""
    network = world.network
    marker = keccak(text=f"{assignment} as of {as_of}")
    words = b"".join(one.to_bytes(32) for one in (int.from_bytes(marker), assignment, OUTAGE, as_of))
    batch = ReallocationBatch(committee, epoch, keccak(keccak(words)), FOREVER)
    domain = ReallocationBatch.domain(network.chain.chain_id, network.addresses.reallocations)
    signatures = joined([world.committee[member].sign(batch.digest(domain)) for member in QUORUM])
    entry = ((marker, assignment, OUTAGE, as_of), network.addresses.token, price, policy.abi_values(), INTENT, [])
    values = (batch.committee, batch.epoch, batch.root, batch.expiry)
    bits = sum(1 << member for member in QUORUM)
    return network.reallocations.functions.request(values, bits, signatures, entry)
