"""Faults by name, as one writes them on a command line. Pure.

    NAME:TARGET[=VALUE]@EPOCHS[+SECONDS]

    kill:2@1+8            oracle 2 is killed at the start of epoch 1 and started again 8 seconds later
    pause:node-3@2.5      node 3 stops in the middle of epoch 2, for one epoch's length
    partition:1,2|3,4,5@1-3   no packet passes between the groups from epoch 1 to the end of epoch 3
    liar:5@0-9, slow:all=0.4@2, reorg:chain=3@2.2, stuck:chain@3+10

EPOCHS is where it begins (halves and tenths allowed), or FIRST-LAST; FIRST-LAST+SECONDS begins anew in each of them.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from types import MappingProxyType
from typing import Final

from oracle.ground.clock import EpochClock
from oracle.ground.errors import UserError

CHAIN: Final = "chain"
ALL: Final = "all"
_MOST_SECONDS: Final = 86_400


class BadFault(UserError):
    """A fault that can't be: the text names it, what is wrong, and what to write."""


@dataclass(frozen=True, slots=True)
class Kind:
    """A kind of fault: what it does, whom it may hit, and its value.

    on: "process" (oracles and nodes), "oracle", "groups" (of oracles) or "chain". value: the value where none is given,
    None for kinds without; `unit` says what it means, `least` and `most` bound it. lasting: whether it has an end.
    """

    does: str
    on: str
    value: Decimal | None = None
    unit: str = ""
    least: Decimal = Decimal(0)
    most: Decimal = Decimal(0)
    lasting: bool = True

    @property
    def usual(self) -> str:
        """The value where none is given, for people; empty for kinds without."""
        return f" ({self.value} {self.unit})" if self.value is not None and self.unit else ""


KINDS: Final[Mapping[str, Kind]] = MappingProxyType(
    {
        "kill": Kind("SIGKILL; it is started again at the end", "process"),
        "pause": Kind("SIGSTOP, SIGCONT at the end", "process"),
        "partition": Kind("no byte passes between groups of oracles", "groups"),
        "slow": Kind(
            "all that passes between it and its peers is late", "oracle", Decimal("0.5"), "s", Decimal(0), Decimal(60)
        ),
        "skew": Kind("restarted with a clock that is wrong", "oracle", Decimal(3), "s", Decimal(-3600), Decimal(3600)),
        "liar": Kind("restarted as one that observes and signs what isn't so", "oracle"),
        "equivocator": Kind("restarted as one that tells each peer another thing", "oracle"),
        "spammer": Kind("restarted as one that floods its peers", "oracle"),
        "rpc": Kind(
            "its RPC endpoints hang up; =1: only the first one", "oracle", Decimal(0), "", Decimal(0), Decimal(9)
        ),
        "leave": Kind("voted out of the committee, and in again at the end; it takes two epochs", "oracle"),
        "expel": Kind("the committee is replaced for cause by one without it; it is voted in at the end", "oracle"),
        "reorg": Kind(
            "the newest blocks are replaced by empty ones",
            "chain",
            Decimal(3),
            "blocks",
            Decimal(1),
            Decimal(40),
            False,
        ),
        "stuck": Kind(
            "the base fee is above what oracles may pay", "chain", Decimal(1000), "gwei", Decimal(1), Decimal(10**6)
        ),
        "halt": Kind("the chain makes no block", "chain"),
    }
)
SMALLEST_COMMITTEE: Final = 4
REHEARSALS: Final = ("liar", "equivocator", "spammer")


@dataclass(frozen=True, slots=True)
class Fault:
    """One fault as it was asked for.

    oracles, nodes: whom it hits, from 1. groups: of a partition. first, last: epochs; `first` may lie inside one,
    `last` is None where one beginning was given. seconds: how long each time; None: to the end of `last`, or one
    epoch's length.
    """

    text: str
    name: str
    oracles: tuple[int, ...] = ()
    nodes: tuple[int, ...] = ()
    groups: tuple[tuple[int, ...], ...] = ()
    value: Decimal = Decimal(0)
    first: Decimal = Decimal(0)
    last: int | None = None
    seconds: Decimal | None = None

    @property
    def kind(self) -> Kind:
        """Its kind."""
        return KINDS[self.name]


@dataclass(frozen=True, slots=True)
class Span:
    """One time that a fault is at work: UNIX seconds, end not included; begin and end are equal for a moment."""

    fault: Fault
    begin: float
    end: float


_SHAPE: Final = re.compile(
    r"(?P<name>[a-z]+):(?P<target>[a-z0-9,|-]+)(?:=(?P<value>-?[0-9]+(?:\.[0-9]+)?))?"
    r"@(?P<first>[0-9]{1,6}(?:\.[0-9]{1,3})?)(?:-(?P<last>[0-9]{1,6}))?(?:\+(?P<seconds>[0-9]{1,6}(?:\.[0-9]{1,3})?))?"
)


def parse_fault(text: str, oracles: int, nodes: int) -> Fault:
    """The fault that a text names, in a network of so many oracles and nodes; BadFault."""
    found = _SHAPE.fullmatch(text)
    if found is None:
        raise BadFault(f"--fault {text!r}: write NAME:TARGET[=VALUE]@EPOCHS[+SECONDS], such as kill:2@1+8")
    kind = KINDS.get(found["name"])
    if kind is None:
        raise BadFault(f"--fault {text}: there is no fault {found['name']}; there are {', '.join(KINDS)}")
    last = int(found["last"]) if found["last"] else None
    first = Decimal(found["first"])
    if last is not None and last < first:
        raise BadFault(f"--fault {text}: epochs {first}-{last} end before they begin; write FIRST-LAST")
    seconds = Decimal(found["seconds"]) if found["seconds"] else None
    if seconds is not None and (not kind.lasting or not 0 < seconds <= _MOST_SECONDS):
        cure = f"give more than 0, at most {_MOST_SECONDS}" if kind.lasting else "leave it out, this is a moment"
        raise BadFault(f"--fault {text}: +{seconds} seconds; {cure}")
    hit, nodes_hit, groups = _targets(text, kind, found["target"], oracles, nodes)
    if found["name"] in ("leave", "expel") and oracles - len(hit) < SMALLEST_COMMITTEE:
        raise BadFault(f"--fault {text}: {oracles - len(hit)} oracles are left, a committee has {SMALLEST_COMMITTEE}")
    return Fault(text, found["name"], hit, nodes_hit, groups, _value(text, kind, found["value"]), first, last, seconds)


def spans(fault: Fault, clock: EpochClock) -> list[Span]:
    """When a fault is at work."""
    begin = clock.start(0) + float(fault.first * clock.length)
    if not fault.kind.lasting or fault.seconds is not None:
        length = float(fault.seconds or 0)
        times = range(1 if fault.last is None else fault.last - int(fault.first) + 1)
        return [Span(fault, begin + n * clock.length, begin + n * clock.length + length) for n in times]
    end = begin + clock.length if fault.last is None else clock.end(fault.last)
    return [Span(fault, begin, end)]


def _targets(
    text: str, kind: Kind, target: str, oracles: int, nodes: int
) -> tuple[tuple[int, ...], tuple[int, ...], tuple[tuple[int, ...], ...]]:
    """(oracles, nodes, groups) that a target names."""
    if kind.on == "chain":
        if target != CHAIN:
            raise BadFault(f"--fault {text}: it hits the chain; write {CHAIN} as its target")
        return (), (), ()
    groups, nodes_hit = [], []
    for part in target.split("|"):
        group: list[int] = []
        for name in part.split(","):
            if name == ALL and kind.on != "groups":
                group += range(1, oracles + 1)
            elif kind.on == "process" and (found := re.fullmatch(r"node-([0-9]{1,4})", name)):
                nodes_hit.append(_numbered(text, "node", int(found[1]), nodes))
            elif found := re.fullmatch(r"(?:oracle-)?([0-9]{1,4})", name):
                group.append(_numbered(text, "oracle", int(found[1]), oracles))
            else:
                wanted = "oracles by number (1,2), all" + (" or node-3" if kind.on == "process" else "")
                raise BadFault(f"--fault {text}: target {name!r}; name {wanted}")
        groups.append(tuple(group))
    named = [one for group in groups for one in group]
    if len(set(named)) != len(named) or len(set(nodes_hit)) != len(nodes_hit):
        raise BadFault(f"--fault {text}: names one target twice; name each once")
    if kind.on != "groups":
        if len(groups) > 1:
            raise BadFault(f"--fault {text}: only a partition has groups; separate targets with commas")
        return tuple(sorted(named)), tuple(sorted(nodes_hit)), ()
    rest = tuple(one for one in range(1, oracles + 1) if one not in named)
    whole = (*groups, rest) if rest else tuple(groups)
    if len(whole) < 2:
        raise BadFault(f"--fault {text}: all oracles are in one group; write two, such as 1,2|3,4,5")
    return (), (), whole


def _numbered(text: str, what: str, number: int, count: int) -> int:
    if not 1 <= number <= count:
        raise BadFault(f"--fault {text}: there is no {what} {number}; they are numbered from 1 to {count}")
    return number


def _value(text: str, kind: Kind, given: str | None) -> Decimal:
    if given is None:
        return kind.value or Decimal(0)
    if kind.value is None:
        raise BadFault(f"--fault {text}: this fault has no value; leave ={given} out")
    value = Decimal(given)
    if not kind.least <= value <= kind.most or (kind.unit == "blocks" and value != int(value)):
        raise BadFault(f"--fault {text}: ={given}; give {kind.least} to {kind.most} {kind.unit}".rstrip())
    return value


def told(faults: Sequence[Fault]) -> str:
    """Faults as one line, for people."""
    return ", ".join(fault.text for fault in faults) or "none"
