"""What a run came to: as lines to read, and as JSON."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from scenario.audit import Totals
from scenario.checkpoint import write_whole


@dataclass(frozen=True, slots=True)
class EpochResult:
    """How one epoch ended.

    outcome: "attested", "carried" (it failed, and a later report has its seconds) or "failed". signatures: members who
    signed. seconds: from the epoch's end to the block with its report; None without one. carried_by: the epoch of
    the report that has the seconds of one that failed; None while there is none. why: what oracles say of a failed
    one, each different reason once.
    """

    epoch: int
    outcome: str
    signatures: int = 0
    seconds: int | None = None
    carried_by: int | None = None
    why: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class FaultResult:
    """One fault's time at work: seconds since epoch 0 began. recovered: seconds from its end until the next report was
    mined and all oracles knew; None if that didn't come."""

    text: str
    begin: float
    end: float
    recovered: float | None


@dataclass(frozen=True, slots=True)
class NodeSeconds:
    """What the chain books for a node, in seconds."""

    name: str
    earned: int
    withheld: int


@dataclass
class NetworkResult:
    """What a run came to. `problems` is empty when everything was as it must be."""

    oracles: int
    nodes: int
    epoch_length: int
    epochs: list[EpochResult] = field(default_factory=list)
    faults: list[FaultResult] = field(default_factory=list)
    seconds: list[NodeSeconds] = field(default_factory=list)
    totals: Totals | None = None
    taken_back: int = 0
    settled: int = 0
    start_seconds: float = 0.0
    problems: list[str] = field(default_factory=list)

    def to_json(self) -> dict[str, Any]:
        """The result as JSON values."""
        return asdict(self)

    def save(self, path: Path) -> None:
        """Write as JSON, whole or not at all."""
        write_whole(path, json.dumps(self.to_json(), indent=1) + "\n")

    def lines(self) -> list[str]:
        """The result in words."""
        attested = [one for one in self.epochs if one.outcome == "attested"]
        text = [
            f"{len(self.epochs)} epochs: {len(attested)} attested"
            + "".join(
                f", {count} {outcome}"
                for outcome in ("carried", "failed")
                if (count := sum(one.outcome == outcome for one in self.epochs))
            )
        ]
        waits = sorted(one.seconds for one in attested if one.seconds is not None)
        if waits:
            median = waits[len(waits) // 2]
            text.append(f"from an epoch's end to a block with its report: median {median} s, at most {waits[-1]} s")
        for fault in self.faults:
            told = (
                "it didn't recover" if fault.recovered is None else f"recovered {fault.recovered:.1f} s after its end"
            )
            text.append(f"{fault.text}: {told}")
        if self.totals is not None:
            one = self.totals
            text.append(
                f"deposit {one.deposits} = {one.paid} paid + {one.held} held + {one.refunded} refunded + {one.burned} "
                f"burned + {one.remaining} remaining"
            )
        return text
