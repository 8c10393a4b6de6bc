# SPDX-License-Identifier: Apache-2.0
"""Contracts of a few bytes, put on anvil, that show how often they were called and revert as they are told."""

from __future__ import annotations

from chain.client import Chain
from oracle.ground.keccak import keccak256
from oracle.signing.signer import LocalSigner

COUNTER = "0x" + "c0" * 20
# slot = calldata[0:32]; storage[slot] += 1
_COUNTER_CODE = "0x5f35805460010190" + "55" + "00"
REVERTER = "0x" + "be" * 20
# revert(calldata)
_REVERTER_CODE = "0x365f5f37365ffd"
GATE = "0x" + "9a" * 20
# if storage[0] != 0: revert(calldata); else stop
_GATE_CODE = "0x5f54600657" + "00" + "5b365f5f37365ffd"
ETHER = 10**18


def place_counter(chain: Chain) -> None:
    """Put the contracts there."""
    for address, code in ((COUNTER, _COUNTER_CODE), (REVERTER, _REVERTER_CODE), (GATE, _GATE_CODE)):
        chain.rpc("anvil_setCode", address, code)


class Purse:
    """A fresh key with 10 ether, and a counter of its own in COUNTER."""

    def __init__(self, chain: Chain, name: str) -> None:
        self.chain = chain
        self.key = keccak256(name.encode())
        self.signer = LocalSigner(self.key)
        self.calldata = "0x" + self.key.hex()
        chain.rpc("anvil_setBalance", self.signer.address, hex(10 * ETHER))

    def count(self) -> int:
        """How often the counter was called with this purse's data."""
        return int(self.chain.rpc("eth_getStorageAt", COUNTER, self.calldata, "latest"), 16)

    def nonce(self) -> int:
        """Transactions of the key in blocks."""
        return int(self.chain.rpc("eth_getTransactionCount", self.signer.address, "latest"), 16)

    def spent(self) -> int:
        """Wei."""
        return 10 * ETHER - int(self.chain.rpc("eth_getBalance", self.signer.address, "latest"), 16)
