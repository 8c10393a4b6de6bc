"""One node's epoch, tick by tick, with what became of each and what a policy makes of it: `epochal explain`. Pure.

The classes say exactly what counts: a track's UP ticks are the up ticks of `EpochRecord.uptime`, and its UP and lost
ticks together are the observed ones. `strip_text` draws it.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from enum import IntEnum
from itertools import groupby
from typing import Any, Final

from oracle.ground.bitmap import span
from oracle.ground.clock import EpochClock
from oracle.ground.policy import Policy
from oracle.ground.scoring import score
from oracle.ground.uptime import Uptime
from oracle.telemetry.store.records import EpochRecord, Kind


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
    BEFORE_ORACLE = 9
    UP = 10
    NOT_OVER = 11
    NOT_ASSIGNED = 12


LOST: Final = range(TickClass.PROBE_FAILED, TickClass.NOT_REPORTED + 1)
"""Observed, and not up."""
UNMEASURED: Final = range(TickClass.DARK, TickClass.BEFORE_ORACLE + 1)
"""Not observed: it counts neither for nor against the node."""


@dataclass(frozen=True, slots=True)
class Assigned:
    """An assignment that the node served, and the ticks of the epoch that lie wholly inside it.

    probe: whether its probe is worth telling. note: a further word on its health. failure: why its last failed probe
    failed.
    """

    assignment: int
    ticks: range
    probe: bool = True
    note: str = ""
    failure: str = ""


@dataclass(frozen=True, slots=True)
class Money:
    """Seconds of a track by a policy: together, the ticks that are over and inside the assignment."""

    earned: int
    withheld: int
    unmeasured: int


@dataclass(frozen=True, slots=True)
class Track:
    """One kind of evidence. `classes`: a byte for each tick of the epoch, a `TickClass`. `note`: a further word."""

    evidence: str
    assignment: int | None
    classes: bytes
    note: str = ""

    def count(self, *kinds: int) -> int:
        """How many ticks are of one of these classes."""
        return sum(self.classes.count(kind) for kind in kinds)

    @property
    def uptime(self) -> Uptime:
        """In ticks."""
        return Uptime(self.count(TickClass.UP), self.count(*LOST, TickClass.UP))

    def money(self, policy: Policy, tick: int) -> Money:
        """What it would bring if the policy named it and scored this epoch alone. `tick`: its seconds."""
        measured = self.uptime.scaled(tick)
        (earned,) = score(policy, [measured])
        return Money(earned, measured.observed - earned, self.count(*UNMEASURED) * tick)


@dataclass(frozen=True, slots=True)
class Explanation:
    """What one oracle can say of one node (20 bytes) in one epoch."""

    node: bytes
    epoch: int
    start: int
    """The epoch's first second, UNIX time."""
    tick: int
    """Seconds."""
    ticks: int
    over: int | None
    """How many of the ticks are over; None: the epoch is."""
    tracks: tuple[Track, ...]
    policy: Policy | None
    """By which to tell what the evidence that it names would bring."""


def explain(
    record: EpochRecord,
    clock: EpochClock,
    node: bytes,
    assignments: Sequence[Assigned] = (),
    *,
    over: int | None = None,
    before: int = 0,
    policy: Policy | None = None,
) -> Explanation:
    """The node's liveness, and health and probe of each assignment.

    over: how many of the epoch's ticks are over and certain; None: all. before: how many of its first ticks lie before
    all that the oracle ever observed.
    """
    early = span(range(before))
    not_over = (TickClass.NOT_OVER, ~span(range(min(record.ticks, over if over is not None else record.ticks))))
    tracks = [Track("liveness", None, _classes(record.ticks, [*_liveness(record, node, early), not_over]))]
    for each in assignments:
        name = each.assignment.to_bytes(16, "big")
        told = [("health", _health(record, node, node + name, early), each.note)]
        if each.probe:
            told.append(("probe", _probe(record, name, early), each.failure))
        for evidence, layers, note in told:
            layers += [not_over, (TickClass.NOT_ASSIGNED, ~span(each.ticks))]
            tracks.append(Track(evidence, each.assignment, _classes(record.ticks, layers), note))
    start = clock.start(record.epoch)
    return Explanation(node, record.epoch, start, clock.tick, record.ticks, over, tuple(tracks), policy)


# Layers: each paints its ticks over those before it.
_Layers = list[tuple[TickClass, int]]


def _liveness(record: EpochRecord, node: bytes, early: int) -> _Layers:
    line, pulled = record.line(Kind.LIVENESS, node), record.line(Kind.PULLED, node)
    return [
        (TickClass.NO_HEARTBEAT, -1),
        (TickClass.FOUND_DOWN, line.seen | pulled.seen),
        (TickClass.REFUSED, record.line(Kind.REFUSED, node).up),
        (TickClass.UP, record.up(node)),
        *_unseen(record, record.observable(node), early),
    ]


def _unseen(record: EpochRecord, observable: int, early: int) -> _Layers:
    watched = 0
    for _, seen in record.ways:
        watched |= seen
    return [
        (TickClass.BLIND, ~observable),
        (TickClass.DARK, ~observable & record.dark & watched),
        (TickClass.BEFORE_ORACLE, ~observable & early),
    ]


def _health(record: EpochRecord, node: bytes, name: bytes, early: int) -> _Layers:
    line = record.line(Kind.LIVENESS, node)
    return [
        (TickClass.NO_HEARTBEAT, -1),
        (TickClass.FOUND_DOWN, line.seen),
        (TickClass.REFUSED, record.line(Kind.REFUSED, node).up),
        (TickClass.NOT_REPORTED, line.up),
        (TickClass.UNHEALTHY, record.line(Kind.UNHEALTHY, name).up),
        (TickClass.UP, record.line(Kind.HEALTH, name).up),
        *_unseen(record, record.reportable(node), early),
    ]


def _probe(record: EpochRecord, name: bytes, early: int) -> _Layers:
    line = record.line(Kind.PROBE, name)
    seen = line.seen & ~record.void
    return [
        (TickClass.NOT_PROBED, -1),
        (TickClass.BLIND, record.void),
        (TickClass.PROBE_FAILED, seen),
        (TickClass.UP, seen & line.up),
        (TickClass.BEFORE_ORACLE, ~seen & early),
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
        "still_running": told.over is not None,
        "tracks": [
            {
                "evidence": track.evidence,
                "assignment": None if track.assignment is None else str(track.assignment),
                "note": track.note,
                "up": track.uptime.up,
                "observed": track.uptime.observed,
                "ticks": len(track.classes),
                "by_policy": (
                    asdict(track.money(told.policy, told.tick))
                    if told.policy and told.policy.evidence == track.evidence
                    else None
                ),
                "totals": {kind.name.lower(): count for kind, count in totals(track.classes).items()},
                "spans": [
                    {"class": one.kind.name.lower(), "from": moment(one.first), "to": moment(one.stop)}
                    for one in spans(track.classes)
                ],
            }
            for track in told.tracks
        ],
    }
