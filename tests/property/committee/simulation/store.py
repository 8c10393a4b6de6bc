# SPDX-License-Identifier: Apache-2.0
"""A store that survives crashes, crashes at any write when told to, and has what its oracle saw of the nodes."""

from __future__ import annotations

from functools import lru_cache
from random import Random

from oracle.ground.address import raw_address
from oracle.telemetry.store.errors import StoreError
from oracle.telemetry.store.journal import JournalledObservation
from oracle.telemetry.store.records import EpochRecord, Kind, Line
from tests.property.committee.simulation.reader import NODES


class Crash(BaseException):
    """The process is gone: nothing may catch it but the simulation."""


class SimStore:
    """Has the methods of `BitmapStore` that a member uses, on dictionaries. What is written is durable."""

    location = "the simulated store"

    def __init__(self, seed: int, oracle: int, ticks: int) -> None:
        self.observations: dict[tuple[int, int], JournalledObservation] = {}
        self.state: dict[str, bytes] = {}
        self.epoch = -1
        """The newest epoch of which anything is kept."""
        self.lives = 0
        """How often the oracle was started: a crash loses marks that weren't committed."""
        self.writes_left: int | None = None
        self.crash_before = False
        self._from = (seed, oracle, ticks)

    def _write(self) -> bool:
        """Counts a write; whether the process goes once it is done. Crash for one that goes before."""
        if self.writes_left is None:
            return False
        self.writes_left -= 1
        if self.writes_left > 0:
            return False
        self.writes_left = None
        if self.crash_before:
            raise Crash
        return True

    def journal_observation(
        self, epoch: int, committee: int, content_hash: bytes, signature: bytes, content: bytes
    ) -> JournalledObservation:
        """See Journal."""
        goes = self._write()
        given = JournalledObservation(content_hash, signature, content)
        held = self.observations.setdefault((epoch, committee), given)
        if goes:
            raise Crash
        if held.content_hash != content_hash:
            raise StoreError(f"epoch {epoch} is signed already")
        return held

    def observation(self, epoch: int, committee: int) -> JournalledObservation | None:
        """See Journal."""
        return self.observations.get((epoch, committee))

    def check_floor(self, epoch: int) -> None:
        """See Journal: this one is whole."""

    def put_state(self, key: str, value: bytes) -> None:
        """See Journal."""
        goes = self._write()
        self.state[key] = value
        if goes:
            raise Crash

    def get_state(self, key: str) -> bytes | None:
        """See Journal."""
        return self.state.get(key)

    def states(self, first: str, before: str) -> list[tuple[str, bytes]]:
        """See Journal."""
        return [(key, self.state[key]) for key in sorted(self.state) if first <= key < before]

    def drop_state(self, first: str, before: str) -> None:
        """See Journal."""
        goes = self._write()
        for key in [one for one in self.state if first <= one < before]:
            del self.state[key]
        if goes:
            raise Crash

    def epochs(self) -> list[int]:
        """See BitmapStore."""
        return list(range(max(0, self.epoch - 40), self.epoch + 1))

    def read(self, epoch: int) -> EpochRecord:
        """See BitmapStore. What was seen differs a little between oracles, and after a crash."""
        if epoch > self.epoch:
            return EpochRecord(epoch, self._from[2])
        return seen(*self._from, epoch, self.lives)


@lru_cache(maxsize=4_096)
def seen(seed: int, oracle: int, ticks: int, epoch: int, lives: int) -> EpochRecord:
    """What an oracle saw in an epoch, of what really was."""
    whole = (1 << ticks) - 1
    truth = Random(f"{seed} truth {epoch}")  # noqa: S311
    own = Random(f"{seed} seen {oracle} {epoch} {lives}")  # noqa: S311
    ways = whole if own.random() < 0.7 else own.getrandbits(ticks)
    lines = {}
    for node in NODES:
        kind = truth.random()
        up = whole if kind < 0.5 else truth.getrandbits(ticks) | (truth.getrandbits(ticks) if kind < 0.9 else 0)
        lost = own.getrandbits(ticks) & own.getrandbits(ticks) if own.random() < 0.4 else 0
        lines[raw_address(node)] = Line(up & ~lost & ways, 0, 1)
    return EpochRecord(epoch, ticks, (("simulated", ways),), {Kind.LIVENESS: lines})
