"""How much of an oracle's time each peer of a gateway may waste: taken before the oracle judges, given back after."""

from __future__ import annotations

import asyncio
import time
from dataclasses import dataclass, field

from oracle.telemetry.wire.budget import Budget

PER_SECOND = 2.0
BURST = 60.0
_PEERS = 10_000


@dataclass(slots=True)
class _UnderWay:
    """What a peer has at the oracle; `judged` is set whenever some of it came back."""

    cost: int = 0
    judged: asyncio.Event = field(default_factory=asyncio.Event)


class Allowance:
    """What each peer may waste at one oracle, in signatures checked in vain.

    Everything under way counts as wasted until the oracle has judged it: otherwise, a peer that sends much at once
    would waste all of it before the first is counted.
    """

    def __init__(self) -> None:
        self._budget = Budget(PER_SECOND, BURST, _PEERS)
        self._under_way: dict[str, _UnderWay] = {}

    def has(self, peer: str) -> bool:
        """Whether the peer has anything left, or may get some of what is under way back."""
        return peer in self._under_way or self._budget.has(peer, time.monotonic())

    async def take(self, peer: str, cost: int) -> bool:
        """Take `cost` off what the peer has, when some is left; waits while more may come back. False: it wasted all.

        `settle` has to follow.
        """
        while not self._budget.has(peer, time.monotonic()):
            pending = self._under_way.get(peer)
            if pending is None:
                return False
            await pending.judged.wait()
        self._budget.spend(peer, cost, time.monotonic())
        self._under_way.setdefault(peer, _UnderWay()).cost += cost
        return True

    def settle(self, peer: str, taken: int, wasted: float) -> None:
        """The oracle judged what `taken` was taken for, and `wasted` of it was in vain."""
        self._budget.spend(peer, wasted - taken, time.monotonic())
        pending = self._under_way[peer]
        pending.cost -= taken
        if pending.cost <= 0:
            del self._under_way[peer]
        pending.judged.set()
        pending.judged = asyncio.Event()
