"""What a replay with reallocation does, as data. Times are UNIX seconds."""

from __future__ import annotations

from dataclasses import dataclass

from oracle.ground.breaches import Reason
from scenario.options import Span


@dataclass(frozen=True, slots=True)
class Move:
    """A request for another node and what came of it.

    node            whose assignment (slot, generation) was closed as of `as_of`
    down_since      when the outage began, be it in an epoch before; `as_of` is never before the epoch of the request
    asked_at        the time of the request's block
    deadline        until when the orchestrator may answer
    cooldown_ends   from when on the slot may be asked for again, and its failed node serve it again
    answered_at     when another assignment opened in the slot, None: never
    answered_by     its node, "" for none
    forfeited       whether the deadline passed without an answer; one may have come after the CSP reopened the slot
    """

    slot: int
    generation: int
    node: str
    reason: Reason
    as_of: int
    down_since: int
    asked_at: int
    deadline: int
    cooldown_ends: int
    answered_at: int | None = None
    answered_by: str = ""
    forfeited: bool = False

    @property
    def outcome(self) -> str:
        """healed: answered by the deadline; forfeited: not; over: the replay ended before it."""
        if self.forfeited:
            return "forfeited"
        return "over" if self.answered_at is None else "healed"


@dataclass(frozen=True, slots=True)
class Batch:
    """Requests that one quorum signs, and the block that carries them out. `places` are (slot, generation, reason,
    as-of time); `proposer` is the member's place in the committee."""

    at: int
    epoch: int
    proposer: int
    places: tuple[tuple[int, int, Reason, int], ...]


@dataclass(frozen=True, slots=True)
class Moves:
    """All of a replay.

    wanted      when the trace enrols the slots' first nodes: who serves where nobody is replaced
    spans       who serves which slot when, by slot and generation
    closings    (time, slot, generation) where a node or a slot's demand leaves: closed by the orchestrator
    reopenings  (time, slot) where the CSP gives a forfeited slot back
    refills     how often the orchestrator filled a slot that no request had emptied
    declined    how often a chosen node was down when it should have accepted
    cooling     assignments that broke the policy while their slot cooled down
    """

    wanted: tuple[Span, ...]
    spans: tuple[Span, ...]
    moves: tuple[Move, ...]
    batches: tuple[Batch, ...]
    closings: tuple[tuple[int, int, int], ...]
    reopenings: tuple[tuple[int, int], ...]
    refills: int
    declined: int
    cooling: int
