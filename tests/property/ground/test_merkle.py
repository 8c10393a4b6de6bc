"""Every proof of a tree verifies, and nothing else does."""

from __future__ import annotations

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from oracle.ground.errors import InvalidValue
from oracle.ground.leaves import EMPTY, Leaf
from oracle.ground.merkle import InvalidProof, MalformedRange, Tree, split_ranges, verify, verify_range

REFUSED = (InvalidProof, MalformedRange)
STRANGER = Leaf(1, 7, 9, 9).hash()


def tree_of(size: int) -> Tree:
    return Tree.build([Leaf(1, number + 100, number, 2 * number) for number in range(size)])


def hashes_of(tree: Tree, first: int, last: int) -> list[bytes]:
    return [leaf.hash() for leaf in tree.leaves[first : last + 1]]


@st.composite
def ranges(draw: st.DrawFn, max_size: int = 70) -> tuple[Tree, int, int]:
    """A tree and a range of its leaves at one depth."""
    size = draw(st.integers(1, max_size))
    first = draw(st.integers(0, size - 1))
    last = draw(st.integers(first, size - 1))
    first, last = draw(st.sampled_from(split_ranges(size, first, last)))
    return tree_of(size), first, last


@pytest.mark.parametrize("size", [1, 2, 3, 4, 5, 7, 8, 9, 13])
def test_tree__every_range__verifies_by_its_edges_alone(size: int) -> None:
    tree = tree_of(size)
    for first in range(size):
        assert verify(tree.root, tree.leaves[first].hash(), tree.proof(first))
        for last in range(first, size):
            parts = split_ranges(size, first, last)
            assert [n for a, b in parts for n in range(a, b + 1)] == list(range(first, last + 1))
            if len(parts) == 2:
                with pytest.raises(InvalidValue, match="split_ranges"):
                    tree.range_proof(first, last)
            for a, b in parts:
                proof = tree.range_proof(a, b)
                assert len(proof.proof) <= 2 * size.bit_length()
                verify_range(tree.root, hashes_of(tree, a, b), proof.tree_index, proof.proof)


def test_tree__one_leaf__is_its_own_root_and_proved_by_nothing() -> None:
    tree = Tree.build([EMPTY])
    assert (tree.root, tree.proof(0)) == (EMPTY.hash(), ())
    assert verify(tree.root, EMPTY.hash(), ())
    verify_range(tree.root, [EMPTY.hash()], 0, ())


def test_tree__no_leaf__is_refused() -> None:
    with pytest.raises(InvalidValue, match="EMPTY"):
        Tree.build([])


@settings(deadline=None)
@given(ranges(max_size=3_000))
def test_range__of_a_large_tree__verifies(case: tuple[Tree, int, int]) -> None:
    tree, first, last = case
    proof = tree.range_proof(first, last)
    verify_range(tree.root, hashes_of(tree, first, last), proof.tree_index, proof.proof)


@settings(deadline=None)
@given(ranges(), st.data())
def test_range__one_leaf_replaced__is_refused(case: tuple[Tree, int, int], data: st.DataObject) -> None:
    tree, first, last = case
    proof, hashes = tree.range_proof(first, last), hashes_of(tree, first, last)
    hashes[data.draw(st.integers(0, last - first))] = STRANGER
    with pytest.raises(REFUSED):
        verify_range(tree.root, hashes, proof.tree_index, proof.proof)


@settings(deadline=None)
@given(ranges())
def test_range__stranger_at_an_edge__is_refused(case: tuple[Tree, int, int]) -> None:
    tree, first, last = case
    proof, hashes = tree.range_proof(first, last), hashes_of(tree, first, last)
    for forged, index in (
        ([*hashes, STRANGER], proof.tree_index),
        ([STRANGER, *hashes], proof.tree_index),
        ([STRANGER, *hashes], proof.tree_index + 1),
    ):
        with pytest.raises(REFUSED):
            verify_range(tree.root, forged, index, proof.proof)


@settings(deadline=None)
@given(ranges(), st.integers(-5, 5))
def test_range__other_start_index__is_refused_or_pays_the_same_leaves(case: tuple[Tree, int, int], shift: int) -> None:
    # A parent hashes its children sorted, so mirrored positions prove the same leaves; a stranger never.
    tree, first, last = case
    assume(shift)
    proof, hashes = tree.range_proof(first, last), hashes_of(tree, first, last)
    index = proof.tree_index + shift
    if shift % 2 and first < last:
        with pytest.raises(REFUSED):
            verify_range(tree.root, hashes, index, proof.proof)
    with pytest.raises(REFUSED):
        verify_range(tree.root, [STRANGER, *hashes[1:]], index, proof.proof)


@settings(deadline=None)
@given(ranges(), st.binary(min_size=32, max_size=32), st.data())
def test_range__proof_tampered__is_refused(case: tuple[Tree, int, int], element: bytes, data: st.DataObject) -> None:
    tree, first, last = case
    proof, hashes = tree.range_proof(first, last), hashes_of(tree, first, last)
    with pytest.raises(MalformedRange):
        verify_range(tree.root, hashes, proof.tree_index, (*proof.proof, element))
    if proof.proof:
        with pytest.raises(MalformedRange):
            verify_range(tree.root, hashes, proof.tree_index, proof.proof[:-1])
        at = data.draw(st.integers(0, len(proof.proof) - 1))
        swapped = (*proof.proof[:at], element, *proof.proof[at + 1 :])
        with pytest.raises(InvalidProof):
            verify_range(tree.root, hashes, proof.tree_index, swapped)
        cut = (*proof.proof[:at], proof.proof[at][:-1], *proof.proof[at + 1 :])
        with pytest.raises(MalformedRange):
            verify_range(tree.root, hashes, proof.tree_index, cut)


@settings(deadline=None)
@given(st.integers(2, 300), st.data())
def test_range__crossing_depths__is_malformed(size: int, data: st.DataObject) -> None:
    parts = split_ranges(size, 0, size - 1)
    assume(len(parts) == 2)
    tree = tree_of(size)
    first = data.draw(st.integers(0, parts[0][1]))
    last = data.draw(st.integers(parts[1][0], size - 1))
    proof = tree.range_proof(first, parts[0][1])
    with pytest.raises(MalformedRange, match="depth"):
        verify_range(tree.root, hashes_of(tree, first, last), proof.tree_index, proof.proof)


def test_range__reaching_beyond_the_root__is_malformed() -> None:
    # An unchecked start leaves the second hash of this range unpaired: it would pay a leaf of no tree.
    tree = tree_of(2)
    real = tree.leaves[1].hash()
    for index, hashes, proof in (
        (1, [real, STRANGER], tree.proof(1)),
        (0, [tree.root, STRANGER], ()),
        (0, [tree.root, STRANGER, STRANGER], ()),
        (2, [STRANGER] * 6, ()),
    ):
        with pytest.raises(MalformedRange):
            verify_range(tree.root, hashes, index, proof)


@pytest.mark.parametrize("index", [0, 3, -1, -8])
def test_range__empty_or_negative__is_malformed(index: int) -> None:
    tree = tree_of(4)
    with pytest.raises(MalformedRange):
        verify_range(tree.root, [], index, ())
    if index < 0:
        with pytest.raises(MalformedRange):
            verify_range(tree.root, [STRANGER], index, ())


@pytest.mark.parametrize(("first", "last"), [(-1, 0), (2, 1), (0, 4), (4, 4)])
def test_split__range_outside_the_tree__is_refused(first: int, last: int) -> None:
    with pytest.raises(InvalidValue):
        split_ranges(4, first, last)
