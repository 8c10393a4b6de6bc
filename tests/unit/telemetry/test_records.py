# SPDX-License-Identifier: Apache-2.0
"""What follows from one epoch's record: in which ticks a subject could be seen, and for how many it was up."""

from __future__ import annotations

import pytest

from oracle.ground.errors import InvalidValue
from oracle.ground.uptime import Uptime
from oracle.telemetry.store.records import EpochRecord, Kind, Line, merged

TICKS = 8
ALL = 0b11111111
WHOLE = range(TICKS)
NODES = [bytes([one]) * 20 for one in range(10)]
JOB = 7
HTTP, MQTT = 0b1, 0b10


def record(ways: tuple[tuple[str, int], ...], *nodes: Line, **others: dict[bytes, Line]) -> EpochRecord:
    lines = {Kind.LIVENESS: dict(zip(NODES, nodes, strict=False))}
    return EpochRecord(3, TICKS, ways, lines | {Kind[kind]: named for kind, named in others.items()})


BOTH = (("http", 0b00001111), ("mqtt", 0b00111100))


@pytest.mark.parametrize(
    ("ways", "line", "observable"),
    [
        (BOTH, Line(0b1, 0, HTTP), 0b00001111),
        (BOTH, Line(0b100, 0, MQTT), 0b00111100),
        (BOTH, Line(0b101, 0, HTTP | MQTT), 0b00111111),
        (BOTH, Line(), 0b00001100),  # it might have come by either: only where both would have brought it
        (BOTH, Line(0b1000000, 0b11000000, 0), 0b11000000),  # pulled: looked at, whatever the ways did
        (BOTH, Line(0b1, 0b11000000, HTTP), 0b11001111),
        (BOTH, Line(0b10000001, 0, HTTP), 0b10001111),  # heard is heard, though the oracle was blind for a part of it
        ((), Line(), 0),
        ((*BOTH, ("blind", 0)), Line(), 0),
    ],
)
def test_observable__ways_used_and_looks__decide(ways: tuple, line: Line, observable: int) -> None:
    assert record(ways, line).observable(NODES[0]) == observable


def test_observable__network_dark__only_those_heard_are_observed() -> None:
    whole, gone = Line(ALL, 0, HTTP), Line(0b11000011, 0, HTTP)
    told = record((("http", ALL),), whole, *[gone] * 8)
    assert told.dark == 0b01111110 & told.dark | 0b00111100
    assert told.observable(NODES[0]) == ALL
    assert told.observable(NODES[1]) & 0b00111100 == 0
    assert told.observable(NODES[1]) & gone.up == gone.up
    assert told.observable(NODES[9]) & 0b00111100 == 0  # never heard at all: the dark tells nothing of it either
    pulled = record((("http", ALL),), *[Line(0b11000011, ALL, 0)] * 9)
    assert pulled.dark == 0
    assert pulled.observable(NODES[0]) == ALL


def test_uptime__by_evidence__counts_its_own_line_where_it_is_observable() -> None:
    job = JOB.to_bytes(16, "big")
    told = record(
        (("http", 0b01111111),),
        Line(0b00011111, 0, HTTP),
        HEALTH={NODES[0] + job: Line(0b10000111, 0, HTTP), NODES[1] + job: Line(ALL, 0, HTTP)},
        PROBE={job: Line(0b0011, 0b0111)},
    )
    assert told.uptime("liveness", NODES[0], JOB, WHOLE) == Uptime(5, 7)
    assert told.uptime("liveness", NODES[0], JOB, range(2, 6)) == Uptime(3, 4)
    assert told.uptime("health", NODES[0], JOB, WHOLE) == Uptime(3, 7)
    assert told.uptime("health", NODES[0], JOB + 1, WHOLE) == Uptime(0, 7)
    assert told.uptime("probe", NODES[0], JOB, WHOLE) == Uptime(2, 3)
    assert told.uptime("probe", NODES[0], JOB + 1, WHOLE) == Uptime(0, 0)
    with pytest.raises(InvalidValue, match=r"evidence is 'rumour'; use"):
        told.uptime("rumour", NODES[0], JOB, WHOLE)


def test_merged__several_workers__is_what_any_saw() -> None:
    one = record((("http", 0b0011), ("mqtt", 0b1)), Line(0b1, 0, HTTP), Line(0b1, 0, MQTT))
    two = record((("mqtt", 0b1110), ("http", 0b0100)), Line(0b10, 0b1, 0b01), PROBE={b"": Line(1, 1)})
    both = merged([one, two])
    assert both == record(
        (("http", 0b0111), ("mqtt", 0b1111)),
        Line(0b11, 0b1, HTTP | MQTT),
        Line(0b1, 0, MQTT),
        PROBE={b"": Line(1, 1)},
    )
    assert merged([both]) == both
    for wrong in ([], [one, EpochRecord(4, TICKS)], [one, EpochRecord(3, 9)]):
        with pytest.raises(InvalidValue, match="give one or more of one epoch"):
            merged(wrong)


def test_judged_by__those_who_serve__idle_nodes_darken_nothing() -> None:
    serving, idle = Line(ALL, 0, HTTP), Line(0b11000011, 0, HTTP)
    told = record((("http", ALL),), *[serving] * 4, Line(0b11110011, 0, HTTP), *[idle] * 5)
    down = NODES[4]
    assert told.judged_by(NODES[:5]).observable(down) == ALL
    many = record((("http", ALL),), serving, *[idle] * 9)
    assert many.observable(NODES[1]) != ALL
    assert many.judged_by([NODES[0]]).observable(NODES[1]) == many.observable(NODES[1]), "too few to tell"


def test_judged_by__nobody_who_serves_was_heard_all_epoch__the_oracle_was_blind() -> None:
    told = record((("http", ALL),), *[Line()] * 5, Line(ALL, 0, HTTP))
    assert told.observable(NODES[0]) == ALL
    assert told.judged_by(NODES[:5]).observable(NODES[0]) == 0
    assert told.judged_by(NODES[:5]).observable(NODES[5]) == ALL  # what was heard was heard
    assert told.judged_by(NODES[:4]).observable(NODES[0]) == ALL  # so small a network can't tell


def test_void__ticks_the_clock_was_in_twice__count_for_nothing() -> None:
    job = JOB.to_bytes(16, "big")
    told = record(
        (("http", 0b01111111),),
        Line(0b11111111, 0, HTTP),
        HEALTH={NODES[0] + job: Line(ALL, 0, HTTP)},
        PROBE={job: Line(0b0011, 0b0111)},
        VOID={b"": Line(0, 0b00111100)},
    )
    assert told.observable(NODES[0]) == 0b11000011
    assert told.uptime("liveness", NODES[0], JOB, WHOLE) == Uptime(4, 4)
    assert told.uptime("health", NODES[0], JOB, WHOLE) == Uptime(4, 4)
    assert told.uptime("probe", NODES[0], JOB, WHOLE) == Uptime(2, 2)
