"""What every way in answers: a status, as HTTP has them, and a JSON object."""

from __future__ import annotations

from typing import Any, Final

from oracle.telemetry.intake.intake import MAX_BEATS, MAX_BODY, Intake, Reason, Refused, Tally
from oracle.telemetry.wire import frames
from oracle.telemetry.wire.session import SEALED_MIN_SIZE

Answer = tuple[int, dict[str, Any]]

STATUS: Final = {
    Reason.MALFORMED: 400,
    Reason.VERSION: 400,
    Reason.WRONG_ORACLE: 421,
    Reason.STALE_CHALLENGE: 409,
    Reason.BAD_SIGNATURE: 403,
    Reason.UNKNOWN_NODE: 403,
    Reason.REPLAYED_SEQUENCE: 409,
    Reason.BEFORE_GENESIS: 425,
    Reason.UNKNOWN_SESSION: 409,
    Reason.BAD_TAG: 409,
    Reason.TOO_OFTEN: 429,
}


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


def is_too_large(body: bytes) -> bool:
    """Whether a message holds more than is taken at once."""
    if len(body) > MAX_BODY:
        return True
    return len(body) > MAX_BEATS * SEALED_MIN_SIZE and len(frames.split(body)) > MAX_BEATS


def too_large() -> Answer:
    """The message isn't looked at."""
    return problem(413, "too_large", f"send at most {MAX_BEATS} heartbeats and {MAX_BODY} bytes")


def refusal(index: int, refused: Refused) -> dict[str, Any]:
    """A refused heartbeat, by its index in the message."""
    told: dict[str, Any] = {"index": index, "reason": refused.reason.value, "cure": refused.cure}
    if refused.last_sequence is not None:
        told["last_sequence"] = refused.last_sequence
    return told


def problem(status: int, reason: str, cure: str) -> Answer:
    """The whole message is refused."""
    return status, {"accepted": 0, "refused": [{"index": 0, "reason": reason, "cure": cure}]}
