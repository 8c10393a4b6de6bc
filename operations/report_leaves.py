"""Leaves of final reports, which settle what isn't booked yet."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass

from chain.network import Network
from oracle.ground.merkle import Tree


@dataclass(frozen=True, slots=True)
class FoundLeaf:
    """A leaf in the tree of a final report, with its proof. Seconds are cumulative."""

    epoch: int
    id: int
    earned: int
    accounted: int
    proof: tuple[bytes, ...]


def leaves_in(trees: Mapping[int, Tree], kind: int, ids: Collection[int]) -> dict[int, FoundLeaf]:
    """Of each id the leaf of this kind in the newest of the epochs' trees that has one. Pure."""
    found: dict[int, FoundLeaf] = {}
    for epoch in sorted(trees, reverse=True):
        for place, leaf in enumerate(trees[epoch].leaves):
            if leaf.kind == kind and leaf.id in ids and leaf.id not in found:
                proof = tuple(trees[epoch].proof(place))
                found[leaf.id] = FoundLeaf(epoch, leaf.id, leaf.earned, leaf.accounted, proof)
    return found


def final_reports(network: Network) -> list[tuple[int, bytes]]:
    """Epoch and root of the last two final reports, as far as there are; settling takes no other."""
    functions = network.attestations.functions
    told = [network.chain.call(one) for one in (functions.previousFinal(), functions.lastFinal())]
    return [(int(epoch), bytes(root)) for epoch, root, since in told if since]
