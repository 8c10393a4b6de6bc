"""What an oracle answers: a status, as HTTP has them, and a JSON object. Gateways answer the same, nodes read it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from enum import StrEnum
from typing import Any, Final

from oracle.telemetry.wire import frames
from oracle.telemetry.wire.session import SEALED_MIN_SIZE

Answer = tuple[int, dict[str, Any]]

BEATS_PER_TICK = 12
"""Heartbeats of one node in one tick beyond which they are refused."""
MAX_BEATS = 1000
"""Heartbeats in one message."""
MAX_BODY = 256 * 1024
"""Bytes in one message."""


class Reason(StrEnum):
    """Why a heartbeat, a session or a request was refused."""

    MALFORMED = "malformed"
    VERSION = "version"
    WRONG_ORACLE = "wrong_oracle"
    STALE_CHALLENGE = "stale_challenge"
    BAD_SIGNATURE = "bad_signature"
    UNKNOWN_NODE = "unknown_node"
    REPLAYED_SEQUENCE = "replayed_sequence"
    BEFORE_GENESIS = "before_genesis"
    UNKNOWN_SESSION = "unknown_session"
    BAD_TAG = "bad_tag"
    TOO_OFTEN = "too_often"


CURES: Final[Mapping[Reason, str]] = {
    Reason.MALFORMED: "send the bytes of docs/heartbeats.md, whole",
    Reason.VERSION: "send a version of docs/heartbeats.md to the place for it: update the node agent",
    Reason.WRONG_ORACLE: "ask this oracle for its address and session key, and sign for those",
    Reason.STALE_CHALLENGE: "sign again with the challenge in this answer",
    Reason.BAD_SIGNATURE: "sign with the node's key, 64 bytes, low s (EIP-2098)",
    Reason.UNKNOWN_NODE: "link the node's address to a licence; check the chain id and contract it signs for",
    Reason.REPLAYED_SEQUENCE: "send a sequence above the last accepted one",
    Reason.BEFORE_GENESIS: "wait: the network's first epoch has not begun",
    Reason.UNKNOWN_SESSION: "open a new session: this one has expired, or the oracle was restarted",
    Reason.BAD_TAG: "seal again with the challenge in this answer; if that fails, open a new session",
    Reason.TOO_OFTEN: f"send one heartbeat in each tick, never more than {BEATS_PER_TICK}",
}

STATUS: Final[Mapping[str, int]] = {
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

_VAIN: Final = frozenset((Reason.BAD_SIGNATURE, Reason.UNKNOWN_NODE, Reason.REPLAYED_SEQUENCE, Reason.TOO_OFTEN))
_LITTLE: Final = 0.01


def wasted(reasons: Iterable[str]) -> float:
    """What these refusals cost the oracle: one for each signature checked in vain, nearly nothing for the others.

    A restart of the oracle makes every session unknown and every challenge stale: nobody may be turned away for that.
    """
    return sum(1.0 if reason in _VAIN else _LITTLE for reason in reasons)


def problem(status: int, reason: str, cure: str) -> Answer:
    """The whole message is refused."""
    return status, {"accepted": 0, "refused": [{"index": 0, "reason": reason, "cure": cure}]}


def too_large(longest: int | None = None) -> Answer:
    """The message isn't looked at; `longest` bytes of one that is no heartbeats."""
    most = f"{MAX_BEATS} heartbeats and {MAX_BODY} bytes" if longest is None else f"{longest} bytes"
    return problem(413, "too_large", f"send at most {most}")


def is_too_large(body: bytes) -> bool:
    """Whether a message holds more than is taken at once."""
    if len(body) > MAX_BODY:
        return True
    return len(body) > MAX_BEATS * SEALED_MIN_SIZE and len(frames.split(body)) > MAX_BEATS
