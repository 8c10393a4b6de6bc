"""The queue's file: SQLite, synced at each commit. Any process may add and look; one sends."""

from __future__ import annotations

import fcntl
import os
import sqlite3
import threading
import time
from collections.abc import Callable, Collection, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any, Final

from delivery.errors import NoSuchMessage, QueueFull, QueueUnusable, SenderRunning
from delivery.message import MAX_TOLD, Draft, Message, State
from delivery.rules import Next

_APPLICATION: Final = 0x45504451  # EPDQ
_VERSION: Final = 1
_SCHEMA: Final = """
CREATE TABLE messages (
    position INTEGER PRIMARY KEY AUTOINCREMENT,
    key TEXT NOT NULL UNIQUE,
    channel TEXT NOT NULL,
    destination TEXT NOT NULL,
    label TEXT NOT NULL,
    body BLOB NOT NULL,
    state TEXT NOT NULL,
    created REAL NOT NULL,
    deadline REAL NOT NULL,
    attempts INTEGER NOT NULL,
    next_at REAL NOT NULL,
    settled_at REAL NOT NULL,
    told TEXT NOT NULL
);
CREATE INDEX messages_by_state ON messages (state, next_at);
"""
_COLUMNS: Final = ", ".join(one.name for one in fields(Message))


@dataclass(frozen=True, slots=True)
class Bounds:
    """How much a queue may hold.

    waiting   messages that wait; more are refused
    settled   messages that are delivered, withdrawn or dead. Beyond it the oldest delivered and withdrawn ones are
              forgotten, and with them that they ever were; then the oldest dead ones
    """

    waiting: int = 20_000
    settled: int = 200_000


class Queue:
    """The messages in the file at `path`, made where there is none; its folder must exist.

    May be used by several threads and processes. A message that was put is on the disk: a kill loses none.
    QueueUnusable for a file that is something else.
    """

    def __init__(self, path: Path, bounds: Bounds | None = None, now: Callable[[], float] = time.time) -> None:
        self.path = path
        self.now = now
        self._bounds = bounds or Bounds()
        self._guard = threading.RLock()
        self._lock = -1
        with self._usable():
            self._database = sqlite3.connect(path, isolation_level=None, check_same_thread=False, timeout=30.0)
        try:
            self._open()
        except BaseException:
            self._database.close()
            raise

    def close(self) -> None:
        """Let it go, and let another process send."""
        with self._guard:
            self._database.close()
            if self._lock >= 0:
                os.close(self._lock)
            self._lock = -1

    def hold(self) -> None:
        """Be the one that sends. SenderRunning while another process is."""
        with self._guard:
            if self._lock >= 0:
                return
            beside = self.path.with_name(self.path.name + ".lock")
            try:
                lock = os.open(beside, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
            except OSError as error:
                raise QueueUnusable(f"{beside}: {error.strerror}; give a folder that can be written") from error
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except OSError as error:
                os.close(lock)
                raise SenderRunning(
                    f"{self.path}: another process sends what is in it; stop that one, or name another folder"
                ) from error
            self._lock = lock

    # Adding.

    def put(self, draft: Draft) -> bool:
        """Take a message; False if one of its key was taken before, unless that one was withdrawn. QueueFull."""
        now = self.now()
        with self._transaction():
            if (known := self._one("SELECT state FROM messages WHERE key = ?", draft.key)) is not None:
                if known[0] != State.WITHDRAWN:
                    return False
                self._database.execute("DELETE FROM messages WHERE key = ?", (draft.key,))
            (waiting,) = self._one("SELECT count(*) FROM messages WHERE state = 'waiting'") or (0,)
            if waiting >= self._bounds.waiting:
                raise QueueFull(
                    f"{self.path}: {waiting:,} messages wait already, so {draft.key} isn't taken; see why they aren't "
                    "brought"
                )
            self._database.execute(
                f"INSERT INTO messages ({_COLUMNS}) "  # noqa: S608
                "VALUES (?, ?, ?, ?, ?, 'waiting', ?, ?, 0, ?, 0, '')",
                (
                    *(draft.key, draft.channel, draft.destination, draft.label, draft.body),
                    *(now, draft.deadline, now),
                ),
            )
        return True

    def resend(self, key: str, deadline: float) -> Message:
        """Have a dead letter brought after all, until `deadline`. NoSuchMessage."""
        with self._transaction():
            now = self.now()
            changed = self._database.execute(
                "UPDATE messages SET state = 'waiting', attempts = 0, next_at = ?, deadline = ?, settled_at = 0 "
                "WHERE key = ? AND state = 'dead'",
                (now, deadline, key),
            ).rowcount
        found = self.find(key)
        if not changed or found is None:
            state = f"is {found.state}" if found else "isn't there"
            raise NoSuchMessage(f"{self.path}: message {key} {state}, so it can't be sent again; list the dead ones")
        return found

    def withdraw(self, keys: Collection[str], why: str) -> int:
        """Have nobody try to bring these any more; returns how many of them still waited."""
        with self._transaction():
            return sum(
                self._database.execute(
                    "UPDATE messages SET state = 'withdrawn', body = x'', settled_at = ?, told = ? "
                    "WHERE key = ? AND state = 'waiting'",
                    (self.now(), why[:MAX_TOLD], key),
                ).rowcount
                for key in keys
            )

    # Looking.

    def find(self, key: str) -> Message | None:
        """The message of a key."""
        return next(iter(self._messages("WHERE key = ?", key)), None)

    def listed(self, state: State, most: int = 1_000) -> list[Message]:
        """Messages in a state, newest first."""
        return self._messages("WHERE state = ? ORDER BY position DESC LIMIT ?", state.value, most)

    def keys(self, state: State) -> set[str]:
        """The keys of all messages in a state."""
        with self._usable():
            rows = self._database.execute("SELECT key FROM messages WHERE state = ?", (state.value,)).fetchall()
        return {row[0] for row in rows}

    def counts(self) -> dict[State, int]:
        """Messages by state, zeros too."""
        with self._usable():
            rows = dict(self._database.execute("SELECT state, count(*) FROM messages GROUP BY state").fetchall())
        return {state: rows.get(state.value, 0) for state in State}

    # Sending: for the process that holds it.

    def due(self, busy: Collection[tuple[str, str]] = ()) -> list[Message]:
        """Of each destination that isn't `busy`, (channel, destination), the message whose turn it is now."""
        with self._usable():
            rows = self._database.execute(
                f"SELECT {_COLUMNS}, min(next_at) FROM messages "  # noqa: S608
                "WHERE state = 'waiting' AND next_at <= ? GROUP BY channel, destination ORDER BY min(next_at)",
                (self.now(),),
            ).fetchall()
        found = [_message(row[:-1]) for row in rows]
        return [one for one in found if (one.channel, one.destination) not in busy]

    def next_due(self) -> float | None:
        """When the next message's turn comes; None if none waits."""
        row = self._one("SELECT min(next_at) FROM messages WHERE state = 'waiting'")
        return row[0] if row else None

    def begin(self, message: Message) -> int:
        """Count an attempt; returns its number."""
        with self._transaction():
            self._database.execute("UPDATE messages SET attempts = attempts + 1 WHERE key = ?", (message.key,))
            row = self._one("SELECT attempts FROM messages WHERE key = ?", message.key)
        return int(row[0]) if row else 1

    def settle(self, key: str, decided: Next) -> None:
        """Write what follows from an attempt; nothing if the message was withdrawn meanwhile."""
        waits = decided.state is State.WAITING
        with self._transaction():
            self._database.execute(
                "UPDATE messages SET state = ?, next_at = ?, settled_at = ?, told = ?, "
                "body = CASE WHEN ? THEN x'' ELSE body END WHERE key = ? AND state = 'waiting'",
                (
                    *(decided.state.value, decided.at, 0 if waits else self.now(), decided.told[:MAX_TOLD]),
                    *(decided.state is State.DELIVERED, key),
                ),
            )
            if not waits:
                self._thin_out()

    # The file.

    def _thin_out(self) -> None:
        row = self._one("SELECT count(*) FROM messages WHERE state != 'waiting'")
        surplus = (row[0] if row else 0) - self._bounds.settled
        if surplus > 0:
            self._database.execute(
                "DELETE FROM messages WHERE position IN (SELECT position FROM messages WHERE state != 'waiting' "
                "ORDER BY state = 'dead', position LIMIT ?)",
                (surplus,),
            )

    def _open(self) -> None:
        with self._usable():
            self._database.execute("PRAGMA journal_mode = WAL")
            self._database.execute("PRAGMA synchronous = FULL")
        with self._transaction():
            about = [
                self._database.execute(f"PRAGMA {one}").fetchone()[0] for one in ("application_id", "user_version")
            ]
            if about == [0, 0] and not self._one("SELECT 1 FROM sqlite_master"):
                for statement in _SCHEMA.split(";"):
                    self._database.execute(statement)
                self._database.execute(f"PRAGMA application_id = {_APPLICATION}")
                self._database.execute(f"PRAGMA user_version = {_VERSION}")
            elif about[0] != _APPLICATION:
                raise QueueUnusable(f"{self.path}: is another program's database; name another file")
            elif about[1] != _VERSION:
                raise QueueUnusable(
                    f"{self.path}: has version {about[1]}, this one reads {_VERSION}; use the Epochal that wrote it"
                )

    def _messages(self, clause: str, *values: object) -> list[Message]:
        with self._usable():
            rows = self._database.execute(f"SELECT {_COLUMNS} FROM messages {clause}", values).fetchall()  # noqa: S608
        return [_message(row) for row in rows]

    def _one(self, query: str, *values: object) -> tuple[Any, ...] | None:
        with self._usable():
            row: tuple[Any, ...] | None = self._database.execute(query, values).fetchone()
        return row

    @contextmanager
    def _transaction(self) -> Iterator[None]:
        with self._usable():
            self._database.execute("BEGIN IMMEDIATE")
            try:
                yield
            except BaseException:
                self._database.execute("ROLLBACK")
                raise
            self._database.execute("COMMIT")

    @contextmanager
    def _usable(self) -> Iterator[None]:
        """The database for this thread alone, with its errors as QueueUnusable."""
        with self._guard:
            try:
                yield
            except sqlite3.Error as error:
                raise QueueUnusable(f"{self.path}: {error}; see to the file and the disk that it is on") from error


def _message(row: tuple[Any, ...]) -> Message:
    values = dict(zip((one.name for one in fields(Message)), row, strict=True))
    return Message(**{**values, "state": State(values["state"]), "body": bytes(values["body"])})
