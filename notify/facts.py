"""What rules look at: facts of the chain and of nodes' heartbeats. Pure."""

from __future__ import annotations

from dataclasses import dataclass

from oracle.ground.policy import Policy
from settlement.books import Token
from settlement.money import Rates


@dataclass(frozen=True, slots=True)
class Job:
    """A job as it stands. `stop`: when accrual ends, UNIX seconds. `over`: its CSP left it, or it is closed."""

    id: int
    account: int
    slots: int
    stop: int
    over: bool
    policy: Policy
    rates: Rates
    token: Token

    def cost(self, seconds: int, slots: int = 1) -> str:
        """What so many seconds of slots come to, before the protocol's share."""
        return self.token.show(self.rates.gross(seconds * slots))


@dataclass(frozen=True, slots=True)
class Serving:
    """An open assignment, and the node that serves it."""

    assignment: int
    licence: int
    node: str
    opened_at: int
    job: Job


@dataclass(frozen=True, slots=True)
class Presence:
    """What oracles say of a node's heartbeats. Times in UNIX seconds.

    known       whether enough oracles answered for a verdict
    asked_from  from when on they were asked
    heard       the end of the newest tick that enough of them acknowledged; None: there was none
    """

    known: bool
    asked_from: int
    heard: int | None


@dataclass(frozen=True, slots=True)
class Window:
    """A policy window under way, as heartbeats have it: [start, end) cut to where the assignment can accrue; up to
    `seen` it was looked at, and `lost` seconds of that had no heartbeat."""

    start: int
    end: int
    seen: int
    lost: int


@dataclass(frozen=True, slots=True)
class Credential:
    """Until when a CSP's account has the credentials that are asked for; 0: it lacks one. UNIX seconds."""

    account: int
    until: int


@dataclass(frozen=True, slots=True)
class Withheld:
    """Seconds of an assignment that a final report withheld. `licence`: 0 where it isn't known. `ends_at`: when the
    epoch ended."""

    assignment: int
    epoch: int
    root: bytes
    seconds: int
    licence: int
    job: Job
    ends_at: int


@dataclass(frozen=True, slots=True)
class Vetoed:
    """A report that the guardian vetoed."""

    epoch: int
    root: bytes
    ends_at: int
