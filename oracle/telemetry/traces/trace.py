"""Availability traces: when each node was enrolled, up or down, and what could be seen of it tick by tick.

A trace is read whole from the neutral format (`trace_rows`). Rows of one node must be sorted by start and
must not overlap; rows of different nodes may be mixed in any order. Time that no row of a node covers is
time in which the node was not enrolled. Spans are half open, `[start, end)`, in whole UNIX seconds.
"""

from __future__ import annotations

from array import array
from bisect import bisect_right
from dataclasses import dataclass
from os import PathLike
from pathlib import Path

from oracle.ground.clock import EpochClock
from oracle.telemetry.traces.trace_rows import Row, TraceError, rows, show

__all__ = ["TickBits", "Trace", "TraceError", "load"]


@dataclass(frozen=True, slots=True)
class TickBits:
    """One node in one epoch: bit i of a mask is tick i of the epoch.

    `up`: the whole tick was up. `seen`: somebody could observe the whole tick, up or down. `up` is within
    `seen`.
    """

    up: int
    seen: int


class _Spans:
    """Sorted spans that don't touch: a span that begins where the last one ended makes that one longer."""

    __slots__ = ("ends", "starts")

    def __init__(self) -> None:
        self.starts = array("q")
        self.ends = array("q")

    def add(self, start: int, end: int) -> None:
        if self.ends and self.ends[-1] == start:
            self.ends[-1] = end
        else:
            self.starts.append(start)
            self.ends.append(end)

    def whole_ticks(self, begin: int, tick: int, ticks: int) -> int:
        """Mask of the ticks `[begin + i*tick, begin + (i+1)*tick)`, i < ticks, each wholly in one span."""
        starts, ends = self.starts, self.ends
        finish = begin + ticks * tick
        bits = 0
        for i in range(bisect_right(ends, begin), len(ends)):
            start = starts[i]
            if start >= finish:
                break
            first = 0 if start <= begin else -((begin - start) // tick)
            last = ticks if ends[i] >= finish else (ends[i] - begin) // tick
            if first < last:
                bits |= ((1 << (last - first)) - 1) << first
        return bits


class _Node:
    """What the trace tells of one node; `last` is its newest row, to check the order of the next one."""

    __slots__ = ("enrolled", "last", "seen", "up")

    def __init__(self) -> None:
        self.enrolled = _Spans()
        self.seen = _Spans()
        self.up = _Spans()
        self.last: Row | None = None

    def add(self, row: Row) -> None:
        self.last = row
        self.enrolled.add(row.start, row.end)
        if row.state != "unknown":
            self.seen.add(row.start, row.end)
        if row.state == "up":
            self.up.add(row.start, row.end)


class Trace:
    """A whole trace. Build it with `load`."""

    def __init__(self, source: str, nodes: dict[str, _Node], row_count: int) -> None:
        self.source = source
        """The path it was read from, for messages."""
        self.row_count = row_count
        self._nodes = {name: nodes[name] for name in sorted(nodes)}
        self.nodes: tuple[str, ...] = tuple(self._nodes)
        """The nodes' names, sorted by code point."""
        self.first_start = min(node.enrolled.starts[0] for node in self._nodes.values())
        """The earliest second that any row covers."""
        self.last_end = max(node.enrolled.ends[-1] for node in self._nodes.values())
        """The end of the last second that any row covers."""

    def enrolments(self, node: str) -> tuple[tuple[int, int], ...]:
        """The maximal spans `(start, end)` of the node's enrolment, in order. TraceError if unknown."""
        spans = self._node(node).enrolled
        return tuple(zip(spans.starts, spans.ends, strict=True))

    def bits(self, node: str, clock: EpochClock, epoch: int) -> TickBits:
        """What the trace says of the node's ticks in the epoch.

        Costs the spans that lie in the epoch and a binary search. TraceError for a node not in the trace.
        """
        spans = self._node(node)
        begin = clock.start(epoch)
        ticks = clock.ticks_per_epoch
        up = spans.up.whole_ticks(begin, clock.tick, ticks)
        return TickBits(up, spans.seen.whole_ticks(begin, clock.tick, ticks))

    def _node(self, node: str) -> _Node:
        try:
            return self._nodes[node]
        except KeyError:
            raise TraceError(f"{self.source}: has no node {show(node)}; use one of its {len(self.nodes)}") from None


def load(path: str | PathLike[str]) -> Trace:
    """Read the trace at `path` (`.csv`, `.csv.xz`, `.csv.gz`).

    Raises `TraceError`, one line with file, line and cure, for anything that is not a trace: see
    `trace_rows`.
    """
    file = Path(path)
    nodes: dict[str, _Node] = {}
    count = 0
    for row in rows(file):
        node = nodes.get(row.node)
        if node is None:
            node = nodes[row.node] = _Node()
        elif node.last is not None and row.start < node.last.end:
            raise _disorder(file, node.last, row)
        node.add(row)
        count += 1
    return Trace(str(file), nodes, count)


def _disorder(file: Path, last: Row, row: Row) -> TraceError:
    where, who = f"{file}:{row.line}", f"of node {show(row.node)}"
    if row.end <= last.start:
        return TraceError(
            f"{where}: start {row.start} {who} is before line {last.line}'s {last.start}; "
            "sort the rows of each node by start"
        )
    return TraceError(
        f"{where}: [{row.start}, {row.end}) {who} overlaps line {last.line}, [{last.start}, {last.end}); "
        "a node is in one state at a time: cut one of them"
    )
