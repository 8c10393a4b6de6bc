"""Leaves that somebody claims beside those that were recomputed: where two trees differ. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import zip_longest
from typing import Any

from oracle.ground.errors import InvalidValue, Malformed
from oracle.ground.leaves import ENCODING, Leaf
from oracle.ground.merkle import Tree


@dataclass(frozen=True, slots=True)
class LeafDifference:
    """A leaf that isn't the same in two trees; None where a tree has none of that kind and id."""

    kind: int
    id: int
    recomputed: Leaf | None
    claimed: Leaf | None


def first_difference(recomputed: Sequence[Leaf], claimed: Sequence[Leaf]) -> LeafDifference | None:
    """The first leaf, by kind and id, in which two trees differ; where both have the same in another order, the first
    that is out of its place; None where they are equal."""
    ours = {(one.kind, one.id): one for one in recomputed}
    theirs = {(one.kind, one.id): one for one in claimed}
    for key in sorted(ours.keys() | theirs.keys()):
        if ours.get(key) != theirs.get(key):
            return LeafDifference(*key, ours.get(key), theirs.get(key))
    for a, b in zip_longest(recomputed, claimed):
        if a != b:
            place = a or b
            return LeafDifference(place.kind, place.id, a, b)
    return None


def tree_of_dump(dump: Any) -> Tree:
    """The tree of a dump as `Tree.dump` and OpenZeppelin's StandardMerkleTree write it.

    Malformed for anything else, and unless its root is that of its leaves.
    """
    try:
        if dump["format"] != "standard-v1" or tuple(dump["leafEncoding"]) != ENCODING:
            raise Malformed(f"a tree of format {dump['format']!r} and leaves {dump['leafEncoding']!r}")
        placed = sorted(dump["values"], key=lambda one: -int(one["treeIndex"]))
        leaves = [Leaf(*(int(value) for value in one["value"])) for one in placed]
        tree = Tree.build(leaves)
        root = bytes.fromhex(dump["tree"][0].removeprefix("0x"))
    except (KeyError, TypeError, ValueError, AttributeError, IndexError, InvalidValue) as error:
        reason = f": {error}" if isinstance(error, InvalidValue) else ""
        raise Malformed(f"no dump of a tree of leaves {', '.join(ENCODING)}{reason}") from error
    if tree.root != root:
        raise Malformed(f"its leaves come to root 0x{tree.root.hex()}, it says 0x{root.hex()}")
    return tree
