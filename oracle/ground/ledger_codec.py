"""The canonical bytes of a ledger: sorted, fixed widths, big-endian, one encoding for one ledger.

tag "EpL2" | epoch + 1: u64 | number of rows of each table: 5 x u32
account      assignment u128 | earned u64 | accounted u64 | until u64 | raised u64
open window  assignment u128 | up u64 | observed u64
loss of it   assignment u128 | epoch u64 | up u64 | observed u64
piece        job u64 | slot u32 | licence u256 | window end u64 | counted u64 | assignment u128 | up u64 | observed u64
             | earned u64
loss of it   assignment u128 | window end u64 | epoch u64 | up u64 | observed u64

A ledger with oracles' duties or licences' availability has the tag "EpL3" and two tables more:
duty         member u160 | earned u64 | accounted u64
availability licence u128 | earned u64 | accounted u64
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from itertools import pairwise
from typing import Final

from oracle.ground.errors import InvalidValue

Row = tuple[int, ...]

_TAGS: Final = {b"EpL2": 5, b"EpL3": 7}
"""How many tables a ledger has by its tag."""
# For each table: widths in bytes, and how many leading columns are its key.
_TABLES: Final = (
    ((16, 8, 8, 8, 8), 1),
    ((16, 8, 8), 1),
    ((16, 8, 8, 8), 2),
    ((8, 4, 32, 8, 8, 16, 8, 8, 8), 6),
    ((16, 8, 8, 8, 8), 3),
    ((20, 8, 8), 1),
    ((16, 8, 8), 1),
)


def encode(
    epoch: int,
    accounts: Iterable[Row],
    windows: Iterable[Row],
    losses: Iterable[Row],
    pieces: Iterable[Row],
    piece_losses: Iterable[Row],
    duties: Iterable[Row],
    availability: Iterable[Row],
) -> bytes:
    """The bytes of a ledger's rows, given in any order; InvalidValue when a number exceeds its width."""
    tables = [sorted(rows) for rows in (accounts, windows, losses, pieces, piece_losses, duties, availability)]
    tag = b"EpL3" if tables[-1] or tables[-2] else b"EpL2"
    tables = tables[: _TAGS[tag]]
    try:
        parts = [tag, _pack((epoch + 1, *map(len, tables)), _head(tag))]
        for rows, (widths, _) in zip(tables, _TABLES, strict=False):
            parts += [_pack(row, widths) for row in rows]
    except OverflowError as error:
        raise InvalidValue(f"ledger after epoch {epoch} has a number beyond its width: {error}") from error
    return b"".join(parts)


def decode(
    raw: bytes,
) -> tuple[int, list[Row], list[Row], list[Row], list[Row], list[Row], list[Row], list[Row]]:
    """What `encode` was given, in order; InvalidValue for bytes that it doesn't make."""
    tag = raw[:4]
    head = 4 + sum(_head(tag)) if tag in _TAGS else 0
    if not head or len(raw) < head:
        raise InvalidValue(f"ledger begins with {raw[:4]!r}: give bytes that Ledger.encode made")
    after, *counts = _unpack(raw, 4, _head(tag))
    size = head + sum(n * sum(widths) for n, (widths, _) in zip(counts, _TABLES, strict=False))
    if len(raw) != size:
        raise InvalidValue(f"ledger has {len(raw)} bytes, its head says {size}: it is cut or joined")
    tables: list[list[Row]] = []
    at = head
    for rows, (widths, keys) in zip(counts, _TABLES, strict=False):
        step = sum(widths)
        table = [_unpack(raw, at + i * step, widths) for i in range(rows)]
        if any(a[:keys] >= b[:keys] for a, b in pairwise(table)):
            raise InvalidValue("ledger has rows out of order or twice: give bytes that Ledger.encode made")
        tables.append(table)
        at += rows * step
    accounts, windows, losses, pieces, piece_losses, *more = tables
    if more and not any(more):
        raise InvalidValue("ledger has no duties nor availability: give bytes that Ledger.encode made")
    duties, availability = more or ([], [])
    return after - 1, accounts, windows, losses, pieces, piece_losses, duties, availability


def _head(tag: bytes) -> tuple[int, ...]:
    """Widths of the numbers after a tag."""
    return (8, *[4] * _TAGS[tag])


def _pack(row: Row, widths: Sequence[int]) -> bytes:
    return b"".join([value.to_bytes(width, "big") for value, width in zip(row, widths, strict=True)])


def _unpack(raw: bytes, at: int, widths: Sequence[int]) -> Row:
    values = []
    for width in widths:
        values.append(int.from_bytes(raw[at : at + width], "big"))
        at += width
    return tuple(values)
