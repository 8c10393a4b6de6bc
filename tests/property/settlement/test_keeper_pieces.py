# SPDX-License-Identifier: Apache-2.0
"""Ranges and single settlements: of all ways to cut a job's leaves, the plan's takes the least."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from hypothesis import given
from hypothesis import strategies as st

from oracle.ground.ids import KIND_ASSIGNMENT, pack
from oracle.ground.leaves import Leaf
from oracle.ground.merkle import Tree, verify_range
from settlement.planning import gas
from settlement.planning.settling import Mover, Piece, call_of, pieces

SIZE = 64  # all leaves at one depth
DEPTH = 6
TREE = Tree.build([Leaf(KIND_ASSIGNMENT, pack(1, slot, 1), slot, slot) for slot in range(SIZE)])


def cost(found: Sequence[Piece], movers: Sequence[Mover]) -> int:
    """As the plan counts it."""
    total = 0
    for piece in found:
        inside = [one for one in movers if piece.first <= one.index <= piece.last]
        if piece.alone:
            total += gas.single(inside[0].pays, DEPTH, inside[0].effort)
            continue
        idle = piece.last - piece.first + 1 - len(inside)
        each = sum(gas.LEAF + one.effort + gas.PAYMENT * one.pays for one in inside)
        total += gas.RANGE + gas.proof(2 * DEPTH) + each + gas.IDLE_LEAF * idle
    return total


def ways(movers: Sequence[Mover]) -> Iterator[list[Piece]]:
    """All of them."""
    if not movers:
        yield []
        return
    for count in range(1, len(movers) + 1):
        for rest in ways(movers[count:]):
            if count == 1:
                yield [Piece(movers[0].index, movers[0].index, True), *rest]
            yield [Piece(movers[0].index, movers[count - 1].index, False), *rest]


@st.composite
def some_movers(draw: st.DrawFn) -> list[Mover]:
    places = sorted(draw(st.sets(st.integers(0, SIZE - 1), min_size=1, max_size=7)))
    return [Mover(place, draw(st.sampled_from([0, gas.WITHHOLDING])), draw(st.booleans())) for place in places]


@given(some_movers())
def test_pieces__of_some_leaves__take_the_least_of_all_ways(movers: list[Mover]) -> None:
    assert cost(pieces(TREE, movers, 12_000_000), movers) == min(cost(one, movers) for one in ways(movers))


@given(st.integers(1, 120), st.data(), st.integers(120_000, 600_000))
def test_pieces__of_any_tree__have_each_leaf_once_within_the_gas_and_are_provable(
    size: int, data: st.DataObject, max_gas: int
) -> None:
    tree = Tree.build([Leaf(KIND_ASSIGNMENT, pack(1 + slot // 40, slot % 40, 1), slot, slot) for slot in range(size)])
    places = sorted(data.draw(st.sets(st.integers(0, size - 1), max_size=size)))
    movers = [Mover(place, gas.WITHHOLDING * (place % 3 == 0), place % 2 == 0) for place in places]
    found = pieces(tree, movers, max_gas)
    covered = [place for piece in found for place in range(piece.first, piece.last + 1)]
    assert covered == sorted(set(covered))
    assert set(places) <= set(covered)
    for piece in found:
        if not piece.alone:
            call = call_of(tree, piece)
            leaves = tree.leaves[piece.first : piece.last + 1]
            assert {leaf.id >> 64 for leaf in leaves} == {call.job}
            verify_range(tree.root, [leaf.hash() for leaf in leaves], call.tree_index, call.proof)
            inside = [one for one in movers if piece.first <= one.index <= piece.last]
            more = sum(one.effort for one in inside)
            assert len(inside) == 1 or gas.in_range(leaves, len(inside), more, len(call.proof)) <= max_gas
