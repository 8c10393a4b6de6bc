"""The tables of an oracle's store and how its file is opened, made and recognised."""

from __future__ import annotations

import sqlite3
from pathlib import Path

from oracle.ground.clock import EpochClock
from oracle.ground.errors import EpochalError

SCHEMA = 1
APPLICATION = 0x45504F43
"""SQLite's application id of a store: `EPOC`."""

_TABLES = (
    "CREATE TABLE meta (key TEXT PRIMARY KEY, value TEXT NOT NULL) WITHOUT ROWID",
    # `sequence` is the highest accepted one as of the last fold, 8 bytes big-endian.
    "CREATE TABLE node (id INTEGER PRIMARY KEY, address BLOB NOT NULL UNIQUE, sequence BLOB NOT NULL)",
    # Marks newer than the bitmaps: one row a commit, see store.MARK.
    "CREATE TABLE log (id INTEGER PRIMARY KEY, marks BLOB NOT NULL)",
    # Bitmaps as `ground.bitmap` encodes them. `key` is epoch << 32 | node: an epoch's rows are together.
    "CREATE TABLE up (key INTEGER PRIMARY KEY, bits BLOB NOT NULL)",
    "CREATE TABLE unseen (key INTEGER PRIMARY KEY, bits BLOB NOT NULL)",
    "CREATE TABLE observed (key INTEGER PRIMARY KEY, bits BLOB NOT NULL)",
    "CREATE TABLE observation (epoch INTEGER NOT NULL, committee INTEGER NOT NULL, content_hash BLOB NOT NULL, "
    "signature BLOB NOT NULL, content BLOB NOT NULL, PRIMARY KEY (epoch, committee))",
    "CREATE TABLE state (key TEXT PRIMARY KEY, value BLOB NOT NULL) WITHOUT ROWID",
)


class StoreError(EpochalError):
    """An oracle's store can't be opened, is another network's, is damaged, or can't be written."""


def open_database(path: Path, clock: EpochClock, label: str) -> sqlite3.Connection:
    """Open the store at `path`, or make it where there is none (its folder must exist).

    The connection holds the file alone until it is closed: one store serves one oracle, and two processes
    that write one journal could sign two observations. Commits are durable: write-ahead log, synced at each
    one. Raises `StoreError` if the file is in use, is no store, has another schema, or belongs to another
    clock or label.
    """
    try:
        database = sqlite3.connect(path, timeout=1.0, isolation_level=None, check_same_thread=False)
    except sqlite3.Error as error:
        raise StoreError(f"{path}: can't be opened ({error}); check that its folder exists and is writable") from error
    wanted = {"clock": f"{clock.genesis}/{clock.length}/{clock.tick}", "label": label}
    try:
        database.execute("PRAGMA locking_mode = EXCLUSIVE")
        fresh = _is_empty(database)
        if not fresh:
            _recognise(database, path, wanted)
        database.execute("PRAGMA page_size = 8192")
        database.execute("PRAGMA journal_mode = WAL")
        database.execute("PRAGMA synchronous = FULL")
        database.execute("BEGIN EXCLUSIVE")
        if fresh:
            _furnish(database, wanted)
        database.execute("COMMIT")
    except sqlite3.OperationalError as error:
        database.close()
        if "locked" in str(error):
            raise StoreError(f"{path}: is in use by another process; stop it or name another store") from error
        raise StoreError(f"{path}: can't be opened ({error}); check its folder, its rights and the disk") from error
    except sqlite3.DatabaseError as error:
        database.close()
        raise StoreError(f"{path}: is not an oracle's store ({error}); name another path") from error
    except StoreError:
        database.close()
        raise
    return database


def _is_empty(database: sqlite3.Connection) -> bool:
    (application,) = database.execute("PRAGMA application_id").fetchone()
    (tables,) = database.execute("SELECT count(*) FROM sqlite_master").fetchone()
    return bool(application == 0 and tables == 0)


def _furnish(database: sqlite3.Connection, wanted: dict[str, str]) -> None:
    """Make the tables, inside the caller's transaction: a kill leaves all of them or none."""
    for statement in _TABLES:
        database.execute(statement)
    database.executemany("INSERT INTO meta VALUES (?, ?)", wanted.items())
    database.execute(f"PRAGMA user_version = {SCHEMA}")
    database.execute(f"PRAGMA application_id = {APPLICATION}")


def _recognise(database: sqlite3.Connection, path: Path, wanted: dict[str, str]) -> None:
    """StoreError unless the file is a store of this schema and network. Changes nothing in the file."""
    (application,) = database.execute("PRAGMA application_id").fetchone()
    if application != APPLICATION:
        raise StoreError(f"{path}: is a database but not an oracle's store; name another path")
    (schema,) = database.execute("PRAGMA user_version").fetchone()
    if schema != SCHEMA:
        raise StoreError(f"{path}: has schema {schema}, this version reads {SCHEMA}; use the version that wrote it")
    stored: dict[str, str] = dict(database.execute("SELECT key, value FROM meta").fetchall())
    for key, value in wanted.items():
        if stored.get(key) != value:
            raise StoreError(
                f"{path}: belongs to another network ({key} {stored.get(key)!r}, not {value!r}); name another path"
            )
