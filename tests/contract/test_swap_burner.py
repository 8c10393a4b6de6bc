# SPDX-License-Identifier: Apache-2.0
"""The swapping burner on Uniswap V2 itself."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from web3.contract.contract import Contract, ContractFunction
from web3.types import TxReceipt

from chain import compiler
from chain.anvil import Anvil
from chain.client import Chain
from chain.errors import ContractReverted
from chain.transactions import Call, SteppedSender, Wallet
from oracle.signing.signer import derive
from tests.uniswap import Uniswap

START = 1_800_000_000
HOUR = 3_600
DAY = 24 * HOUR
COOLDOWN = 600
SLIPPAGE_PPM = 30_000
DOLLAR = 10**6
UNIT = 10**18
MOST = 1_000 * DOLLAR
# A million dollars, and four of the token for each.
POOL = (1_000_000 * DOLLAR, 4_000_000 * UNIT)
WRAP = 2**32


class Exchange:
    """Uniswap V2 with one pool, and a burner that swaps through it."""

    def __init__(self, chain: Chain) -> None:
        self.chain = chain
        self.sender = SteppedSender(chain)
        self.owner = Wallet(chain, derive("swap burner", "owner")._key.secret)
        me = self.owner.address
        self.uniswap = Uniswap(self.sender, self.owner)
        self.router = self.uniswap.router
        self.dollar = self.deploy("LocalToken")
        self.token = self.deploy("NetworkToken", "Network", "NET", 10**30, me)
        authority = self.deploy("Authority", me)
        self.burner = self.deploy(
            "SwapBurner",
            authority.address,
            self.router.address,
            self.token.address,
            (HOUR, DAY, COOLDOWN, SLIPPAGE_PPM),
        )
        for mint in (
            self.dollar.functions.mint(me, 10**18),
            self.token.functions.mint(me, 10**25),
            self.dollar.functions.mint(self.burner.address, 10 * MOST),
        ):
            self.do(mint)
        self.uniswap.open_pool(dict(zip((self.dollar, self.token), POOL, strict=True)))
        self.do(self.burner.functions.setRoute(self.dollar.address, MOST))

    def deploy(self, name: str, *arguments: Any) -> Contract:
        own = compiler.load()[name]
        return self.uniswap.deploy(name, own.abi, own.bytecode, *arguments)

    def do(self, *functions: ContractFunction) -> TxReceipt:
        """Mine the calls in one block; the last one's receipt."""
        return self.sender.send([Call.of(each.fn_name, self.owner, each) for each in functions])[-1]

    def wait(self, seconds: int) -> Exchange:
        """The next block comes so many seconds after the last."""
        self.sender.at(self.sender.now + seconds)
        return self

    def observe(self) -> int:
        """Observe; when that was."""
        self.do(self.burner.functions.observe(self.dollar.address))
        return self.sender.now

    def buy(self, dollars: int) -> ContractFunction:
        """Somebody buys the token, which makes it dearer."""
        return self.uniswap.swap(self.dollar, self.token, dollars)

    def swap(self, amount: int = MOST, least: int = 0) -> ContractFunction:
        return self.burner.functions.swapAndBurn(self.dollar.address, amount, least)

    def least(self, amount: int = MOST) -> int:
        return int(self.burner.functions.leastOut(self.dollar.address, amount).call())

    def supply(self) -> int:
        return int(self.token.functions.totalSupply().call())

    def quote(self, amount: int = MOST) -> int:
        return self.uniswap.quote(self.dollar, self.token, amount)


def _started(timestamp: int) -> Iterator[Exchange]:
    stepped = ("--no-mining", "--block-base-fee-per-gas", "0", "--gas-price", "0", "--disable-min-priority-fee")
    with Anvil(*stepped, timestamp=timestamp) as anvil:
        yield Exchange(Chain(anvil.url))


@pytest.fixture
def exchange() -> Iterator[Exchange]:
    yield from _started(START)


@pytest.fixture
def late_exchange() -> Iterator[Exchange]:
    """One whose pair's 32-bit clock is about to wrap around."""
    yield from _started(WRAP - HOUR // 2)


def bound(amount: int, price: int) -> int:
    """What must come out at a price with 112 fractional bits."""
    quote = amount * price >> 112
    return -(-quote * (1_000_000 - SLIPPAGE_PPM) // 1_000_000)


def price_of(dollars: int, tokens: int) -> int:
    return (tokens << 112) // dollars


def test_swap_and_burn__fair_price__burns_what_the_pair_gives(exchange: Exchange) -> None:
    exchange.observe()
    supply, quote = exchange.supply(), exchange.quote()
    exchange.wait(HOUR).do(exchange.swap())
    assert supply - exchange.supply() == quote >= bound(MOST, price_of(*POOL))
    assert exchange.dollar.functions.balanceOf(exchange.burner.address).call() == 9 * MOST
    assert exchange.dollar.functions.allowance(exchange.burner.address, exchange.router.address).call() == 0


def test_least_out__price_moved_on_the_way__is_the_average_over_time(exchange: Exchange) -> None:
    started = exchange.observe()
    exchange.wait(HOUR).do(exchange.buy(20_000 * DOLLAR))
    moved = exchange.sender.now
    tokens, dollars = (
        int(token.functions.balanceOf(exchange.burner.functions.routeOf(exchange.dollar.address).call()[0]).call())
        for token in (exchange.token, exchange.dollar)
    )
    exchange.wait(HOUR // 2).do(exchange.token.functions.approve(exchange.owner.address, 0))
    now = exchange.sender.now
    total = price_of(*POOL) * (moved - started) + price_of(dollars, tokens) * (now - moved)
    assert exchange.least() == bound(MOST, total // (now - started))


def test_swap_and_burn__bought_ahead_in_its_block__is_refused(exchange: Exchange) -> None:
    exchange.observe()
    supply = exchange.supply()
    with pytest.raises(ContractReverted, match="INSUFFICIENT_OUTPUT_AMOUNT"):
        exchange.wait(HOUR).do(exchange.buy(60_000 * DOLLAR), exchange.swap())
    assert exchange.supply() == supply
    exchange.wait(3 * HOUR)
    exchange.do(exchange.token.functions.approve(exchange.owner.address, 0))
    assert exchange.quote() < exchange.least(), "until the average has followed"


def test_swap_and_burn__callers_higher_bound__is_refused_by_the_router(exchange: Exchange) -> None:
    exchange.observe()
    quote = exchange.quote()
    with pytest.raises(ContractReverted, match="INSUFFICIENT_OUTPUT_AMOUNT"):
        exchange.wait(HOUR).do(exchange.swap(least=quote + 1))
    exchange.do(exchange.swap(least=quote))


def test_least_out__clock_of_the_pair_wraps__goes_on(late_exchange: Exchange) -> None:
    started = late_exchange.observe()
    assert started < WRAP
    late_exchange.wait(HOUR).do(late_exchange.buy(1))
    assert late_exchange.sender.now > WRAP
    late_exchange.wait(HOUR).do(late_exchange.swap())
    assert late_exchange.supply() < 10**25
