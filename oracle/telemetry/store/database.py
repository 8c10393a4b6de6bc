"""What a store needs of a database, and its tables: the same in SQLite and in PostgreSQL.

Statements are SQL that both understand, with `?` for values. What is kept:

    line    the bitmaps of the day: one row a track and epoch, of full width, rewritten in place
    closed  bitmaps of epochs long over, compressed; a row's bits are those here and in `line` together
    log     marks that no bitmap has yet, one segment a commit

A `key` is epoch << 32 | plane << 31 | number. On plane 0 lie a track's marks, under the track's number, and the
ticks a way observed, under the way's, which is below FIRST_TRACK; on plane 1 the ticks in which a track was seen.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import AbstractContextManager
from typing import Any, Final, Protocol

from oracle.ground.clock import EpochClock
from oracle.telemetry.store.errors import StoreError

SCHEMA: Final = 2
FIRST_TRACK: Final = 64
SEEN: Final = 1 << 31

# {blob} and {int} are the backend's types, {by_key} ends a table that lies in the order of its key.
TABLES: Final = {
    "meta": "(key TEXT PRIMARY KEY, value TEXT NOT NULL){by_key}",
    "way": "(number {int} PRIMARY KEY, name TEXT NOT NULL UNIQUE)",
    "track": "(number {int} PRIMARY KEY, kind {int} NOT NULL, name {blob} NOT NULL, checksum {int} NOT NULL)",
    "log": "(id {int} PRIMARY KEY, marks {blob} NOT NULL)",
    "line": "(key {int} PRIMARY KEY, bits {blob} NOT NULL, ways {int} NOT NULL)",
    "closed": "(key {int} PRIMARY KEY, bits {blob} NOT NULL, ways {int} NOT NULL)",
    "observation": "(epoch {int} NOT NULL, committee {int} NOT NULL, content_hash {blob} NOT NULL, "
    "signature {blob} NOT NULL, content {blob} NOT NULL, PRIMARY KEY (epoch, committee))",
    "state": "(key {name} PRIMARY KEY, value {blob} NOT NULL){by_key}",
}

Row = tuple[Any, ...]


class Database(Protocol):
    """One connection to a store's database. Every method raises StoreError when the database fails.

    Not safe for several threads at once. A connection that may write is the only one that may, until it is closed.
    """

    location: str
    """Where it is, without passwords."""
    read_only: bool

    def rows(self, statement: str, *values: object) -> list[Row]:
        """What a query finds."""

    def run(self, statement: str, *values: object) -> None:
        """Run a statement, inside a transaction."""

    def run_many(self, statement: str, values: Sequence[Row]) -> None:
        """Run a statement for each row of values, inside a transaction."""

    def transaction(self, durable: bool = True) -> AbstractContextManager[None]:
        """What is run inside happens or doesn't. Durable: it is on disk, with all that came before, when this ends."""

    def snapshot(self) -> AbstractContextManager[None]:
        """All that is read inside is of one moment."""

    def reader(self) -> Database:
        """Another connection, that only reads and sees what is committed."""

    def size(self) -> int:
        """Bytes in use at rest."""

    def close(self) -> None:
        """Let it go."""


def identity(clock: EpochClock, label: str) -> dict[str, str]:
    """What `meta` says of the network that a store belongs to."""
    return {"clock": f"{clock.genesis}/{clock.length}/{clock.tick}", "label": label}


def furnish(database: Database, meta: Mapping[str, str], **types: str) -> None:
    """Make the tables, inside the caller's transaction: a kill leaves all of them or none."""
    for name, columns in TABLES.items():
        database.run(f"CREATE TABLE {name} {columns.format(**types)}")
    database.run_many("INSERT INTO meta VALUES (?, ?)", [*meta.items(), ("schema", str(SCHEMA))])


def recognise(database: Database, wanted: Mapping[str, str]) -> None:
    """StoreError unless the tables are of this schema, whole, and of the wanted network. Changes nothing."""
    stored: dict[str, str] = dict(database.rows("SELECT key, value FROM meta"))
    if stored.get("schema") != str(SCHEMA):
        raise StoreError(
            f"{database.location}: has schema {stored.get('schema')}, this version reads {SCHEMA}; "
            "use the version that wrote it"
        )
    for key, value in wanted.items():
        if stored.get(key) != value:
            raise StoreError(
                f"{database.location}: belongs to another network ({key} {stored.get(key)!r}, not {value!r}); "
                "name another store"
            )
    if "unfinished" in stored:
        raise StoreError(f"{database.location}: {stored['unfinished']} was not finished; remove it and begin again")


def paged(database: Database, table: str, first: int, after: int, at_once: int = 1024) -> Iterator[list[Row]]:
    """The rows of a table of bitmaps with keys in `[first, after)`, in order, some at a time."""
    while found := database.rows(
        f"SELECT key, bits, ways FROM {table} WHERE key >= ? AND key < ? ORDER BY key LIMIT ?",  # noqa: S608
        first,
        after,
        at_once,
    ):
        yield found
        first = found[-1][0] + 1
