# SPDX-License-Identifier: Apache-2.0
"""Which leaves a keeper settles, and in which ranges: small trees whose answer one can see."""

from __future__ import annotations

from oracle.ground.ids import KIND_ASSIGNMENT, KIND_LICENCE, KIND_ORACLE, pack
from oracle.ground.leaves import EMPTY, Leaf
from oracle.ground.merkle import Tree, verify_range
from settlement.planning.ranges import MAX_GAP, MAX_LEAVES, RangeCall, pack_leaf, settle_calls


def leaf(job: int, slot: int, earned: int = 10, accounted: int = 12) -> Leaf:
    return Leaf(KIND_ASSIGNMENT, pack(job, slot, 1), earned, accounted)


def of_one_job(size: int) -> Tree:
    return Tree.build([leaf(1, slot) for slot in range(size)])


def numbers(tree: Tree, call: RangeCall) -> list[int]:
    """Which leaves of the tree a call settles."""
    first = 2 * len(tree.leaves) - 2 - call.tree_index
    return list(range(first, first + len(call.leaves)))


def test_pack_leaf__slot_generation_and_seconds__stand_side_by_side() -> None:
    packed = pack_leaf(Leaf(KIND_ASSIGNMENT, pack(7, 3, 9), 5, 8))
    assert packed == 3 << 160 | 9 << 128 | 5 << 64 | 8


def test_settle_calls__nothing_moves__is_no_call() -> None:
    assert settle_calls(of_one_job(5), lambda _: False) == []


def test_settle_calls__empty_network__is_no_call() -> None:
    assert settle_calls(Tree.build([EMPTY]), lambda _: True) == []


def test_settle_calls__licences_and_oracles__are_left_out() -> None:
    tree = Tree.build([leaf(1, 0), Leaf(KIND_LICENCE, 1, 5, 5), Leaf(KIND_ORACLE, 1, 5, 5)])
    assert [numbers(tree, call) for call in settle_calls(tree, lambda _: True)] == [[0]]


def test_settle_calls__tree_of_one_leaf__needs_no_proof() -> None:
    tree = of_one_job(1)
    (call,) = settle_calls(tree, lambda _: True)
    assert (call.job, call.tree_index, call.proof) == (1, 0, ())
    verify_range(tree.root, [tree.leaves[0].hash()], call.tree_index, call.proof)


def test_settle_calls__range_across_depths__is_split_there() -> None:
    tree = of_one_job(5)  # leaves 0 and 1 lie one level below 2, 3 and 4
    calls = settle_calls(tree, lambda _: True)
    assert [numbers(tree, call) for call in calls] == [[0, 1], [2, 3, 4]]


def test_settle_calls__two_jobs_side_by_side__are_never_in_one_range() -> None:
    tree = Tree.build([leaf(1, 0), leaf(1, 1), leaf(2, 0), leaf(2, 1)])
    calls = settle_calls(tree, lambda _: True)
    assert [(call.job, numbers(tree, call)) for call in calls] == [(1, [0, 1]), (2, [2, 3])]


def test_settle_calls__gap_as_long_as_allowed__is_bridged() -> None:
    tree = of_one_job(16)
    moving = {tree.leaves[3].id, tree.leaves[3 + MAX_GAP].id}
    (call,) = settle_calls(tree, lambda one: one.id in moving)
    assert numbers(tree, call) == list(range(3, 4 + MAX_GAP))


def test_settle_calls__gap_one_longer__makes_two_ranges() -> None:
    tree = of_one_job(16)
    moving = {tree.leaves[3].id, tree.leaves[4 + MAX_GAP].id}
    calls = settle_calls(tree, lambda one: one.id in moving)
    assert [numbers(tree, call) for call in calls] == [[3], [4 + MAX_GAP]]


def test_settle_calls__more_than_the_limit__is_cut_into_limits() -> None:
    tree = of_one_job(16)
    calls = settle_calls(tree, lambda _: True, max_leaves=6)
    assert [len(call.leaves) for call in calls] == [6, 6, 4]


def test_settle_calls__large_job__stays_within_the_default_limit() -> None:
    calls = settle_calls(of_one_job(2 * MAX_LEAVES + 1), lambda _: True)
    assert max(len(call.leaves) for call in calls) == MAX_LEAVES
    assert sum(len(call.leaves) for call in calls) == 2 * MAX_LEAVES + 1
