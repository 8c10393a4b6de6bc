"""The MQTT topics of one oracle, and what travels on them.

    epochal/v1/CHAIN/ORACLE/challenge     retained: the JSON of `GET /v1/challenge`, new at each rotation
    epochal/v1/CHAIN/ORACLE/heartbeats    heartbeats of wire/frames.py
    epochal/v1/CHAIN/ORACLE/sessions      one opening of wire/session.py
    epochal/v1/CHAIN/ORACLE/receipts      a question: node, 20 bytes | epoch u64
    epochal/v1/CHAIN/ORACLE/answers/…     JSON, on the topic below this one that a message asks to be answered on

CHAIN is the chain id in decimal, ORACLE a lower-case 0x address. Integers are big-endian.
"""

from __future__ import annotations

import hmac
import struct
from dataclasses import dataclass
from typing import Final

from oracle.ground.address import raw_address
from oracle.ground.errors import EpochalError
from oracle.ground.widths import uint

CHALLENGE_LIFE: Final = "life"
"""User property of the challenge: seconds after which the broker forgets it. Less what is left, that is its age."""
STATUS: Final = "status"
"""User property of an answer: the status that HTTP would give."""

LONGEST_ANSWER_TOPIC: Final = 300
"""Bytes of a topic to be answered on."""

LAST_EPOCH: Final = 2**31 - 1
"""Oracles count no epoch beyond this one."""

_QUESTION: Final = struct.Struct(">20sQ")


class MalformedQuestion(EpochalError):
    """The bytes ask for no receipt."""


@dataclass(frozen=True, slots=True)
class Topics:
    """The topics of the oracle with that address, on that chain."""

    base: str

    @classmethod
    def of(cls, chain_id: int, oracle: str) -> Topics:
        """InvalidValue unless `oracle` is an address."""
        return cls(f"epochal/v1/{chain_id}/0x{raw_address(oracle).hex()}")

    @property
    def challenge(self) -> str:
        return f"{self.base}/challenge"

    @property
    def heartbeats(self) -> str:
        return f"{self.base}/heartbeats"

    @property
    def sessions(self) -> str:
        return f"{self.base}/sessions"

    @property
    def receipts(self) -> str:
        return f"{self.base}/receipts"

    def answers(self, *levels: str) -> str:
        """The topic for answers to whom these levels name."""
        return "/".join([f"{self.base}/answers", *levels])

    def may_answer_on(self, topic: str) -> bool:
        """Whether the oracle answers there: else anybody could have it publish anything under its own name."""
        inside = topic.startswith(f"{self.base}/answers/") and topic.isprintable() and not set("+#") & set(topic)
        return inside and len(topic.encode()) <= LONGEST_ANSWER_TOPIC


def shared(group: str, topic: str) -> str:
    """The filter by which each message on the topic goes to one of the group's subscribers."""
    return f"$share/{group}/{topic}"


def share_group(secret: bytes) -> str:
    """The name of the workers' group, which nobody else may guess.

    Whoever could join it would take messages away from the oracle: brokers check what a client may read only when
    the message has been given to it.
    """
    return "intake-" + hmac.digest(secret, b"Epochal MQTT group", "sha256")[:16].hex()


def worker_client(secret: bytes, worker: str) -> str:
    """The client id of a worker, which nobody else may guess: who connects under it ends the worker's connection."""
    return "intake-" + hmac.digest(secret, b"Epochal MQTT worker " + worker.encode(), "sha256")[:16].hex()


def receipt_question(node: str, epoch: int) -> bytes:
    """The question for a receipt. InvalidValue for a node that is no address or an epoch that can't be."""
    return _QUESTION.pack(raw_address(node), uint("epoch", epoch, 31))


def read_receipt_question(raw: bytes) -> tuple[str, int]:
    """(node as a lower-case 0x address, epoch) of a question. MalformedQuestion for another length or no epoch."""
    if len(raw) != _QUESTION.size:
        raise MalformedQuestion(f"question for a receipt has {len(raw)} bytes: send {_QUESTION.size}")
    node, epoch = _QUESTION.unpack(raw)
    if epoch > LAST_EPOCH:
        raise MalformedQuestion(f"question for a receipt is of epoch {epoch}: the last one is {LAST_EPOCH}")
    return "0x" + node.hex(), epoch
