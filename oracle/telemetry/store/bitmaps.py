"""The bitmap store: marks in memory, durable with the next commit, bitmaps at rest.

A mark is a bit in memory and 13 bytes of the log. A commit writes the log's new end as one row and syncs once, for
however many requests. Now and then the bitmaps in memory are written over those on disk and the log behind them is
deleted: the fold, a slice with each commit, so that none takes long. A kill at any moment loses what was not
committed and nothing else: a log segment goes only when every row it marked is written.

`mark` and its like may be called from one thread while others write and read.
"""

from __future__ import annotations

import logging
import threading
import time
from array import array
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Final

from oracle.ground import bitmap
from oracle.ground.clock import EpochClock
from oracle.ground.errors import InvalidValue
from oracle.telemetry.store import reading, rows
from oracle.telemetry.store.database import SEEN, Database, Row, paged
from oracle.telemetry.store.errors import StoreError
from oracle.telemetry.store.journal import Journal
from oracle.telemetry.store.memory import Batch, Mask, Memory
from oracle.telemetry.store.records import NAME_SIZES, EpochRecord, Kind

_LOG = logging.getLogger("epochal.telemetry.store")

FOLD_BYTES: Final = 13_000_000
"""A fold begins when the log is this large, or as large as the bitmaps that the fold writes, whichever is more: so
folding never writes more than the log does. Opening a store reads its log, about 20 million marks a second."""

OLD_BYTES: Final = 64_000_000
"""Or when bitmaps of other epochs than the present one take more memory than this, and than twice the present one's:
they are dropped when they are folded."""

SLICE_SECONDS: Final = 0.008
"""How long the part of a fold that one commit does may take."""

_SLICE_ROWS = 64
_SLICE_LOG = 4_000_000
_AT_ONCE = 256


class BitmapStore(Journal):
    """One oracle's store on an open database; see `opening.open_store`.

    Raises `StoreError` from every method if the database fails. `mark(track, epoch, tick, way) -> bool` is that of
    `memory.Memory`: true when the bit is new.
    """

    def __init__(self, database: Database, clock: EpochClock) -> None:
        super().__init__(database)
        self.clock = clock
        self.read_only = database.read_only
        self._reader = database.reader()
        self._reading = threading.RLock()
        self._memory = memory = Memory(clock.ticks_per_epoch, self._disk_bits)
        self.mark: Callable[[int, int, int, int], bool] = memory.mark  # a call between would cost a tenth of a beat
        self.mark_all: Callable[[Sequence[int], int, int, int], None] = memory.mark_all
        # Segments have numbers without a gap: the first one's, and the bytes of each. Hundreds come a second.
        self._first_segment = 1
        self._segments = array("Q")
        self._logged_bytes = 0
        self._sweep: Iterator[int] | None = None
        self._fold_to = 0
        self._fold_failed = False
        if not self.read_only:
            with self._damage():
                self._remember()

    @property
    def logged(self) -> int:
        """Marks that no bitmap on disk has yet."""
        return self._logged_bytes // rows.MARK.size

    @property
    def backlog(self) -> int:
        """Bytes in memory that aren't durable. It grows while the disk refuses: the intake then refuses too."""
        return self._memory.backlog

    def size(self) -> int:
        """Bytes that the store takes at rest; space that waits to be used again isn't among them."""
        with self._reading:
            return self._reader.size()

    def close(self) -> None:
        """Commit, fold and close. The store can't be used afterwards."""
        try:
            if not self.read_only:
                self.fold()
        finally:
            with self._disk, self._reading:  # what another thread is at ends first
                self._reader.close()
                self._database.close()

    # What arrives: in memory until the next commit. Besides `mark`.

    def known(self, kind: Kind, name: bytes) -> int | None:
        """The number of a track if there is one; makes none."""
        return self._memory.known(kind, name)

    def track(self, kind: Kind, name: bytes) -> int:
        """The number of a track; a new one is durable with the next commit. InvalidValue for a name of a wrong size."""
        if len(name) != NAME_SIZES[kind]:
            raise InvalidValue(f"{kind.name} is named {name[:24].hex()!r}; give its {NAME_SIZES[kind]} bytes")
        return self._memory.track(kind, name)

    def way(self, name: str) -> int:
        """The number of a way in, 0..62, durable on return. InvalidValue for one too many."""
        if name not in self._memory.ways:
            self._memory.way(name)
            self.commit()  # before any row names it by its number
        return self._memory.way(name)

    def mark_bits(self, track: int, epoch: int, bits: int, way: int | None = None) -> None:
        """The track was up in these ticks, besides those marked before; `way` brought it, if any did."""
        self._memory.note(track, epoch, bits, way)

    def see(self, track: int, epoch: int, bits: int) -> None:
        """The track was looked at in these ticks, besides those noted before."""
        self._memory.note(track | SEEN, epoch, bits, None)

    def observe(self, way: int, epoch: int, bits: int) -> None:
        """The way could have brought something in these ticks. With no bits: it was there, and could not."""
        self._memory.note(way, epoch, bits, None)

    def bits(self, track: int, epoch: int) -> int:
        """The ticks in which the track was up, those that aren't durable yet among them."""
        key = epoch << 32 | track
        return self._memory.held(key) | self._disk_bits(key)[0]

    # Commits.

    def take(self) -> Batch:
        """Empty the memory. The batch must be given to `write`, by any thread."""
        return self._memory.take()

    def write(self, batch: Batch) -> None:
        """Make the batch durable, in one transaction, then fold a little where that is due.

        So are those taken before it and not yet written. What a failure kept out waits for the next commit.
        """
        with self._disk:
            if batch.kept is None:
                self._write_up_to(batch)
            if not batch.kept:
                raise StoreError(f"{self.location}: an earlier commit took these marks along and failed; commit again")
            try:
                if self._sweep is not None or self._fold_is_due():
                    self._fold_slice(SLICE_SECONDS)
                    self._fold_failed = False
            except StoreError as error:
                # The batch is durable, and the log keeps what the fold could not write.
                if not self._fold_failed:
                    _LOG.warning("bitmaps wait to be written: %s", error)
                self._fold_failed = True

    def _write_up_to(self, batch: Batch) -> None:
        due = self._memory.due(batch)
        whole = Batch(
            b"".join(one.marks for one in due),
            [mask for one in due for mask in one.masks],
            [track for one in due for track in one.tracks],
            [way for one in due for way in one.ways],
        )
        kept = False
        try:
            if whole:
                self._insert(whole)
            kept = True
        finally:
            self._memory.done(due, kept)

    def commit(self) -> None:
        """What was marked before the call is durable when it returns. StoreError if the disk refuses."""
        with self._disk:
            self.write(self.take())

    def fold(self) -> None:
        """Commit, write all bitmaps that the disk lacks bits of, and empty the log. Others may commit meanwhile."""
        with self._disk:
            self.commit()
            self._sweep = None  # one that is under way may have passed rows marked since
            to = self._last_segment
        while self._segments and self._first_segment <= to:
            self._fold_slice(SLICE_SECONDS)

    def _fold_is_due(self) -> bool:
        present, others = self._memory.sizes()
        return self._logged_bytes >= max(FOLD_BYTES, present) or (
            self._logged_bytes > 0 and others > max(OLD_BYTES, 2 * present)
        )

    def _insert(self, batch: Batch) -> None:
        database, segment = self._database, self._last_segment + 1
        with database.transaction():
            if batch.tracks:
                database.run_many(
                    "INSERT INTO track VALUES (?, ?, ?, ?) ON CONFLICT (number) DO NOTHING",
                    [rows.track(*one) for one in batch.tracks],
                )
            if batch.ways:
                database.run_many("INSERT INTO way VALUES (?, ?) ON CONFLICT (number) DO NOTHING", batch.ways)
            if batch.marks:
                # A commit whose answer got lost on its way here is done again.
                database.run(
                    "INSERT INTO log VALUES (?, ?) ON CONFLICT (id) DO UPDATE SET marks = excluded.marks",
                    *(segment, rows.segment(segment, batch.marks)),
                )
            if batch.masks:
                self._merge("line", batch.masks)
        if batch.marks:
            self._segments.append(len(batch.marks))
            self._logged_bytes += len(batch.marks)

    def _fold_slice(self, seconds: float) -> None:
        """Go on with the fold, or begin one. It needs no sync: what it deletes is deleted after what it writes."""
        until = time.monotonic() + seconds
        memory = self._memory
        with self._disk:
            if self._sweep is None:
                if not self._segments:
                    return
                self._fold_to = self._last_segment
                self._sweep = memory.sweep()
            gone = 0
            kept = over = False
            try:
                with self._database.transaction(durable=False):
                    while True:
                        copies = memory.fly(self._sweep, _SLICE_ROWS)
                        if copies is None:
                            gone = self._delete_log()
                            over = True
                            break
                        masks = [(key, *memory.of(copy)) for key, copy in copies]
                        self._merge("line", masks)
                        if time.monotonic() >= until:
                            break
                kept = True
            finally:
                memory.landed(kept)
                if not kept:
                    self._sweep = None
            self._logged_bytes -= sum(self._segments[:gone])
            self._first_segment += gone
            del self._segments[:gone]
            if over and not (self._segments and self._first_segment <= self._fold_to):
                self._sweep = None

    @property
    def _last_segment(self) -> int:
        return self._first_segment + len(self._segments) - 1

    def _delete_log(self) -> int:
        """Delete segments that are folded, some at a time; returns how many."""
        gone = size = 0
        for length in self._segments:
            if self._first_segment + gone > self._fold_to or size >= _SLICE_LOG:
                break
            gone += 1
            size += length
        if gone:
            self._database.run("DELETE FROM log WHERE id <= ?", self._first_segment + gone - 1)
        return gone

    def _merge(self, table: str, masks: Sequence[Mask]) -> None:
        """Add masks to the rows of a table, inside a transaction."""
        added: dict[int, tuple[int, int]] = {}
        for key, bits, ways in masks:
            held = added.get(key, (0, 0))
            added[key] = (held[0] | bits, held[1] | ways)
        keys = sorted(added)
        for start in range(0, len(keys), _AT_ONCE):
            some = keys[start : start + _AT_ONCE]
            with self._damage():
                for key, bits, ways in self._pick(self._database, table, some):
                    held = added[key]
                    added[key] = (held[0] | bits, held[1] | ways)
            self._database.run_many(
                f"INSERT INTO {table} VALUES (?, ?, ?) ON CONFLICT (key) "  # noqa: S608
                "DO UPDATE SET bits = excluded.bits, ways = excluded.ways",
                [self._row(table, key, *added[key]) for key in some],
            )

    # Reading.

    def read(self, epoch: int) -> EpochRecord:
        """What this oracle saw in the epoch. Commits first, so that what it returns is durable."""
        found: dict[int, tuple[int, int]] = {}
        if not self.read_only:
            found = {key: (bits, ways) for key, bits, ways in self._memory.epoch_rows(epoch)}
            self.commit()
        first, after = epoch << 32, (epoch + 1) << 32
        ticks = self.clock.ticks_per_epoch
        with self._snapshot() as reader:
            if self.read_only:
                found = rows.gathered(reading.log(reader), ticks, first, after)
            reading.add_lines(reader, ticks, first, after, found)
            names = {number: (kind, name) for number, kind, name in reading.tracks(reader)}
            known = reader.rows("SELECT number, name FROM way ORDER BY number")
        with self._damage():
            return reading.record(epoch, ticks, found, names, known)

    def epochs(self) -> list[int]:
        """The epochs of which anything is kept, in order. Commits first."""
        if not self.read_only:
            self.commit()
        found = {plane >> 1 for plane in self._memory.planes()}
        with self._snapshot() as reader:
            if self.read_only:
                found |= {key >> 32 for key in rows.gathered(reading.log(reader), self.clock.ticks_per_epoch)}
            found |= reading.epochs(reader)
        return sorted(found)

    @contextmanager
    def _snapshot(self) -> Iterator[Database]:
        """A connection of its own, for what takes long: neither a commit nor a mark waits for it."""
        reader = self._database.reader()
        try:
            with reader.snapshot(), self._damage():
                yield reader
        finally:
            reader.close()

    def _disk_bits(self, key: int) -> tuple[int, int]:
        bits = ways = 0
        with self._reading, self._damage():
            for table in ("line", "closed"):
                for _, more, by in self._pick(self._reader, table, [key]):
                    bits, ways = bits | more, ways | by
            if self.read_only:
                more, by = rows.gathered(reading.log(self._reader), self.clock.ticks_per_epoch, key, key + 1).get(
                    key, (0, 0)
                )
                bits, ways = bits | more, ways | by
        return bits, ways

    def _pick(self, database: Database, table: str, keys: Sequence[int]) -> list[Mask]:
        wanted = ", ".join("?" * len(keys))
        found = database.rows(f"SELECT key, bits, ways FROM {table} WHERE key IN ({wanted})", *keys)  # noqa: S608
        return [(key, rows.bits(key, ways, raw, self.clock.ticks_per_epoch), ways) for key, raw, ways in found]

    def _remember(self) -> None:
        """Have in memory what the last process had: tracks, ways, the latest epoch, and what the log marked."""
        memory, database = self._memory, self._database
        for _, kind, name in reading.tracks(database):
            memory.enter(kind, name)
        memory.durable = len(memory.names)
        for _, name in database.rows("SELECT number, name FROM way ORDER BY number"):
            memory.ways.append(name)
        for segment, size in database.rows("SELECT id, length(marks) FROM log ORDER BY id"):
            if not self._segments:
                self._first_segment = segment
            if segment != self._last_segment + 1:
                raise InvalidValue(f"log segment {self._last_segment + 1} is missing")
            self._segments.append(size - 4)
            self._logged_bytes += size - 4
        memory.spilled = reading.epochs(database)
        ticks = self.clock.ticks_per_epoch
        logged = rows.gathered(reading.log(database), ticks)
        latest: dict[int, tuple[int, int]] = {}
        if memory.spilled:
            epoch = max(memory.spilled)
            memory.spilled.remove(epoch)
            reading.add_lines(database, ticks, epoch << 32, (epoch + 1) << 32, latest)
        for key in sorted(latest.keys() | logged.keys()):
            bits, ways = latest.get(key) or (self._disk_bits(key) if key >> 32 in memory.spilled else (0, 0))
            more, by = logged.get(key, (0, 0))
            row = bytearray(memory.width + 9)
            memory.fill(row, bits | more, ways | by)
            row[-1] = key in logged
            memory.put(key, row)

    # Retention.

    def compact(self, before_epoch: int) -> int:
        """Compress the bitmaps of epochs before that one, a few at a time; others may commit meanwhile.

        They are read as before. Returns how many there were.
        """
        self.fold()
        return self._empty("line", before_epoch, self._close)

    def forget(self, before_epoch: int) -> int:
        """Delete what was seen in epochs before that one, a few bitmaps at a time; returns how many there were.

        The journal and the committee's state stay.
        """
        self.fold()
        self._memory.forget(before_epoch)
        return sum(self._empty(table, before_epoch, None) for table in ("line", "closed"))

    def _empty(self, table: str, before_epoch: int, first: Callable[[list[Row]], None] | None) -> int:
        """Delete a table's rows of epochs before that one, when `first` has done what it does with them."""
        done = 0
        while True:
            with self._disk, self._damage(), self._database.transaction(durable=False):
                some = next(paged(self._database, table, 0, before_epoch << 32, _AT_ONCE), None)
                if some is None:
                    return done
                if first:
                    first(some)
                self._database.run(
                    f"DELETE FROM {table} WHERE key >= ? AND key <= ?",  # noqa: S608
                    *(some[0][0], some[-1][0]),
                )
            done += len(some)

    def _close(self, some: list[Row]) -> None:
        masks = [(key, rows.bits(key, ways, raw, self.clock.ticks_per_epoch), ways) for key, raw, ways in some]
        self._merge("closed", masks)

    def _row(self, table: str, key: int, bits: int, ways: int) -> Row:
        stored = rows.row(key, ways, bitmap.to_bytes(bits, self.clock.ticks_per_epoch))
        return key, rows.packed(stored) if table == "closed" else stored, ways

    @contextmanager
    def _damage(self) -> Iterator[None]:
        try:
            yield
        except InvalidValue as error:
            raise StoreError(f"{self.location}: is damaged ({error}); restore it from a backup") from error
