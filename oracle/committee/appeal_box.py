"""The appeals that a member holds: durable before they are acknowledged, and few enough for any node to be heard."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Final, Protocol

from oracle.committee.appeal import MOST_APPEALS, Appeal
from oracle.ground.errors import EpochalError

MOST_HELD: Final = 16_384
"""Nodes and epochs for which an appeal is held."""
MOST_BYTES: Final = 64 * 1024 * 1024
"""Of appeals in one report: what its evidence has room for."""
_PREFIX: Final = "appeal:"
_END: Final = "appeal;"


class BoxFull(EpochalError):
    """So many appeals wait that no more are taken now; they are judged with the next reports."""


class States(Protocol):
    """Where appeals are kept, see `telemetry.store.journal`."""

    def put_state(self, key: str, value: bytes) -> None: ...

    def states(self, first: str, before: str) -> list[tuple[str, bytes]]: ...

    def drop_state(self, first: str, before: str) -> None: ...


_MOST_STEPS: Final = 16


@dataclass(frozen=True, slots=True)
class Held:
    """An appeal, how many ticks it shows to be acknowledged, and by when so many were shown here.

    steps: (when, ticks shown) of this appeal and of those that it replaced, by this oracle's clock: a better appeal
    that comes late doesn't make the one that came in time late.
    """

    appeal: Appeal
    shows: int
    steps: tuple[tuple[float, int], ...]

    def shown_by(self, when: float) -> int:
        """How many ticks were shown by then; 0 for none."""
        return max((ticks for came, ticks in self.steps if came <= when), default=0)


class AppealBox:
    """For each node and epoch the appeal that shows most; a node that hands in many gains nothing by it."""

    def __init__(self, store: States) -> None:
        self._store = store
        self._held: dict[tuple[bytes, int], Held] = {}
        self._by_hash: dict[bytes, Held] = {}
        for _, raw in store.states(_PREFIX, _END):
            shows, appeal = int.from_bytes(raw[:8], "big"), Appeal.decode(raw[8:])
            self._take(appeal, shows, -math.inf)

    def add(self, appeal: Appeal, shows: int, now: float = -math.inf) -> bool:
        """Hold a checked appeal, durably; whether it stands now for its node and epoch. BoxFull."""
        known = self._held.get((appeal.node, appeal.epoch))
        if known is not None and known.shows >= shows:
            return False
        if known is None and len(self._held) >= MOST_HELD:
            raise BoxFull(f"{MOST_HELD} appeals wait already; hand it in again after the next report")
        self._store.put_state(_key(appeal), shows.to_bytes(8, "big") + appeal.encode())
        self._take(appeal, shows, now)
        return True

    def _take(self, appeal: Appeal, shows: int, now: float) -> None:
        place = (appeal.node, appeal.epoch)
        known = self._held.get(place)
        if known is not None and known.shows >= shows:
            # A process that ended between the two writes of a replacement left both.
            self._forget(appeal)
            return
        steps = (*(known.steps if known else ()), (now, shows))
        if known is not None:
            self._forget(known.appeal)
        held = Held(appeal, shows, steps if len(steps) <= _MOST_STEPS else (steps[0], *steps[1 - _MOST_STEPS :]))
        self._held[place] = self._by_hash[appeal.hash] = held

    def get(self, key: bytes) -> Appeal | None:
        """An appeal by its hash."""
        held = self._by_hash.get(key)
        return held.appeal if held else None

    def standing(self, epoch: int, by: float = math.inf) -> list[Appeal]:
        """Those that a report of `epoch` judges, of those that came `by` then: by their hashes, ascending, and as many
        as one report takes."""
        due = [one for one in self._held.values() if one.appeal.epoch <= epoch and one.shown_by(by)]
        taken, room = [], MOST_BYTES
        for appeal in sorted((one.appeal for one in due), key=lambda one: one.hash)[:MOST_APPEALS]:
            room -= len(appeal.encode())
            if room < 0:
                break
            taken.append(appeal)
        return taken

    def lacking(self, epoch: int, by: float, used: Mapping[Appeal, int]) -> list[Appeal]:
        """Those that a report of `epoch` should judge and doesn't, since what it uses (the ticks that each shows) shows
        less than was shown here by then. None where the report has no room for them."""
        shown: dict[tuple[bytes, int], int] = {}
        room = MOST_BYTES
        for appeal, ticks in used.items():
            place = (appeal.node, appeal.epoch)
            shown[place] = max(ticks, shown.get(place, 0))
            room -= len(appeal.encode())
        if len(used) >= MOST_APPEALS:
            return []
        found = []
        for one in self.standing(epoch, by):
            held = self._by_hash[one.hash]
            fits = len(one.encode()) <= room
            if fits and held.shown_by(by) > shown.get((one.node, one.epoch), 0):
                found.append(one)
        return found

    def drop(self, keys: Iterable[bytes]) -> None:
        """Forget appeals that can have no effect any more."""
        for key in keys:
            if (held := self._by_hash.get(key)) is not None:
                self._forget(held.appeal)
                del self._held[held.appeal.node, held.appeal.epoch]

    def __iter__(self) -> Iterator[Appeal]:
        return iter([one.appeal for one in self._held.values()])

    def _forget(self, appeal: Appeal) -> None:
        key = _key(appeal)
        self._store.drop_state(key, key + "\0")
        self._by_hash.pop(appeal.hash, None)


def _key(appeal: Appeal) -> str:
    return f"{_PREFIX}{appeal.epoch:020}:{appeal.hash.hex()}"
