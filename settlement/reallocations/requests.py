"""A request for another node, where it stands, and the words in which its orchestrator is told. Pure."""

from __future__ import annotations

import json
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, Final

from delivery.http import judged, said
from delivery.message import Message, Outcome, Verdict
from delivery.message import State as Delivery
from oracle.ground.ids import show_assignment

REASONS: Final = {1: "missed epochs", 2: "outage", 3: "outcast", 4: "declared maintenance"}
PATH: Final = "/v1/reallocations"
NEVER: Final = 2**40 - 1
"""The deadline of a slot that its CSP reopened."""


class OnChain(StrEnum):
    """Where the contracts say that a request stands, in the order of their `RequestState`."""

    NONE = "none"
    OPEN = "open"
    ANSWERED = "answered"
    FORFEITED = "forfeited"


class Stage(StrEnum):
    """How far a request has come. Requested: it is on chain. Delivered: its orchestrator answered, but doesn't see it
    on its chain yet. Acknowledged: the orchestrator took it. Answered: another node serves the slot. Forfeited: the
    deadline passed. The last two are the chain's word, whatever became of deliveries."""

    REQUESTED = "requested"
    DELIVERED = "delivered"
    ACKNOWLEDGED = "acknowledged"
    ANSWERED = "answered"
    FORFEITED = "forfeited"


@dataclass(frozen=True, slots=True)
class Request:
    """A request as its event tells of it; times in UNIX seconds. `final`: its block is finalized."""

    id: bytes
    assignment: int
    job: int
    slot: int
    reason: int
    as_of: int
    deadline: int
    block: int
    final: bool

    @property
    def key(self) -> str:
        """Its id as text, by which its delivery is known too."""
        return "0x" + self.id.hex()


@dataclass(frozen=True, slots=True)
class Standing:
    """A request, and what the chain says of it now. `deadline`: as it is now; a CSP may have reopened the slot.
    `answer`: the assignment that answered it, 0 where that isn't known."""

    request: Request
    state: OnChain
    deadline: int
    orchestrator: str
    answer: int = 0


def body_of(request: Request, chain_id: int, reallocations: str) -> bytes:
    """What is delivered: one JSON object, the same at every attempt."""
    told: dict[str, Any] = {
        "id": request.key,
        "assignment": show_assignment(request.assignment),
        "job": request.job,
        "slot": request.slot,
        "reason": request.reason,
        "asOf": request.as_of,
        "deadline": request.deadline,
        "chainId": chain_id,
        "reallocations": reallocations.lower(),
    }
    return json.dumps(told, sort_keys=True, separators=(",", ":")).encode()


def judge(status: int, body: bytes) -> Outcome:
    """What an orchestrator's answer comes to. One that doesn't see the request on its chain is asked again: its
    endpoint may be behind."""
    outcome = judged(status, body)
    if outcome.verdict is not Verdict.TAKEN:
        return outcome
    match _status(body):
        case "taken" | "answered" | "expired":
            return outcome
        case "unknown":
            return Outcome(Verdict.LATER, said(status, body))
    return Outcome(Verdict.LATER, f"is no orchestrator's answer: {said(status, body)}")


def stage_of(standing: Standing, message: Message | None) -> Stage:
    """How far a request has come, by the chain and by its delivery (None: nothing of it is known here)."""
    if standing.state is OnChain.ANSWERED:
        return Stage.ANSWERED
    if standing.state is OnChain.FORFEITED:
        return Stage.FORFEITED
    if message is not None and message.state is Delivery.DELIVERED:
        return Stage.ACKNOWLEDGED
    if message is not None and message.told.startswith("HTTP 2"):
        return Stage.DELIVERED
    return Stage.REQUESTED


def is_wanted(standing: Standing, now: int) -> bool:
    """Whether its orchestrator can still answer, so that it must hear of it."""
    return standing.state is OnChain.OPEN and now <= standing.deadline


def _status(body: bytes) -> object:
    try:
        told = json.loads(body)
    except (ValueError, RecursionError):
        return None
    return told.get("status") if isinstance(told, dict) else None
