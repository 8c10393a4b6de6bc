# SPDX-License-Identifier: Apache-2.0
"""Proofs of leaves: what is in no tree settles nothing, however it is dressed."""

from __future__ import annotations

from dataclasses import replace

import pytest

from oracle.ground.ids import pack
from oracle.ground.leaves import EMPTY, Leaf
from oracle.ground.merkle import Tree
from tests.contract.world import GENESIS, World, leaf, packed_leaf, refused

SLOTS = 5


@pytest.fixture
def tree(world: World) -> Tree:
    """A final report of epoch 0 over five leaves of job 1: leaves 0 and 1 lie at depth 3, leaves 2 to 4 at depth 2."""
    job = world.create_job(slots=SLOTS)
    assignments = world.assign_all(job, GENESIS, SLOTS)
    return world.publish(0, [leaf(one, 900 + i, 1_000) for i, one in enumerate(assignments)])


def settle_range(
    world: World, tree_index: int, leaves: list[Leaf] | list[int], proof: list[bytes] | tuple[bytes, ...], job: int = 1
) -> None:
    packed = [one if isinstance(one, int) else packed_leaf(one) for one in leaves]
    world.do(world.keeper, world.escrow.settleRange(0, job, tree_index, packed, list(proof)))


def earned(world: World) -> list[int]:
    return [world.assignment(pack(1, slot, 1))["earned"] for slot in range(SLOTS)]


@pytest.mark.parametrize(("first", "last"), [(0, 0), (0, 1), (1, 1), (2, 2), (2, 3), (3, 4), (2, 4), (4, 4)])
def test_settle_range__any_range_of_one_depth__settles_it_alone(
    world: World, tree: Tree, first: int, last: int
) -> None:
    world.settle_range(0, tree, first, last)
    assert earned(world) == [900 + i if first <= i <= last else 0 for i in range(SLOTS)]


def test_settle_range__range_crosses_depths__is_refused(world: World, tree: Tree) -> None:
    for first, last in ((1, 2), (0, 2), (0, 4), (1, 4)):
        index, leaves = 8 - first, list(tree.leaves[first : last + 1])
        for proof in ([], list(tree.proof(first)), list(tree.proof(last))):
            with refused("LeafProof_MalformedRange", treeIndex=index, leaves=last - first + 1):
                settle_range(world, index, leaves, proof)


def test_settle_range__forged_leaf_behind_the_edge_of_the_depth__is_refused(world: World, tree: Tree) -> None:
    """A prototype that didn't compare depths never read the last leaf of such a range, and paid it."""
    forged = leaf(pack(1, 4, 1), 1_000, 1_000)
    with refused("LeafProof_MalformedRange", treeIndex=7, leaves=2):
        settle_range(world, 7, [tree.leaves[1], forged], tree.proof(1))


@pytest.mark.parametrize("index", [0, 3, 8, 2**64 - 1])
def test_settle_range__empty__is_refused(world: World, tree: Tree, index: int) -> None:
    for proof in ([], [tree.root]):
        with refused("LeafProof_MalformedRange", treeIndex=index, leaves=0):
            settle_range(world, index, [], proof)


def test_settle_range__beyond_the_tree__is_refused(world: World, tree: Tree) -> None:
    with refused("LeafProof_MalformedRange", treeIndex=1, leaves=3):
        settle_range(world, 1, list(tree.leaves[:3]), [])
    for index in (2**64, 2**255, 2**256 - 1):
        with refused("LeafProof_MalformedRange", treeIndex=index, leaves=1):
            settle_range(world, index, [tree.leaves[0]], [])


def test_settle_range__proof_too_short__is_refused(world: World, tree: Tree) -> None:
    proof = tree.range_proof(2, 3)
    for given in range(len(proof.proof)):
        with refused("LeafProof_WrongLength", given=given):
            settle_range(world, proof.tree_index, list(tree.leaves[2:4]), proof.proof[:given])


def test_settle_range__proof_too_long__is_refused(world: World, tree: Tree) -> None:
    proof = tree.range_proof(2, 4)
    with refused("LeafProof_WrongLength", given=len(proof.proof) + 1):
        settle_range(world, proof.tree_index, list(tree.leaves[2:5]), [*proof.proof, tree.root])
    with refused("LeafProof_WrongLength", given=1):
        settle_range(world, 0, [tree.leaves[0]], [tree.root])


def test_settle_range__forged_leaf__is_refused(world: World, tree: Tree) -> None:
    proof = tree.range_proof(2, 4)
    for at in range(3):
        for forgery in ({"earned": 1_000}, {"accounted": 1_001}, {"id": pack(1, 3, 2)}):
            leaves = list(tree.leaves[2:5])
            leaves[at] = replace(leaves[at], **forgery)
            if leaves[at] == tree.leaves[2 + at]:
                continue
            with refused("LeafProof_WrongRoot", expected=tree.root):
                settle_range(world, proof.tree_index, leaves, proof.proof)


def test_settle_range__indexes_forged__is_refused(world: World, tree: Tree) -> None:
    right = tree.range_proof(2, 3)
    assert right.tree_index == 6
    for index in range(64):
        if index in (4, 6):  # sides don't count in a commutative hash: both prove the same leaves
            continue
        with pytest.raises(Exception, match="LeafProof_"):
            settle_range(world, index, list(tree.leaves[2:4]), right.proof)
    assert earned(world) == [0] * SLOTS


def test_settle_range__leaves_of_another_job__are_refused(world: World, tree: Tree) -> None:
    world.create_job(startsAt=world.now + 5)
    proof = tree.range_proof(2, 4)
    with refused("LeafProof_WrongRoot", expected=tree.root):
        settle_range(world, proof.tree_index, list(tree.leaves[2:5]), proof.proof, job=2)


def test_settle_range__high_bits_set_in_a_leaf_word__are_no_other_leaf(world: World, tree: Tree) -> None:
    proof = tree.range_proof(2, 2)
    settle_range(world, proof.tree_index, [packed_leaf(tree.leaves[2]) | 7 << 192], proof.proof)
    assert earned(world) == [0, 0, 902, 0, 0]


def test_settle_range__inner_nodes_given_as_leaves__are_refused(world: World, tree: Tree) -> None:
    """The hashes of a level above would prove themselves, were leaves not hashed from their values."""
    value = int.from_bytes(tree.nodes[1], "big") & (1 << 192) - 1
    with refused("LeafProof_WrongRoot", expected=tree.root):
        settle_range(world, 1, [value], [tree.nodes[2]])


def test_settle__forged_leaf__is_refused(world: World, tree: Tree) -> None:
    good = tree.leaves[0]
    for forged in (
        replace(good, earned=1_000),
        replace(good, accounted=1_001),
        replace(good, id=pack(1, 1, 1)),
        replace(good, id=good.id | 1 << 200),
    ):
        with refused("JobEscrow_LeafNotInReport", epoch=0, leaf=forged.hash()):
            world.do(
                world.keeper,
                world.escrow.settle(0, forged.id, forged.earned, forged.accounted, list(tree.proof(0))),
            )


def test_settle__leaf_of_another_kind__is_refused(world: World, tree: Tree) -> None:
    """A licence's or oracle's seconds don't pay an assignment of the same id."""
    one = pack(1, 0, 1)
    other = world.publish(1, [Leaf(2, one, 2_000, 2_000), Leaf(3, one, 2_000, 2_000)])
    for index in (0, 1):
        with refused("JobEscrow_LeafNotInReport", epoch=1):
            world.settle(1, other, index)


def test_settle__proof_of_another_report__is_refused(world: World, tree: Tree) -> None:
    other = world.publish(1, [leaf(pack(1, 0, 1), 1_900, 2_000)])
    with refused("JobEscrow_LeafNotInReport", epoch=1):
        world.settle(1, tree, 0)
    with refused("JobEscrow_LeafNotInReport", epoch=0):
        world.settle(0, other, 0)


def test_settle__tree_of_one_leaf__is_proved_by_nothing(world: World, tree: Tree) -> None:
    one = pack(1, 0, 1)
    only = world.publish(1, [leaf(one, 1_900, 2_000)])
    assert only.proof(0) == ()
    world.settle(1, only)
    assert world.assignment(one)["earned"] == 1_900


def test_settle__empty_network__is_void(world: World) -> None:
    tree = world.publish(0, [EMPTY])
    with refused("JobEscrow_LeafNotInReport", epoch=0):
        world.settle(0, tree)


def test_settle_range__tree_of_one_leaf__is_proved_by_nothing(world: World, tree: Tree) -> None:
    one = pack(1, 4, 1)
    only = world.publish(1, [leaf(one, 1_900, 2_000)])
    world.settle_range(1, only, 0, 0)
    assert world.assignment(one)["earned"] == 1_900
