"""What an oracle must never forget: the observations it signed, and the state behind its reports."""

from __future__ import annotations

import threading
from dataclasses import dataclass

from oracle.telemetry.store.database import Database
from oracle.telemetry.store.errors import JournalFloor, StoreError

FLOOR = "journal_floor"
"""Its key in `meta`."""


@dataclass(frozen=True, slots=True)
class JournalledObservation:
    """The one observation that this oracle ever signed for an epoch and committee."""

    content_hash: bytes
    signature: bytes
    content: bytes


class Journal:
    """The committee's part of a store. What is written is durable when the call returns."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._disk = threading.RLock()

    @property
    def location(self) -> str:
        """Where the store is."""
        return self._database.location

    def journal_observation(
        self, epoch: int, committee: int, content_hash: bytes, signature: bytes, content: bytes
    ) -> JournalledObservation:
        """Record the observation that is about to be released, and return what the journal holds.

        The same content again is harmless: the first signature stands. Raises `StoreError` for other
        content: an oracle that signs two observations of one epoch proves itself a liar. Raises `JournalFloor`
        for an epoch up to the floor that the journal doesn't hold.
        """
        with self._disk, self._database.transaction():
            held = self.observation(epoch, committee)
            if held is None:
                self.check_floor(epoch)
                held = JournalledObservation(content_hash, signature, content)
                self._database.run(
                    "INSERT INTO observation VALUES (?, ?, ?, ?, ?)",
                    *(epoch, committee, content_hash, signature, content),
                )
        if held.content_hash != content_hash:
            raise StoreError(
                f"{self.location}: epoch {epoch}, committee {committee} is signed already with content "
                f"0x{held.content_hash.hex()}, not 0x{content_hash.hex()}; release the journalled one"
            )
        return held

    def observation(self, epoch: int, committee: int) -> JournalledObservation | None:
        """The journalled observation of the epoch and committee, if there is one."""
        with self._disk:
            found = self._database.rows(
                "SELECT content_hash, signature, content FROM observation WHERE epoch = ? AND committee = ?",
                *(epoch, committee),
            )
        return JournalledObservation(*found[0]) if found else None

    @property
    def journal_floor(self) -> int:
        """The last epoch for which only what the journal holds may be signed; −1 when the journal is whole."""
        with self._disk:
            found = self._database.rows("SELECT value FROM meta WHERE key = ?", FLOOR)
        return int(found[0][0]) if found else -1

    def set_journal_floor(self, epoch: int) -> None:
        """Say that up to that epoch, observations may have been signed that this journal lost. It only rises."""
        with self._disk, self._database.transaction():
            raised = str(max(epoch, self.journal_floor))
            self._database.run(
                "INSERT INTO meta VALUES (?, ?) ON CONFLICT (key) DO UPDATE SET value = excluded.value", FLOOR, raised
            )

    def forget_observations(self, before_epoch: int) -> None:
        """Drop the journalled observations of epochs before that one, and sign none for these epochs any more."""
        if before_epoch <= 0:
            return
        with self._disk, self._database.transaction():
            self.set_journal_floor(before_epoch - 1)
            self._database.run("DELETE FROM observation WHERE epoch < ?", before_epoch)

    def check_floor(self, epoch: int) -> None:
        """JournalFloor for an epoch at or below the floor."""
        floor = self.journal_floor
        if epoch <= floor:
            raise JournalFloor(
                f"{self.location}: was restored from a backup, and the lost original may have signed epoch {epoch}; "
                f"this oracle abstains up to epoch {floor}"
            )

    def put_state(self, key: str, value: bytes) -> None:
        """Keep `value` under `key`, in place of what was there."""
        with self._disk, self._database.transaction():
            self._database.run(
                "INSERT INTO state VALUES (?, ?) ON CONFLICT (key) DO UPDATE SET value = excluded.value", key, value
            )

    def get_state(self, key: str) -> bytes | None:
        """What `put_state` kept under `key`, or None."""
        with self._disk:
            found = self._database.rows("SELECT value FROM state WHERE key = ?", key)
        return bytes(found[0][0]) if found else None

    def states(self, first: str, before: str) -> list[tuple[str, bytes]]:
        """(key, value) of the keys from `first` up to, not including, `before`, in their order."""
        with self._disk:
            query = "SELECT key, value FROM state WHERE key >= ? AND key < ? ORDER BY key"
            return [(str(key), bytes(value)) for key, value in self._database.rows(query, first, before)]

    def drop_state(self, first: str, before: str) -> None:
        """Forget what is kept under the keys from `first` up to, not including, `before`, in order of code points."""
        with self._disk, self._database.transaction():
            self._database.run("DELETE FROM state WHERE key >= ? AND key < ?", first, before)
