"""The set of oracles that attests."""

from __future__ import annotations

from dataclasses import dataclass

from oracle.ground.median import quorum


@dataclass(frozen=True, slots=True)
class Committee:
    """The set in force: its version and its members' 20-byte addresses, ascending."""

    version: int
    members: tuple[bytes, ...]

    @property
    def quorum(self) -> int:
        """How many observations a proposal needs, and how many signatures a report."""
        return quorum(len(self.members))
