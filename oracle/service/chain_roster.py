"""The roster as the chain has it: linked nodes and open assignments, in finalized blocks."""

from __future__ import annotations

import math
import time

from chain.network import Network
from oracle.committee.anchor import AnchorReader


class ChainRoster:
    """Nodes that are linked to a licence at the last finalized block, and what each of them serves.

    `refresh` reads the chain and may be called from another thread; it raises RpcError and leaves things as they were.
    """

    def __init__(self, network: Network, reader: AnchorReader) -> None:
        self._network = network
        self._reader = reader
        self._linked: dict[str, int] = {}
        self._scanned = -1
        self._refreshed = -math.inf
        # assignment -> node, or None where it is closed
        self._served: dict[int, str | None] = {}

    def refresh(self) -> None:
        """Take up what happened since the last time."""
        chain, events = self._network.chain, self._network.licences.events
        head = chain.finalized()
        if head.number > self._scanned:
            linked = dict(self._linked)
            changes = [(log, True) for log in chain.logs(events.NodeLinked, self._scanned + 1, head.number)]
            changes += [(log, False) for log in chain.logs(events.NodeUnlinked, self._scanned + 1, head.number)]
            for log, is_link in sorted(changes, key=lambda one: (one[0]["blockNumber"], one[0]["logIndex"])):
                node, licence = log["args"]["node"].lower(), log["args"]["licence"]
                if is_link:
                    linked[node] = licence
                elif linked.get(node) == licence:
                    del linked[node]
            self._linked, self._scanned = linked, head.number
        placed = self._reader.placed(head, self._reader.last_final(head).epoch)
        served: dict[int, str | None] = dict.fromkeys(self._served)
        for one in placed:
            if one.subject.stop > head.timestamp:
                served[one.subject.assignment_id] = one.node
            else:
                served[one.subject.assignment_id] = None
        self._served = served
        self._refreshed = time.monotonic()

    def knows(self, node: str) -> bool:
        """See `telemetry.intake.roster.Roster`."""
        return node in self._linked

    def fenced(self, node: str, assignment: int) -> bool:
        """See `telemetry.intake.roster.Roster`."""
        return self._served.get(assignment, node) != node

    @property
    def age(self) -> float:
        """See `telemetry.intake.roster.Roster`."""
        return time.monotonic() - self._refreshed

    def __len__(self) -> int:
        return len(self._linked)
