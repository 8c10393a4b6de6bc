"""The bytes at rest: bitmaps of one row each, and marks of one log segment each.

Every one carries a checksum that covers its key too, because a disk's damage must never pass for a node's silence.
"""

from __future__ import annotations

import struct
import zlib
from collections.abc import Iterable
from typing import Final

import numpy as np

from oracle.ground import bitmap
from oracle.ground.errors import InvalidValue

MARK: Final = struct.Struct(">QIB")
"""One mark in the log: key of its row, tick, index of the way."""

NO_WAY: Final = 63
"""The index in a mark that no way brought."""

_WAYS = (1 << NO_WAY) - 1
_MARKS = np.dtype([("key", ">u8"), ("tick", ">u4"), ("way", "u1")])
_RAW, _PACKED = b"\0", b"\1"
_AT_ONCE = 1 << 19


_HEAD = struct.Struct(">QQ")


def row(key: int, ways: int, raw: bytes) -> bytes:
    """A bitmap as a row of the day: a tag, four bytes of checksum, the bits."""
    return _RAW + _sum(key, ways, raw) + raw


def packed(stored: bytes) -> bytes:
    """A row as it is kept for good: compressed where that is shorter."""
    if stored[:1] == _PACKED:
        return stored
    tight = _PACKED + stored[1:5] + zlib.compress(stored[5:], 9)
    return min(stored, tight, key=len)


def bits(key: int, ways: int, stored: bytes, ticks: int) -> int:
    """The mask in a row of either form. InvalidValue when it is damaged."""
    if not (isinstance(stored, bytes) and isinstance(ways, int) and ways >= 0 <= key):
        raise InvalidValue(f"bitmap {key} is no row")
    raw = stored[5:]
    if stored[:1] == _PACKED:
        try:
            raw = zlib.decompress(raw)
        except zlib.error as error:
            raise InvalidValue(f"bitmap can't be unpacked: {error}") from error
    elif stored[:1] != _RAW:
        raise InvalidValue(f"bitmap begins with {stored[:1].hex() or 'nothing'}: only tags 00 and 01 are known")
    if _sum(key, ways, raw) != stored[1:5]:
        raise InvalidValue(f"bitmap {key}: its checksum is wrong")
    return bitmap.from_bytes(raw, ticks)


def segment(number: int, marks: bytes) -> bytes:
    """Marks as a segment of the log."""
    return _sum(number, 0, marks) + marks


def marks(number: int, stored: bytes) -> bytes:
    """The marks in a segment. InvalidValue when it is damaged."""
    if not isinstance(stored, bytes) or len(stored) % MARK.size != 4 or _sum(number, 0, stored[4:]) != stored[:4]:
        raise InvalidValue(f"log segment {number}: its checksum is wrong")
    return stored[4:]


def track(number: int, kind: int, name: bytes) -> tuple[int, int, bytes, int]:
    """A track as a row, with its checksum."""
    return number, kind, name, int.from_bytes(_sum(number, kind, name), "big")


def _sum(key: int, more: int, raw: bytes) -> bytes:
    return zlib.crc32(raw, zlib.crc32(_HEAD.pack(key, more))).to_bytes(4, "big")


def gathered(logged: Iterable[bytes], ticks: int, first: int = 0, after: int = 1 << 63) -> dict[int, tuple[int, int]]:
    """By key, in `[first, after)`, the masks of the ticks and of the ways that marks add up to.

    InvalidValue for a mark of a tick at or above `ticks`.
    """
    found: dict[int, tuple[int, int]] = {}
    waiting: list[bytes] = []
    size = 0
    for one in logged:
        waiting.append(one)
        size += len(one)
        if size >= _AT_ONCE * MARK.size:
            _gather(b"".join(waiting), ticks, first, after, found)
            waiting, size = [], 0
    _gather(b"".join(waiting), ticks, first, after, found)
    return found


def _gather(raw: bytes, ticks: int, first: int, after: int, found: dict[int, tuple[int, int]]) -> None:
    given = np.frombuffer(raw, _MARKS)
    keys = given["key"].astype(np.uint64)
    inside = (keys >= first) & (keys < after)
    keys, at = keys[inside], given["tick"][inside].astype(np.int64)
    if not len(keys):
        return
    if at.max() >= ticks:
        raise InvalidValue(f"log marks tick {at.max()}: only ticks 0 to {ticks - 1} exist")
    way = np.left_shift(np.uint64(1), given["way"][inside].astype(np.uint64))
    order = np.argsort(keys, kind="stable")
    keys, at, way = keys[order], at[order], way[order]
    starts = np.flatnonzero(np.r_[True, keys[1:] != keys[:-1]])
    ways = np.bitwise_or.reduceat(way, starts)
    width = -(-ticks // 8)
    stops = np.r_[starts[1:], len(keys)]
    for start, stop, brought in zip(starts.tolist(), stops.tolist(), ways.tolist(), strict=True):
        line = np.zeros(width * 8, np.uint8)
        line[at[start:stop]] = 1
        mask = int.from_bytes(np.packbits(line, bitorder="little").tobytes(), "little")
        key = int(keys[start])
        held, by = found.get(key, (0, 0))
        found[key] = (held | mask, by | brought & _WAYS)
