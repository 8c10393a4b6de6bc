"""A store in one SQLite file, with its write-ahead log beside it."""

from __future__ import annotations

import contextlib
import fcntl
import os
import sqlite3
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path

from oracle.telemetry.store.database import Row, furnish, recognise
from oracle.telemetry.store.errors import StoreError

APPLICATION = 0x45504F43
"""SQLite's application id of a store: `EPOC`."""

PAGE = 32_768
"""Bytes. 29 bitmaps of a day in 10 s ticks fit into one page, 1,130 bytes each; SQLite's own 4 KiB would take 1,365."""

CHECKPOINT_PAGES = 256
"""Pages of write-ahead log after which a commit moves them to their places: what it does in a few milliseconds."""

_MADE = b"a store\n"
"""What the lock file says once there is one: a file that lost its contents isn't taken for a new one."""

_TYPES = {"blob": "BLOB", "int": "INTEGER", "name": "TEXT", "by_key": " WITHOUT ROWID"}


def lock_of(path: Path) -> Path:
    """The file that the writer of the store at `path` holds locked. It stays when nobody writes."""
    return path.with_name(path.name + ".lock")


class SqliteDatabase:
    """The file at `path`, made where there is none (its folder must exist). `wanted` is its `meta`.

    One process writes, which a lock on a file of the same name with `.lock` says; others may read meanwhile. Commits
    are durable: write-ahead log, synced at each one. Raises `StoreError` if the file is being written by another
    process, is no store, has another schema, or belongs to another clock or label.
    """

    def __init__(self, path: Path, wanted: Mapping[str, str], *, read_only: bool = False, making: bool = False) -> None:
        self.location = str(path)
        self.read_only = read_only
        self._path = path
        self._durable = True
        self._new = not path.exists()
        self._lock = -1 if read_only else self._own()
        try:
            self._database = self._connect()
            try:
                self._open(wanted, making)
            except BaseException:
                self._database.close()
                raise
        except BaseException:
            self._release()
            raise

    def rows(self, statement: str, *values: object) -> list[Row]:
        with self._failing("read"):
            return self._database.execute(statement, values).fetchall()

    def run(self, statement: str, *values: object) -> None:
        with self._failing("written"):
            self._database.execute(statement, values)

    def run_many(self, statement: str, values: Sequence[Row]) -> None:
        with self._failing("written"):
            self._database.executemany(statement, values)

    @contextmanager
    def transaction(self, durable: bool = True) -> Iterator[None]:
        with self._failing("written"):
            if durable != self._durable:
                # A commit that isn't synced lies in the log before later ones, and no sync of theirs can skip it.
                self._database.execute(f"PRAGMA synchronous = {'FULL' if durable else 'NORMAL'}")
                self._durable = durable
            self._database.execute("BEGIN IMMEDIATE")
            try:
                yield
                self._database.execute("COMMIT")
            except BaseException:
                self._roll_back()
                raise

    @contextmanager
    def snapshot(self) -> Iterator[None]:
        with self._failing("read"):
            self._database.execute("BEGIN")
            try:
                yield
            finally:
                self._roll_back()

    def reader(self) -> SqliteDatabase:
        return SqliteDatabase(self._path, {}, read_only=True)

    def size(self) -> int:
        ((pages,),) = self.rows("PRAGMA page_count")
        ((free,),) = self.rows("PRAGMA freelist_count")
        ((page,),) = self.rows("PRAGMA page_size")
        return int((pages - free) * page)

    def close(self) -> None:
        self._database.close()
        self._release()

    def _own(self) -> int:
        """A lock that no other process has. Not on the file itself: SQLite's own locks there would be lost with it."""
        lock = lock_of(self._path)
        try:
            handle = os.open(lock, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
        except OSError as error:
            raise StoreError(
                f"{self._path}: can't be opened ({lock.name}: {error.strerror}); "
                "check that its folder exists and is writable"
            ) from error
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            os.close(handle)
            raise StoreError(
                f"{self._path}: is in use by another process; stop it first, and never run two oracles with one key"
            ) from error
        return handle

    def _release(self) -> None:
        if self._lock >= 0:
            os.close(self._lock)
            self._lock = -1

    def _connect(self) -> sqlite3.Connection:
        if self.read_only and not self._path.exists():
            raise StoreError(f"{self._path}: doesn't exist; name the store of an oracle")
        uri = self._path.absolute().as_uri() + ("?mode=ro" if self.read_only else "")
        try:
            return sqlite3.connect(uri, uri=True, timeout=5.0, isolation_level=None, check_same_thread=False)
        except sqlite3.Error as error:
            raise StoreError(
                f"{self._path}: can't be opened ({error}); check that its folder exists and is writable"
            ) from error

    def _open(self, wanted: Mapping[str, str], making: bool) -> None:
        try:
            fresh = not self.read_only and self._is_empty()
            if fresh and 0 < self._path.stat().st_size < 512:
                raise sqlite3.DatabaseError("file is too short")
            if fresh and os.pread(self._lock, len(_MADE), 0) == _MADE and not self._new:
                raise StoreError(
                    f"{self._path}: is empty, but was a store before; restore it from a backup. An empty one can't "
                    f"know what it signed; to begin anew all the same, delete it and {lock_of(self._path).name}"
                )
            if not fresh:
                self._check_application()
            if self.read_only:
                self._database.execute("PRAGMA query_only = 1")
            else:
                self._database.execute(f"PRAGMA page_size = {PAGE}")
                self._database.execute("PRAGMA journal_mode = WAL")
                self._database.execute("PRAGMA synchronous = FULL")
                self._database.execute(f"PRAGMA wal_autocheckpoint = {CHECKPOINT_PAGES}")
                self._database.execute(f"PRAGMA journal_size_limit = {4 * CHECKPOINT_PAGES * PAGE}")
        except sqlite3.OperationalError as error:
            raise StoreError(
                f"{self._path}: can't be opened ({error}); check its folder, its rights and the disk"
            ) from error
        except sqlite3.DatabaseError as error:
            raise StoreError(
                f"{self._path}: is not an oracle's store, or is damaged ({error}); "
                "name another path, or restore it from a backup"
            ) from error
        if fresh:
            with self.transaction():
                furnish(self, wanted, **_TYPES)
                self.run(f"PRAGMA application_id = {APPLICATION}")
            os.pwrite(self._lock, _MADE, 0)
        elif making:
            raise StoreError(f"{self._path}: exists; name a place where nothing is")
        recognise(self, wanted)

    def _is_empty(self) -> bool:
        ((application,),) = self._database.execute("PRAGMA application_id").fetchall()
        ((tables,),) = self._database.execute("SELECT count(*) FROM sqlite_master").fetchall()
        return bool(application == 0 and tables == 0)

    def _check_application(self) -> None:
        ((application,),) = self._database.execute("PRAGMA application_id").fetchall()
        if application != APPLICATION:
            raise StoreError(f"{self._path}: is a database but not an oracle's store; name another path")

    def _roll_back(self) -> None:
        with contextlib.suppress(sqlite3.Error):
            if self._database.in_transaction:
                self._database.execute("ROLLBACK")

    @contextmanager
    def _failing(self, what: str) -> Iterator[None]:
        try:
            yield
        except sqlite3.OperationalError as error:
            raise StoreError(
                f"{self._path}: can't be {what} ({error}); check the disk, its space and rights"
            ) from error
        except sqlite3.DatabaseError as error:
            raise StoreError(f"{self._path}: is damaged ({error}); restore it from a backup") from error
        except sqlite3.Error as error:
            raise StoreError(f"{self._path}: can't be {what} ({error}); is it closed?") from error
