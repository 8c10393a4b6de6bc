"""What every way in answers: a status, as HTTP has them, and a JSON object."""

from __future__ import annotations

from typing import Any

from oracle.telemetry.intake.intake import Intake, Refused, Tally
from oracle.telemetry.wire.answers import STATUS, Answer, Reason, problem


def heartbeats(intake: Intake, tally: Tally, received: float, now: float) -> Answer:
    """What became of a message received at `received` (UNIX seconds), answered at `now`."""
    if not tally.accepted and not tally.refused:
        tally.refused.append((0, Refused(Reason.MALFORMED, b"")))
    answer: dict[str, Any] = {
        "accepted": tally.accepted,
        "refused": [refusal(index, refused) for index, refused in tally.refused],
        "now": received,
        "challenge": "0x" + intake.challenges.current(now).hex(),
    }
    if not tally.accepted:
        return STATUS[tally.refused[0][1].reason], answer
    answer["epoch"], answer["tick"] = intake.clock.tick_at(int(received))
    if tally.fenced:
        answer["fenced"] = [{"index": index, "assignments": [str(a) for a in ids]} for index, ids in tally.fenced]
    return 200, answer


def session(opened: tuple[bytes, int] | Refused) -> Answer:
    """What became of the opening of a session."""
    if isinstance(opened, Refused):
        told = {"accepted": 0, "refused": [refusal(0, opened)], "challenge": "0x" + opened.challenge.hex()}
        return STATUS[opened.reason], told
    identity, expires = opened
    return 200, {"session": "0x" + identity.hex(), "expires": expires}


def receipt(signed: bytes | None) -> Answer:
    """The receipt that was asked for, or that there is none."""
    if signed is None:
        return problem(404, "no_receipt", "this oracle heard nothing of that node in that epoch")
    return 200, {"receipt": "0x" + signed.hex()}


def not_stored(why: object) -> Answer:
    """Nothing can be made durable now."""
    return problem(503, "storage", f"the oracle can't store heartbeats now: {why}")


def refusal(index: int, refused: Refused) -> dict[str, Any]:
    """A refused heartbeat, by its index in the message."""
    told: dict[str, Any] = {"index": index, "reason": refused.reason.value, "cure": refused.cure}
    if refused.last_sequence is not None:
        told["last_sequence"] = refused.last_sequence
    return told
