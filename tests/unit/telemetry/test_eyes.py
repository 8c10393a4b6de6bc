# SPDX-License-Identifier: Apache-2.0
"""The oracle's eyes: in which ticks it could have heard anybody, by each way."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from oracle.ground.clock import EpochClock
from oracle.telemetry.intake import clock_sync
from oracle.telemetry.intake.clock_sync import ClockSync
from oracle.telemetry.intake.eyes import Eyes, Way
from oracle.telemetry.store.bitmaps import BitmapStore
from oracle.telemetry.store.opening import open_store

CLOCK = EpochClock(genesis=1000, length=100, tick=10)


class Hands:
    """Both clocks, moved by hand."""

    def __init__(self) -> None:
        self.wall = self.steady = 0.0

    def to(self, wall: float, steady: float | None = None) -> None:
        """Both go on by as much, unless told otherwise."""
        self.steady = self.steady + (wall - self.wall) if steady is None else steady
        self.wall = wall


@pytest.fixture
def store(tmp_path: Path) -> Iterator[BitmapStore]:
    opened = open_store(tmp_path / "store.db", CLOCK, "net")
    yield opened
    opened.close()


@pytest.fixture
def hands() -> Hands:
    return Hands()


@pytest.fixture
def eyes(store: BitmapStore, hands: Hands) -> Eyes:
    return Eyes(store, CLOCK, lambda: hands.wall, lambda: hands.steady)


def healthy(eyes: Eyes, name: str = "http") -> Way:
    way = eyes.way(name)
    way.trouble = None
    return way


def pulse(eyes: Eyes, hands: Hands, *moments: float) -> None:
    for moment in moments:
        hands.to(moment)
        eyes.pulse()


def observed(store: BitmapStore, epoch: int, name: str = "http") -> int:
    return dict(store.read(epoch).ways).get(name, 0)


def test_pulse__spans_whole_ticks__they_are_observed(eyes: Eyes, hands: Hands, store: BitmapStore) -> None:
    healthy(eyes)
    pulse(eyes, hands, 1004, 1009, 1019, 1028, 1029.9)
    assert observed(store, 0) == 0b10  # not the first, which began before us, nor the last, not yet over
    pulse(eyes, hands, 1030)
    assert observed(store, 0) == 0b110


def test_pulse__gap_longer_than_a_tick__begins_anew(eyes: Eyes, hands: Hands, store: BitmapStore) -> None:
    healthy(eyes)
    pulse(eyes, hands, 1000, 1010, 1020.5, 1030, 1040)
    assert observed(store, 0) == 0b1001  # 1020.5 began anew: [1010, 1030) was not seen whole
    assert eyes.gaps == 1


def test_pulse__clock_set_back_or_ahead__begins_anew(eyes: Eyes, hands: Hands, store: BitmapStore) -> None:
    healthy(eyes)
    pulse(eyes, hands, 1050, 1060, 1003, 1010, 1020)
    assert observed(store, 0) == 0b100010
    hands.to(1028, hands.steady + 1)  # eight seconds on the wall's clock, one on the steady one
    eyes.pulse()
    pulse(eyes, hands, 1030, 1040)
    assert observed(store, 0) == 0b101010


def test_pulse__across_epochs_and_before_genesis__each_in_its_place(
    eyes: Eyes, hands: Hands, store: BitmapStore
) -> None:
    healthy(eyes)
    pulse(eyes, hands, *range(955, 1230, 5))
    assert [observed(store, epoch) for epoch in range(4)] == [1023, 1023, 0b11, 0]


def test_way__in_trouble__blind_while_another_sees(eyes: Eyes, hands: Hands, store: BitmapStore) -> None:
    healthy(eyes)
    mqtt = healthy(eyes, "mqtt")
    pulse(eyes, hands, 1000, 1010, 1015)
    mqtt.trouble = "the broker doesn't answer"
    pulse(eyes, hands, 1020)
    mqtt.trouble = None
    pulse(eyes, hands, 1025, 1030, 1040)
    assert observed(store, 0) == 0b1111
    assert observed(store, 0, "mqtt") == 0b1001


def test_way__never_healthy__there_and_blind(eyes: Eyes, hands: Hands, store: BitmapStore) -> None:
    """A node that came by no way is judged by all of them, so one that was down all day has to be among them."""
    healthy(eyes)
    eyes.way("mqtt")
    pulse(eyes, hands, 1000, 1010, 1020)
    record = store.read(0)
    assert dict(record.ways) == {"http": 0b11, "mqtt": 0}
    assert record.observable(bytes(20)) == 0


def test_oracle__as_a_whole_in_trouble__all_ways_are_blind(eyes: Eyes, hands: Hands, store: BitmapStore) -> None:
    healthy(eyes)
    full: list[str] = []
    eyes.conditions.append(lambda: full[0] if full else None)
    pulse(eyes, hands, 1000, 1010)
    full.append("the disk is full")
    pulse(eyes, hands, 1015)
    full.clear()
    pulse(eyes, hands, 1019, 1020, 1030)
    assert observed(store, 0) == 0b101


def test_clock__by_the_kernels_word__trouble_where_it_is_off(monkeypatch: pytest.MonkeyPatch) -> None:
    for told, expected in (
        (None, None),
        (ClockSync(True, 0.02), None),
        (ClockSync(True, 1.5), "the clock may be off by 1.5 s, more than 1 s: check its time servers"),
        (ClockSync(False, 0.02), "the clock isn't in sync: start chrony or systemd-timesyncd"),
    ):
        monkeypatch.setattr(clock_sync, "clock_sync", lambda told=told: told)
        assert clock_sync.trouble(1) == expected


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux tells it by adjtimex")
def test_clock__asked_for_real__an_answer_that_makes_sense() -> None:
    told = clock_sync.clock_sync()
    assert told is None or 0 <= told.at_most <= 3600


def test_pulse__clock_ran_ahead_and_is_set_back__what_it_passed_is_void(
    eyes: Eyes, hands: Hands, store: BitmapStore
) -> None:
    healthy(eyes)
    pulse(eyes, hands, 1000, 1010, 1020)
    hands.to(1055, hands.steady + 1)
    eyes.pulse()
    pulse(eyes, hands, 1060, 1065)
    hands.to(1032, hands.steady + 1)
    eyes.pulse()
    pulse(eyes, hands, *range(1035, 1101, 5))
    assert store.read(0).void == 0b0001111000
    again = Eyes(store, CLOCK, lambda: 1000.0, lambda: 0.0)  # set back once more, while nobody watched
    again.pulse()
    assert store.read(0).void == 0b0001111001


def test_pulse__clock_a_little_late__nothing_is_void(eyes: Eyes, hands: Hands, store: BitmapStore) -> None:
    healthy(eyes)
    pulse(eyes, hands, 1000, 1010, 1020.1)
    hands.to(1019.9, hands.steady + 0.1)
    eyes.pulse()
    pulse(eyes, hands, 1025, 1030)
    assert store.read(0).void == 0


def test_pulse__held_up_for_longer_than_allowed__a_gap(store: BitmapStore, hands: Hands) -> None:
    eyes = Eyes(store, CLOCK, lambda: hands.wall, lambda: hands.steady, longest_gap=3)
    healthy(eyes)
    pulse(eyes, hands, *range(1000, 1016), 1019, *range(1020, 1026), 1029, 1030, *range(1031, 1041))
    assert observed(store, 0) == 0b1001


def test_way__turned_heartbeats_away__blind_for_a_while(eyes: Eyes, hands: Hands, store: BitmapStore) -> None:
    http = healthy(eyes)
    pulse(eyes, hands, 1000, 1010, 1014)
    http.blind_until = hands.steady + 2
    pulse(eyes, hands, 1015, 1020, 1030)
    assert observed(store, 0) == 0b101
