"""A placement under way.

    vacant ──► proposed ──► accepted ──► assigning ──► assigned ──► ready
                  │            │             │
                  │            │             └ the chain refused it: the next licence
                  │            └ never came to run, expired, or its licence fell out
                  └ declined, or silent

In a move the slot stays assigned to the old node until the new one runs the workload: the new one prepares it once it
accepted, and one transaction closes the old assignment and opens the new one.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from oracle.ground.ids import pack
from orchestrator.placing.facts import Place
from orchestrator.wire.intent_parts import Resources
from orchestrator.wire.polling import SignedOffer


class Phase(StrEnum):
    """How far an attempt is."""

    PROPOSED = "proposed"
    ACCEPTED = "accepted"
    ASSIGNING = "assigning"


@dataclass(frozen=True, slots=True)
class Attempt:
    """One licence on its way into one slot.

    generation  that the assignment will have
    number      of the attempts at this slot, rising: with it the journal's key is made
    since       when the phase began, UNIX seconds
    expiry      of the acceptance, UNIX seconds
    asked       polls that carried the proposal
    signature   the node's acceptance; b"" where `offer` stands for it, or before
    closes      the open assignment that it replaces; 0: none
    """

    job: int
    slot: int
    generation: int
    licence: int
    node: str
    phase: Phase
    number: int
    since: int
    expiry: int
    resources: Resources
    asked: int = 0
    signature: bytes = b""
    offer: SignedOffer | None = None
    closes: int = 0

    @property
    def place(self) -> Place:
        """Whose it is."""
        return self.job, self.slot

    @property
    def assignment(self) -> int:
        """The assignment's id, once there is one."""
        return pack(self.job, self.slot, self.generation)

    @property
    def key(self) -> str:
        """Under which its transaction is planned, exactly once."""
        return f"assign {self.job}/{self.slot}/{self.generation} attempt {self.number}"


@dataclass(frozen=True, slots=True)
class Sent:
    """What the journal says of an attempt's transaction. `settled`: nothing more happens to it; `done`: it was carried
    out; `reason`: why not."""

    settled: bool
    done: bool
    reason: str = ""


@dataclass(frozen=True, slots=True)
class Wish:
    """A CSP's wish that another licence serves a slot; `licence` 0: any other than `away_from`, which served it when
    this was wished."""

    job: int
    slot: int
    licence: int
    away_from: int
    since: int
