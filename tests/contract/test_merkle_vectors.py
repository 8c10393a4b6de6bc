# SPDX-License-Identifier: Apache-2.0
"""The contracts accept and refuse what Python and the npm package do: the vectors all three share."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from web3.contract.contract import Contract

from chain import compiler
from chain.client import RpcError
from chain.errors import decode_revert
from chain.transactions import Call
from tests.contract.world import World

VECTORS = json.loads((Path(__file__).resolve().parents[1] / "vectors" / "merkle.json").read_text())
REFUSALS = {
    "malformed": ("LeafProof_MalformedRange", "LeafProof_WrongLength"),
    "invalid": ("LeafProof_WrongRoot",),
}


@pytest.fixture
def harness(world: World) -> Contract:
    artifact = compiler.load("tests/contract/solidity")["LeafProofHarness"]
    (receipt,) = world.sender.send([Call("deploy LeafProofHarness", world.admin.wallet, None, artifact.bytecode)])
    return world.chain.contract(receipt["contractAddress"], artifact.abi)


def refusal(world: World, harness: Contract, root: str, leaves: Any, index: int | str, proof: Any) -> str:
    """The name of the error with which the range is refused; empty when it is accepted."""
    values = [tuple(int(leaf[name]) for name in ("kind", "id", "earned", "accounted")) for leaf in leaves]
    call = harness.functions.verify(root, values, int(index), proof)
    try:
        world.chain.rpc("eth_call", {"to": harness.address, "data": call._encode_transaction_data()}, "latest")
    except RpcError as error:
        return type(decode_revert("verify", error.data)).__name__
    return ""


def test_verify_range__every_range_of_the_vectors__is_accepted(world: World, harness: Contract) -> None:
    for tree in VECTORS["trees"]:
        for one in tree["ranges"]:
            leaves = tree["leaves"][one["first"] : one["last"] + 1]
            assert not refusal(world, harness, tree["root"], leaves, one["treeIndex"], one["proof"]), one


@pytest.mark.parametrize("forged", VECTORS["forged"], ids=lambda forged: forged["name"])
def test_verify_range__forged_vector__is_refused(world: World, harness: Contract, forged: dict[str, Any]) -> None:
    name = refusal(world, harness, forged["root"], forged["leaves"], forged["treeIndex"], forged["proof"])
    assert name in REFUSALS[forged["refusal"]]
