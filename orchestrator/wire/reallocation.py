"""What is delivered to a job's orchestrator when the chain asks for another node, `POST /v1/reallocations`.

The chain decides; the delivery only says where to look. The header `Idempotency-Key` carries the request's id.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final

from oracle.ground.errors import InvalidValue
from oracle.ground.ids import parse_assignment, show_assignment, unpack
from orchestrator.wire.canonical import decode
from orchestrator.wire.fields import Fields

PATH: Final = "/v1/reallocations"
KEY_HEADER: Final = "Idempotency-Key"
MAX_BODY: Final = 4_096
STATUSES: Final = ("taken", "answered", "expired", "unknown")


@dataclass(frozen=True, slots=True)
class ReallocationNotice:
    """One request as `ReallocationRequested` tells of it; times are UNIX seconds, `reallocations` the contract."""

    id: bytes
    assignment: int
    reason: int
    as_of: int
    deadline: int
    chain_id: int
    reallocations: str

    @property
    def job(self) -> int:
        """Whose slot it is."""
        return unpack(self.assignment)[0]

    @property
    def slot(self) -> int:
        """The slot to be served by another node."""
        return unpack(self.assignment)[1]

    @property
    def key(self) -> str:
        """The delivery's idempotency key."""
        return "0x" + self.id.hex()

    def to_json(self) -> dict[str, Any]:
        """The body, as `read` takes it."""
        return {
            "id": self.key,
            "assignment": show_assignment(self.assignment),
            "job": self.job,
            "slot": self.slot,
            "reason": self.reason,
            "asOf": self.as_of,
            "deadline": self.deadline,
            "chainId": self.chain_id,
            "reallocations": self.reallocations.lower(),
        }


def read_notice(body: bytes) -> ReallocationNotice:
    """The notice in a request's body; InvalidValue for anything else."""
    f = Fields(decode(body, "reallocation", MAX_BODY), "reallocation")
    found = ReallocationNotice(
        id=f.raw("id", 32),
        assignment=parse_assignment(f.text("assignment", longest=128)),
        reason=f.number("reason", 0, 255),
        as_of=f.number("asOf", 0, 2**40 - 1),
        deadline=f.number("deadline", 0, 2**40 - 1),
        chain_id=f.number("chainId", 0, 2**256 - 1),
        reallocations=f.address("reallocations"),
    )
    job, slot = f.number("job", 0, 2**64 - 1), f.number("slot", 0, 2**32 - 1)
    f.done()
    if (job, slot) != (found.job, found.slot):
        raise InvalidValue(
            f"reallocation.assignment is {show_assignment(found.assignment)}, but job is {job} and slot {slot}: "
            "give those of the assignment"
        )
    return found
