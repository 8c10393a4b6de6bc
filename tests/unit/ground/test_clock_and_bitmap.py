"""Epochs, ticks and masks, at their edges."""

import pytest

from oracle.ground.bitmap import by_epoch, count, from_bytes, span, to_bytes
from oracle.ground.clock import EpochClock
from oracle.ground.errors import InvalidValue
from oracle.ground.uptime import ZERO, Uptime, measure

CLOCK = EpochClock(genesis=1_000, length=60, tick=10)


def test_clock__second_on_a_boundary__belongs_to_the_later_epoch() -> None:
    assert CLOCK.ticks_per_epoch == 6
    assert (CLOCK.start(1), CLOCK.end(0)) == (1_060, 1_060)
    assert [CLOCK.epoch_at(t) for t in (1_000, 1_059, 1_060)] == [0, 0, 1]
    assert [CLOCK.tick_at(t) for t in (1_009, 1_010, 1_060)] == [(0, 0), (0, 1), (1, 0)]


@pytest.mark.parametrize("ask", [CLOCK.epoch_at, CLOCK.tick_at, CLOCK.covering])
def test_clock__before_genesis__is_refused(ask) -> None:
    with pytest.raises(InvalidValue, match="999"):
        ask(999)


@pytest.mark.parametrize(("length", "tick"), [(60, 7), (0, 1), (60, 0), (-60, 1)])
def test_clock__no_whole_ticks__is_refused(length: int, tick: int) -> None:
    with pytest.raises(InvalidValue):
        EpochClock(0, length, tick)


def test_ticks_since_genesis__any_second__is_the_tick_that_holds_it() -> None:
    assert [CLOCK.ticks_since_genesis(t) for t in (999, 1_000, 1_009, 1_010, 1_060)] == [-1, 0, 0, 1, 6]


@pytest.mark.parametrize(
    ("bits", "first", "found"),
    [
        (0, 5, []),
        (0b1, 0, [(0, 0b1)]),
        (0b111, 5, [(0, 0b100000), (1, 0b11)]),
        (0b1 | 1 << 18, 5, [(0, 0b100000), (3, 0b100000)]),
        ((1 << 13) - 1, 12, [(2, 0b111111), (3, 0b111111), (4, 0b1)]),
    ],
)
def test_by_epoch__mask_over_several__is_cut_where_they_begin(bits: int, first: int, found: list) -> None:
    assert list(by_epoch(bits, first, 6)) == found


def test_covering__end_of_an_epoch__is_that_epoch() -> None:
    assert [CLOCK.covering(t) for t in (1_000, 1_001, 1_060, 1_061, 1_120)] == [0, 0, 0, 1, 1]


@pytest.mark.parametrize(
    ("start", "stop", "ticks"),
    [
        (0, 9_999, range(6)),
        (1_060, 1_120, range(6)),
        (1_061, 1_120, range(1, 6)),
        (1_060, 1_119, range(5)),
        (1_065, 1_074, range(1, 1)),
        (1_120, 1_180, range(6, 6)),
        (0, 1_060, range(0, 0)),
    ],
)
def test_whole_ticks__span__holds_only_ticks_wholly_inside(start: int, stop: int, ticks: range) -> None:
    found = CLOCK.whole_ticks(1, start, stop)
    assert found == ticks
    assert all(start <= CLOCK.start(1) + i * 10 and CLOCK.start(1) + (i + 1) * 10 <= stop for i in found)


def test_settled_until__window_of_three__steps_to_window_ends_and_then_to_the_stop() -> None:
    stop = CLOCK.start(7) + 5
    ends = [CLOCK.settled_until(3, stop, e) for e in range(9)]
    first, second = CLOCK.end(2), CLOCK.end(5)
    assert ends == [1_000, 1_000, first, first, first, second, second, stop, stop]


def test_settled_until__stop_on_the_epochs_end__is_the_stop() -> None:
    assert CLOCK.settled_until(5, CLOCK.end(3), 3) == CLOCK.end(3)
    assert CLOCK.settled_until(5, CLOCK.end(3) + 1, 3) == CLOCK.genesis


@pytest.mark.parametrize("ticks", [1, 7, 8, 9, 8_640])
def test_bitmap__all_ticks__round_trips_in_the_fewest_bytes(ticks: int) -> None:
    bits = span(range(ticks))
    raw = to_bytes(bits, ticks)
    assert len(raw) == (ticks + 7) // 8
    assert (from_bytes(raw, ticks), count(bits)) == (bits, ticks)


def test_bitmap__tick_zero__is_the_lowest_bit_of_the_first_byte() -> None:
    assert to_bytes(span(range(1)), 16) == b"\x01\x00"
    assert to_bytes(span(range(9, 10)), 16) == b"\x00\x02"
    assert span(range(5, 5)) == 0


@pytest.mark.parametrize("raw", [b"\x00", b"\x00\x00\x00", b"\x00\x04"])
def test_from_bytes__wrong_length_or_stray_bit__is_refused(raw: bytes) -> None:
    with pytest.raises(InvalidValue):
        from_bytes(raw, 10)


@pytest.mark.parametrize("bits", [1 << 10, -1])
def test_to_bytes__mask_beyond_its_ticks__is_refused(bits: int) -> None:
    with pytest.raises(InvalidValue):
        to_bytes(bits, 10)


def test_measure__up_while_blind_or_outside__does_not_count() -> None:
    assert measure(0b1111_1100, 0b0011_1111, range(1, 4)) == Uptime(2, 3)
    assert measure(0b1111, 0, range(4)) == ZERO
    assert measure(0b1111, 0b1111, range(2, 2)) == ZERO


def test_uptime__more_up_than_observed__is_refused() -> None:
    for up, observed in ((2, 1), (-1, 1)):
        with pytest.raises(InvalidValue):
            Uptime(up, observed)
    assert (Uptime(1, 2) + Uptime(3, 4)).scaled(10) == Uptime(40, 60)
