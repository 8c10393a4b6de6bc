"""A message on its way, and what became of an attempt to bring it. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from oracle.ground.errors import InvalidValue

MAX_BODY: Final = 65_536
MAX_NAME: Final = 200
MAX_TOLD: Final = 500
"""Characters kept of what a receiver said."""


class State(StrEnum):
    """Where a message stands. Waiting: it is brought, now or later. Delivered: its receiver took it. Dead: nobody tries
    any more; it can be sent again. Withdrawn: it wasn't needed any more."""

    WAITING = "waiting"
    DELIVERED = "delivered"
    DEAD = "dead"
    WITHDRAWN = "withdrawn"


class Verdict(StrEnum):
    """What an attempt came to: taken; not now, try again; never, whatever one does."""

    TAKEN = "taken"
    LATER = "later"
    NEVER = "never"


@dataclass(frozen=True, slots=True)
class Draft:
    """What is to be brought. `key` is the receiver's means to know a repeat: the same at every attempt. `channel` names
    the transport, `destination` whom to reach with it; addresses and secrets belong to the transport's settings.
    `deadline`: UNIX seconds after which nobody tries any more."""

    key: str
    channel: str
    destination: str
    label: str
    body: bytes
    deadline: float

    def __post_init__(self) -> None:
        for name in ("key", "channel", "destination", "label"):
            value = getattr(self, name)
            if not 0 < len(value) <= MAX_NAME or not value.isprintable():
                raise InvalidValue(f"a message's {name} is {value[:60]!r}: give 1 to {MAX_NAME} printable characters")
        if len(self.body) > MAX_BODY:
            raise InvalidValue(f"message {self.key} has {len(self.body):,} bytes: give at most {MAX_BODY:,}")


@dataclass(frozen=True, slots=True)
class Message:
    """A message as it stands. Times in UNIX seconds. `told`: what the last attempt came to. The body of a message
    that is delivered or withdrawn isn't kept."""

    key: str
    channel: str
    destination: str
    label: str
    body: bytes
    state: State
    created: float
    deadline: float
    attempts: int
    next_at: float
    settled_at: float
    told: str


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of one attempt. `pause`: seconds for which the receiver asked to be left alone."""

    verdict: Verdict
    told: str
    pause: float = 0.0
