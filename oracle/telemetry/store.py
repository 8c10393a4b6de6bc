"""The bitmap store: what one oracle saw, durable, in one SQLite file.

A heartbeat becomes 24 bytes in memory (`mark`), many of them one row of the log (`commit`), and the log's
marks become bits of one bitmap for each node and epoch (`fold`). So a commit writes little and syncs once
for many requests, and a bitmap is rewritten a few times an epoch, not at every heartbeat. A kill at any
moment loses what was not committed and nothing else.

`mark` and its like may be called from one thread while another one writes: `take` empties the memory,
`write` puts a batch on disk, and `commit` is both.
"""

from __future__ import annotations

import sqlite3
import struct
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from os import PathLike
from pathlib import Path

from oracle.ground import bitmap
from oracle.ground.clock import EpochClock
from oracle.ground.errors import InvalidValue
from oracle.telemetry.store_schema import StoreError, open_database

__all__ = ["Batch", "BitmapStore", "EpochRecord", "JournalledObservation", "StoreError"]

MARK = struct.Struct(">IQIQ")
"""One mark in the log: node id, epoch, tick, sequence."""

FOLD_AFTER = 4_000_000
"""Marks in the log (24 bytes each) after which a write folds them into the bitmaps."""

_MAX_EPOCH = 2**31 - 1
_NO_SEQUENCE = bytes(8)


@dataclass(frozen=True, slots=True)
class EpochRecord:
    """What this oracle saw in one epoch; bit i of a mask is tick i.

    `observed`: ticks in which it could observe at all. `up`: by node, the ticks in which it received a
    heartbeat. `unseen`: by node, ticks in which it could not observe that one. Nodes are lower-case 0x
    addresses, in order; nodes without a bit are absent.
    """

    observed: int
    up: dict[str, int]
    unseen: dict[str, int]


@dataclass(frozen=True, slots=True)
class JournalledObservation:
    """The one observation that this oracle ever signed for an epoch and committee."""

    content_hash: bytes
    signature: bytes
    content: bytes


@dataclass(slots=True)
class Batch:
    """What `take` took: not durable until `write` returns."""

    nodes: list[tuple[int, bytes]] = field(default_factory=list)
    marks: bytearray = field(default_factory=bytearray)
    bits: list[tuple[str, int, int]] = field(default_factory=list)
    """(table, key, mask) of whole masks."""

    def __bool__(self) -> bool:
        return bool(self.marks or self.bits or self.nodes)


class BitmapStore:
    """One oracle's store; opens or makes the file at `path`. `label` names the network, as `31337:0x…`.

    Raises `StoreError` as `store_schema.open_database` tells, and from every method if SQLite fails.
    """

    def __init__(self, path: str | PathLike[str], clock: EpochClock, label: str) -> None:
        self.path = Path(path)
        self.clock = clock
        self._database = open_database(self.path, clock, label)
        self._disk = threading.RLock()
        self._memory = threading.Lock()
        self._pending = Batch()
        self._ids: dict[str, int] = {}
        self._sequences: list[int] = [0]
        with self._disk, self._failing("read"):
            for key, address, sequence in self._database.execute("SELECT id, address, sequence FROM node ORDER BY id"):
                self._ids["0x" + address.hex()] = key
                self._sequences.append(int.from_bytes(sequence, "big"))
            self._logged = 0
            for (marks,) in self._database.execute("SELECT marks FROM log"):
                self._logged += len(marks) // MARK.size
                for node, _, _, sequence in MARK.iter_unpack(marks):
                    self._sequences[node] = max(self._sequences[node], sequence)

    def close(self) -> None:
        """Commit, fold and close. The store can't be used afterwards."""
        self.commit()
        self.fold()
        self._database.close()

    # Marks: in memory until the next commit.

    def mark(self, node: str, epoch: int, tick: int, sequence: int = 0) -> None:
        """The node (lower-case 0x address) was up in that tick; `sequence` (u64) is its heartbeat's, or 0.

        Raises `InvalidValue` for a node, epoch, tick or sequence that can't be.
        """
        if not 0 <= epoch <= _MAX_EPOCH:
            raise InvalidValue(f"epoch is {epoch}, outside 0..{_MAX_EPOCH}; check the clock's genesis")
        if not 0 <= tick < self.clock.ticks_per_epoch:
            raise InvalidValue(f"tick is {tick}, outside 0..{self.clock.ticks_per_epoch - 1}; take it from the clock")
        if not 0 <= sequence < 2**64:
            raise InvalidValue(f"sequence is {sequence}, not a u64; take it from a decoded heartbeat")
        with self._memory:
            key = self._ids.get(node) or self._enter(node)
            if sequence > self._sequences[key]:
                self._sequences[key] = sequence
            self._pending.marks.extend(MARK.pack(key, epoch, tick, sequence))

    def mark_bits(self, node: str, epoch: int, bits: int) -> None:
        """The node was up in these ticks, besides those marked before."""
        self._note("up", node, epoch, bits)

    def observe(self, epoch: int, bits: int) -> None:
        """This oracle could observe in these ticks, besides those noted before."""
        self._note("observed", None, epoch, bits)

    def unseen(self, node: str, epoch: int, bits: int) -> None:
        """This oracle could not observe that one node in these ticks, besides those noted before."""
        self._note("unseen", node, epoch, bits)

    def last_sequence(self, node: str) -> int:
        """The highest sequence ever marked for the node, committed or not; 0 if none."""
        key = self._ids.get(node)
        return self._sequences[key] if key else 0

    def _note(self, table: str, node: str | None, epoch: int, bits: int) -> None:
        if not 0 <= epoch <= _MAX_EPOCH:
            raise InvalidValue(f"epoch is {epoch}, outside 0..{_MAX_EPOCH}; check the clock's genesis")
        bitmap.to_bytes(bits, self.clock.ticks_per_epoch)  # refuses bits that no tick has
        with self._memory:
            key = 0 if node is None else self._ids.get(node) or self._enter(node)
            if bits:
                self._pending.bits.append((table, epoch << 32 | key, bits))

    def _enter(self, node: str) -> int:
        if len(node) != 42 or not node.startswith("0x") or node.lower() != node:
            raise InvalidValue(f"node is {node[:50]!r}; give its address in lower case: 0x and 40 hex digits")
        try:
            address = bytes.fromhex(node[2:])
        except ValueError as error:
            raise InvalidValue(f"node is {node!r}; give its address: 0x and 40 hex digits") from error
        if len(address) != 20:
            raise InvalidValue(f"node is {node!r}; give its address: 0x and 40 hex digits")
        key = self._ids[node] = len(self._sequences)
        self._sequences.append(0)
        self._pending.nodes.append((key, address))
        return key

    # Disk.

    def take(self) -> Batch:
        """Empty the memory. The batch must be given to `write`, by any thread, in the order it was taken."""
        with self._memory:
            batch, self._pending = self._pending, Batch()
        return batch

    def write(self, batch: Batch) -> None:
        """Make the batch durable, in one transaction. What a failure kept out waits for the next commit."""
        if not batch:
            return
        try:
            with self._transaction() as database:
                database.executemany(
                    "INSERT INTO node VALUES (?, ?, ?)",
                    [(key, node, _NO_SEQUENCE) for key, node in batch.nodes],
                )
                if batch.marks:
                    database.execute("INSERT INTO log (marks) VALUES (?)", (bytes(batch.marks),))
                for table, key, bits in batch.bits:
                    self._merge(table, key, bits)
        except StoreError:
            with self._memory:
                later = self._pending
                self._pending = Batch(batch.nodes + later.nodes, batch.marks + later.marks, batch.bits + later.bits)
            raise
        with self._disk:
            self._logged += len(batch.marks) // MARK.size
            if self._logged >= FOLD_AFTER:
                self.fold()

    def commit(self) -> None:
        """What was marked before the call is durable when it returns. StoreError if the disk refuses."""
        with self._disk:
            self.write(self.take())

    def fold(self) -> None:
        """Turn the log's marks into bits of the bitmaps and empty the log, in one transaction."""
        if not self._logged:
            return
        with self._transaction() as database:
            width = (self.clock.ticks_per_epoch + 7) // 8
            fresh: dict[int, bytearray] = {}
            sequences: dict[int, int] = {}
            for (marks,) in database.execute("SELECT marks FROM log"):
                for node, epoch, tick, sequence in MARK.iter_unpack(marks):
                    key = epoch << 32 | node
                    row = fresh.get(key)
                    if row is None:
                        row = fresh[key] = bytearray(width)
                    row[tick >> 3] |= 1 << (tick & 7)
                    if sequence > sequences.get(node, 0):
                        sequences[node] = sequence
            for key in sorted(fresh):
                self._merge("up", key, int.from_bytes(fresh[key], "little"))
            database.executemany(
                "UPDATE node SET sequence = max(sequence, ?) WHERE id = ?",
                [(sequence.to_bytes(8, "big"), node) for node, sequence in sorted(sequences.items())],
            )
            database.execute("DELETE FROM log")
        self._logged = 0

    def read(self, epoch: int) -> EpochRecord:
        """What this oracle saw in the epoch. Commits first, so that what it returns is durable."""
        with self._disk:
            self.commit()
            self.fold()
            names = {key: node for node, key in self._ids.items()}
            with self._failing("read"):
                observed = self._rows("observed", epoch)
                up = self._rows("up", epoch)
                unseen = self._rows("unseen", epoch)
        return EpochRecord(
            observed.get(0, 0),
            {names[key]: up[key] for key in sorted(up, key=names.__getitem__)},
            {names[key]: unseen[key] for key in sorted(unseen, key=names.__getitem__)},
        )

    def _merge(self, table: str, key: int, bits: int) -> None:
        ticks = self.clock.ticks_per_epoch
        row = self._database.execute(f"SELECT bits FROM {table} WHERE key = ?", (key,)).fetchone()  # noqa: S608
        if row:
            bits |= bitmap.from_bytes(row[0], ticks)
        self._database.execute(
            f"INSERT OR REPLACE INTO {table} VALUES (?, ?)",  # noqa: S608
            (key, bitmap.to_bytes(bits, ticks)),
        )

    def _rows(self, table: str, epoch: int) -> dict[int, int]:
        found = self._database.execute(
            f"SELECT key & 4294967295, bits FROM {table} WHERE key >= ? AND key < ?",  # noqa: S608
            (epoch << 32, (epoch + 1) << 32),
        )
        ticks = self.clock.ticks_per_epoch
        return {key: bitmap.from_bytes(bits, ticks) for key, bits in found}

    # The committee's journal: durable when the call returns.

    def journal_observation(
        self, epoch: int, committee: int, content_hash: bytes, signature: bytes, content: bytes
    ) -> JournalledObservation:
        """Record the observation that is about to be released, and return what the journal holds.

        The same content again is harmless: the first signature stands. Raises `StoreError` for other
        content: an oracle that signs two observations of one epoch proves itself a liar.
        """
        with self._transaction() as database:
            held = self.observation(epoch, committee)
            if held is None:
                held = JournalledObservation(content_hash, signature, content)
                database.execute(
                    "INSERT INTO observation VALUES (?, ?, ?, ?, ?)",
                    (epoch, committee, content_hash, signature, content),
                )
        if held.content_hash != content_hash:
            raise StoreError(
                f"{self.path}: epoch {epoch}, committee {committee} is signed already with content "
                f"0x{held.content_hash.hex()}, not 0x{content_hash.hex()}; release the journalled one"
            )
        return held

    def observation(self, epoch: int, committee: int) -> JournalledObservation | None:
        """The journalled observation of the epoch and committee, if there is one."""
        with self._disk, self._failing("read"):
            row = self._database.execute(
                "SELECT content_hash, signature, content FROM observation WHERE epoch = ? AND committee = ?",
                (epoch, committee),
            ).fetchone()
        return JournalledObservation(*row) if row else None

    def put_state(self, key: str, value: bytes) -> None:
        """Keep `value` under `key`, in place of what was there."""
        with self._transaction() as database:
            database.execute("INSERT OR REPLACE INTO state VALUES (?, ?)", (key, value))

    def get_state(self, key: str) -> bytes | None:
        """What `put_state` kept under `key`, or None."""
        with self._disk, self._failing("read"):
            row = self._database.execute("SELECT value FROM state WHERE key = ?", (key,)).fetchone()
        return bytes(row[0]) if row else None

    def drop_state(self, first: str, before: str) -> None:
        """Forget what is kept under the keys from `first` up to, not including, `before`, in order of code points."""
        with self._transaction() as database:
            database.execute("DELETE FROM state WHERE key >= ? AND key < ?", (first, before))

    @contextmanager
    def _transaction(self) -> Iterator[sqlite3.Connection]:
        with self._disk, self._failing("written"):
            self._database.execute("BEGIN IMMEDIATE")
            try:
                yield self._database
                self._database.execute("COMMIT")
            except BaseException:
                if self._database.in_transaction:
                    self._database.execute("ROLLBACK")
                raise

    @contextmanager
    def _failing(self, what: str) -> Iterator[None]:
        try:
            yield
        except sqlite3.Error as error:
            raise StoreError(f"{self.path}: can't be {what} ({error}); check the disk, its space and rights") from error
        except InvalidValue as error:
            raise StoreError(f"{self.path}: is damaged ({error}); restore it from a backup") from error
