"""An explanation to read: strips of ticks, the lost spans, and what each track adds up to. Pure."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime
from itertools import groupby
from textwrap import wrap
from typing import Final

from oracle.ground.address import checksummed
from oracle.ground.ids import show_assignment
from oracle.ground.policy import PPM, Policy
from oracle.telemetry.strip import LOST, UNMEASURED, Explanation, TickClass, Track, spans

COLUMNS: Final = 100

WIDTH: Final = 84
"""Cells in a row, at most: with its time a row fits the columns."""

MAX_ROWS: Final = 30
LONGEST_TABLE: Final = 100
"""Lost spans that the text tells one by one."""

REASONS: Final = {
    TickClass.PROBE_FAILED: "probe failed",
    TickClass.FOUND_DOWN: "found down by Prometheus or a trace",
    TickClass.NO_HEARTBEAT: "no heartbeat came",
    TickClass.REFUSED: "heartbeat refused",
    TickClass.UNHEALTHY: "workload not healthy",
    TickClass.NOT_REPORTED: "workload not reported",
    TickClass.DARK: "oracle dark",
    TickClass.BLIND: "oracle blind",
    TickClass.NOT_PROBED: "not probed",
    TickClass.BEFORE_ORACLE: "before this oracle observed",
    TickClass.UP: "up",
    TickClass.NOT_OVER: "not over yet",
    TickClass.NOT_ASSIGNED: "outside the assignment",
}
"""The one word for each class, in the table and, with what follows, in the legend."""

_COST: Final = "; unmeasured: not paid, not withheld"
_MORE: Final = {
    TickClass.PROBE_FAILED: ", or an outage's unseen beginning is charged",
    TickClass.REFUSED: ": one came, and did not count",
    TickClass.UNHEALTHY: ": the agent reported it starting, unhealthy or stopped",
    TickClass.NOT_REPORTED: ": the node was heard, its agent said nothing of it",
    TickClass.DARK: " (nearly all nodes fell silent at once)" + _COST,
    TickClass.BLIND: " (it could not observe the whole tick)" + _COST,
    TickClass.NOT_PROBED: " (no probe speaks for the tick)" + _COST,
    TickClass.BEFORE_ORACLE: _COST,
}
_ASCII: Final = dict(zip(TickClass, "FSXRUNd?-<.  ", strict=True))
_BLOCKS: Final = _ASCII | {TickClass.UP: "█", TickClass.BLIND: "░", TickClass.DARK: "▒", TickClass.NOT_PROBED: "·"}
_UNDRAWN: Final = (TickClass.NOT_OVER, TickClass.NOT_ASSIGNED)
_SPANS: Final = (10, 30, 60, 300, 600, 900, 1800, 3600, 7200, 10800, 21600, 43200, 86400, 604800)
_CELLS: Final = (1, 2, 5, 10, 15, 20, 30, 60, 120, 300, 600, 900, 1800, 3600, 7200, 10800, 21600, 43200, 86400)
_FEWEST_CELLS: Final = 60


def text(told: Explanation, *, blocks: bool = False) -> str:
    """The explanation to read, in at most 100 columns. `blocks`: with block characters, else ASCII alone."""
    out = [
        f"node {checksummed(told.node)}, epoch {told.epoch}",
        f"from {_utc(told.start)} to {_utc(told.start + told.ticks * told.tick)} UTC, ticks of {told.tick:,} s",
        *([] if told.over is None else [f"still running: {told.over:,} of {told.ticks:,} ticks are over"]),
        "This is what one oracle saw. What counts is the median of the committee's oracles.",
        "A job's policy names the track that counts for its money: liveness, health or probe.",
    ]
    policy = told.policy
    if policy and policy.evidence not in {track.evidence for track in told.tracks}:
        out += _lines(f"The policy given names {policy.evidence}: give --assignment to see that track.", "")
    for track in told.tracks:
        of = "" if track.assignment is None else f" of assignment {show_assignment(track.assignment)}"
        out += ["", track.evidence + of, *_verdict(told, track)]
        if track.note:
            out.append(_cut("  " + track.note.encode("ascii", "backslashreplace").decode()))
        out += _strip(told, track.classes, blocks)
        out += _table(told, track.classes)
        out += _sums(told, track)
    return "\n".join(out) + "\n"


def _verdict(told: Explanation, track: Track) -> Iterator[str]:
    up, observed = track.uptime.up, track.uptime.observed
    if observed:
        share = 1000 * up // observed
        seconds = f"{up * told.tick:,} of {observed * told.tick:,} observed seconds"
        if unmeasured := track.count(*UNMEASURED):
            seconds += f"; {unmeasured * told.tick:,} unmeasured"
        yield f"  up {share // 10}.{share % 10} % of the observed time ({seconds})"
    else:
        yield "  nothing was observed: no share of up-time"
    if told.policy and told.policy.evidence == track.evidence:
        yield from _lines(_by_policy(told, track, told.policy), "  ")


def _by_policy(told: Explanation, track: Track, policy: Policy) -> str:
    money = track.money(policy, told.tick)
    said = (
        f"by this policy (target {_percent(policy.target_ppm)}, floor {_percent(policy.floor_ppm)}): "
        f"earned {money.earned:,} s, withheld {money.withheld:,} s, unmeasured {money.unmeasured:,} s "
        f"of {'this epoch' if told.over is None else 'what is over of this epoch'}, if it were scored alone"
    )
    if not track.count(TickClass.NOT_ASSIGNED):
        said += " and the assignment was open throughout"
    if policy.window_epochs > 1:
        said += f"; the policy scores {policy.window_epochs:,} epochs together"
    if 0 < track.uptime.observed * told.tick < policy.min_observed_seconds:
        said += f"; observed for less than {policy.min_observed_seconds:,} s, so just the up-time is earned"
    return said


def _percent(ppm: int) -> str:
    whole, rest = divmod(ppm * 100, PPM)
    return f"{whole}.{rest:06}".rstrip("0").rstrip(".") + " %"


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
    # Rows without a sign: one line for all of a kind that follow each other.
    for empty, alike in groupby(rows.items(), lambda each: sorted(_blank(set(each[1].values())))):
        for row, cells in alike:
            drawn = " or ".join(REASONS[kind] for kind in empty)
            if drawn:
                drawn = ("… " if blocks else "... ") + drawn
            else:
                drawn = "".join(
                    signs[TickClass(cells[cell])] if cell in cells else " " for cell in range(max(cells) + 1)
                )
            lines.append(f"  {datetime.fromtimestamp(row * row_seconds, UTC).strftime(pattern)} {drawn}".rstrip())
            if empty:
                break
    shown = sorted({TickClass(kind) for cells in rows.values() for kind in cells.values()}.difference(_UNDRAWN))
    if shown:
        aggregated = " and shows the worst of its ticks" if cell_seconds > told.tick else ", one tick"
        lines.append(f"  a cell is {cell_seconds:,} s{aggregated}")
    return lines + [f"    {signs[kind]}  {REASONS[kind]}{_MORE.get(kind, '')}" for kind in shown]


def _blank(kinds: set[int]) -> set[TickClass]:
    """The classes of a row that has no sign to draw; nothing for one that has."""
    return {TickClass(kind) for kind in kinds} if kinds.issubset(_UNDRAWN) else set()


def _table(told: Explanation, classes: bytes) -> list[str]:
    found = [one for one in spans(classes) if one.kind not in (TickClass.UP, *_UNDRAWN)]
    lines = []
    if found:
        lines.append("  from (UTC)           to                    ticks     seconds  reason")
    for one in found[:LONGEST_TABLE]:
        count = one.stop - one.first
        begin, end = (_utc(told.start + tick * told.tick) for tick in (one.first, one.stop))
        lines.append(f"  {begin}  {end}  {count:>6,}  {count * told.tick:>10,}  {REASONS[one.kind]}")
    if len(found) > LONGEST_TABLE:
        lines.append(f"  and {len(found) - LONGEST_TABLE:,} more spans; --json tells them all")
    return lines


def _sums(told: Explanation, track: Track) -> Iterator[str]:
    parts = [("up", track.count(TickClass.UP)), ("lost", track.count(*LOST)), ("unmeasured", track.count(*UNMEASURED))]
    parts += [(REASONS[kind], count) for kind in _UNDRAWN if (count := track.count(kind))]
    for unit, length in (("ticks:  ", 1), ("seconds:", told.tick)):
        sums = " + ".join(f"{count * length:,} {word}" for word, count in parts)
        yield from _lines(f"{unit} {sums} = {len(track.classes) * length:,}", "  ")


def _lines(said: str, indent: str) -> list[str]:
    return wrap(said, COLUMNS, initial_indent=indent, subsequent_indent=indent + "  ")


def _cut(line: str) -> str:
    return line if len(line) <= COLUMNS else line[: COLUMNS - 3] + "..."


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
