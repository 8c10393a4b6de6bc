"""What the chain says about the nodes of a job: the only thing that is believed.

Ratio1's oracles agree on a job's nodes in its manager (`ConsensusReachedV2`), which writes them into the customer's
escrow (`NodesUpdated`).
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final, Protocol

from chain.client import Chain
from oracle.ground.address import checksummed, raw_address


@dataclass(frozen=True, slots=True)
class NodeList:
    """The EVM addresses (EIP-55) of a job's nodes since a block."""

    nodes: frozenset[str]
    block: int


class JobChain(Protocol):
    """The chain as far as moves need it. Only finalized blocks count."""

    async def head(self) -> int:
        """The newest finalized block."""

    async def nodes_since(self, job: int, block: int) -> NodeList | None:
        """The newest list of a job's nodes that was agreed on and written after that block; None if there is none."""


_NODES: Final = {"indexed": False, "internalType": "address[]", "type": "address[]"}
_JOB: Final = {"indexed": True, "internalType": "uint256", "name": "jobId", "type": "uint256"}
MANAGER_ABI: Final[list[dict[str, Any]]] = [
    {
        "anonymous": False,
        "inputs": [_JOB, {**_NODES, "name": "activeNodes"}, {**_NODES, "name": "participants"}],
        "name": "ConsensusReachedV2",
        "type": "event",
    }
]
ESCROW_ABI: Final[list[dict[str, Any]]] = [
    {
        "anonymous": False,
        "inputs": [_JOB, {**_NODES, "name": "activeNodes"}],
        "name": "NodesUpdated",
        "type": "event",
    }
]


class EscrowChain:
    """JobChain over RPC: the manager's and the escrow's events, believed where both say the same in one transaction."""

    def __init__(self, chain: Chain, manager: str, escrow: str) -> None:
        """InvalidValue for an address that is none."""
        self._chain = chain
        self._agreed = chain.contract(checksummed(raw_address(manager)), MANAGER_ABI).events.ConsensusReachedV2
        self._written = chain.contract(checksummed(raw_address(escrow)), ESCROW_ABI).events.NodesUpdated

    async def head(self) -> int:
        """See JobChain. RpcError if no endpoint answers."""
        return (await asyncio.to_thread(self._chain.finalized)).number

    async def nodes_since(self, job: int, block: int) -> NodeList | None:
        """See JobChain. RpcError if no endpoint answers."""
        return await asyncio.to_thread(self._nodes_since, job, block)

    def _nodes_since(self, job: int, block: int) -> NodeList | None:
        head = self._chain.finalized().number
        if head <= block:
            return None
        agreed, written = (
            [log for log in self._chain.logs(event, block + 1, head) if log["args"]["jobId"] == job]
            for event in (self._agreed, self._written)
        )
        return newest_agreed(agreed, written)


def newest_agreed(agreed: Sequence[Any], written: Sequence[Any]) -> NodeList | None:
    """The newest list written into the escrow, if the manager's oracles agreed on that list in the same transaction.

    A list written in another way makes an older agreed one untrue, so it is never passed over. Pure.
    """
    if not written:
        return None
    last = max(written, key=_place)
    nodes = frozenset(last["args"]["activeNodes"])
    for each in agreed:
        if each["transactionHash"] == last["transactionHash"] and frozenset(each["args"]["activeNodes"]) == nodes:
            return NodeList(frozenset(checksummed(raw_address(node)) for node in nodes), last["blockNumber"])
    return None


def _place(log: Any) -> tuple[int, int]:
    return log["blockNumber"], log["logIndex"]
