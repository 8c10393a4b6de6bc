# SPDX-License-Identifier: Apache-2.0
"""What all oracles together could take; at a price of 1,000 and epochs of 1,000 s, units are seconds."""

from __future__ import annotations

from dataclasses import replace

import pytest

from settlement.exposure import NOTHING, Exposure, Funded, Open, mintable, of_job, penalties
from settlement.money import Rates

RATES = Rates(1_000, 1_000, 0, 0)
JOB = Funded(slots=1, starts_at=100, stop=10_000, unbooked=10_000)


@pytest.mark.parametrize(
    ("job", "assignments", "now", "reaction", "figure"),
    [
        (JOB, [Open(100, 10_000, 5)], 200, 50, Exposure(100, 5, 50)),
        (JOB, [Open(100, 150, 0), Open(160, 10_000, 0), Open(90, 90, 7)], 200, 50, Exposure(90, 7, 50)),
        (JOB, [], 200, 50, Exposure(0, 0, 50)),  # somebody may be given the slot
        (replace(JOB, slots=3), [Open(100, 10_000, 0)], 200, 50, Exposure(100, 0, 150)),
        (JOB, [], 20, 50, NOTHING),  # it starts later than it is stopped
        (JOB, [], 80, 50, Exposure(0, 0, 30)),
        (replace(JOB, stop=220), [Open(100, 220, 0)], 200, 50, Exposure(100, 0, 20)),
        (replace(JOB, stop=180), [Open(100, 180, 3)], 200, 50, Exposure(80, 3, 0)),
        (replace(JOB, slots=3, unbooked=180), [Open(100, 10_000, 0)], 200, 50, Exposure(100, 0, 80)),
        (replace(JOB, closed=True), [Open(100, 10_000, 5)], 200, 50, Exposure(0, 5, 0)),
    ],
)
def test_of_job__any_assignments__counts_each_second_once_and_none_that_is_not_funded(
    job: Funded, assignments: list[Open], now: int, reaction: int, figure: Exposure
) -> None:
    assert of_job(RATES, job, assignments, now, reaction) == figure


def test_of_job__less_than_a_unit__is_rounded_up() -> None:
    assert of_job(Rates(1, 1_000, 0, 0), JOB, [Open(100, 10_000, 1)], 200, 1) == Exposure(1, 1, 1)


def test_exposure__sum__is_of_each_term() -> None:
    both = Exposure(1, 2, 3) + Exposure(10, 20, 30)
    assert both == Exposure(11, 22, 33)
    assert both.total == 66


def test_penalties__of_a_policy__are_its_share_and_a_unit_for_each_assignment() -> None:
    figure = Exposure(100, 20, 3)
    assert penalties(figure, 100_000, 2) == 13 + 2
    assert penalties(figure, 0, 2) == 0
    assert penalties(NOTHING, 100_000, 2) == 0


def test_mintable__any_reports__is_what_the_schedule_leaves() -> None:
    assert mintable(reward=50, licences=4, granted=120, left=1_000) == 80
    assert mintable(reward=50, licences=4, granted=120, left=30) == 30
    assert mintable(reward=50, licences=4, granted=300, left=30) == 0
