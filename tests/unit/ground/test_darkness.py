# SPDX-License-Identifier: Apache-2.0
"""When an oracle is the suspect: blindness, a site's outage, and everything going down."""

from __future__ import annotations

import pytest

from oracle.ground.bitmap import span
from oracle.ground.darkness import EDGE_TICKS, MIN_NODES, REFERENCE_TICKS, dark_ticks, heard, judge
from oracle.ground.errors import InvalidValue

TICKS = 1000
ALL = span(range(TICKS))


def mask(*silent: range) -> int:
    """A node that is heard in all ticks but these."""
    gone = 0
    for ticks in silent:
        gone |= span(ticks)
    return ALL & ~gone


def steps(*levels: tuple[int, int]) -> list[int]:
    """Counts by tick out of (ticks, nodes heard)."""
    return [count for ticks, count in levels for _ in range(ticks)]


def ticks_of(dark: int) -> set[int]:
    return {tick for tick in range(dark.bit_length()) if dark >> tick & 1}


def test_dark_ticks__oracle_blind_from_mid_tick__nothing_is_downtime() -> None:
    # Blind from the middle of tick 500 to the middle of tick 620: every other node still made it into the edges.
    early, late = mask(range(501, 621)), mask(range(500, 620))
    nodes = [early, late] * 50
    dark = dark_ticks(nodes, TICKS)
    assert ticks_of(dark) == set(range(500, 621))
    assert all(ALL & ~dark & ~node == 0 for node in nodes)


def test_dark_ticks__oracle_blind_within_the_last_tenth_of_a_tick__edge_is_dark() -> None:
    nodes = [mask(range(501, 600))] * 95 + [mask(range(500, 600))] * 5
    assert 500 in ticks_of(dark_ticks(nodes, TICKS))


def test_dark_ticks__site_of_a_fifth_down__is_downtime_fully() -> None:
    nodes = [ALL] * 80 + [mask(range(300, 900))] * 20
    assert dark_ticks(nodes, TICKS) == 0


def test_judge__exactly_a_fifth_left__is_downtime() -> None:
    assert judge(steps((400, 100), (100, 20), (100, 100))) == 0
    assert ticks_of(judge(steps((400, 100), (100, 19), (100, 100)))) == set(range(399, 501))


def test_dark_ticks__everything_down_for_good__abstains_until_the_epoch_ends() -> None:
    dark = dark_ticks([mask(range(400, TICKS))] * 50, TICKS)
    assert ticks_of(dark) == set(range(399, TICKS))
    # The documented limit: the next epoch knows of no node that could be missing.
    assert dark_ticks([0] * 50, TICKS) == 0


def test_judge__four_fifths_left_for_good__next_epoch_starts_anew() -> None:
    assert ticks_of(judge(steps((500, 1000), (500, 199)))) == set(range(499, 1000))
    assert judge(steps((1000, 199))) == 0


def test_judge__silence_longer_than_the_reference_span__stays_dark() -> None:
    counts = steps((10, 100), (3 * REFERENCE_TICKS, 19), (10, 100))
    assert ticks_of(judge(counts)) == set(range(9, 10 + 3 * REFERENCE_TICKS + 1))


def test_judge__epoch_starts_blind__is_dark_until_nodes_are_heard() -> None:
    assert ticks_of(judge(steps((500, 0), (500, 100)))) == set(range(501))


def test_judge__blindness_begins_in_the_first_tick__few_heard_there_do_not_pass_for_the_network() -> None:
    assert ticks_of(judge(steps((1, 3), (500, 0), (300, 10)))) == set(range(502))


def test_judge__network_growing_all_day__is_never_dark() -> None:
    assert judge([500 + tick * 5 for tick in range(2000)]) == 0


def test_judge__network_born_in_this_epoch__is_dark_only_while_it_is_below_a_fifth_of_its_first_hour() -> None:
    # Whoever is heard in a dark tick is up in it, so the first nodes lose nothing.
    counts = steps((300, 1), (40, 30), (2000, 100))
    assert ticks_of(judge(counts)) == set(range(301))


def test_judge__network_shrinking_over_hours__is_never_dark() -> None:
    assert judge([max(200, 2000 - tick * 2) for tick in range(2000)]) == 0


@pytest.mark.parametrize("nodes", range(1, MIN_NODES))
def test_judge__tiny_network_all_down__is_downtime(nodes: int) -> None:
    assert judge(steps((100, nodes), (50, 0), (100, nodes))) == 0


def test_judge__smallest_judged_network__only_full_silence_is_dark() -> None:
    assert ticks_of(judge(steps((100, 5), (50, 0), (100, 5)))) == set(range(99, 151))
    assert judge(steps((100, 5), (50, 1), (100, 5))) == 0


def test_judge__nodes_come_back_over_several_ticks__edge_reaches_as_far_and_no_further() -> None:
    counts = steps((100, 100), (10, 0), (1, 30), (1, 60), (1, 79), (100, 100))
    assert ticks_of(judge(counts)) == set(range(99, 113))
    climbing = [100] * 50 + [0] * 10 + [20, 30, 45, 60, 80] + [100] * 50
    assert ticks_of(judge(climbing)) == set(range(49, 60 + EDGE_TICKS))


def test_judge__site_goes_down_hours_before_the_blindness__only_the_edge_is_taken_from_it() -> None:
    counts = steps((400, 100), (50, 80), (10, 0), (200, 80))
    assert ticks_of(judge(counts)) == set(range(449, 461))


def test_heard__masks_beyond_the_epoch__are_refused() -> None:
    with pytest.raises(InvalidValue, match="ticks 0 to 7"):
        heard([1, 1 << 8], 8)
    with pytest.raises(InvalidValue, match="ticks 0 to 7"):
        heard([-1], 8)


def test_dark_ticks__no_nodes__is_empty() -> None:
    assert dark_ticks([], 8640) == 0
    assert heard([], 3) == [0, 0, 0]
