"""What peers are asked for: a few things of each at a time, and none of them too often."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from oracle.committee.appeal import MOST_APPEALS
from oracle.committee.effects import Effect, FetchAppeal, FetchObservation

MAX_TRIES: Final = 4
"""How often in a turn one thing is asked of one peer."""
MAX_ASKED: Final = 8
"""Things that one peer is asked for at a time; the others wait."""

Fetch = FetchObservation | FetchAppeal


class Asking:
    """A queue for each peer: one that answers slowly, or names what nobody has, holds up no other."""

    def __init__(self, emit: Callable[[Effect], None], lacks: Callable[[bytes, Fetch], bool]) -> None:
        """`lacks` tells whether something, by its hash, is still not here when its turn comes."""
        self._emit = emit
        self._lacks = lacks
        self._tried: dict[tuple[bytes, bytes], int] = {}
        self._under_way: dict[bytes, set[bytes]] = {}
        self._queues: dict[bytes, dict[bytes, Fetch]] = {}

    def new_turn(self) -> None:
        """Everything may be asked for again."""
        self._tried.clear()
        self._under_way.clear()

    def want(self, peer: bytes, key: bytes, fetch: Fetch) -> None:
        """Ask a peer for something, now or when it has answered what it was asked for."""
        queue = self._queues.setdefault(peer, {})
        if key not in self._under_way.get(peer, ()) and self._tried.get((peer, key), 0) < MAX_TRIES:
            if len(queue) < MOST_APPEALS:
                queue.setdefault(key, fetch)
            self._ask_next(peer)

    def answered(self, peer: bytes, key: bytes) -> None:
        """What a peer was asked for came, or didn't: it is asked for what waits."""
        self._under_way.get(peer, set()).discard(key)
        self._ask_next(peer)

    def is_under_way(self, key: bytes) -> bool:
        """Whether any peer was asked for it and hasn't answered yet."""
        return any(key in keys for keys in self._under_way.values())

    def _ask_next(self, peer: bytes) -> None:
        queue, under_way = self._queues.get(peer, {}), self._under_way.setdefault(peer, set())
        while queue and len(under_way) < MAX_ASKED:
            key = next(iter(queue))
            fetch = queue.pop(key)
            if self._lacks(key, fetch):
                self._tried[peer, key] = self._tried.get((peer, key), 0) + 1
                under_way.add(key)
                self._emit(fetch)
