"""OpenZeppelin's StandardMerkleTree without leaf sorting, and proofs of ranges of leaves by their edges.

A tree of n leaves is an array of 2n - 1 nodes: the root at 0, the children of i at 2i + 1 and 2i + 2, leaf i
at 2n - 2 - i. So leaves descend while indexes rise, and a range of leaves is named by the index of its first
leaf, the highest. A parent hashes its children sorted, as the npm package and the contracts do; hence a proof
shows that leaves are in the tree, not at which index.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from sha3 import keccak_256

from oracle.ground.errors import EpochalError, InvalidValue
from oracle.ground.leaves import ENCODING, Leaf, leaf_hashes


class MalformedRange(EpochalError):
    """A range proof whose shape can't belong to any tree."""


class InvalidProof(EpochalError):
    """A well-shaped proof that ends at another root."""


@dataclass(frozen=True, slots=True)
class RangeProof:
    """`tree_index` is that of the range's first leaf; `proof` is in the order `verify_range` consumes it."""

    tree_index: int
    proof: tuple[bytes, ...]


@dataclass(frozen=True, slots=True)
class Tree:
    """A built tree. `nodes` has 2n - 1 hashes; treat it as read-only."""

    leaves: tuple[Leaf, ...]
    nodes: list[bytes]

    @classmethod
    def build(cls, leaves: Sequence[Leaf]) -> Tree:
        """The tree of at least one leaf, in the order given."""
        if not leaves:
            raise InvalidValue("a tree of no leaves: an empty network uses the one leaf EMPTY")
        return cls(tuple(leaves), nodes_of(leaf_hashes(leaves)))

    @property
    def root(self) -> bytes:
        return self.nodes[0]

    def proof(self, leaf: int) -> tuple[bytes, ...]:
        """Siblings from leaf number `leaf` up to the root; none in a tree of one leaf."""
        return self.range_proof(leaf, leaf).proof

    def range_proof(self, first: int, last: int) -> RangeProof:
        """Proves leaves `first` to `last`, both included.

        InvalidValue for a range that is empty, outside the tree or crosses depths (see `split_ranges`).
        """
        size = len(self.leaves)
        if split_ranges(size, first, last) != ((first, last),):
            raise InvalidValue(f"leaves {first} to {last} of {size} lie at two depths: use split_ranges")
        hi, lo = 2 * size - 2 - first, 2 * size - 2 - last
        return RangeProof(hi, tuple(self.nodes[sibling] for sibling in _edge_siblings(hi, lo)))

    def dump(self) -> dict[str, Any]:
        """The tree in the npm package's format: `StandardMerkleTree.load` accepts it."""
        top = 2 * len(self.leaves) - 2
        return {
            "format": "standard-v1",
            "leafEncoding": list(ENCODING),
            "tree": ["0x" + node.hex() for node in self.nodes],
            "values": [
                {
                    "value": [str(leaf.kind), str(leaf.id), str(leaf.earned), str(leaf.accounted)],
                    "treeIndex": top - i,
                }
                for i, leaf in enumerate(self.leaves)
            ],
        }


def nodes_of(hashes: Sequence[bytes]) -> list[bytes]:
    """The nodes of the tree over at least one leaf's hash, in their order; of leaves of any kind."""
    size = len(hashes)
    nodes = [b""] * (size - 1) + list(reversed(hashes))
    for parent in range(size - 2, -1, -1):
        a, b = nodes[2 * parent + 1], nodes[2 * parent + 2]
        nodes[parent] = keccak_256(a + b if a < b else b + a).digest()
    return nodes


def siblings(size: int, leaf: int) -> Iterator[int]:
    """Indexes among the nodes of a tree of `size` leaves that prove leaf number `leaf`, from below."""
    place = 2 * size - 2 - leaf
    return _edge_siblings(place, place)


def split_ranges(size: int, first: int, last: int) -> tuple[tuple[int, int], ...]:
    """Cuts leaves `first` to `last` (both included) of a tree of `size` leaves where its depth changes.

    One or two ranges. InvalidValue for a range that is empty or outside the tree.
    """
    if not 0 <= first <= last < size:
        raise InvalidValue(f"leaves {first} to {last} of {size}: give 0 <= first <= last < {size}")
    # Indexes of one depth d run from 2^d - 1 to 2^(d+1) - 2, and leaves fill at most the two deepest.
    shallow = 2 * size - (1 << _depth(2 * size - 2))
    if first < shallow <= last:
        return (first, shallow - 1), (shallow, last)
    return ((first, last),)


def verify(root: bytes, leaf_hash: bytes, proof: Sequence[bytes]) -> bool:
    """Whether the proof leads from the leaf's hash to the root."""
    for sibling in proof:
        if len(sibling) != 32:  # else two nodes could be cut elsewhere and hash the same
            return False
        leaf_hash = _pair(leaf_hash, sibling)
    return leaf_hash == root


def verify_range(root: bytes, hashes: Sequence[bytes], tree_index: int, proof: Sequence[bytes]) -> None:
    """Returns when `hashes`, of consecutive leaves in their order, are all in the tree of `root`.

    MalformedRange when no tree has such a range: it is empty, crosses depths, or the proof has an element too
    many or too few. InvalidProof when it ends at another root. Each rule is there because leaving it out pays
    a leaf that is in no tree: a range that crosses depths can leave its last hash unpaired, and unread.
    """
    if not hashes:
        raise MalformedRange("the range is empty: give at least one leaf")
    hi, lo = tree_index, tree_index - (len(hashes) - 1)
    if lo < 0 or _depth(hi) != _depth(lo):
        raise MalformedRange(f"tree indexes {hi} down to {lo} differ in depth: split the range")
    rest = iter(proof)
    level = list(hashes)
    while hi:
        above: list[bytes] = []
        pairs = iter(level)
        if hi & 1:
            above.append(_pair(next(pairs), _take(rest)))
        for right in pairs:
            left = next(pairs, None)
            above.append(_pair(right, _take(rest) if left is None else left))
        level = above
        hi, lo = (hi - 1) // 2, (lo - 1) // 2
    if next(rest, None) is not None:
        raise MalformedRange("the proof has elements too many: pass it as range_proof made it")
    if level != [root]:
        raise InvalidProof(f"the range ends at {level[0].hex()}, the root is {root.hex()}: use that root's tree")


def _edge_siblings(hi: int, lo: int) -> Iterator[int]:
    """Indexes of a range's proof: for each level, bottom up, first the sibling of hi, then that of lo."""
    while hi:
        if hi & 1:
            yield hi + 1
        if not lo & 1:
            yield lo - 1
        hi, lo = (hi - 1) // 2, (lo - 1) // 2


def _take(rest: Iterator[bytes]) -> bytes:
    element = next(rest, None)
    if element is None or len(element) != 32:
        raise MalformedRange("the proof has elements too few or not of 32 bytes: pass it as range_proof made it")
    return element


def _pair(a: bytes, b: bytes) -> bytes:
    digest: bytes = keccak_256(a + b if a < b else b + a).digest()
    return digest


def _depth(index: int) -> int:
    return (index + 1).bit_length() - 1
