# SPDX-License-Identifier: Apache-2.0
"""Uniswap V2 itself on a test's chain: the factory, pair and router of its npm packages, bytecode as published."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

from web3.contract.contract import Contract, ContractFunction

from chain import compiler
from chain.transactions import Call, Sender, Wallet

_PACKAGES = compiler.ROOT / "node_modules" / "@uniswap"
_NOBODY = "0x" + "00" * 20
_LATE = 2**40
ANY = 2**256 - 1


class Uniswap:
    """A factory and its router; `owner` deploys, provides what pools have, and trades."""

    def __init__(self, sender: Sender, owner: Wallet) -> None:
        self.sender = sender
        self.owner = owner
        self.factory = self._published("v2-core", "UniswapV2Factory", _NOBODY)
        # No wrapped ether: no route here needs it.
        self.router = self._published("v2-periphery", "UniswapV2Router02", self.factory.address, owner.address)

    def deploy(self, name: str, abi: Sequence[dict[str, Any]], bytecode: str, *arguments: Any) -> Contract:
        chain = self.sender.chain
        data = chain.w3.eth.contract(abi=abi, bytecode=bytecode).constructor(*arguments).data_in_transaction
        (receipt,) = self.sender.send([Call(f"deploy {name}", self.owner, None, data)])
        return chain.contract(receipt["contractAddress"], abi)

    def open_pool(self, amounts: dict[Contract, int]) -> None:
        """A pool of two tokens of the owner's, so much of each."""
        for token in amounts:
            self._do(token.functions.approve(self.router.address, ANY))
        (one, some), (other, more) = amounts.items()
        liquidity = (one.address, other.address, some, more, 0, 0, self.owner.address, _LATE)
        self._do(self.router.functions.addLiquidity(*liquidity))

    def swap(self, sold: Contract, bought: Contract, amount: int) -> ContractFunction:
        """The owner swaps some of one token, at whatever price."""
        path = [sold.address, bought.address]
        return self.router.functions.swapExactTokensForTokens(amount, 0, path, self.owner.address, _LATE)

    def quote(self, sold: Contract, bought: Contract, amount: int) -> int:
        return int(self.router.functions.getAmountsOut(amount, [sold.address, bought.address]).call()[-1])

    def _do(self, function: ContractFunction) -> None:
        self.sender.send([Call.of(function.fn_name, self.owner, function)])

    def _published(self, package: str, name: str, *arguments: Any) -> Contract:
        build = json.loads((_PACKAGES / package / "build" / f"{name}.json").read_text())
        return self.deploy(name, build["abi"], "0x" + build["bytecode"].removeprefix("0x"), *arguments)
