# SPDX-License-Identifier: Apache-2.0
"""A store that survives crashes, crashes at any write when told to, and has what its oracle saw of the nodes."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from functools import lru_cache
from random import Random

from oracle.ground.address import raw_address
from oracle.telemetry.store.database import Row, furnish
from oracle.telemetry.store.journal import Journal
from oracle.telemetry.store.records import EpochRecord, Kind, Line
from tests.property.committee.simulation.reader import NODES


class Crash(BaseException):
    """The process is gone: nothing may catch it but the simulation."""


class MemoryDatabase:
    """SQLite in memory, with the tables of a store: what a transaction wrote outlives the simulated process.

    With `writes_left`, so many transactions go well; the last of them crashes, before its end or just after it.
    """

    location = "the simulated store"
    read_only = False

    def __init__(self) -> None:
        self.writes_left: int | None = None
        self.crash_before = False
        self._database = sqlite3.connect(":memory:", isolation_level=None)
        with self.transaction():
            furnish(self, {}, blob="BLOB", int="INTEGER", name="TEXT", by_key=" WITHOUT ROWID")  # type: ignore[arg-type]

    def rows(self, statement: str, *values: object) -> list[Row]:
        """See Database."""
        return self._database.execute(statement, values).fetchall()

    def run(self, statement: str, *values: object) -> None:
        """See Database."""
        self._database.execute(statement, values)

    def run_many(self, statement: str, values: Sequence[Row]) -> None:
        """See Database."""
        self._database.executemany(statement, values)

    @contextmanager
    def transaction(self, durable: bool = True) -> Iterator[None]:
        """See Database."""
        goes = False
        if self.writes_left is not None:
            self.writes_left -= 1
            goes = self.writes_left <= 0
        if goes:
            self.writes_left = None
        self._database.execute("BEGIN")
        try:
            yield
            if goes and self.crash_before:
                raise Crash
        except BaseException:
            self._database.execute("ROLLBACK")
            raise
        self._database.execute("COMMIT")
        if goes:
            raise Crash


class SimStore(Journal):
    """The real journal on a database in memory, and marks out of nowhere: what a member uses of a `BitmapStore`."""

    def __init__(self, seed: int, oracle: int, ticks: int) -> None:
        self.disk = MemoryDatabase()
        super().__init__(self.disk)  # type: ignore[arg-type]
        self.epoch = -1
        """The newest epoch of which anything is kept."""
        self.lives = 0
        """How often the oracle was started: a crash loses marks that weren't committed."""
        self._from = (seed, oracle, ticks)

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
    truth = Random(f"{seed} truth {epoch}")
    own = Random(f"{seed} seen {oracle} {epoch} {lives}")
    ways = whole if own.random() < 0.7 else own.getrandbits(ticks)
    lines = {}
    for node in NODES:
        kind = truth.random()
        up = whole if kind < 0.5 else truth.getrandbits(ticks) | (truth.getrandbits(ticks) if kind < 0.9 else 0)
        lost = own.getrandbits(ticks) & own.getrandbits(ticks) if own.random() < 0.4 else 0
        lines[raw_address(node)] = Line(up & ~lost & ways, 0, 1)
    return EpochRecord(epoch, ticks, (("simulated", ways),), {Kind.LIVENESS: lines})
