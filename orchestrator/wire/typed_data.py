"""What is signed between nodes, CSPs and orchestrators (EIP-712).

Messages to an orchestrator have a domain of their own, so that none of them can be shown to a contract; its
contract is Placements.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, ClassVar, Final

from oracle.ground.typed_data import PLACEMENTS, Address, Bytes32, TypedStruct, UInt32, UInt64, UInt256

UInt96 = Annotated[int, "uint96"]

ORCHESTRATOR: Final = "Epochal Orchestrator"


@dataclass(frozen=True, slots=True)
class NodePoll(TypedStruct):
    """A node's word on what it can and does run. `time` is UNIX seconds; `body` the hash of the poll's canonical
    JSON, see `wire.canonical`."""

    DOMAIN: ClassVar[str] = ORCHESTRATOR
    node: Address
    licence: UInt256
    time: UInt64
    body: Bytes32


@dataclass(frozen=True, slots=True)
class IntentUpdate(TypedStruct):
    """A CSP's wish that a running job runs what another intent says. `sequence` rises with each wish for a job;
    `expiry` is UNIX seconds, inclusive."""

    DOMAIN: ClassVar[str] = ORCHESTRATOR
    job: UInt64
    intent: Bytes32
    sequence: UInt64
    expiry: UInt64


@dataclass(frozen=True, slots=True)
class SlotMove(TypedStruct):
    """A CSP's wish that another node serves a slot; `toLicence` 0 is any other. Sequence and expiry as in
    `IntentUpdate`, with which it shares the sequence."""

    DOMAIN: ClassVar[str] = ORCHESTRATOR
    job: UInt64
    slot: UInt32
    toLicence: UInt256  # noqa: N815  the name in the EIP-712 type
    sequence: UInt64
    expiry: UInt64


@dataclass(frozen=True, slots=True)
class StandingOffer(TypedStruct):
    """What a node takes on from one orchestrator without being asked each time: the contracts' struct of that name."""

    DOMAIN: ClassVar[str] = PLACEMENTS
    licence: UInt256
    orchestrator: Address
    token: Address
    minPrice: UInt96  # noqa: N815
    policy: Bytes32
    capacity: UInt32
    nonce: UInt64
    expiry: UInt64
