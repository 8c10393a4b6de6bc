"""The journal's file: SQLite, synced at each commit, with one process that holds it."""

from __future__ import annotations

import fcntl
import os
import sqlite3
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from chain.journal.entry import Attempt, Entry, State
from chain.journal.errors import JournalBusy, JournalUnusable

_APPLICATION = 0x45504A54  # EPJT
_VERSION = 1

# Only a hash is unique, so that history may hold what a nonce's other user made void.
_SCHEMA = """
CREATE TABLE about (name TEXT PRIMARY KEY, value TEXT NOT NULL) WITHOUT ROWID;
CREATE TABLE entries (
    position INTEGER PRIMARY KEY AUTOINCREMENT,
    key TEXT NOT NULL UNIQUE,
    label TEXT NOT NULL,
    recipient TEXT NOT NULL,
    data TEXT NOT NULL,
    gas INTEGER,
    state TEXT NOT NULL,
    nonce INTEGER UNIQUE,
    hash TEXT NOT NULL,
    block INTEGER,
    block_hash TEXT NOT NULL,
    reverted INTEGER NOT NULL,
    spent TEXT NOT NULL,
    attempts INTEGER NOT NULL,
    reason TEXT NOT NULL
);
CREATE INDEX entries_by_state ON entries (state);
CREATE TABLE attempts (
    number INTEGER PRIMARY KEY AUTOINCREMENT,
    entry INTEGER NOT NULL REFERENCES entries (position),
    hash TEXT NOT NULL UNIQUE,
    nonce INTEGER NOT NULL,
    raw TEXT NOT NULL,
    max_fee TEXT NOT NULL,
    max_priority TEXT NOT NULL,
    gas INTEGER NOT NULL,
    cancels INTEGER NOT NULL,
    since REAL NOT NULL
);
CREATE INDEX attempts_by_entry ON attempts (entry, nonce);
"""

_BY_KEY = "SELECT * FROM entries WHERE key = ?"
_OPEN = (
    "SELECT * FROM entries WHERE state IN ('planned', 'signed', 'sent', 'mined') "
    "ORDER BY nonce IS NULL, nonce, position"
)
_SETTLED_FROM = "SELECT * FROM entries WHERE nonce >= ? AND state IN ('final', 'failed', 'dropped') ORDER BY nonce"
_ATTEMPTS = (
    "SELECT hash, nonce, raw, max_fee, max_priority, gas, cancels, since FROM attempts "
    "WHERE entry = ? AND nonce = ? ORDER BY number"
)
_NEW_ATTEMPT = (
    "INSERT INTO attempts (entry, hash, nonce, raw, max_fee, max_priority, gas, cancels, since) "
    "VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?) "
    # A nonce given up and come to again may make the same transaction: it is whose the nonce is now.
    "ON CONFLICT (hash) DO UPDATE SET entry = excluded.entry, since = excluded.since"
)


class Records:
    """Entries and attempts in the file at `path`, made where there is none; its folder must exist.

    `about` says whose it is. JournalBusy while another process holds it, JournalUnusable for a file that is no
    journal, or of another chain or key. May be used by several threads.
    """

    def __init__(self, path: Path, about: dict[str, str]) -> None:
        self.path = path
        self._guard = threading.RLock()
        self._lock = self._own()
        try:
            with self._failing():
                self._database = sqlite3.connect(path, isolation_level=None, check_same_thread=False)
            try:
                self._open(about)
            except BaseException:
                self._database.close()
                raise
        except BaseException:
            os.close(self._lock)
            raise

    def close(self) -> None:
        """Let another process have it."""
        with self._guard:
            self._database.close()
            if self._lock >= 0:
                os.close(self._lock)
            self._lock = -1

    def add(self, key: str, label: str, to: str, data: str, gas: int | None) -> Entry:
        """The entry of that key: planned now, or the one that was."""
        with self._transaction():
            self._database.execute(
                "INSERT INTO entries (key, label, recipient, data, gas, state, hash, block_hash, reverted, spent, "
                "attempts, reason) VALUES (?, ?, ?, ?, ?, 'planned', '', '', 0, '0', 0, '') ON CONFLICT DO NOTHING",
                (key, label, to, data, gas),
            )
        found = self.find(key)
        assert found is not None
        return found

    def find(self, key: str) -> Entry | None:
        """The entry of a key."""
        return next(iter(self._entries(_BY_KEY, key)), None)

    def open(self) -> list[Entry]:
        """Those not settled: by nonce, then those without one in the order of their planning."""
        return self._entries(_OPEN)

    def settled_from(self, nonce: int) -> list[Entry]:
        """Those that are settled with that nonce or a higher one."""
        return self._entries(_SETTLED_FROM, nonce)

    def counts(self) -> dict[State, int]:
        """Entries by state, zeros too."""
        with self._guard, self._failing():
            rows = dict(self._database.execute("SELECT state, count(*) FROM entries GROUP BY state").fetchall())
        return {state: rows.get(state.value, 0) for state in State}

    def next_nonce(self) -> int:
        """One above the highest that was given out, 0 for none."""
        with self._guard, self._failing():
            return int(self._database.execute("SELECT ifnull(max(nonce) + 1, 0) FROM entries").fetchone()[0])

    def attempts(self, entry: Entry) -> list[Attempt]:
        """Those with the entry's nonce, oldest first."""
        with self._guard, self._failing():
            rows = self._database.execute(
                _ATTEMPTS,
                (entry.position, entry.nonce),
            ).fetchall()
        return [
            Attempt(hash_, nonce, raw, int(fee), int(tip), gas, bool(cancels), at)
            for hash_, nonce, raw, fee, tip, gas, cancels, at in rows
        ]

    def put(
        self,
        entry: Entry,
        was: State,
        attempt: Attempt | None = None,
        waits_since: float | None = None,
        foreign: bool = False,
    ) -> bool:
        """Write what changed of an entry that is in state `was`, with a new attempt, at once; False if it isn't.

        `waits_since` is the time from which its attempts wait anew; `foreign` counts a nonce that somebody else used.
        """
        with self._transaction():
            done = self._database.execute(
                "UPDATE entries SET state = ?, nonce = ?, hash = ?, block = ?, block_hash = ?, reverted = ?, "
                "spent = ?, attempts = ?, reason = ? WHERE position = ? AND state = ?",
                (
                    entry.state.value,
                    entry.nonce,
                    entry.hash,
                    entry.block,
                    entry.block_hash,
                    entry.reverted,
                    str(entry.spent),
                    entry.attempts,
                    entry.reason,
                    entry.position,
                    was.value,
                ),
            ).rowcount
            if done and attempt is not None:
                self._database.execute(
                    _NEW_ATTEMPT,
                    (
                        entry.position,
                        attempt.hash,
                        attempt.nonce,
                        attempt.raw,
                        str(attempt.max_fee),
                        str(attempt.max_priority),
                        attempt.gas,
                        attempt.cancels,
                        attempt.since,
                    ),
                )
            if done and waits_since is not None:
                self._database.execute("UPDATE attempts SET since = ? WHERE entry = ?", (waits_since, entry.position))
            if done and foreign:
                self._database.execute("UPDATE about SET value = value + 1 WHERE name = 'foreign nonces'")
        return bool(done)

    def foreign_nonces(self) -> int:
        """How often a nonce was used by somebody else."""
        with self._guard, self._failing():
            return int(self._about()["foreign nonces"])

    def _entries(self, query: str, *values: object) -> list[Entry]:
        with self._guard, self._failing():
            rows = self._database.execute(query, values).fetchall()
        return [_entry(row) for row in rows]

    def _about(self) -> dict[str, str]:
        return dict(self._database.execute("SELECT name, value FROM about").fetchall())

    def _own(self) -> int:
        path = self.path.with_name(self.path.name + ".lock")
        try:
            lock = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        except OSError as error:
            raise JournalUnusable(
                f"{path}: can't be made ({error.strerror}); check the folder and its rights"
            ) from error
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            os.close(lock)
            raise JournalBusy(f"{self.path} is kept by another process: stop it, or give this one its own") from error
        return lock

    def _open(self, about: dict[str, str]) -> None:
        with self._failing():
            # The head alone tells whose file it is: nothing is written into a stranger's.
            application = self._database.execute("PRAGMA application_id").fetchone()[0]
            version = self._database.execute("PRAGMA user_version").fetchone()[0]
            tables = self._database.execute("SELECT count(*) FROM sqlite_master").fetchone()[0]
            if tables and application != _APPLICATION:
                raise JournalUnusable(f"{self.path} is another database: give the journal a file of its own")
            if tables and version != _VERSION:
                raise JournalUnusable(f"{self.path} has version {version}, this program reads {_VERSION}: update it")
            self._database.execute("PRAGMA journal_mode = WAL")
            self._database.execute("PRAGMA synchronous = FULL")
            if not tables:
                self._furnish({**about, "foreign nonces": "0"})
            held = self._about()
        for name, value in about.items():
            if held.get(name) != value:
                raise JournalUnusable(
                    f"{self.path} is the journal of another {name}, {held.get(name)}, not {value}: give its own, or a "
                    "new file"
                )

    def _furnish(self, about: dict[str, str]) -> None:
        """Make the tables and the head, all or nothing."""
        with self._transaction():
            for statement in (
                f"PRAGMA application_id = {_APPLICATION}",
                f"PRAGMA user_version = {_VERSION}",
                *filter(str.strip, _SCHEMA.split(";")),
            ):
                self._database.execute(statement)
            self._database.executemany("INSERT INTO about VALUES (?, ?)", about.items())

    @contextmanager
    def _transaction(self) -> Iterator[None]:
        with self._guard, self._failing():
            self._database.execute("BEGIN IMMEDIATE")
            try:
                yield
                self._database.execute("COMMIT")
            except BaseException:
                with suppress(sqlite3.Error):
                    self._database.execute("ROLLBACK")
                raise

    @contextmanager
    def _failing(self) -> Iterator[None]:
        try:
            yield
        except sqlite3.Error as error:
            raise JournalUnusable(f"{self.path}: {error}; check the disk and the file") from error


def _entry(row: tuple[Any, ...]) -> Entry:
    position, key, label, to, data, gas, state, nonce, hash_, block, block_hash, reverted, spent, attempts, reason = row
    return Entry(
        position,
        key,
        label,
        to,
        data,
        gas,
        State(state),
        nonce,
        hash_,
        block,
        block_hash,
        bool(reverted),
        int(spent),
        attempts,
        reason,
    )
