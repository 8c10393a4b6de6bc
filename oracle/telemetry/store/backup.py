"""Copies of a store, made while it is in use, and new stores made from them, on either backend.

A backup is a store in one SQLite file. A restored store doesn't know what its lost original did after the backup, so it
has a journal floor: of the epochs that are over it signs only what the journal holds, see `Journal`.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing
from os import PathLike
from pathlib import Path
from typing import Final

from oracle.ground.clock import EpochClock
from oracle.telemetry.store.database import Database, Row
from oracle.telemetry.store.errors import StoreError
from oracle.telemetry.store.journal import FLOOR
from oracle.telemetry.store.opening import open_database
from oracle.telemetry.store.sqlite import SqliteDatabase, lock_of

# Table -> its key, and how many rows are in memory at a time: states and observations may be megabytes each.
_TABLES: Final = {
    "way": (("number",), 64),
    "track": (("number",), 4096),
    "log": (("id",), 64),
    "line": (("key",), 2048),
    "closed": (("key",), 2048),
    "observation": (("epoch", "committee"), 8),
    "state": (("key",), 4),
}
_NETWORK: Final = ("clock", "label")


def backup(source: str | PathLike[str], target: Path) -> None:
    """Copy the store at `source`, as it is at this moment, to a new file. It may be in use; its commits don't wait.

    StoreError when there is no store, when `target` exists, or when either can't be read or written.
    """
    with closing(open_database(source, {}, read_only=True)) as original, original.snapshot():
        meta = _meta(original)
        network = {key: meta[key] for key in _NETWORK}
        with closing(SqliteDatabase(Path(target), network, making=True)) as copy:
            _copy(original, copy, "this backup", {FLOOR: meta[FLOOR]} if FLOOR in meta else {})
    lock_of(Path(target)).unlink(missing_ok=True)  # nobody writes to a backup


def restore(source: Path, target: str | PathLike[str], now: int) -> int:
    """Make a new store at `target` from the backup `source`; returns its journal floor, −1 for none.

    `now` is UNIX seconds. The lost original may have signed observations of every epoch that is over by then, so the
    new store signs none of them that the backup doesn't hold. StoreError when there is no backup, when `target` exists,
    or when either can't be read or written.
    """
    with closing(SqliteDatabase(Path(source), {}, read_only=True)) as held, held.snapshot():
        meta = _meta(held)
        genesis, length, tick = map(int, meta["clock"].split("/"))
        clock = EpochClock(genesis, length, tick)
        floor = max(
            clock.epoch_at(now) - 1 if now >= genesis else -1,
            # A clock that is wrong now must not unsay what the backup knows to be over.
            int(meta.get(FLOOR, -1)),
            _greatest(held, "epoch", "observation"),
            (max(_greatest(held, "key", table) for table in ("line", "closed")) >> 32) - 1,
        )
        with closing(open_database(target, {key: meta[key] for key in _NETWORK}, making=True)) as fresh:
            _copy(held, fresh, "this restoration", {FLOOR: str(floor)})
    return floor


def _copy(source: Database, target: Database, name: str, meta: dict[str, str]) -> None:
    """Fill a new store, which can't be opened until that is finished."""
    with target.transaction():
        target.run("INSERT INTO meta VALUES ('unfinished', ?)", name)
    for table, (key, at_once) in _TABLES.items():
        for some in _rows(source, table, key, at_once):
            with target.transaction(durable=False):
                target.run_many(f"INSERT INTO {table} VALUES ({', '.join('?' * len(some[0]))})", some)  # noqa: S608
    with target.transaction():
        target.run_many("INSERT INTO meta VALUES (?, ?)", list(meta.items()))
        target.run("DELETE FROM meta WHERE key = 'unfinished'")


def _rows(source: Database, table: str, key: tuple[str, ...], at_once: int) -> Iterator[list[Row]]:
    """All rows of a table in order of its key, which its first columns are."""
    columns = ", ".join(key)
    after = f"WHERE ({columns}) > ({', '.join('?' * len(key))})"
    last: Row | None = None
    while some := source.rows(
        f"SELECT * FROM {table} {after if last else ''} ORDER BY {columns} LIMIT {at_once}",  # noqa: S608
        *(last or ()),
    ):
        yield some
        last = some[-1][: len(key)]


def _meta(database: Database) -> dict[str, str]:
    meta: dict[str, str] = dict(database.rows("SELECT key, value FROM meta"))
    missing = [key for key in _NETWORK if key not in meta]
    if missing:
        raise StoreError(f"{database.location}: is damaged (no {missing[0]}); restore it from a backup")
    return meta


def _greatest(database: Database, column: str, table: str) -> int:
    """The greatest value in an index; −1 for none."""
    ((found,),) = database.rows(f"SELECT max({column}) FROM {table}")  # noqa: S608
    return -1 if found is None else int(found)
