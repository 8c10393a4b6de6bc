"""One node's epoch as a strip of ticks, each with what became of it, for `epochal explain`. Pure.

The classes say exactly what counts: a track's UP ticks are the up ticks of `EpochRecord.uptime`, and its UP and lost
ticks together are the observed ones.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from enum import IntEnum
from itertools import groupby
from typing import Any, Final

from oracle.ground.bitmap import span
from oracle.ground.clock import EpochClock
from oracle.ground.ids import show_assignment
from oracle.telemetry.store.records import EpochRecord, Kind

WIDTH: Final = 84
"""Cells in a row, at most: with its time a row fits 100 columns."""

MAX_ROWS: Final = 30
LONGEST_TABLE: Final = 100
"""Lost spans that the text tells one by one."""


class TickClass(IntEnum):
    """What became of a tick, worst first: an aggregated cell shows its worst."""

    PROBE_FAILED = 0
    FOUND_DOWN = 1
    NO_HEARTBEAT = 2
    REFUSED = 3
    UNHEALTHY = 4
    NOT_REPORTED = 5
    DARK = 6
    BLIND = 7
    NOT_PROBED = 8
    UP = 9
    PENDING = 10
    NOT_ASSIGNED = 11


LOST: Final = range(TickClass.PROBE_FAILED, TickClass.NOT_REPORTED + 1)
"""Observed, and not up."""
UNSEEN: Final = range(TickClass.DARK, TickClass.NOT_PROBED + 1)
"""Not observed: it counts neither for nor against the node."""

WORDS: Final = {
    TickClass.PROBE_FAILED: "the oracle's probe of the workload failed, or an outage's unseen beginning is charged",
    TickClass.FOUND_DOWN: "Prometheus or a trace found the node down",
    TickClass.NO_HEARTBEAT: "no heartbeat came",
    TickClass.REFUSED: "a heartbeat came and was refused",
    TickClass.UNHEALTHY: "the agent reported the workload starting, unhealthy or stopped",
    TickClass.NOT_REPORTED: "the node was heard, its agent said nothing of the workload",
    TickClass.DARK: "nearly all nodes were silent: the oracle distrusted itself",
    TickClass.BLIND: "the oracle could not observe the whole tick",
    TickClass.NOT_PROBED: "no probe speaks for the tick",
    TickClass.UP: "up",
    TickClass.PENDING: "not over, or not certain yet",
    TickClass.NOT_ASSIGNED: "outside the assignment",
}
_REASONS: Final = {
    TickClass.PROBE_FAILED: "probe failed",
    TickClass.FOUND_DOWN: "found down by Prometheus or a trace",
    TickClass.NO_HEARTBEAT: "no heartbeat came",
    TickClass.REFUSED: "heartbeat refused",
    TickClass.UNHEALTHY: "workload not healthy",
    TickClass.NOT_REPORTED: "workload not reported",
    TickClass.DARK: "oracle distrusted itself",
    TickClass.BLIND: "oracle was blind",
    TickClass.NOT_PROBED: "not probed",
}
_ASCII: Final = dict(zip(TickClass, "FSXRUNd?-.  ", strict=True))
_BLOCKS: Final = _ASCII | {TickClass.UP: "█", TickClass.BLIND: "░", TickClass.DARK: "▒", TickClass.NOT_PROBED: "·"}
_SPANS: Final = (10, 30, 60, 300, 600, 900, 1800, 3600, 7200, 10800, 21600, 43200, 86400, 604800)
_CELLS: Final = (1, 2, 5, 10, 15, 20, 30, 60, 120, 300, 600, 900, 1800, 3600, 7200, 10800, 21600, 43200, 86400)
_FEWEST_CELLS: Final = 60
_LONGEST_NOTE: Final = 98


@dataclass(frozen=True, slots=True)
class Assigned:
    """An assignment that the node served, and the ticks of the epoch that lie wholly inside it."""

    assignment: int
    ticks: range


@dataclass(frozen=True, slots=True)
class Track:
    """One kind of evidence. `classes`: a byte for each tick of the epoch, a `TickClass`. `note`: a further word."""

    evidence: str
    assignment: int | None
    classes: bytes
    note: str = ""


@dataclass(frozen=True, slots=True)
class Explanation:
    """What one oracle can say of one node (20 bytes) in one epoch."""

    node: bytes
    epoch: int
    start: int
    """The epoch's first second, UNIX time."""
    tick: int
    """Seconds."""
    tracks: tuple[Track, ...]


def explain(
    record: EpochRecord,
    clock: EpochClock,
    node: bytes,
    assignments: Sequence[Assigned] = (),
    *,
    over: int | None = None,
    notes: Mapping[int, str] | None = None,
) -> Explanation:
    """The node's liveness, and health and probe of each assignment.

    over: how many of the epoch's ticks are over and certain; None: all. notes: why an assignment's last probe failed.
    """
    pending = ~span(range(min(record.ticks, over if over is not None else record.ticks)))
    tracks = [Track("liveness", None, _classes(record.ticks, [*_liveness(record, node), (TickClass.PENDING, pending)]))]
    for each in assignments:
        outside = (TickClass.NOT_ASSIGNED, ~span(each.ticks))
        name = each.assignment.to_bytes(16, "big")
        for evidence, layers in (("health", _health(record, node, node + name)), ("probe", _probe(record, name))):
            note = (notes or {}).get(each.assignment, "") if evidence == "probe" else ""
            classes = _classes(record.ticks, [*layers, (TickClass.PENDING, pending), outside])
            tracks.append(Track(evidence, each.assignment, classes, note))
    return Explanation(node, record.epoch, clock.start(record.epoch), clock.tick, tuple(tracks))


# Layers: each paints its ticks over those before it.
_Layers = list[tuple[TickClass, int]]


def _liveness(record: EpochRecord, node: bytes) -> _Layers:
    line, pulled = record.line(Kind.LIVENESS, node), record.line(Kind.PULLED, node)
    return [
        (TickClass.NO_HEARTBEAT, -1),
        (TickClass.FOUND_DOWN, line.seen | pulled.seen),
        (TickClass.REFUSED, record.line(Kind.REFUSED, node).up),
        (TickClass.UP, record.up(node)),
        *_unseen(record, record.observable(node)),
    ]


def _unseen(record: EpochRecord, observable: int) -> _Layers:
    watched = 0
    for _, seen in record.ways:
        watched |= seen
    return [(TickClass.BLIND, ~observable), (TickClass.DARK, ~observable & record.dark & watched)]


def _health(record: EpochRecord, node: bytes, name: bytes) -> _Layers:
    line = record.line(Kind.LIVENESS, node)
    return [
        (TickClass.NO_HEARTBEAT, -1),
        (TickClass.FOUND_DOWN, line.seen),
        (TickClass.REFUSED, record.line(Kind.REFUSED, node).up),
        (TickClass.NOT_REPORTED, line.up),
        (TickClass.UNHEALTHY, record.line(Kind.UNHEALTHY, name).up),
        (TickClass.UP, record.line(Kind.HEALTH, name).up),
        *_unseen(record, record.reportable(node)),
    ]


def _probe(record: EpochRecord, name: bytes) -> _Layers:
    line = record.line(Kind.PROBE, name)
    return [
        (TickClass.NOT_PROBED, -1),
        (TickClass.PROBE_FAILED, line.seen),
        (TickClass.UP, line.seen & line.up),
    ]


def _classes(ticks: int, layers: _Layers) -> bytes:
    whole = (1 << ticks) - 1
    left, painted = whole, bytearray(ticks)
    for kind, bits in reversed(layers):
        mine = bits & left
        left &= ~mine
        if mine == whole:
            return bytes([kind]) * ticks
        while mine:  # run by run, not bit by bit
            first = (mine & -mine).bit_length() - 1
            run = ((mine >> first) ^ ((mine >> first) + 1)).bit_length() - 1
            painted[first : first + run] = bytes([kind]) * run
            mine &= ~(((1 << run) - 1) << first)
    return bytes(painted)


@dataclass(frozen=True, slots=True)
class Span:
    """Ticks `first` up to, not including, `stop` of an epoch, all of one class."""

    kind: TickClass
    first: int
    stop: int


def spans(classes: bytes) -> Iterator[Span]:
    """The runs of equal classes, in order; together they are the epoch."""
    first = 0
    for kind, run in groupby(classes):
        stop = first + sum(1 for _ in run)
        yield Span(TickClass(kind), first, stop)
        first = stop


def totals(classes: bytes) -> dict[TickClass, int]:
    """How many ticks are of each class that occurs; together they are the epoch."""
    return {kind: count for kind in TickClass if (count := classes.count(kind))}


def as_dict(told: Explanation) -> dict[str, Any]:
    """The explanation for JSON: names and numbers, times in UNIX seconds."""

    def moment(tick: int) -> int:
        return told.start + tick * told.tick

    return {
        "node": "0x" + told.node.hex(),
        "epoch": told.epoch,
        "start": told.start,
        "tick": told.tick,
        "tracks": [
            {
                "evidence": track.evidence,
                "assignment": None if track.assignment is None else str(track.assignment),
                "note": track.note,
                "up": track.classes.count(TickClass.UP),
                "observed": sum(track.classes.count(kind) for kind in (*LOST, TickClass.UP)),
                "ticks": len(track.classes),
                "totals": {kind.name.lower(): count for kind, count in totals(track.classes).items()},
                "spans": [
                    {"class": one.kind.name.lower(), "from": moment(one.first), "to": moment(one.stop)}
                    for one in spans(track.classes)
                ],
            }
            for track in told.tracks
        ],
    }


def text(told: Explanation, *, blocks: bool = False) -> str:
    """The explanation to read, in at most 100 columns. `blocks`: with block characters, else ASCII alone."""
    out = [
        f"node 0x{told.node.hex()}, epoch {told.epoch}",
        f"from {_utc(told.start)} UTC, ticks of {told.tick} s",
    ]
    for track in told.tracks:
        title = (
            track.evidence
            if track.assignment is None
            else f"{track.evidence} of assignment {show_assignment(track.assignment)}"
        )
        out += ["", title]
        if track.note:
            out.append("  " + track.note.encode("ascii", "backslashreplace").decode()[:_LONGEST_NOTE])
        out += _strip(told, track.classes, blocks)
        out += _table(told, track.classes)
    return "\n".join(out) + "\n"


def _strip(told: Explanation, classes: bytes, blocks: bool) -> list[str]:
    length = len(classes) * told.tick
    row_seconds, cell_seconds = _layout(length, told.tick)
    rows: dict[int, dict[int, int]] = {}
    for tick, kind in enumerate(classes):
        row, inside = divmod(told.start + tick * told.tick, row_seconds)
        cells = rows.setdefault(row, {})
        cell = inside // cell_seconds
        cells[cell] = min(kind, cells.get(cell, kind))
    signs = _BLOCKS if blocks else _ASCII
    pattern = "%m-%d %H:%M" if row_seconds % 60 == 0 else "%m-%d %H:%M:%S"
    lines = []
    for row, cells in rows.items():
        drawn = "".join(signs[TickClass(cells[cell])] if cell in cells else " " for cell in range(max(cells) + 1))
        lines.append(f"  {datetime.fromtimestamp(row * row_seconds, UTC).strftime(pattern)} {drawn}".rstrip())
    shown = [kind for kind in totals(classes) if signs[kind] != " "]
    legend = [f"    {signs[kind]}  {WORDS[kind]}" for kind in shown]
    return [*lines, f"  a cell is {cell_seconds} s and shows the worst of its ticks", *legend]


def _table(told: Explanation, classes: bytes) -> list[str]:
    dull = (TickClass.UP, TickClass.PENDING, TickClass.NOT_ASSIGNED)
    found = [one for one in spans(classes) if one.kind not in dull]
    lines = []
    if found:
        lines.append("  from (UTC)           to                    ticks  seconds  reason")
    for one in found[:LONGEST_TABLE]:
        count = one.stop - one.first
        begin, end = (_utc(told.start + tick * told.tick) for tick in (one.first, one.stop))
        lines.append(f"  {begin}  {end}  {count:>6}  {count * told.tick:>7}  {_REASONS[one.kind]}")
    if len(found) > LONGEST_TABLE:
        lines.append(f"  and {len(found) - LONGEST_TABLE} more spans; --json tells them all")
    up = classes.count(TickClass.UP)
    lost = sum(classes.count(kind) for kind in LOST)
    unseen = sum(classes.count(kind) for kind in UNSEEN)
    rest = len(classes) - up - lost - unseen
    parts = [("up", up), ("lost", lost), ("not observed", unseen), ("outside or not over", rest)]
    for unit, length in (("ticks:  ", 1), ("seconds:", told.tick)):
        sums = " + ".join(f"{count * length} {word}" for word, count in parts if count or word != parts[-1][0])
        lines.append(f"  {unit} {sums} = {len(classes) * length}")
    return lines


def _layout(length: int, tick: int) -> tuple[int, int]:
    """Seconds of a row and of a cell, for an epoch of `length` seconds."""
    row = next((s for s in _SPANS if s >= _FEWEST_CELLS * tick and s * MAX_ROWS >= length), 0)
    if not row:
        week = _SPANS[-1]
        row = week * -(-max(length, _FEWEST_CELLS * tick * MAX_ROWS) // (week * MAX_ROWS))
    for cell in _CELLS:
        if cell % tick == 0 and row % cell == 0 and row // cell <= WIDTH:
            return row, cell
    return row, tick * -(-row // (WIDTH * tick))


def _utc(second: int) -> str:
    return datetime.fromtimestamp(second, UTC).strftime("%Y-%m-%d %H:%M:%S")
