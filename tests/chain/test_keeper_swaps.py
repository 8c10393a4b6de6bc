# SPDX-License-Identifier: Apache-2.0
"""A keeper where what is to be burned is swapped first, through Uniswap V2 itself."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from chain.deployment.settings import Swap
from chain.transactions import Call, SteppedSender, Wallet
from oracle.ground.merkle import Tree
from scenario.market import key_of
from settlement.planning import PlanSettings, gas
from tests.chain.keeping import Keeping, escrow_balance, reported
from tests.chain.town import EPOCHS, Deployed, Town, deployment
from tests.uniswap import Uniswap

pytestmark = pytest.mark.chain

MIN_PERIOD, MAX_PERIOD, COOLDOWN = 100, 300, 700
MANY = 10**24
PARTS = 3


class SwappingTown(Town):
    """A town whose burner swaps the job's token in a pool."""

    def __init__(self, at: Deployed, folder: Path, uniswap: Uniswap) -> None:
        super().__init__(at, folder)
        self.uniswap = uniswap
        self.own = self.network.network_token
        self.dollar = self.network.token
        self.burner = self.network.swap_burner
        chain, owner = self.at.chain, uniswap.owner
        # Only licences' rewards mint the network's token.
        minter = self.own.functions.minter().call()
        chain.rpc("anvil_impersonateAccount", minter)
        chain.rpc("anvil_setBalance", minter, hex(10**18))
        data = self.own.functions.mint(owner.address, MANY)._encode_transaction_data()
        chain.rpc("eth_sendTransaction", {"from": minter, "to": self.own.address, "data": data})
        self.timeline.send([Call.of("mint", owner, self.dollar.functions.mint(owner.address, MANY))])
        uniswap.sender = self.timeline
        uniswap.open_pool({self.dollar: MANY, self.own: MANY})

    def waiting(self) -> int:
        """How much of the job's token is at the burner."""
        return int(self.dollar.functions.balanceOf(self.burner.address).call())

    def supply(self) -> int:
        return int(self.own.functions.totalSupply().call())

    def open_route(self, most: int) -> None:
        governor = Wallet(self.at.chain, key_of("governor"))
        self.timeline.send([Call.of("route", governor, self.burner.functions.setRoute(self.dollar.address, most))])

    def wait(self, seconds: int) -> None:
        self.timeline.reach(self.timeline.now + seconds)


@pytest.fixture
def swapping(tmp_path: Path) -> Iterator[SwappingTown]:
    made: list[Uniswap] = []

    def swap(sender: SteppedSender) -> Swap:
        owner = Wallet(sender.chain, key_of("liquidity"))
        sender.chain.rpc("anvil_setBalance", owner.address, hex(10**20))
        made.append(Uniswap(sender, owner))
        return Swap(made[0].router.address, MIN_PERIOD, MAX_PERIOD, COOLDOWN)

    with deployment(swap=swap) as at:
        town = SwappingTown(at, tmp_path, made[0])
        with town.stack:
            yield town


def test_keeper__burner_that_swaps__observes_and_swaps_until_nothing_is_left(
    swapping: SwappingTown, tmp_path: Path
) -> None:
    town, trees = swapping, dict[int, Tree]()
    token = town.dollar.address.lower()
    # Else it would burn the local token as it is, which can be as long as it has no route.
    patient = PlanSettings(least_sent={token: MANY})
    keeper = Keeping(town, tmp_path / "patient", trees, "patient", settings=patient)
    for epoch in range(EPOCHS + 3):
        reported(town, epoch, trees)
        keeper.until_idle()
        town.wait(town.network.settle_window)
        keeper.until_idle()
    left = town.waiting()
    assert left > 0
    assert town.network.job(town.at.job)["closed"]

    town.open_route(-(-left // PARTS))
    keeper = Keeping(town, tmp_path / "keeper", trees)
    supply = town.supply()
    observe, swap = f"observe the price of {token}", f"swap {token} and burn what comes out"
    assert keeper.until_idle() == [observe]
    assert any(f"{token}: the burner swaps" in one for one in keeper.executor.look(1.0)[1].waiting)
    for part in range(PARTS):
        before = town.waiting()
        town.wait(MIN_PERIOD)
        assert keeper.until_idle() == [swap]
        assert town.waiting() == max(0, before - -(-left // PARTS))
        if part == PARTS - 1:
            break
        town.wait(COOLDOWN - MIN_PERIOD - 20)
        assert keeper.until_idle() == [], "an observation so early would be too old when the next swap is allowed"
        town.wait(20)
        assert keeper.until_idle() == [observe]
    assert town.waiting() == 0
    swaps = town.burner.events.Swapped().get_logs(from_block=0)
    assert town.supply() == supply - sum(one["args"]["received"] for one in swaps)
    observations = town.burner.events.PriceObserved().get_logs(from_block=0)
    swapped = {one["transactionHash"] for one in swaps}
    assert len(swapped) == PARTS
    for one in observations:
        spent = town.at.chain.w3.eth.get_transaction_receipt(one["transactionHash"])["gasUsed"]
        assert spent <= (gas.SWAP if one["transactionHash"] in swapped else gas.OBSERVE)
    assert keeper.until_idle() == []
    assert escrow_balance(town) == 0


def test_keeper__price_fell_since_it_was_observed__waits_and_observes_anew(
    swapping: SwappingTown, tmp_path: Path
) -> None:
    town, token = swapping, swapping.dollar.address.lower()
    keeper = Keeping(town, tmp_path / "keeper", {})
    town.timeline.send([Call.of("give", town.uniswap.owner, town.dollar.functions.mint(town.burner.address, 10**9))])
    town.open_route(10**9)
    assert keeper.until_idle() == [f"observe the price of {token}"]
    sell = town.uniswap.swap(town.dollar, town.own, MANY // 10)
    minted = town.dollar.functions.mint(town.uniswap.owner.address, MANY)
    town.wait(MIN_PERIOD - 10)
    town.timeline.send([Call.of("mint", town.uniswap.owner, minted), Call.of("sell", town.uniswap.owner, sell)])
    town.wait(20)
    assert keeper.until_idle() == []
    assert town.waiting() == 10**9
    town.wait(MAX_PERIOD)
    assert keeper.until_idle() == [f"observe the price of {token}"]
    town.wait(MIN_PERIOD)
    assert keeper.until_idle() == [f"swap {token} and burn what comes out"]
    assert town.waiting() == 0
