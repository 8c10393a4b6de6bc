# SPDX-License-Identifier: Apache-2.0
"""The smallest contract with events: a token that anybody mints, on an anvil that mines each transaction at once."""

from __future__ import annotations

from typing import Any

from chain import bindings, compiler
from chain.client import Chain
from chain.transactions import Call, LiveSender, Wallet
from scenario.market import key_of

FINAL_AFTER = 2
"""Blocks that make a block final at an anvil with `--slots-in-an-epoch 1`."""


class Coin:
    """A LocalToken and who mints it. `minted` counts up: each mint's amount is another."""

    def __init__(self, url: str) -> None:
        self.url = url
        self.chain = Chain(url)
        self.sender = LiveSender(self.chain)
        self.wallet = Wallet(self.chain, key_of("coiner"))
        self.minted = 0
        self.chain.rpc("anvil_setBalance", self.wallet.address, hex(10**24))
        deploy = Call("deploy", self.wallet, None, compiler.load()["LocalToken"].bytecode, 3_000_000)
        self.address = str(self.sender.send([deploy])[0]["contractAddress"])

    def at(self, chain: Chain) -> Any:
        """The token, bound to another client of the chain."""
        return chain.contract(self.address, bindings.abi("LocalToken"))

    def mint(self, times: int = 1) -> None:
        """So many mints, each in a block of its own."""
        for _ in range(times):
            self.minted += 1
            function = self.at(self.chain).functions.mint(self.wallet.address, self.minted)
            self.sender.send([Call.of("mint", self.wallet, function, 100_000)])

    def finalize(self) -> None:
        """Make all blocks that there are final."""
        self.chain.rpc("anvil_mine", hex(FINAL_AFTER))
