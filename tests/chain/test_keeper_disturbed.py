# SPDX-License-Identifier: Apache-2.0
"""Keepers that are killed, race, meet a reorganisation or dear gas: the money is where it would have been."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from chain.journal import FeeLimits, State
from chain.transactions import Call
from oracle.ground.merkle import Tree
from oracle.signing.signer import LocalSigner
from scenario.market import key_of
from settlement.keeping.trees import KeptTrees
from settlement.model_reports import Report
from tests.chain.keeping import LIMITS, Keeping, KnownTrees, escrow_balance, reported
from tests.chain.town import EPOCHS, Deployed, Town
from tests.project import ROOT

pytestmark = pytest.mark.chain

STEPS = "planned estimated signed persisted sent recorded receipt mined finalized settled".split()


@pytest.fixture(scope="module")
def worker() -> Iterator[subprocess.Popen[str]]:
    command = [sys.executable, "-m", "tests.chain.keeper_worker"]
    with subprocess.Popen(command, cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        yield process
        assert process.stdin
        process.stdin.close()


@dataclass
class Ripe:
    """A town whose job is over and reported, of which only what the third node failed is settled."""

    town: Town
    trees: dict[int, Tree]
    addresses: Path

    @contextmanager
    def undone(self) -> Iterator[None]:
        chain, sender = self.town.at.chain, self.town.timeline._sender
        snapshot, now = chain.rpc("evm_snapshot"), sender.now
        try:
            yield
        finally:
            chain.rpc("evm_revert", snapshot)
            sender.now = now

    def order(self, folder: Path, label: str, **changes: Any) -> dict[str, Any]:
        """What to tell a worker; its trees lie in its folder."""
        signer = LocalSigner(key_of(label))
        self.town.at.chain.rpc("anvil_setBalance", signer.address, hex(10**20))
        reports = [(Report(epoch, 0), tree.root) for epoch, tree in self.trees.items()]
        assert KeptTrees(folder / "trees", KnownTrees(self.trees)).of(reports, 0)
        told = {"url": self.town.at.chain.url, "addresses": str(self.addresses), "folder": str(folder)}
        usual = {"label": label, "die": "", "occurrence": 1, "stagger": 0, "mine": True, "every": 0}
        return {**told, **usual, **changes}

    def money(self) -> dict[str, int]:
        """Where it is."""
        town, network = self.town, self.town.network
        balance = network.token.functions.balanceOf
        people = {node.name: node.operator_key() for node in town.at.nodes} | {"csp": key_of("csp")}
        found = {name: int(balance(LocalSigner(key).address).call()) for name, key in people.items()}
        found["escrow"] = escrow_balance(town)
        found["supply"] = network.token.functions.totalSupply().call()
        return found

    def sent(self, label: str) -> int:
        """Transactions of a keeper that are in the chain."""
        return int(self.town.at.chain.w3.eth.get_transaction_count(LocalSigner(key_of(label)).address))

    def sync(self) -> None:
        """The timeline takes up from the chain's newest block, which others may have mined."""
        self.town.timeline._sender.now = self.town.at.chain.block("latest").timestamp


def settling(town: Town, epoch: int, tree: Tree) -> Call:
    leaf = tree.leaves[2]
    function = town.network.escrow.functions.settle(epoch, leaf.id, leaf.earned, leaf.accounted, list(tree.proof(2)))
    return Call.of("settle", town.keeper.wallet, function)


@pytest.fixture(scope="module")
def ripe(deployed: Deployed, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Ripe]:
    folder = tmp_path_factory.mktemp("ripe")
    town, trees = Town(deployed, folder), {}
    addresses = folder / "addresses.json"
    deployed.addresses.save(addresses)
    with town.stack:
        for epoch in range(EPOCHS + 3):
            reported(town, epoch, trees)
            if epoch == EPOCHS - 1:
                town.timeline.send([settling(town, epoch, trees[epoch])])  # so that something is to be released
        town.timeline.reach(town.timeline.now + town.network.settle_window + 5)
        town.timeline.finalize(deployed.chain.block("latest"))
        yield Ripe(town, trees, addresses)


@pytest.fixture(scope="module")
def alone(ripe: Ripe, tmp_path_factory: pytest.TempPathFactory) -> tuple[dict[str, int], int]:
    """Where the money is after one undisturbed keeper, and its transactions."""
    with ripe.undone():
        keeper = Keeping(ripe.town, tmp_path_factory.mktemp("alone"), ripe.trees, "alone")
        labels = keeper.until_idle()
        assert ("release held seconds of 1/2/1" in labels, "close job 1" in labels) == (True, True)
        assert ripe.money()["escrow"] == 0
        return ripe.money(), ripe.sent("alone")


def ask(worker: subprocess.Popen[str], *orders: dict[str, Any]) -> dict[str, int]:
    assert worker.stdin
    assert worker.stdout
    worker.stdin.write(json.dumps(orders) + "\n")
    worker.stdin.flush()
    found: dict[str, int] = json.loads(worker.stdout.readline())
    return found


@pytest.mark.parametrize(("place", "step"), list(enumerate(STEPS)), ids=STEPS)
def test_keeper__killed_at_a_step__goes_on_where_it_was(
    place: int,
    step: str,
    ripe: Ripe,
    alone: tuple[dict[str, int], int],
    worker: subprocess.Popen[str],
    tmp_path: Path,
) -> None:
    with ripe.undone():
        order = ripe.order(tmp_path, "killed", die=step, occurrence=1 + place % 3)
        assert ask(worker, order) == {"killed": signal.SIGKILL}
        ripe.sync()
        keeper = Keeping(ripe.town, tmp_path, ripe.trees, "killed")
        keeper.until_idle()
        assert ripe.money() == alone[0]
        assert ripe.sent("killed") == keeper.journal.status.counts[State.FINAL] <= alone[1]
        keeper.close()


@pytest.mark.parametrize("stagger", [0, pytest.param(12, marks=pytest.mark.long)])
def test_keepers__racing_as_processes__move_the_same_money(
    stagger: int, ripe: Ripe, alone: tuple[dict[str, int], int], worker: subprocess.Popen[str], tmp_path: Path
) -> None:
    chain = ripe.town.at.chain
    with ripe.undone():
        orders = [
            ripe.order(tmp_path / name, name, stagger=stagger, mine=False, every=0.3) for name in ("first", "second")
        ]
        chain.rpc("evm_setIntervalMining", 1)
        try:
            assert ask(worker, *orders) == {"first": 0, "second": 0}
        finally:
            chain.rpc("evm_setIntervalMining", 0)
        ripe.sync()
        assert ripe.money() == alone[0]
        sent = {name: ripe.sent(name) for name in ("first", "second")}
        wasted = sum(sent.values()) - alone[1]
        print(f"stagger {stagger} s: {sent}, {wasted} wasted of {sum(sent.values())}")
        assert wasted <= (alone[1] if stagger == 0 else 2)


def test_keeper__under_a_reorganisation__sends_again_what_was_taken_out(
    ripe: Ripe, alone: tuple[dict[str, int], int], tmp_path: Path
) -> None:
    with ripe.undone():
        keeper = Keeping(ripe.town, tmp_path, ripe.trees, "reorganised")
        reorganised = 0
        for number in range(60):
            if keeper.round().idle:
                break
            ripe.town.timeline.send(())
            if number % 2 and number < 8:
                ripe.town.at.chain.rpc("anvil_reorg", 1, [])
                ripe.sync()
                reorganised += 1
        assert reorganised >= 2
        assert (ripe.money(), ripe.sent("reorganised")) == alone
        keeper.close()


def test_keeper__whose_fee_is_too_low__replaces_its_transactions(
    ripe: Ripe, alone: tuple[dict[str, int], int], tmp_path: Path
) -> None:
    chain = ripe.town.at.chain
    with ripe.undone():
        keeper = Keeping(ripe.town, tmp_path, ripe.trees, "stuck")
        begun = keeper.round().planned
        assert begun
        chain.rpc("anvil_setNextBlockBaseFeePerGas", hex(5 * 10**9))
        ripe.town.timeline.send(())
        assert ripe.sent("stuck") == 0
        assert keeper.round().status.counts[State.SENT] == len(begun)
        keeper.now += LIMITS.stuck_seconds
        for _ in range(len(begun)):
            keeper.round()
            keeper.now += LIMITS.stuck_seconds
            chain.rpc("anvil_setNextBlockBaseFeePerGas", hex(5 * 10**9))
            ripe.town.timeline.send(())
        assert ripe.sent("stuck") > 0
        chain.rpc("anvil_setNextBlockBaseFeePerGas", "0x0")
        keeper.until_idle()
        assert (ripe.money(), ripe.sent("stuck")) == alone
        keeper.close()


def test_keeper__above_its_ceiling__waits_and_drops_what_another_did(
    ripe: Ripe, alone: tuple[dict[str, int], int], tmp_path: Path
) -> None:
    chain = ripe.town.at.chain
    with ripe.undone():
        thrifty = Keeping(ripe.town, tmp_path / "thrifty", ripe.trees, "thrifty")
        thrifty.journal.limits = FeeLimits(max_fee_gwei=1, max_priority_gwei=1)
        chain.rpc("anvil_setNextBlockBaseFeePerGas", hex(3 * 10**9))
        ripe.town.timeline.send(())
        found = thrifty.round()
        assert found.planned
        assert found.status.above_ceiling
        chain.rpc("anvil_setNextBlockBaseFeePerGas", "0x0")
        generous = Keeping(ripe.town, tmp_path / "generous", ripe.trees, "generous")
        generous.until_idle()
        assert thrifty.until_idle() == []
        assert ripe.sent("thrifty") == 0
        assert thrifty.journal.status.counts[State.DROPPED] == len(found.planned)
        assert (ripe.money(), ripe.sent("generous")) == alone
        thrifty.close()
        generous.close()
