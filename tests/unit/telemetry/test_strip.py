# SPDX-License-Identifier: Apache-2.0
"""A node's epoch drawn and told: the golden strip."""

from __future__ import annotations

from oracle.ground.bitmap import span
from oracle.ground.clock import EpochClock
from oracle.telemetry.store.records import EpochRecord, Kind, Line
from oracle.telemetry.strip import Assigned, as_dict, explain, text

CLOCK = EpochClock(genesis=1_800_000_000 - 1_800_000_000 % 86_400 + 43_200, length=7200, tick=10)
NODE, OTHER = b"\x11" * 20, b"\x22" * 20
ALL = span(range(720))

GOLDEN = """\
node 0x1111111111111111111111111111111111111111, epoch 0
from 2027-01-15 12:00:00 UTC, ticks of 10 s

liveness
  01-15 12:00 ............................................................
  01-15 12:10 ..XXXXXXXXXXXXXXXXXXXX..................RR..................
  01-15 12:20 ............................................................
  01-15 12:30 ????????....................................................
  01-15 12:40 ............................................................
  01-15 12:50 ..........................................................dd
  01-15 13:00 ddddddddddd.................................................
  01-15 13:10 ............................................................
  01-15 13:20 ............................................................
  01-15 13:30 ............................................................
  01-15 13:40 ............................................................
  01-15 13:50 ............................................................
  a cell is 10 s and shows the worst of its ticks
    X  no heartbeat came
    R  a heartbeat came and was refused
    d  nearly all nodes were silent: the oracle distrusted itself
    ?  the oracle could not observe the whole tick
    .  up
  from (UTC)           to                    ticks  seconds  reason
  2027-01-15 12:10:20  2027-01-15 12:13:40      20      200  no heartbeat came
  2027-01-15 12:16:40  2027-01-15 12:17:00       2       20  heartbeat refused
  2027-01-15 12:30:00  2027-01-15 12:31:20       8       80  oracle was blind
  2027-01-15 12:59:40  2027-01-15 13:01:50      13      130  oracle distrusted itself
  ticks:   677 up + 22 lost + 21 not observed = 720
  seconds: 6770 up + 220 lost + 210 not observed = 7200
"""


def record() -> EpochRecord:
    """Down for 20 ticks, refused in two, then the oracle blind for 8 and all nodes silent for 13."""
    blind = span(range(180, 188))
    silent = span(range(358, 371)) | blind
    up = ALL & ~span(range(62, 82)) & ~span(range(100, 102)) & ~silent
    others = {bytes([number]) * 20: Line(ALL & ~silent, ways=1) for number in range(0x22, 0x2C)}
    served = b"\0" * 15 + b"\5"
    return EpochRecord(
        epoch=0,
        ticks=720,
        ways=(("http", ALL & ~blind),),
        lines={
            Kind.LIVENESS: {NODE: Line(up, ways=1), **others},
            Kind.REFUSED: {NODE: Line(span(range(99, 102)))},
            Kind.HEALTH: {NODE + served: Line(up & span(range(0, 300)), ways=1)},
            Kind.UNHEALTHY: {NODE + served: Line(up & span(range(300, 330)), ways=1)},
            Kind.PROBE: {served: Line(span(range(20, 500)), span(range(20, 510)))},
        },
    )


def test_text__an_epoch_with_all_kinds_of_loss__is_drawn_and_told() -> None:
    # The ticks beside the dark run are dark too, but the node was heard in them: it is up there.
    assert text(explain(record(), CLOCK, NODE)) == GOLDEN


def test_text__assignments__tell_health_and_probe_apart() -> None:
    told = explain(record(), CLOCK, NODE, [Assigned(5, range(10, 715))], over=700, notes={5: "last failure: timeout"})
    drawn = text(told)
    assert "probe of assignment 0/0/5\n  last failure: timeout\n" in drawn
    liveness, health, probe = as_dict(told)["tracks"]
    assert (liveness["up"], liveness["observed"], liveness["totals"]["pending"]) == (657, 679, 20)
    assert health["totals"] == {
        "no_heartbeat": 20,
        "refused": 2,
        "unhealthy": 30,
        "not_reported": 357,
        "dark": 13,
        "blind": 8,
        "up": 260,
        "pending": 15,
        "not_assigned": 15,
    }
    assert probe["totals"] == {"probe_failed": 10, "not_probed": 200, "up": 480, "pending": 15, "not_assigned": 15}
    assert probe["assignment"] == "5"
    assert all(len(line) <= 100 for line in drawn.splitlines())


def test_text__ascii__unless_asked_for_blocks() -> None:
    told = explain(record(), CLOCK, NODE)
    assert text(told).isascii()
    assert "█" in text(told, blocks=True)
    assert "░░░" in text(told, blocks=True)


def test_text__whole_day__is_an_hour_a_row_and_a_minute_a_cell() -> None:
    clock = EpochClock(genesis=CLOCK.genesis, length=86_400, tick=10)
    day = EpochRecord(0, 8640, (("http", span(range(8640))),), {Kind.LIVENESS: {OTHER: Line(1 << 8639, ways=1)}})
    lines = text(explain(day, clock, OTHER)).splitlines()
    assert lines[4] == "  01-15 12:00 " + "X" * 60
    assert lines[27] == "  01-16 11:00 " + "X" * 60  # up in its last tick, down in the same minute
    assert "a cell is 60 s" in lines[28]
