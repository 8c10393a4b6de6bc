# SPDX-License-Identifier: Apache-2.0
"""A chain on which Ratio1's oracles write a job's nodes: a private anvil, and two tiny contracts that emit its events.

The manager's code emits the first part of its calldata and has the escrow emit the second, in one transaction, as
`PoAIManager` and `CspEscrow` do. Written by hand: there is nothing to compile.
"""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from eth_abi import encode
from eth_utils import keccak

from chain.anvil import Anvil
from chain.client import Chain

MANAGER = "0x" + "a1" * 20
ESCROW = "0x" + "e5" * 20

# Both begin their part of the calldata with the event's hash and the job, which become topics.
_ESCROW_CODE = "365f5f37" + "602051" + "5f51" + "60403603" + "6040" + "a2" + "00"
_SIZE_A = "602035"
_END_A = _SIZE_A + "6040" + "01"
_SIZE_B = _END_A + "36" + "03"
_MANAGER_CODE = (
    (_SIZE_A + "6040" + "5f" + "37" + "602051" + "5f51" + "6040" + _SIZE_A + "03" + "6040" + "a2")
    + (_SIZE_B + _END_A + "5f" + "37")
    + ("5f" + "5f" + _SIZE_B + "5f" + "5f" + "5f35" + "5a" + "f1" + "50" + "00")
)
_CONSENSUS = keccak(text="ConsensusReachedV2(uint256,address[],address[])")
_UPDATED = keccak(text="NodesUpdated(uint256,address[])")
_FINAL = 3


class OracleChain:
    """What its oracles agree on becomes final at once."""

    def __init__(self, url: str) -> None:
        self.url = url
        self.chain = Chain(url)
        self._one = threading.Lock()
        self._from = self.chain.rpc("eth_accounts")[0]
        for address, code in ((MANAGER, _MANAGER_CODE), (ESCROW, _ESCROW_CODE)):
            self.chain.rpc("anvil_setCode", address, "0x" + code)
        self.mine()

    def agree(self, job: int, nodes: list[str]) -> None:
        """EVM addresses."""
        first = _CONSENSUS + encode(["uint256"], [job]) + encode(["address[]", "address[]"], [nodes, [self._from]])
        second = _UPDATED + encode(["uint256"], [job]) + encode(["address[]"], [nodes])
        self.send(MANAGER, encode(["address", "uint256"], [ESCROW, len(first)]) + first + second)

    def write_alone(self, job: int, nodes: list[str]) -> None:
        """Into the escrow, without the oracles' agreement."""
        self.send(ESCROW, _UPDATED + encode(["uint256"], [job]) + encode(["address[]"], [nodes]))

    def send(self, to: str, data: bytes) -> None:
        with self._one:
            call = {"from": self._from, "to": to, "data": "0x" + data.hex(), "gas": hex(500_000)}
            hashed = self.chain.rpc("eth_sendTransaction", call)
            self.mine()
            receipt: Any = self.chain.rpc("eth_getTransactionReceipt", hashed)
            assert receipt["status"] == "0x1"

    def mine(self) -> None:
        self.chain.rpc("anvil_mine", hex(_FINAL))


@contextmanager
def oracle_chain() -> Iterator[OracleChain]:
    with Anvil("--slots-in-an-epoch", "1") as anvil:
        yield OracleChain(anvil.url)
