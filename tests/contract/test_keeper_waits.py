# SPDX-License-Identifier: Apache-2.0
"""What a keeper leaves alone on the deployed contracts: what is frozen, and what a token refuses to pay."""

from __future__ import annotations

from copy import copy

import pytest
from eth_utils.crypto import keccak

from chain import compiler
from chain.events import EventLog
from chain.transactions import Call
from oracle.ground.merkle import Tree
from settlement.keeping.calls import call_of
from settlement.keeping.reading import StateReader
from settlement.planning import Plan, PlanSettings, plan
from settlement.planning.actions import Claim
from tests.contract.world import GENESIS, World, leaf


@pytest.fixture
def fickle(world: World) -> World:
    """A world whose escrow takes a token that can refuse a receiver."""
    artifact = compiler.load("tests/contract/solidity")["FickleToken"]
    (receipt,) = world.sender.send([Call("deploy FickleToken", world.admin.wallet, None, artifact.bytecode)])
    network = world.deploy(tokens=(receipt["contractAddress"],))
    network.token = world.chain.contract(receipt["contractAddress"], artifact.abi)
    elsewhere = copy(world)
    elsewhere.enter(network)
    return elsewhere


class Eye:
    """What a keeper plans in a world."""

    def __init__(self, world: World) -> None:
        self.world = world
        self.reader = StateReader(world.network, EventLog.of(world.network))
        self.trees: dict[int, Tree] = {}

    def plan(self) -> Plan:
        self.world.chain.rpc("anvil_mine", hex(70), "0x1")
        self.world.sender.now = self.world.chain.block("latest").timestamp
        return plan(self.reader.read().snapshot, self.trees, PlanSettings())

    def act(self) -> list[str]:
        actions = self.plan().actions
        for one in actions:
            to, data = call_of(self.world.network, one)
            self.world.sender.send([Call(one.label, self.world.keeper.wallet, to, data)])
        return [one.label for one in actions]


def served(world: World) -> tuple[Eye, list[int]]:
    """Three assignments of which an epoch is settled, and none is paid."""
    eye = Eye(world)
    ids = world.assign_all(world.create_job(), GENESIS + 1)
    tree = eye.trees[0] = world.publish(0, [leaf(one, 900, 900) for one in ids])
    for index in range(3):
        world.settle(0, tree, index)
    return eye, ids


def claims(found: Plan) -> list[int]:
    return [key for one in found.actions if isinstance(one.what, Claim) for key in one.what.assignments]


def test_plan__while_a_licence_is_frozen__pays_the_others(world: World) -> None:
    eye, ids = served(world)
    until = world.now + 300
    freeze = world.network.trust.functions.freeze((1 << 248) | world.linked[1].id, until, 7, keccak(text="why"))
    world.do(world.admin, freeze)
    world.do(world.stranger, world.escrow.mark([ids[1]]))
    found = eye.plan()
    assert claims(found) == [ids[0], ids[2]]
    assert any("frozen" in line for line in found.waiting)
    eye.act()
    world.wait_until(until)
    assert claims(eye.plan()) == [ids[1]]


def test_plan__once_a_token_refused_a_payee__pays_the_others_and_no_more_in_vain(fickle: World) -> None:
    eye, ids = served(fickle)
    fickle.do(fickle.admin, fickle.network.token.functions.refuse(fickle.linked[2].holder.address))
    assert eye.act() == ["pay 3 assignments, 1/0/1 first"]
    assert [fickle.assignment(one)["claimed"] for one in ids] == [900, 900, 0]
    found = eye.plan()
    assert claims(found) == []
    assert any("refuses to pay" in line for line in found.waiting)
