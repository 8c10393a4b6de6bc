"""A notice: one thing that somebody should know, said once. Pure."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any, Final


class Kind(StrEnum):
    """What a notice may be about; the words of the settings file."""

    NODE_DOWN = "node_down"
    AT_RISK = "at_risk"
    WITHHELD = "withheld"
    REALLOCATION_REQUESTED = "reallocation_requested"
    REALLOCATION_ANSWERED = "reallocation_answered"
    REALLOCATION_FORFEITED = "reallocation_forfeited"
    FUNDS = "funds"
    CREDENTIAL = "credential"
    VETOED = "vetoed"
    TEST = "test"


@dataclass(frozen=True, slots=True)
class About:
    """Whom a notice concerns, by their numbers; nobody by name: the whole network."""

    accounts: frozenset[int] = frozenset()
    licences: frozenset[int] = frozenset()
    jobs: frozenset[int] = frozenset()

    def __or__(self, other: About) -> About:
        return About(self.accounts | other.accounts, self.licences | other.licences, self.jobs | other.jobs)


NOBODY: Final = About()


@dataclass(frozen=True, slots=True)
class Notice:
    """What happened, what it costs and what to do. `id` is the same whenever the same thing is found again; `at` is
    when it happened, UNIX seconds, as far as that is known."""

    id: str
    kind: Kind
    at: int
    about: About
    title: str
    happened: str
    costs: str
    do: str
    facts: dict[str, int | str] = field(default_factory=dict)

    @property
    def text(self) -> str:
        """The notice to read."""
        return f"{self.happened}\n\nWhat it costs: {self.costs}\n\nWhat to do: {self.do}\n"

    def to_json(self, network: str) -> dict[str, Any]:
        """The notice as it is sent; `network` tells which one it is of."""
        return {
            "id": self.id,
            "kind": self.kind.value,
            "time": self.at,
            "network": network,
            "title": self.title,
            "text": self.text,
            "accounts": sorted(self.about.accounts),
            "licences": sorted(self.about.licences),
            "jobs": sorted(self.about.jobs),
            "facts": self.facts,
        }

    def body(self, network: str) -> bytes:
        """Canonical: one notice has one body."""
        return json.dumps(self.to_json(network), sort_keys=True, separators=(",", ":"), ensure_ascii=False).encode()
