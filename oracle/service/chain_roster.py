"""The roster as the chain has it: linked nodes and open assignments, by the events of finalized blocks."""

from __future__ import annotations

import math
import time

from chain.events import EventLog, Mark
from chain.network import Network, WrongDeployment

_FOLLOWED = (
    "NodeLinked",
    "NodeUnlinked",
    "JobCreated",
    "JobGrown",
    "JobStopped",
    "AssignmentOpened",
    "AssignmentClosed",
)


class ChainRoster:
    """Nodes that are linked to a licence at the last finalized block, and what each of them serves.

    `refresh` reads the chain and may be called from another thread; it raises RpcError and leaves things as they were.
    It asks for what is new, never for the whole network: decoding that would hold up the heartbeats.
    """

    def __init__(self, network: Network, events: EventLog | None = None) -> None:
        """`events` is shared with others who follow this network; without it the roster keeps its own, in memory."""
        self._events = EventLog.of(network) if events is None else events
        self._mark = Mark()
        self._book = _Book()
        self._now = 0
        self._refreshed = -math.inf

    def refresh(self) -> None:
        """Take up what happened since the last time."""
        self._events.advance()
        news = self._events.news(_FOLLOWED, self._mark)
        # Who asks meanwhile has the old book until the new one is whole.
        book = _Book() if news.anew else self._book
        for event in news.events:
            book.take(event.name, event.args)
        self._book, self._mark = book, news.mark
        if head := self._events.head:
            self._now = head.timestamp
        self._refreshed = time.monotonic()

    def knows(self, node: str) -> bool:
        """See `telemetry.intake.roster.Roster`."""
        return node in self._book.linked

    def fenced(self, node: str, assignment: int) -> bool:
        """See `telemetry.intake.roster.Roster`."""
        book = self._book
        if book.served.get(assignment, node) != node:
            return True
        return book.stops.get(assignment >> 64, self._now + 1) <= self._now

    @property
    def age(self) -> float:
        """See `telemetry.intake.roster.Roster`."""
        return time.monotonic() - self._refreshed

    def __len__(self) -> int:
        return len(self._book.linked)


class _Book:
    """What the events come to."""

    def __init__(self) -> None:
        self.linked: dict[str, int] = {}
        # assignment -> node, or None where it is closed; job -> UNIX seconds of its stop
        self.served: dict[int, str | None] = {}
        self.stops: dict[int, int] = {}

    def take(self, event: str, told: dict[str, object]) -> None:
        match event, told:
            case "NodeLinked", {"node": str(node), "licence": int(licence)}:
                self.linked[node] = licence
            case "NodeUnlinked", {"node": str(node)}:
                self.linked.pop(node, None)
            case "JobCreated", {"job": int(job), "details": {"endsAt": int(stop)}}:
                self.stops[job] = stop
            case "JobGrown", {"job": int(job), "endsAt": int(stop)}:
                self.stops[job] = stop
            case "JobStopped", {"job": int(job), "stop": int(stop)}:
                self.stops[job] = stop
            case "AssignmentOpened", {"assignment": int(assignment), "node": str(node)}:
                self.served[assignment] = node
            case "AssignmentClosed", {"assignment": int(assignment)}:
                self.served[assignment] = None
            case _:
                raise WrongDeployment(f"event {event} has other fields than this version knows; update Epochal")
