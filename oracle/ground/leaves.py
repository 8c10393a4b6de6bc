"""Leaves of the report tree: cumulative seconds of one subject, and their hashes."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final

from sha3 import keccak_256

from oracle.ground.widths import uint

ENCODING: Final = ("uint8", "uint256", "uint64", "uint64")


@dataclass(frozen=True, slots=True, order=True)
class Leaf:
    """`earned` and `accounted` are cumulative seconds of the subject (`kind`, `id`), see `ground.ids`.

    InvalidValue when a field exceeds its width on chain. That earned stays within accounted is the ledger's
    promise and the contracts' check, not this type's: tests of the contracts need leaves that break it.
    """

    kind: int
    id: int
    earned: int
    accounted: int

    def __post_init__(self) -> None:
        # One chained test for the 46,724 good leaves of an epoch, the words for the first bad one.
        if 0 <= self.kind < 1 << 8 and 0 <= self.id < 1 << 256 and 0 <= self.earned <= self.accounted < 1 << 64:
            return
        uint("leaf kind", self.kind, 8)
        uint("leaf id", self.id, 256)
        uint("earned seconds", self.earned, 64)
        uint("accounted seconds", self.accounted, 64)

    def hash(self) -> bytes:
        """`keccak(keccak(abi.encode(kind, id, earned, accounted)))`, as OpenZeppelin's tree hashes leaves.

        Hashing twice keeps a leaf (128 bytes inside) apart from an inner node (64 bytes inside).
        """
        return leaf_hashes((self,))[0]


EMPTY: Final = Leaf(0, 0, 0, 0)
"""The only leaf of an empty network."""


def leaf_hashes(leaves: Iterable[Leaf]) -> list[bytes]:
    """The hashes of many leaves, in their order."""
    # One int holds the four 32-byte words of abi.encode: a quarter of the time of joining them.
    return [
        keccak_256(
            keccak_256(
                (((leaf.kind << 256 | leaf.id) << 256 | leaf.earned) << 256 | leaf.accounted).to_bytes(128, "big")
            ).digest()
        ).digest()
        for leaf in leaves
    ]
