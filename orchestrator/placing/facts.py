"""What placing stands on: jobs, slots and licences as the chain has them, and nodes as they tell of themselves."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import IntEnum

from oracle.ground.ids import pack
from orchestrator.wire.intent import Intent
from orchestrator.wire.intent_parts import Resources
from orchestrator.wire.polling import Running, SignedOffer

Place = tuple[int, int]
"""(job, slot)."""


class RequestState(IntEnum):
    """The contracts' enum: where a slot's last request stands."""

    NONE = 0
    OPEN = 1
    ANSWERED = 2
    FORFEITED = 3


@dataclass(frozen=True, slots=True)
class Request:
    """A slot's last request for another node. Times are UNIX seconds; `failed` is the licence that was closed."""

    id: bytes
    state: RequestState
    deadline: int
    cooldown_ends: int
    failed: int
    reason: int = 0


@dataclass(frozen=True, slots=True)
class Job:
    """A job whose orchestrator this is.

    price, token   of one slot for one epoch, in the token's smallest unit; the token's address in lower case
    starts_at, stop  UNIX seconds: assignments open from the one on, before the other
    terms          hash that acceptances name
    named          the intent whose hash the chain has; None while its document is unknown here
    current        what is to run: `named`, or what the CSP asked for since
    barred         what stands against the CSP, "" for nothing
    """

    id: int
    account: int
    owner: str
    token: str
    price: int
    slots: int
    starts_at: int
    stop: int
    terms: bytes
    named: Intent | None = None
    current: Intent | None = None
    barred: str = ""
    closed: bool = False


@dataclass(frozen=True, slots=True)
class Slot:
    """A slot as the chain has it. `generation` is the last one (0: none); `licence`, `node` and `opened_at` (UNIX
    seconds) are those of the open assignment, or 0 and ""."""

    job: int
    slot: int
    generation: int = 0
    licence: int = 0
    node: str = ""
    opened_at: int = 0
    request: Request | None = None

    @property
    def place(self) -> Place:
        """Which one it is."""
        return self.job, self.slot

    @property
    def vacant(self) -> bool:
        """Whether no assignment is open."""
        return self.licence == 0

    @property
    def assignment(self) -> int:
        """The last assignment's id; 0 when there was none."""
        return pack(self.job, self.slot, self.generation) if self.generation else 0

    @property
    def coming(self) -> int:
        """The id that the next assignment will have."""
        return pack(self.job, self.slot, self.generation + 1)


@dataclass(frozen=True, slots=True)
class Licence:
    """A licence as the chain has it; `node` is "" when it isn't linked, else in lower case. `barred` tells what stands
    against it or its node, "" for nothing. `open` counts its open assignments, everybody's."""

    id: int
    holder: str
    node: str
    barred: str = ""
    open: int = 0
    offer_nonce: int = 0


@dataclass(frozen=True, slots=True)
class Node:
    """A node as it told of itself last.

    seen_at          UNIX seconds by the orchestrator's clock
    watched, heard   seconds since it is known, and those of them in which it was heard of; both fade with time
    failures         assignments that the chain took from it, or that never came to run
    """

    licence: int
    node: str
    host: str
    capacity: Resources
    tags: frozenset[str] = frozenset()
    seen_at: int = 0
    watched: int = 0
    heard: int = 0
    failures: int = 0
    offers: tuple[SignedOffer, ...] = ()
    running: Mapping[int, Running] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Rules:
    """How patient the orchestrator is; seconds.

    alive          a node not heard of for longer isn't chosen
    accept         a proposal not accepted by then was declined
    valid          how long acceptances are to be valid
    prepare        longest wait, beside the intent's own, for a prepared workload to be healthy
    declined       for which a licence isn't asked again for a slot after it declined or failed to prepare
    retry          before a slot is tried again after a refusal that isn't the node's fault
    lead           how long before a job starts its nodes are asked
    polls          polls that may carry a proposal unanswered
    """

    alive: int = 30
    accept: int = 60
    valid: int = 1_200
    prepare: int = 60
    declined: int = 300
    retry: int = 15
    lead: int = 60
    polls: int = 3
