"""Who may beat: the licensed nodes, and the assignments that each of them serves."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Protocol

from oracle.ground.address import raw_address


class Roster(Protocol):
    """What the intake asks at each heartbeat; nodes are lower-case 0x addresses."""

    def knows(self, node: str) -> bool:
        """Whether the node is linked to a licence."""

    def fenced(self, node: str, assignment: int) -> bool:
        """Whether the assignment is known to be closed, or another node's: then this node has to stop it.

        One that isn't known, since it was opened a moment ago, is not fenced.
        """

    @property
    def age(self) -> float:
        """Seconds since it was known to be right; nodes linked since then are refused."""

    def __len__(self) -> int:
        """How many nodes it knows."""


class FixedRoster:
    """A roster held in memory; `replace` takes another one's place at once.

    `nodes`: address -> ids of its open assignments, or None where nobody knows them: then none is fenced. InvalidValue
    for what is no address.
    """

    def __init__(self, nodes: Mapping[str, Collection[int] | None]) -> None:
        self._nodes: dict[str, frozenset[int] | None] = {}
        self.replace(nodes)

    def replace(self, nodes: Mapping[str, Collection[int] | None]) -> None:
        """From now on these nodes and no others. InvalidValue leaves the roster as it was."""
        self._nodes = {
            "0x" + raw_address(node).hex(): None if served is None else frozenset(served)
            for node, served in nodes.items()
        }

    def knows(self, node: str) -> bool:
        """See `Roster`."""
        return node in self._nodes

    def fenced(self, node: str, assignment: int) -> bool:
        """See `Roster`; what isn't among a node's assignments is fenced."""
        served = self._nodes.get(node)
        return served is not None and assignment not in served

    @property
    def age(self) -> float:
        """See `Roster`: it is right by definition."""
        return 0.0

    def __len__(self) -> int:
        return len(self._nodes)
