"""The memory of a store: bitmaps of the present epoch, and what no commit has taken yet.

A bit is set here when it arrives, so a tick marked twice costs nothing on disk. One thread marks; another one may
take, write and fold meanwhile. `mark` takes no lock, and loses nothing, because of the order of its steps:

- It sets the bit, then raises the row's flag, then appends to the log. So what `take` takes is in a row whose flag was
  raised since. `fly` lowers the flag before it copies the row: a bit that the copy lacks raises the flag afterwards.
- The log is one bytearray that is never replaced. Extending it and cutting its beginning off are single calls into C,
  which CPython runs one at a time.
- A row is dropped by the marking thread alone, when it is clean, which is to say: flag down and copy committed.
"""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from struct import Struct
from typing import Final

from oracle.ground import bitmap
from oracle.ground.errors import InvalidValue
from oracle.telemetry.store.database import FIRST_TRACK, SEEN
from oracle.telemetry.store.rows import MARK, NO_WAY

MAX_EPOCH: Final = 2**31 - 1
MAX_WAYS: Final = 63
_DROPS = 4
"""Old rows dropped for each new one: an epoch's rows go while the next one's come, without a pause."""
_MORE_DROPS = 64
"""Old rows dropped with each `note`, which comes several times a tick."""

_KEY = Struct(">Q")  # how a mark begins

Mask = tuple[int, int, int]
"""(key, bits, ways)"""


@dataclass(slots=True, eq=False)
class Batch:
    """What `take` took: not durable until it is written."""

    marks: bytes = b""
    masks: list[Mask] = field(default_factory=list)
    tracks: list[tuple[int, int, bytes]] = field(default_factory=list)
    ways: list[tuple[int, str]] = field(default_factory=list)
    kept: bool | None = None
    """Whether it is durable or came back; None while it is under way."""

    def __bool__(self) -> bool:
        return bool(self.marks or self.masks or self.tracks or self.ways)


class Memory:
    """Rows by key: the epoch's bits, 8 bytes of the ways that brought them, and a flag, up when the disk lacks a bit.

    `load` reads the mask and the ways that the disk has under a key.
    """

    def __init__(self, ticks: int, load: Callable[[int], tuple[int, int]]) -> None:
        self.ticks = ticks
        self.width = -(-ticks // 8)
        self.names: list[tuple[int, bytes]] = []
        """(kind, name) by track number, less FIRST_TRACK."""
        self.durable = 0
        """How many of the tracks the disk knows."""
        self.ways: list[str] = []
        self.spilled: set[int] = set()
        """Epochs of which the disk may hold rows that aren't here."""
        self._load = load
        self._rows: dict[int, bytearray] = {}
        self._planes: dict[int, int] = {}
        """How many rows are here by key >> 31."""
        self._numbers: dict[tuple[int, bytes], int] = {}
        self._places = [(self.width + (way >> 3), 1 << (way & 7)) for way in range(64)]
        self._log = bytearray()
        self._append = self._log.extend
        self._masks: list[Mask] = []
        self._tracks: list[tuple[int, int, bytes]] = []
        self._new_ways: list[tuple[int, str]] = []
        self._taken: list[Batch] = []
        self._flying: set[int] = set()
        self._cold: deque[int] = deque()
        self._epoch = -1
        self._lock = threading.RLock()

    # What arrives: one thread.

    def mark(self, track: int, epoch: int, tick: int, way: int) -> bool:
        """The way brought that the track was up in that tick. Whether that is news: a bit that wasn't set.

        Raises InvalidValue for a track, epoch, tick or way that can't be.
        """
        key = epoch << 32 | track
        row = self._rows.get(key)
        if row is None:
            row = self._warm(key, epoch, track)
        if not 0 <= tick < self.ticks:
            raise InvalidValue(f"tick is {tick}, outside 0..{self.ticks - 1}; take it from the clock")
        place, bit = tick >> 3, 1 << (tick & 7)
        try:
            way_place, way_bit = self._places[way]
        except IndexError:
            raise InvalidValue(f"way is {way}, outside 0..{MAX_WAYS - 1}; take it from `way`") from None
        known = row[place]
        news = not known & bit
        if news:
            row[place] = known | bit
        elif row[way_place] & way_bit:
            return False
        row[way_place] |= way_bit
        row[-1] = 1
        self._append(MARK.pack(key, tick, way))
        return news

    def mark_all(self, tracks: Sequence[int], epoch: int, tick: int, way: int) -> None:
        """As `mark`, of many tracks in one tick: for whole sites that come in one message. Takes half the time."""
        if not tracks:
            return
        if not 0 <= tick < self.ticks or not 0 <= way < len(self._places):
            self.mark(tracks[0], epoch, tick, way)  # says what is wrong
        rows, high, tail = self._rows, epoch << 32, MARK.pack(0, tick, way)[8:]
        place, bit = tick >> 3, 1 << (tick & 7)
        way_place, way_bit = self._places[way]
        keys: list[int] = []
        try:
            for track in tracks:
                key = high | track
                row = rows.get(key)
                if row is None:
                    row = self._warm(key, epoch, track)
                known = row[place]
                if known & bit and row[way_place] & way_bit:
                    continue
                row[place] = known | bit
                row[way_place] |= way_bit
                row[-1] = 1
                keys.append(key)
        finally:  # also where a row can't be read: bits that are set have to come to the log
            if keys:
                self._append(tail.join([*map(_KEY.pack, keys), b""]))

    def note(self, number: int, epoch: int, bits: int, way: int | None) -> None:
        """Marks of many ticks at once, of a track, of its SEEN plane, or of a way. InvalidValue as of `mark`."""
        if bits < 0 or bits.bit_length() > self.ticks:
            bitmap.to_bytes(bits, self.ticks)  # says what is wrong
        if self._cold:
            self._cool(_MORE_DROPS)
        by = NO_WAY if way is None else way
        key = epoch << 32 | number
        if bits.bit_count() * MARK.size <= self.width:
            row = self._rows.get(key)
            if row is None and (bits or number < FIRST_TRACK):
                self._warm(key, epoch, number)
                if not bits:  # a way that observed nothing is known to have been there
                    with self._lock:
                        self._masks.append((key, 0, 0))
            while bits:
                lowest = bits & -bits
                self.mark(number, epoch, lowest.bit_length() - 1, by)
                bits ^= lowest
            return
        # A row's worth: straight to the disk, and to the memory only where the row is here already.
        self._check(epoch, number)
        ways = 0 if way is None else 1 << way
        with self._lock:
            row = self._rows.get(key)
            if row is not None:
                held = int.from_bytes(row[: self.width], "little") | bits
                row[: self.width] = held.to_bytes(self.width, "little")
            self._masks.append((key, bits, ways))

    def track(self, kind: int, name: bytes) -> int:
        """The number of a track, given to it here if it is new."""
        number = self._numbers.get((kind, name))
        if number is None:
            with self._lock:
                number = self._numbers.get((kind, name))  # another thread may have been faster
                if number is None:
                    number = self.enter(kind, name)
                    self._tracks.append((number, kind, name))
        return number

    def known(self, kind: int, name: bytes) -> int | None:
        """The number of a track, if it has one."""
        return self._numbers.get((kind, name))

    def enter(self, kind: int, name: bytes) -> int:
        """Give the next number to a track."""
        number = FIRST_TRACK + len(self.names)
        if number >= SEEN:
            raise InvalidValue(f"{len(self.names)} tracks are all a store can have; open another store")
        self._numbers[kind, name] = number
        self.names.append((kind, name))
        return number

    def way(self, name: str) -> int:
        """The number of a way, given to it here if it is new. InvalidValue for a 64th."""
        if name not in self.ways:
            if len(self.ways) == MAX_WAYS:
                raise InvalidValue(f"way {name!r} is one too many: a store has at most {MAX_WAYS}; open another store")
            with self._lock:
                self._new_ways.append((len(self.ways), name))
                self.ways.append(name)
        return self.ways.index(name)

    def _warm(self, key: int, epoch: int, number: int) -> bytearray:
        """The row of a key that isn't here, with what the disk has of it."""
        self._check(epoch, number)
        row = bytearray(self.width + 9)
        with self._lock:
            if epoch in self.spilled:
                self.fill(row, *self._load(key))
            self._epoch = epoch
            self._cool(_DROPS)
            self.put(key, row)
        return row

    def _check(self, epoch: int, number: int) -> None:
        if not 0 <= epoch <= MAX_EPOCH:
            raise InvalidValue(f"epoch is {epoch}, outside 0..{MAX_EPOCH}; check the clock's genesis")
        if not (0 <= number < len(self.ways) or FIRST_TRACK <= number & ~SEEN < FIRST_TRACK + len(self.names)):
            raise InvalidValue(f"track is {number}, which this store never gave; take it from `track`")

    def _cool(self, count: int) -> None:
        """Drop some rows of other epochs that the disk has."""
        with self._lock:
            for _ in range(min(count, len(self._cold))):
                key = self._cold.popleft()
                row = self._rows.get(key)
                if row is not None and not row[-1] and key not in self._flying and key >> 32 != self._epoch:
                    self.spilled.add(key >> 32)
                    self._remove(key)

    def _remove(self, key: int) -> None:
        del self._rows[key]
        self._planes[key >> 31] -= 1
        if not self._planes[key >> 31]:
            del self._planes[key >> 31]

    # Rows, from any thread.

    def fill(self, row: bytearray, bits: int, ways: int) -> None:
        """Set what the disk has in a row that nobody else has yet."""
        row[:] = bits.to_bytes(self.width, "little") + ways.to_bytes(8, "little") + b"\0"

    def put(self, key: int, row: bytearray) -> None:
        """Have a row here."""
        with self._lock:
            self._rows[key] = row
            self._planes[key >> 31] = self._planes.get(key >> 31, 0) + 1

    def of(self, row: bytearray | bytes) -> tuple[int, int]:
        """The mask and the ways in a row."""
        raw = bytes(row)
        ways = int.from_bytes(raw[self.width : self.width + 8], "little")
        return int.from_bytes(raw[: self.width], "little"), ways & ~(1 << NO_WAY)

    def held(self, key: int) -> int:
        """What is known here of a key: marks, and masks on their way to the disk."""
        with self._lock:
            row = self._rows.get(key)
            bits = 0 if row is None else self.of(row)[0]
            for masks in (self._masks, *(batch.masks for batch in self._taken)):
                for one, more, _ in masks:
                    if one == key:
                        bits |= more
        return bits

    def epoch_rows(self, epoch: int) -> Iterator[tuple[int, int, int]]:
        """(key, bits, ways) of the rows of an epoch that are here."""
        for key in self._keys([epoch << 1, epoch << 1 | 1], len(self.names)):
            row = self._rows.get(key)
            if row is not None:
                yield (key, *self.of(row))

    def planes(self) -> list[int]:
        """Where there are rows: each key >> 31, in order."""
        with self._lock:
            return sorted(self._planes)

    def _keys(self, planes: list[int], tracks: int) -> Iterator[int]:
        """The keys that may have rows here, in order. Rows that come meanwhile may be left out."""
        for plane in planes:
            if plane in self._planes:
                yield from range(plane << 31, (plane << 31) + FIRST_TRACK + tracks)

    def sizes(self) -> tuple[int, int]:
        """Bytes that a fold of the present epoch's rows would write, and one of all others'."""
        present = self._planes.get(self._epoch << 1, 0)
        return present * (self.width + 16), (len(self._rows) - present) * (self.width + 16)

    @property
    def backlog(self) -> int:
        """Bytes here that no commit has made durable."""
        batches = [*self._taken]
        masks = len(self._masks) + sum(len(one.masks) for one in batches)
        return len(self._log) + sum(len(one.marks) for one in batches) + masks * self.width

    def forget(self, before: int) -> None:
        """Drop rows of epochs before one. A bit that arrives for one of them at this moment may go with it."""
        for plane in self.planes():
            if plane >> 1 < before:
                for key in self._keys([plane], len(self.names)):
                    with self._lock:
                        if key in self._rows:
                            self._remove(key)
        with self._lock:
            self.spilled = {epoch for epoch in self.spilled if epoch >= before}

    # To the disk: one thread at a time.

    def take(self) -> Batch:
        """Empty the memory of what isn't durable. The batch has to be given to `done`."""
        with self._lock:
            size = len(self._log)
            batch = Batch(bytes(self._log[:size]))
            del self._log[:size]
            # After the marks: whatever they name is among these or known already.
            batch.masks, self._masks = self._masks, []
            batch.tracks, self._tracks = self._tracks, []
            batch.ways, self._new_ways = self._new_ways, []
            self._taken.append(batch)
        return batch

    def due(self, batch: Batch) -> list[Batch]:
        """The batches under way up to this one, in the order they were taken: a track comes before marks of it."""
        with self._lock:
            return self._taken[: self._taken.index(batch) + 1]

    def done(self, batches: list[Batch], kept: bool) -> None:
        """These batches, as `due` gave them, are durable, or they come back and wait for the next one."""
        with self._lock:
            self._taken = self._taken[len(batches) :]
            for batch in reversed(batches):
                batch.kept = kept
                if kept:
                    self.durable += len(batch.tracks)
                else:
                    self._log[0:0] = batch.marks
                    self._masks = batch.masks + self._masks
                    self._tracks = batch.tracks + self._tracks
                    self._new_ways = batch.ways + self._new_ways

    def sweep(self) -> Iterator[int]:
        """The keys of all rows of durable tracks that are here now, for `fly`.

        A row may not come to the disk before its track: after a kill, another one would get the number.
        """
        with self._lock:
            self._cold.clear()  # what is still here is found again
            return self._keys(self.planes(), self.durable)

    def fly(self, keys: Iterator[int], count: int) -> list[tuple[int, bytes]] | None:
        """Copies of the next `count` rows that the disk lacks bits of, out of `keys`; None when there are no more keys.

        `landed` has to follow.
        """
        copies: list[tuple[int, bytes]] = []
        looked = 0
        for key in keys:
            looked += 1
            row = self._rows.get(key)
            if row is not None:
                if row[-1]:
                    with self._lock:
                        self._flying.add(key)
                        row[-1] = 0
                        copies.append((key, bytes(row)))
                elif key >> 32 != self._epoch:
                    self._cold.append(key)
            if len(copies) >= count or looked >= 64 * count:
                return copies
        return copies if looked else None

    def landed(self, kept: bool) -> None:
        """All rows that `fly` copied are committed, or none of them."""
        with self._lock:
            for key in self._flying:
                if not kept:
                    row = self._rows.get(key)
                    if row is not None:
                        row[-1] = 1
                elif key >> 32 != self._epoch:
                    self._cold.append(key)
            self._flying.clear()
