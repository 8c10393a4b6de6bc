"""The file that a move outlives a crash by: the last nonce of each sender, and how far each move has come."""

from __future__ import annotations

import fcntl
import json
import os
import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from orchestrator.deeploy.errors import SettingsError
from orchestrator.deeploy.progress import Progress

_APPLICATION: Final = 0x45504459
_VERSION: Final = 1
_TABLES: Final = """
CREATE TABLE IF NOT EXISTS nonces (sender TEXT PRIMARY KEY, last INTEGER NOT NULL);
CREATE TABLE IF NOT EXISTS moves (key TEXT PRIMARY KEY, progress TEXT NOT NULL);
"""
_CLAIM: Final = (
    "INSERT INTO nonces (sender, last) VALUES (?, ?) "
    "ON CONFLICT (sender) DO UPDATE SET last = excluded.last WHERE excluded.last > last"
)
_SAVE: Final = (
    "INSERT INTO moves (key, progress) VALUES (?, ?) ON CONFLICT (key) DO UPDATE SET progress = excluded.progress"
)


class Records:
    """Nonces and moves in a SQLite file of one process; it is made where there is none, its folder must exist.

    SettingsError for a file that can't be used or that another process keeps. What is saved is on disk.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self._lock = self._own()
        try:
            with self._usable():
                self._database = sqlite3.connect(path, isolation_level=None)
            try:
                self._open()
            except BaseException:
                self._database.close()
                raise
        except BaseException:
            os.close(self._lock)
            raise

    def close(self) -> None:
        """Let another process have it."""
        self._database.close()
        os.close(self._lock)

    def claim(self, sender: str, nonce: int) -> bool:
        """See client.Nonces."""
        with self._usable():
            return self._database.execute(_CLAIM, (sender, nonce)).rowcount == 1

    def load(self, key: str) -> Progress | None:
        """See move.Moves."""
        with self._usable():
            row = self._database.execute("SELECT progress FROM moves WHERE key = ?", (key,)).fetchone()
        return None if row is None else Progress.from_json(json.loads(row[0]))

    def save(self, key: str, progress: Progress) -> None:
        """See move.Moves."""
        with self._usable():
            self._database.execute(_SAVE, (key, json.dumps(progress.to_json())))

    def keys(self) -> list[str]:
        """All moves, by key."""
        with self._usable():
            return [row[0] for row in self._database.execute("SELECT key FROM moves ORDER BY key")]

    def _own(self) -> int:
        path = self.path.with_name(self.path.name + ".lock")
        try:
            lock = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        except OSError as error:
            raise SettingsError(f"{path}: can't be made ({error.strerror}); check the folder and its rights") from error
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            os.close(lock)
            raise SettingsError(f"{self.path} is kept by another process: wait for it, or stop it") from error
        return lock

    def _open(self) -> None:
        with self._usable():
            application = self._database.execute("PRAGMA application_id").fetchone()[0]
            version = self._database.execute("PRAGMA user_version").fetchone()[0]
            tables = self._database.execute("SELECT count(*) FROM sqlite_master").fetchone()[0]
            if tables and (application, version) != (_APPLICATION, _VERSION):
                raise SettingsError(f"{self.path} is another database: give the moves a file of their own")
            self._database.execute("PRAGMA journal_mode = WAL")
            self._database.execute("PRAGMA synchronous = FULL")
            self._database.executescript(
                f"BEGIN; PRAGMA application_id = {_APPLICATION}; PRAGMA user_version = {_VERSION}; {_TABLES} COMMIT;"
            )

    @contextmanager
    def _usable(self) -> Iterator[None]:
        try:
            yield
        except sqlite3.Error as error:
            raise SettingsError(f"{self.path}: can't be used as the file of moves ({error}); check it") from error
