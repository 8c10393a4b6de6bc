"""What one oracle saw in one epoch, and how much of a subject's uptime follows from it. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from enum import IntEnum
from functools import cached_property, reduce
from operator import and_, or_
from typing import Final

from oracle.ground.darkness import MIN_NODES, dark_ticks
from oracle.ground.errors import InvalidValue
from oracle.ground.uptime import Uptime, measure


class Kind(IntEnum):
    """What a line of bits tells, and what its name is.

    LIVENESS   a node's heartbeat came, or a trace has it up; 20 bytes of its address
    HEALTH     the node's agent reported the workload healthy; address, then assignment id, 16 bytes big-endian
    PROBE      the oracle's own probe of the workload succeeded; assignment id
    REFUSED    a node's heartbeat was refused, only to explain; address
    UNHEALTHY  the node's agent reported the workload, but not as healthy, only to explain; address, assignment id
    PULLED     somebody else's measurement, a Prometheus server's, has the node up; address
    VOID       no name; `seen` are ticks that the oracle's clock had passed before it was set back: nothing there counts

    A report is named by its node too, so that one on another node's assignment counts for nobody.
    """

    LIVENESS = 1
    HEALTH = 2
    PROBE = 3
    REFUSED = 4
    UNHEALTHY = 5
    PULLED = 6
    VOID = 7


NAME_SIZES: Final = {
    Kind.LIVENESS: 20,
    Kind.HEALTH: 36,
    Kind.PROBE: 16,
    Kind.REFUSED: 20,
    Kind.UNHEALTHY: 36,
    Kind.PULLED: 20,
    Kind.VOID: 0,
}


@dataclass(frozen=True, slots=True)
class Line:
    """One track in one epoch; bit i of `up` and `seen` is tick i.

    up: what was marked. seen: ticks in which this very track was looked at. ways: the ways that ever brought a
    mark; bit i stands for `EpochRecord.ways[i]`.
    """

    up: int = 0
    seen: int = 0
    ways: int = 0


_EMPTY: Final = Line()


@dataclass(frozen=True)
class EpochRecord:
    """What one oracle saw in one epoch of `ticks` ticks.

    ways: (name, ticks that it observed) of each way in that observed or brought anything in this epoch, be it
    nothing; a way the store knows only from other epochs isn't among them. lines: by kind, then by name in
    order; a track without a bit is absent. judges: the nodes (20 bytes) by whose silence the oracle suspects itself;
    None: all that came by some way.
    """

    epoch: int
    ticks: int
    ways: tuple[tuple[str, int], ...] = ()
    lines: Mapping[Kind, Mapping[bytes, Line]] = field(default_factory=dict)
    judges: frozenset[bytes] | None = None

    def line(self, kind: Kind, name: bytes) -> Line:
        """A track's line; empty where nothing was marked."""
        return self.lines.get(kind, {}).get(name, _EMPTY)

    @cached_property
    def dark(self) -> int:
        """The ticks in which nearly all nodes of the push ways went silent at once.

        All of them when enough nodes were expected and none of these was heard all epoch: nobody's downtime looks so.
        """
        heard = {name: line.up for name, line in self.lines.get(Kind.LIVENESS, {}).items() if line.ways}
        if self.judges is not None and len(self.judges) >= MIN_NODES:
            heard = {name: up for name, up in heard.items() if name in self.judges}
            if not any(heard.values()):
                return (1 << self.ticks) - 1
        return dark_ticks(heard.values(), self.ticks)

    def judged_by(self, nodes: Iterable[bytes]) -> EpochRecord:
        """The same record, in which only these nodes tell whether the oracle was blind: those that serve somebody, so
        that idle ones can't darken a tick by falling silent together. Too few of them: all tell."""
        return replace(self, judges=frozenset(nodes))

    def observable(self, node: bytes) -> int:
        """The ticks in which this oracle could have heard of the node (20 bytes).

        Those in which it was heard; and, of a node that came by some ways, where any of them observed and the tick
        wasn't dark; of one that came by none and wasn't looked at, where every way observed. Never a void tick.
        """
        line, pulled = self.line(Kind.LIVENESS, node), self.line(Kind.PULLED, node)
        return self._observed(Line(line.up | pulled.up, line.seen | pulled.seen, line.ways))

    def reportable(self, node: bytes) -> int:
        """The ticks in which the node's agent could have reported on a workload: what is pulled brings no reports."""
        return self._observed(self.line(Kind.LIVENESS, node))

    def _observed(self, line: Line) -> int:
        lit = 0 if line.seen and not line.ways else self._lit(line.ways)
        return (line.seen | line.up | lit) & ~self.void

    def up(self, node: bytes) -> int:
        """The ticks in which the node (20 bytes) was up, by its heartbeats or by what was pulled."""
        return self.line(Kind.LIVENESS, node).up | self.line(Kind.PULLED, node).up

    @cached_property
    def void(self) -> int:
        """The ticks in which nothing counts, see `Kind.VOID`."""
        return self.line(Kind.VOID, b"").seen

    def _lit(self, ways: int) -> int:
        """The ticks, not dark, in which any of these ways observed, or in which all did if it is no way."""
        known = self._lit_by_ways.get(ways)
        if known is None:
            masks = [seen for index, (_, seen) in enumerate(self.ways) if not ways or ways >> index & 1]
            pushed = reduce(or_ if ways else and_, masks) if masks else 0
            known = self._lit_by_ways[ways] = pushed & ~self.dark
        return known

    @cached_property
    def _lit_by_ways(self) -> dict[int, int]:
        """What `_lit` found: nearly all nodes come by the same ways."""
        return {}

    def uptime(self, evidence: str, node: bytes, assignment: int, ticks: range, unmeasured: int = 0) -> Uptime:
        """Ticks up and observed, out of `ticks` less the mask `unmeasured`, of an assignment (u128) that the node (20
        bytes) serves.

        evidence: "liveness", "health" or "probe"; InvalidValue for any other.
        """
        up, observed = self.bits(evidence, node, assignment)
        return measure(up, observed & ~unmeasured, ticks)

    def bits(self, evidence: str, node: bytes, assignment: int) -> tuple[int, int]:
        """The masks of the ticks up and observed behind `uptime`."""
        if evidence == "liveness":
            return self.up(node), self.observable(node)
        if evidence == "health":
            return self.line(Kind.HEALTH, node + assignment.to_bytes(16, "big")).up, self.reportable(node)
        if evidence == "probe":
            line = self.line(Kind.PROBE, assignment.to_bytes(16, "big"))
            return line.up, line.seen & ~self.void
        raise InvalidValue(f'evidence is {evidence!r}; use "liveness", "health" or "probe"')


def merged(records: Iterable[EpochRecord]) -> EpochRecord:
    """Several stores' records of one epoch as one: what any of them saw. Ways of equal name are one way.

    InvalidValue for records of different epochs, or for none.
    """
    given = list(records)
    if len({(one.epoch, one.ticks) for one in given}) != 1:
        told = sorted({(one.epoch, one.ticks) for one in given})
        raise InvalidValue(f"records to merge are of (epoch, ticks) {told}; give one or more of one epoch")
    if len(given) == 1:
        return given[0]
    places: dict[str, int] = {}
    observed: list[int] = []
    lines: dict[Kind, dict[bytes, Line]] = {}
    for record in given:
        moved = []
        for name, seen in record.ways:
            place = places.setdefault(name, len(observed))
            if place == len(observed):
                observed.append(0)
            observed[place] |= seen
            moved.append(place)
        for kind, named in record.lines.items():
            into = lines.setdefault(kind, {})
            for name_, line in named.items():
                ways = sum(1 << place for index, place in enumerate(moved) if line.ways >> index & 1)
                held = into.get(name_, _EMPTY)
                into[name_] = Line(held.up | line.up, held.seen | line.seen, held.ways | ways)
    ordered = {kind: dict(sorted(lines[kind].items())) for kind in sorted(lines)}
    return EpochRecord(given[0].epoch, given[0].ticks, tuple(zip(places, observed, strict=True)), ordered)
