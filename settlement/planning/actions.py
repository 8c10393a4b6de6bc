"""Actions of a keeper: what each one does, which state it starts from, and what it takes."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from hashlib import sha256

from oracle.ground.ids import show_assignment
from oracle.ground.leaves import Leaf
from settlement.planning.ranges import RangeCall


class Kind(StrEnum):
    """What an action does, in the order in which they are worth doing."""

    SETTLE = "settle"
    CLAIM = "claim"
    RELEASE = "release"
    CLOSE = "close"
    EXPIRE = "expire"
    REFUND = "refund"
    PROTOCOL = "protocol"
    BURN = "burn"


@dataclass(frozen=True, slots=True)
class Settle:
    """One leaf of the report of `epoch`; `claims`: paid at once."""

    epoch: int
    leaf: Leaf
    proof: tuple[bytes, ...]
    claims: bool


@dataclass(frozen=True, slots=True)
class SettleRange:
    """Neighbouring leaves of one job; `leaves` are those that `call` packs."""

    epoch: int
    call: RangeCall
    leaves: tuple[Leaf, ...]


@dataclass(frozen=True, slots=True)
class Claim:
    """Payments to the payees of these assignments."""

    assignments: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class Release:
    """Held seconds of these assignments whose appeal span is over."""

    assignments: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class CloseJob:
    """What nobody proved of a job that is over goes back."""

    job: int


@dataclass(frozen=True, slots=True)
class Expire:
    """Open assignments of jobs that are over end, which frees their licences."""

    assignments: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class Refund:
    """What is the CSP's of a job."""

    job: int


@dataclass(frozen=True, slots=True)
class SendToBurn:
    """What is to be burned of a job goes to the burner."""

    job: int


@dataclass(frozen=True, slots=True)
class SendToProtocol:
    """The protocol's share of a job goes where it belongs."""

    job: int


@dataclass(frozen=True, slots=True)
class BurnBonds:
    """What was taken from bonds goes to the burner."""

    token: str


@dataclass(frozen=True, slots=True)
class Burn:
    """The burner burns what it has of a token."""

    token: str


@dataclass(frozen=True, slots=True)
class Observe:
    """The burner writes down the price at which it will swap a token."""

    token: str


@dataclass(frozen=True, slots=True)
class Swap:
    """The burner swaps as much of a token as it may at once, and burns what comes out."""

    token: str


What = (
    Settle
    | SettleRange
    | Claim
    | Release
    | CloseJob
    | Expire
    | Refund
    | SendToBurn
    | SendToProtocol
    | BurnBonds
    | Burn
    | Observe
    | Swap
)


@dataclass(frozen=True, slots=True)
class Action:
    """Something to send.

    key     names it and the state that it starts from: the same for every keeper that sees that state
    lane    names it without that state: the same for as long as something of the sort is to do
    gas     estimated, rather too much than too little
    amount  what it moves, in the smallest unit of `token`; 0 where it only books
    """

    kind: Kind
    what: What
    key: str
    lane: str
    gas: int
    amount: int = 0
    token: str = ""

    @property
    def label(self) -> str:
        """What it does, for people."""
        return _label(self.what)


def key_of(kind: Kind, *state: object) -> str:
    """A key that tells apart whatever differs in `state`, which consists of texts, numbers and tuples of them."""
    return f"{kind} {sha256(repr(state).encode()).hexdigest()[:40]}"


def _label(what: What) -> str:
    match what:
        case Settle(epoch, leaf, _, claims):
            return f"settle{' and pay' if claims else ''} {show_assignment(leaf.id)} by epoch {epoch}"
        case SettleRange(epoch, call, leaves):
            return f"settle {len(leaves)} leaves of job {call.job} by epoch {epoch}"
        case Claim(assignments):
            return f"pay {_some(assignments)}"
        case Release(assignments):
            return f"release held seconds of {_some(assignments)}"
        case CloseJob(job):
            return f"close job {job}"
        case Expire(assignments):
            return f"end {_some(assignments)}, whose job is over"
        case Refund(job):
            return f"refund job {job}"
        case SendToBurn(job):
            return f"send what job {job} burns"
        case SendToProtocol(job):
            return f"send the protocol's share of job {job}"
        case BurnBonds(token):
            return f"send bonds taken in {token}"
        case Burn(token):
            return f"burn {token}"
        case Observe(token):
            return f"observe the price of {token}"
        case Swap(token):
            return f"swap {token} and burn what comes out"


def _some(assignments: tuple[int, ...]) -> str:
    if len(assignments) == 1:
        return show_assignment(assignments[0])
    return f"{len(assignments)} assignments, {show_assignment(assignments[0])} first"
