# SPDX-License-Identifier: Apache-2.0
"""A node's epoch drawn and told: the golden strip."""

from __future__ import annotations

from oracle.ground.bitmap import span
from oracle.ground.clock import EpochClock
from oracle.ground.policy import Policy
from oracle.telemetry.store.records import EpochRecord, Kind, Line
from oracle.telemetry.strip import Assigned, as_dict, explain
from oracle.telemetry.strip_text import text
from tests.project import ROOT

CLOCK = EpochClock(genesis=1_800_000_000 - 1_800_000_000 % 86_400 + 43_200, length=7200, tick=10)
NODE, OTHER = b"\x11" * 20, b"\x22" * 20
ALL = span(range(720))

GOLDEN = """\
node 0x1111111111111111111111111111111111111111, epoch 0
from 2027-01-15 12:00:00 to 2027-01-15 14:00:00 UTC, ticks of 10 s
This is what one oracle saw. What counts is the median of the committee's oracles.
A job's policy names the track that counts for its money: liveness, health or probe.

liveness
  up 96.8 % of the observed time (6,770 of 6,990 observed seconds; 210 unmeasured)
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
  a cell is 10 s, one tick
    X  no heartbeat came
    R  heartbeat refused: one came, and did not count
    d  oracle dark (nearly all nodes fell silent at once); unmeasured: not paid, not withheld
    ?  oracle blind (it could not observe the whole tick); unmeasured: not paid, not withheld
    .  up
  from (UTC)           to                    ticks     seconds  reason
  2027-01-15 12:10:20  2027-01-15 12:13:40      20         200  no heartbeat came
  2027-01-15 12:16:40  2027-01-15 12:17:00       2          20  heartbeat refused
  2027-01-15 12:30:00  2027-01-15 12:31:20       8          80  oracle blind
  2027-01-15 12:59:40  2027-01-15 13:01:50      13         130  oracle dark
  ticks:   677 up + 22 lost + 21 unmeasured = 720
  seconds: 6,770 up + 220 lost + 210 unmeasured = 7,200
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
    served = Assigned(5, range(10, 715), note="a word", failure="last failure: timeout")
    told = explain(record(), CLOCK, NODE, [served], over=700)
    drawn = text(told)
    assert "still running: 700 of 720 ticks are over\n" in drawn
    share = "  up 97.9 % of the observed time (4,800 of 4,900 observed seconds; 2,000 unmeasured)\n"
    assert f"probe of assignment 0/0/5\n{share}  last failure: timeout\n" in drawn
    assert "(2,600 of 6,690 observed seconds; 210 unmeasured)\n  a word\n" in drawn
    assert "+ 15 not over yet + 15 outside the assignment = 720\n" in drawn
    liveness, health, probe = as_dict(told)["tracks"]
    assert (liveness["up"], liveness["observed"], liveness["totals"]["not_over"]) == (657, 679, 20)
    assert health["totals"] == {
        "no_heartbeat": 20,
        "refused": 2,
        "unhealthy": 30,
        "not_reported": 357,
        "dark": 13,
        "blind": 8,
        "up": 260,
        "not_over": 15,
        "not_assigned": 15,
    }
    assert probe["totals"] == {"probe_failed": 10, "not_probed": 200, "up": 480, "not_over": 15, "not_assigned": 15}
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
    assert lines[6] == "  up 0.0 % of the observed time (10 of 86,400 observed seconds)"
    assert lines[7] == "  01-15 12:00 " + "X" * 60
    assert lines[30] == "  01-16 11:00 " + "X" * 60  # up in its last tick, down in the same minute
    assert lines[31:33] == [
        "  a cell is 60 s and shows the worst of its ticks",
        "    X  no heartbeat came",
    ]  # no "." there


def test_text__running_day__rows_to_come_are_one_line() -> None:
    clock = EpochClock(genesis=CLOCK.genesis, length=86_400, tick=10)
    day = EpochRecord(
        0, 8640, (("http", span(range(1000))),), {Kind.LIVENESS: {OTHER: Line(span(range(1000)), ways=1)}}
    )
    drawn = text(explain(day, clock, OTHER, [Assigned(5, range(700, 8000), probe=False)], over=1000))
    assert "  01-15 14:00 " + "." * 47 + "\n  01-15 15:00 ... not over yet\n  a cell is 60 s" in drawn
    assert "  01-15 12:00 ... outside the assignment\n  01-15 13:00 " + " " * 56 + "NNNN\n" in drawn
    assert "  01-15 15:00 ... not over yet\n  01-16 10:00 ... not over yet or outside the assignment\n" in drawn
    assert "probe of" not in drawn
    assert all(len(line) <= 100 for line in drawn.splitlines())
    nothing = text(explain(day, clock, OTHER, over=0))
    assert "liveness\n  nothing was observed: no share of up-time\n  01-15 12:00 ... not over yet\n  ticks: " in nothing


def test_explain__before_the_oracle_s_first_tick__told_apart_and_unmeasured() -> None:
    seen = span(range(100, 720))
    late = EpochRecord(0, 720, (("http", seen),), {Kind.LIVENESS: {NODE: Line(seen & ~1, ways=1)}})
    told = explain(late, CLOCK, NODE, [Assigned(5, range(720))], before=100)
    totals = [track["totals"] for track in as_dict(told)["tracks"]]
    assert totals[0] == {"before_oracle": 100, "up": 620}
    assert totals[2] == {"not_probed": 620, "before_oracle": 100}
    assert "    <  before this oracle observed; unmeasured: not paid, not withheld\n" in text(told)


def test_text__policy__tells_the_money_of_the_track_that_it_names() -> None:
    drawn = text(explain(record(), CLOCK, NODE, [Assigned(5, range(720))], policy=Policy()))
    assert drawn.count("by this policy") == 1
    # 6,990 s of (6,770/6,990 - 90 %) / (98 % - 90 %)
    assert (
        "  up 96.8 % of the observed time (6,770 of 6,990 observed seconds; 210 unmeasured)\n"
        "  by this policy (target 98 %, floor 90 %): earned 5,987 s, withheld 1,003 s, unmeasured 210 s of\n"
        "    this epoch, if it were scored alone and the assignment was open throughout\n"
    ) in drawn
    policy = Policy("health", 987_654, 5, window_epochs=7, min_observed_seconds=6_991)
    told = explain(record(), CLOCK, NODE, [Assigned(5, range(10, 720))], over=700, policy=policy)
    assert (
        "  by this policy (target 98.7654 %, floor 0.0005 %): earned 2,600 s, withheld 4,090 s, unmeasured\n"
        "    210 s of what is over of this epoch, if it were scored alone; the policy scores 7 epochs\n"
        "    together; observed for less than 6,991 s, so just the up-time is earned\n"
    ) in text(told)
    liveness, health, _ = as_dict(told)["tracks"]
    assert liveness["by_policy"] is None
    assert health["by_policy"] == {"earned": 2600, "withheld": 4090, "unmeasured": 210}


def test_text__policy_of_a_track_that_is_not_told__says_how_to_see_it() -> None:
    drawn = text(explain(record(), CLOCK, NODE, policy=Policy("probe")))
    assert "The policy given names probe: give --assignment to see that track.\n" in drawn


def test_text__example_of_the_document__is_what_comes() -> None:
    every = span(range(180))
    seen = every & ~span(range(40, 43))
    up = seen & ~span(range(92, 104))
    lines = {Kind.LIVENESS: {NODE: Line(up, ways=1)}, Kind.REFUSED: {NODE: Line(span(range(102, 104)))}}
    clock = EpochClock(genesis=CLOCK.genesis - 12 * 1800, length=1800, tick=10)
    drawn = text(explain(EpochRecord(12, 180, (("http", seen),), lines), clock, NODE, policy=Policy()))
    shown = "".join(f"    {line}".rstrip() + "\n" for line in drawn.splitlines())
    assert shown in (ROOT / "docs" / "telemetry.md").read_text(encoding="utf-8")
