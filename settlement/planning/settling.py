"""Which leaves to settle one by one and which in ranges, so that it takes the least gas. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from oracle.ground.ids import KIND_ASSIGNMENT
from oracle.ground.merkle import Tree
from settlement.planning import gas
from settlement.planning.ranges import RangeCall, pack_leaf

MAX_LEAVES = 1_000
"""A range's calldata stays far below what nodes take of one transaction."""


@dataclass(frozen=True, slots=True)
class Mover:
    """A leaf to settle: its place in the tree, what it takes beyond moving seconds, and whether its payee is to be paid
    then."""

    index: int
    effort: int
    pays: bool


@dataclass(frozen=True, slots=True)
class Piece:
    """Leaves `first` to `last`, both included, of one transaction; `alone`: by `settle`, or `settleAndClaim`."""

    first: int
    last: int
    alone: bool


def pieces(tree: Tree, movers: Sequence[Mover], max_gas: int) -> list[Piece]:
    """The cheapest transactions that settle the movers, which are in the tree's order."""
    found: list[Piece] = []
    for group in _groups(tree, movers):
        found += _cheapest(group, _depth(tree, group[0].index), max_gas)
    return found


def call_of(tree: Tree, piece: Piece) -> RangeCall:
    """The arguments of `settleRange`."""
    proof = tree.range_proof(piece.first, piece.last)
    leaves = tree.leaves[piece.first : piece.last + 1]
    return RangeCall(leaves[0].id >> 64, proof.tree_index, tuple(map(pack_leaf, leaves)), proof.proof)


def _groups(tree: Tree, movers: Sequence[Mover]) -> Iterator[list[Mover]]:
    """Movers that one range could hold: of one job, at one depth of the tree."""
    group: list[Mover] = []
    for one in movers:
        if group and _place(tree, group[-1].index) != _place(tree, one.index):
            yield group
            group = []
        group.append(one)
    if group:
        yield group


def _place(tree: Tree, index: int) -> tuple[int, int]:
    leaf = tree.leaves[index]
    assert leaf.kind == KIND_ASSIGNMENT, "only assignments' leaves are settled"
    return leaf.id >> 64, _depth(tree, index)


def _depth(tree: Tree, index: int) -> int:
    """Elements of a leaf's proof."""
    return (2 * len(tree.leaves) - 1 - index).bit_length() - 1


def _cheapest(group: Sequence[Mover], depth: int, max_gas: int) -> list[Piece]:
    """By what the first i movers take at least: where the last of them stands alone, and where it ends a range."""
    starting = gas.RANGE + gas.proof(2 * depth)
    alone: list[tuple[int, bool]] = []
    ranged: list[tuple[int, bool]] = []
    for place, one in enumerate(group):
        before = min(alone[-1][0], ranged[-1][0]) if place else 0
        alone.append((before + gas.single(one.pays, depth, one.effort), place > 0 and ranged[-1][0] < alone[-1][0]))
        mine = gas.LEAF + one.effort + gas.PAYMENT * one.pays
        fresh = before + starting + mine
        longer = fresh
        if place:
            longer = ranged[-1][0] + mine + gas.IDLE_LEAF * (one.index - group[place - 1].index - 1)
        ranged.append((min(fresh, longer), place > 0 and longer <= fresh))
    return list(reversed(list(_backwards(group, alone, ranged, starting, max_gas))))


def _backwards(
    group: Sequence[Mover],
    alone: Sequence[tuple[int, bool]],
    ranged: Sequence[tuple[int, bool]],
    starting: int,
    max_gas: int,
) -> Iterator[Piece]:
    """The way that led to the least, from its end; long ranges are cut."""
    place = len(group) - 1
    in_range = ranged[place][0] < alone[place][0]
    while place >= 0:
        if not in_range:
            yield Piece(group[place].index, group[place].index, True)
            in_range = alone[place][1]
            place -= 1
            continue
        last = place
        while ranged[place][1]:
            place -= 1
        yield from reversed(list(_cut(group[place : last + 1], starting, max_gas)))
        place -= 1
        in_range = place >= 0 and ranged[place][0] < alone[place][0]


def _cut(movers: Sequence[Mover], starting: int, max_gas: int) -> Iterator[Piece]:
    """Parts of a range that stay within the gas that one transaction may take."""
    first, spent = movers[0].index, starting
    last = first - 1
    for one in movers:
        mine = gas.LEAF + one.effort
        idle = gas.IDLE_LEAF * (one.index - last - 1)
        if last >= first and (spent + idle + mine > max_gas or one.index - first >= MAX_LEAVES):
            yield Piece(first, last, False)
            first, spent, idle = one.index, starting, 0
        spent += idle + mine
        last = one.index
    yield Piece(first, last, False)
