"""Which leaves of a final report to settle, and in which ranges. Pure: a tree goes in, calls come out."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

from oracle.ground.ids import KIND_ASSIGNMENT
from oracle.ground.leaves import Leaf
from oracle.ground.merkle import Tree, split_ranges

# A range of this many leaves stays below the gas cap of a transaction, even when each is settled for the first time.
MAX_LEAVES = 350
# Carrying a leaf that moves nothing costs less than a further transaction for up to this many.
MAX_GAP = 8


@dataclass(frozen=True, slots=True)
class RangeCall:
    """One `settleRange`: leaves of one job, packed as the contract takes them, and the proof of their edges."""

    job: int
    tree_index: int
    leaves: tuple[int, ...]
    proof: tuple[bytes, ...]


def settle_calls(tree: Tree, moves: Callable[[Leaf], bool], max_leaves: int = MAX_LEAVES) -> list[RangeCall]:
    """The fewest ranges that settle every leaf which `moves` says changes something on chain."""
    calls = []
    for first, last in _runs(tree.leaves, moves):
        for start in range(first, last + 1, max_leaves):
            stop = min(last, start + max_leaves - 1)
            for low, high in split_ranges(len(tree.leaves), start, stop):
                proof = tree.range_proof(low, high)
                leaves = tree.leaves[low : high + 1]
                calls.append(
                    RangeCall(leaves[0].id >> 64, proof.tree_index, tuple(map(pack_leaf, leaves)), proof.proof)
                )
    return calls


def pack_leaf(leaf: Leaf) -> int:
    """A leaf as `settleRange` takes it: slot and generation (the id's low 64 bits), earned, accounted."""
    return (leaf.id & ((1 << 64) - 1)) << 128 | leaf.earned << 64 | leaf.accounted


def _runs(leaves: tuple[Leaf, ...], moves: Callable[[Leaf], bool]) -> Iterator[tuple[int, int]]:
    """(first, last) of the runs of leaves to settle: of one job each, bridging short gaps."""
    first = last = -1
    for index, leaf in enumerate(leaves):
        if leaf.kind != KIND_ASSIGNMENT or not moves(leaf):
            continue
        same_job = last >= 0 and leaves[last].id >> 64 == leaf.id >> 64
        if not same_job or index - last > MAX_GAP:
            if last >= 0:
                yield first, last
            first = index
        last = index
    if last >= 0:
        yield first, last
