# SPDX-License-Identifier: Apache-2.0
"""Plans over random trees: every moving leaf once, every range provable."""

from __future__ import annotations

from collections.abc import Sequence

from hypothesis import given
from hypothesis import strategies as st

from oracle.ground.ids import KIND_ASSIGNMENT, KIND_LICENCE, pack
from oracle.ground.leaves import Leaf
from oracle.ground.merkle import Tree, verify_range
from settlement.planning.ranges import MAX_GAP, pack_leaf, settle_calls


@st.composite
def trees(draw: st.DrawFn) -> Tree:
    """Leaves of one to four jobs of up to 40 slots, and some licences behind them."""
    sizes = draw(st.lists(st.integers(1, 40), min_size=1, max_size=4))
    leaves = [
        Leaf(KIND_ASSIGNMENT, pack(job, slot, 1 + slot % 2), slot, slot + job)
        for job, size in enumerate(sizes, start=1)
        for slot in range(size)
    ]
    leaves += [Leaf(KIND_LICENCE, number, 1, 1) for number in range(draw(st.integers(0, 3)))]
    return Tree.build(leaves)


def unpack_leaf(job: int, packed: int) -> Leaf:
    """As the contract does it."""
    low = (1 << 64) - 1
    return Leaf(KIND_ASSIGNMENT, job << 64 | packed >> 128, packed >> 64 & low, packed & low)


@given(trees(), st.data(), st.integers(1, 50))
def test_settle_calls__any_moving_leaves__has_each_once_in_a_range_that_verifies(
    tree: Tree, data: st.DataObject, max_leaves: int
) -> None:
    flags = data.draw(st.lists(st.booleans(), min_size=len(tree.leaves), max_size=len(tree.leaves)))
    moving = {leaf for leaf, flag in zip(tree.leaves, flags, strict=True) if flag}
    settled: list[Leaf] = []
    for call in settle_calls(tree, moving.__contains__, max_leaves):
        leaves = [unpack_leaf(call.job, packed) for packed in call.leaves]
        assert [pack_leaf(leaf) for leaf in leaves] == list(call.leaves)
        verify_range(tree.root, [leaf.hash() for leaf in leaves], call.tree_index, call.proof)
        first = 2 * len(tree.leaves) - 2 - call.tree_index
        assert leaves == list(tree.leaves[first : first + len(leaves)])
        assert len(leaves) <= max_leaves
        assert longest_rest(leaves, moving) < MAX_GAP
        settled += leaves
    assert len(settled) == len(set(settled))
    assert {leaf for leaf in moving if leaf.kind == KIND_ASSIGNMENT} <= set(settled)
    assert settled == sorted(settled)


def longest_rest(leaves: Sequence[Leaf], moving: set[Leaf]) -> int:
    """The longest run of leaves that move nothing."""
    longest = run = 0
    for leaf in leaves:
        run = 0 if leaf in moving else run + 1
        longest = max(longest, run)
    return longest
