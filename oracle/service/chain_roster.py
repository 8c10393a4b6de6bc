"""The roster as the chain has it: linked nodes and open assignments, by the events of finalized blocks."""

from __future__ import annotations

import math
import time

from chain.network import Network, WrongDeployment


class ChainRoster:
    """Nodes that are linked to a licence at the last finalized block, and what each of them serves.

    `refresh` reads the chain and may be called from another thread; it raises RpcError and leaves things as they were.
    It asks for what is new, never for the whole network: decoding that would hold up the heartbeats.
    """

    def __init__(self, network: Network) -> None:
        self._network = network
        self._linked: dict[str, int] = {}
        # assignment -> node, or None where it is closed; job -> UNIX seconds of its stop
        self._served: dict[int, str | None] = {}
        self._stops: dict[int, int] = {}
        self._now = 0
        self._scanned = -1
        self._refreshed = -math.inf

    def refresh(self) -> None:
        """Take up what happened since the last time."""
        chain = self._network.chain
        licences, escrow = self._network.licences.events, self._network.escrow.events
        head = chain.finalized()
        if head.number > self._scanned:
            events = (
                *(licences.NodeLinked, licences.NodeUnlinked, escrow.JobCreated, escrow.JobStopped),
                *(escrow.AssignmentOpened, escrow.AssignmentClosed),
            )
            logs = [log for event in events for log in chain.logs(event, self._scanned + 1, head.number)]
            for log in sorted(logs, key=lambda one: (one["blockNumber"], one["logIndex"])):
                self._take(log["event"], log["args"])
            self._scanned = head.number
        self._now = head.timestamp
        self._refreshed = time.monotonic()

    def _take(self, event: str, told: dict[str, object]) -> None:
        match event, told:
            case "NodeLinked", {"node": str(node), "licence": int(licence)}:
                self._linked[node.lower()] = licence
            case "NodeUnlinked", {"node": str(node)}:
                self._linked.pop(node.lower(), None)
            case "JobCreated", {"job": int(job), "details": {"endsAt": int(stop)}}:
                self._stops[job] = stop
            case "JobStopped", {"job": int(job), "stop": int(stop)}:
                self._stops[job] = stop
            case "AssignmentOpened", {"assignment": int(assignment), "node": str(node)}:
                self._served[assignment] = node.lower()
            case "AssignmentClosed", {"assignment": int(assignment)}:
                self._served[assignment] = None
            case _:
                raise WrongDeployment(f"event {event} has other fields than this version knows; update Epochal")

    def knows(self, node: str) -> bool:
        """See `telemetry.intake.roster.Roster`."""
        return node in self._linked

    def fenced(self, node: str, assignment: int) -> bool:
        """See `telemetry.intake.roster.Roster`."""
        if self._served.get(assignment, node) != node:
            return True
        return self._stops.get(assignment >> 64, self._now + 1) <= self._now

    @property
    def age(self) -> float:
        """See `telemetry.intake.roster.Roster`."""
        return time.monotonic() - self._refreshed

    def __len__(self) -> int:
        return len(self._linked)
