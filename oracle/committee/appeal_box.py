"""The appeals that a member holds: durable before they are acknowledged, and few enough for any node to be heard."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Final, Protocol

from oracle.committee.appeal import MOST_APPEALS, Appeal
from oracle.ground.errors import EpochalError

MOST_HELD: Final = 16_384
"""Nodes and epochs for which an appeal is held."""
_PREFIX: Final = "appeal:"
_END: Final = "appeal;"


class BoxFull(EpochalError):
    """So many appeals wait that no more are taken now; they are judged with the next reports."""


class States(Protocol):
    """Where appeals are kept, see `telemetry.store.journal`."""

    def put_state(self, key: str, value: bytes) -> None: ...

    def states(self, first: str, before: str) -> list[tuple[str, bytes]]: ...

    def drop_state(self, first: str, before: str) -> None: ...


@dataclass(frozen=True, slots=True)
class Held:
    """An appeal, how many ticks it shows to be acknowledged, and when it came, by this oracle's clock."""

    appeal: Appeal
    shows: int
    arrived: float

    @property
    def rank(self) -> tuple[int, int]:
        """Of two for one node and epoch the higher one stands: any oracle that holds both says so."""
        return self.shows, -int.from_bytes(self.appeal.hash, "big")


class AppealBox:
    """For each node and epoch the appeal that shows most; a node that hands in many gains nothing by it."""

    def __init__(self, store: States) -> None:
        self._store = store
        self._held: dict[tuple[bytes, int], Held] = {}
        self._by_hash: dict[bytes, Held] = {}
        for _, raw in store.states(_PREFIX, _END):
            shows, appeal = int.from_bytes(raw[:8], "big"), Appeal.decode(raw[8:])
            self._hold(Held(appeal, shows, -math.inf))

    def add(self, appeal: Appeal, shows: int, now: float = -math.inf) -> bool:
        """Hold a checked appeal, durably; whether it stands now for its node and epoch. BoxFull."""
        held = Held(appeal, shows, now)
        known = self._held.get((appeal.node, appeal.epoch))
        if known is not None and known.rank >= held.rank:
            return False
        if known is None and len(self._held) >= MOST_HELD:
            raise BoxFull(f"{MOST_HELD} appeals wait already; hand it in again after the next report")
        self._store.put_state(_key(appeal), shows.to_bytes(8, "big") + appeal.encode())
        if known is not None:
            self._drop(known)
        self._hold(held)
        return True

    def get(self, key: bytes) -> Appeal | None:
        """An appeal by its hash."""
        held = self._by_hash.get(key)
        return held.appeal if held else None

    def standing(self, epoch: int, by: float = math.inf) -> list[Appeal]:
        """Those that a report of `epoch` judges, of those that came `by` then: by their hashes, ascending."""
        due = [one for one in self._held.values() if one.appeal.epoch <= epoch and one.arrived <= by]
        return sorted((one.appeal for one in due), key=lambda one: one.hash)[:MOST_APPEALS]

    def lacking(self, epoch: int, by: float, used: Iterable[tuple[bytes, int, int]]) -> list[Appeal]:
        """Those that a report of `epoch` should judge and doesn't, since what it uses (node, epoch, ticks shown) shows
        less. None when it is full."""
        shown = {(node, since): ticks for node, since, ticks in used}
        if len(shown) >= MOST_APPEALS:
            return []
        standing = self.standing(epoch, by)
        return [one for one in standing if self._by_hash[one.hash].shows > shown.get((one.node, one.epoch), -1)]

    def drop(self, keys: Iterable[bytes]) -> None:
        """Forget appeals that can have no effect any more."""
        for key in keys:
            if (held := self._by_hash.get(key)) is not None:
                self._drop(held)
                del self._held[held.appeal.node, held.appeal.epoch]

    def __iter__(self) -> Iterator[Appeal]:
        return iter([one.appeal for one in self._held.values()])

    def _hold(self, held: Held) -> None:
        self._held[held.appeal.node, held.appeal.epoch] = held
        self._by_hash[held.appeal.hash] = held

    def _drop(self, held: Held) -> None:
        key = _key(held.appeal)
        self._store.drop_state(key, key + "\0")
        del self._by_hash[held.appeal.hash]


def _key(appeal: Appeal) -> str:
    return f"{_PREFIX}{appeal.epoch:020}:{appeal.hash.hex()}"
