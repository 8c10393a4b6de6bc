"""Requests for another node as leaves of a tree, hashed as the contract Reallocations does. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from oracle.ground.errors import InvalidValue
from oracle.ground.keccak import keccak256
from oracle.ground.merkle import nodes_of, siblings
from oracle.ground.widths import bytes32, uint


@dataclass(frozen=True, slots=True)
class Reallocation:
    """A request to close an assignment as of `as_of` (UNIX seconds) and to place another node; `reason` as in
    `breaches.Reason`."""

    id: bytes
    assignment: int
    reason: int
    as_of: int

    def leaf(self) -> bytes:
        """The leaf's hash, as the contract's `leafOf`; InvalidValue where a field exceeds its width."""
        words = bytes32("request id", self.id) + b"".join(
            uint(name, value, bits).to_bytes(32, "big")
            for name, value, bits in (
                ("assignment", self.assignment, 256),
                ("reason", self.reason, 8),
                ("as-of time", self.as_of, 40),
            )
        )
        return keccak256(keccak256(words))

    def abi_values(self) -> tuple[bytes, int, int, int]:
        """The fields in the order of the contracts' struct."""
        return self.id, self.assignment, self.reason, self.as_of


class RequestTree:
    """OpenZeppelin's StandardMerkleTree over (bytes32, uint256, uint8, uint40), leaves in the order given."""

    def __init__(self, requests: Sequence[Reallocation]) -> None:
        if not requests:
            raise InvalidValue("a tree of no requests: give at least one")
        self.requests = tuple(requests)
        self._nodes = nodes_of([one.leaf() for one in self.requests])

    @property
    def root(self) -> bytes:
        """What a batch is signed by."""
        return self._nodes[0]

    def proof(self, place: int) -> tuple[bytes, ...]:
        """The siblings of the request at that place, from below."""
        return tuple(self._nodes[one] for one in siblings(len(self.requests), place))
