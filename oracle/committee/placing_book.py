"""Open assignments, their terms, and what of trust and maintenance concerns them: by finalized events."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from chain.client import Block, RpcError
from chain.events import Event, EventLog, Mark
from chain.network import Network
from oracle.committee.anchor import read_policy
from oracle.ground.address import raw_address
from oracle.ground.maintenance import Span
from oracle.ground.policy import Policy

_PLACED: Final = ("JobCreated", "JobGrown", "JobStopped", "AssignmentOpened", "AssignmentClosed")
_TOLD: Final = (
    "StatusImposed",
    "StatusLifted",
    "MaintenanceDeclared",
    "MaintenanceCancelled",
    "MaintenanceShortened",
)
SUSPENDED: Final = 2
"""The least status that bars from serving."""
_LICENCE, _NODE = 1, 2


@dataclass(frozen=True, slots=True)
class Terms:
    """What a job's terms hash stands for; price of one slot for one epoch in the token's smallest unit."""

    token: str
    price: int
    policy: Policy
    intent: bytes


@dataclass(frozen=True, slots=True)
class Serving:
    """An open assignment: its licence and its node (20 bytes)."""

    assignment: int
    licence: int
    node: bytes

    @property
    def subjects(self) -> tuple[int, int]:
        """Its licence and its node as the contracts' subjects of trust."""
        return _LICENCE << 248 | self.licence, _NODE << 248 | int.from_bytes(self.node)


def placing_log(network: Network, path: Path | None = None) -> EventLog:
    """The log of what is told of nodes that serve: statuses and maintenance."""
    contracts = {"trust": network.trust, "maintenance": network.maintenance}
    return EventLog(path, network.chain, contracts, network.addresses.first_block)


class PlacingBook:
    """Brought up to date by `refresh`, which may raise RpcError and its like, and then leaves things as they were."""

    def __init__(self, events: EventLog, told: EventLog) -> None:
        """`events`: see `EventLog.of`; `told`: see `placing_log`."""
        self._events = events
        self._told = told
        self._marks = Mark(), Mark()
        self.generation = 0
        """Rises when all was read anew: finalized blocks had been taken back."""
        self.terms: dict[int, Terms] = {}
        """By job."""
        self.stops: dict[int, int] = {}
        """By job, when it stops accruing (UNIX seconds)."""
        self.open: dict[int, Serving] = {}
        """By assignment."""
        self.past: dict[int, list[tuple[Serving, int]]] = {}
        """By slot (an assignment's id without its generation), those that are over, and when each was closed."""
        self.imposed: dict[int, dict[int, int]] = {}
        """By subject and status, of those that bar from serving: the block in which it was imposed last."""
        self.maintenance: dict[int, list[Span]] = {}
        """By licence, what was declared and not cancelled."""

    @property
    def head(self) -> Block:
        """The newest block whose events are in. RpcError before the first."""
        head = self._events.head
        if head is None:
            raise RpcError("no finalized block's events were read yet; try again")
        return head

    def refresh(self) -> None:
        """Take up what happened since the last time."""
        self._events.advance()
        self._told.advance()
        placed = self._events.news(_PLACED, self._marks[0])
        told = self._told.news(_TOLD, self._marks[1])
        if placed.anew:
            self.generation += 1
            for each in (self.terms, self.stops, self.open, self.past):
                each.clear()
        if told.anew:
            self.imposed.clear()
            self.maintenance.clear()
        self._take(placed.events)
        self._take(told.events)
        self._marks = placed.mark, told.mark

    def _take(self, events: Iterable[Event]) -> None:
        for event in events:
            told = event.args
            match event.name:
                case "JobCreated":
                    self.stops[told["job"]] = told["details"]["endsAt"]
                    self.terms[told["job"]] = _terms(told["details"])
                case "JobGrown":
                    self.stops[told["job"]] = told["endsAt"]
                case "JobStopped":
                    self.stops[told["job"]] = told["stop"]
                case "AssignmentOpened":
                    key = told["assignment"]
                    self.open[key] = Serving(key, told["licence"], raw_address(told["node"]))
                case "AssignmentClosed":
                    gone = self.open.pop(told["assignment"], None)
                    if gone is not None:
                        self.past.setdefault(gone.assignment >> 32, []).append((gone, told["closedAt"]))
                case "StatusImposed" if told["status"] >= SUSPENDED:
                    self.imposed.setdefault(told["subject"], {})[told["status"]] = event.block
                case "StatusLifted":
                    self.imposed.get(told["subject"], {}).pop(told["status"], None)
                case "MaintenanceDeclared":
                    self.maintenance.setdefault(told["licence"], []).append((told["from"], told["to"]))
                case "MaintenanceCancelled":
                    self._end(told, None)
                case "MaintenanceShortened":
                    self._end(told, told["to"])

    def _end(self, told: Mapping[str, Any], to: int | None) -> None:
        """A licence's window ends at `to`, or isn't to be any more."""
        kept = [one for one in self.maintenance.get(told["licence"], []) if one[0] != told["from"]]
        self.maintenance[told["licence"]] = sorted([*kept, *([] if to is None else [(told["from"], to)])])


def _terms(details: Mapping[str, Any]) -> Terms:
    policy = read_policy(details["policy"])
    return Terms(details["token"], details["price"], policy, bytes(details["intent"]))
