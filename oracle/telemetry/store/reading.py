"""From a store's tables to records."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping

from oracle.ground.errors import InvalidValue
from oracle.telemetry.store import rows
from oracle.telemetry.store.database import FIRST_TRACK, SEEN, Database, Row, paged
from oracle.telemetry.store.records import EpochRecord, Kind, Line


def log(database: Database) -> Iterator[bytes]:
    """The log's marks, segment by segment. InvalidValue when one is damaged."""
    for number, raw in database.rows("SELECT id, marks FROM log ORDER BY id"):
        yield rows.marks(number, raw)


def tracks(database: Database) -> Iterator[tuple[int, Kind, bytes]]:
    """(number, kind, name) of all tracks. InvalidValue when one is damaged."""
    wanted = FIRST_TRACK
    kinds = {kind.value: kind for kind in Kind}  # `Kind(...)` would take as long as the rest
    for one in database.rows("SELECT number, kind, name, checksum FROM track ORDER BY number"):
        number, kind, name, _ = one
        if number != wanted or not isinstance(name, bytes) or one != rows.track(number, kind, name):
            raise InvalidValue(f"track {number}: its checksum is wrong")
        if kind not in kinds:
            raise InvalidValue(f"track {number} is of kind {kind}, which this version doesn't know; use a newer one")
        wanted += 1
        yield number, kinds[kind], name


def epochs(database: Database) -> set[int]:
    """The epochs that have bitmaps."""
    found = set()
    for table in ("line", "closed"):
        first = 0
        while True:
            # The least key of an index, from epoch to epoch: nothing else is read.
            ((key,),) = database.rows(f"SELECT min(key) FROM {table} WHERE key >= ?", first)  # noqa: S608
            if key is None:
                break
            found.add(key >> 32)
            first = (key >> 32) + 1 << 32
    return found


def add_lines(database: Database, ticks: int, first: int, after: int, found: dict[int, tuple[int, int]]) -> None:
    """Add the bitmaps with keys in `[first, after)` to masks and ways by key."""
    for table in ("line", "closed"):
        for page in paged(database, table, first, after):
            for key, raw, ways in page:
                held = found.get(key, (0, 0))
                found[key] = (held[0] | rows.bits(key, ways, raw, ticks), held[1] | ways)


def record(
    epoch: int,
    ticks: int,
    found: Mapping[int, tuple[int, int]],
    names: Mapping[int, tuple[Kind, bytes]],
    ways: Iterable[Row],
) -> EpochRecord:
    """Rows by key as a record. Ways that say nothing of this epoch are left out, and the others move up.

    InvalidValue for a row of a track that isn't among `names`.
    """
    up: dict[int, tuple[int, int]] = {}
    seen: dict[int, int] = {}
    observed: dict[int, int] = {}
    brought = 0
    for key, (bits, by) in found.items():
        number = key & (SEEN - 1)
        if number >= FIRST_TRACK and number not in names:
            raise InvalidValue(f"bitmap {key}: track {number} isn't known")
        if key & SEEN:
            seen[number] = bits
        elif number < FIRST_TRACK:
            observed[number] = bits
        else:
            up[number] = (bits, by)
            if names[number][0] is not Kind.REFUSED:
                brought |= by
    present = [(number, name) for number, name in ways if number in observed or brought >> number & 1]
    moved = [1 << number for number, _ in present]
    straight = moved == [1 << place for place in range(len(moved))]
    everyone = sum(moved)
    lines: dict[Kind, dict[bytes, Line]] = {}
    for number in up.keys() | seen.keys():
        bits, by = up.get(number, (0, 0))
        if not bits and not seen.get(number):
            continue
        by &= everyone
        if not straight:
            by = sum(1 << place for place, bit in enumerate(moved) if by & bit)
        kind, name = names[number]
        lines.setdefault(kind, {})[name] = Line(bits, seen.get(number, 0), by)
    ordered = {kind: dict(sorted(lines[kind].items())) for kind in sorted(lines)}
    return EpochRecord(epoch, ticks, tuple((name, observed.get(number, 0)) for number, name in present), ordered)
