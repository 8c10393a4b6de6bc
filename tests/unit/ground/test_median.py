"""The committee's rule on the cases it was made for."""

from oracle.ground.median import agree, fault_bound, measured_needs, quorum
from oracle.ground.uptime import ZERO, Uptime

DAY = 8_640


def test_sizes__committees__need_more_than_two_thirds_to_sign_and_2f_plus_1_to_measure() -> None:
    table = [(n, fault_bound(n), quorum(n), measured_needs(n)) for n in (1, 3, 4, 7, 10, 31)]
    assert table == [(1, 0, 1, 1), (3, 0, 3, 1), (4, 1, 3, 3), (7, 2, 5, 5), (10, 3, 7, 7), (31, 10, 21, 21)]


def test_agree__half_blind_honest_oracle_and_one_liar__keeps_the_nodes_day() -> None:
    # Medians of `up` and `observed` apart would give 4,320 of 8,640: half a day lost.
    seen = [Uptime(DAY, DAY), Uptime(DAY, DAY), Uptime(DAY // 2, DAY // 2), Uptime(0, DAY)]
    assert agree(seen, needed=3) == Uptime(DAY, DAY)


def test_agree__too_few_saw_anything__is_unmeasured() -> None:
    assert agree([Uptime(5, 5), Uptime(5, 5), ZERO, ZERO], needed=3) == ZERO
    assert agree([], needed=1) == ZERO
    assert agree([ZERO], needed=0) == ZERO


def test_agree__even_number__takes_the_lower_median_of_each() -> None:
    seen = [Uptime(1, 10), Uptime(6, 20), Uptime(18, 30), Uptime(36, 40)]  # 0.1, 0.3, 0.6, 0.9
    assert agree(seen, needed=3) == Uptime(6, 20)


def test_agree__ratio_and_time_from_different_oracles__rounds_up_time_down() -> None:
    assert agree([Uptime(1, 3), Uptime(0, 10), Uptime(10, 10)], needed=3) == Uptime(3, 10)


def test_agree__ratios_that_floats_confuse__are_told_apart() -> None:
    # The lowest ratio has the highest counts: neither a rounded ratio nor the counts themselves put them in order.
    low, middle, high = Uptime(10**17 - 2, 10**17), Uptime(9 * 10**16 - 1, 9 * 10**16), Uptime(1, 1)
    assert agree([high, low, middle], needed=3) == middle
