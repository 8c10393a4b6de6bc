# SPDX-License-Identifier: Apache-2.0
"""Gas doesn't creep up: the figures of the gas table again, against the committed ones and their gates."""

from __future__ import annotations

import json

import pytest

from benchmarks.gas import FIGURES, PAGE
from benchmarks.gas_measures import Figures, all_figures, cheap_figures
from benchmarks.gas_table import OVER, markdown, rows, within
from benchmarks.gas_world import stepped_chain

CREEP = 5  # per cent
CURE = "if it is worth it, run `make gas` and commit what it writes"
ATTEST = {"attest_3", "attest_5", "attest_11", "attest_21", "signature"}
SETTLE = {"settle_64_1", "settle_64_30", "settle_64_365", "held", "release", "range_100"}


@pytest.fixture(scope="module")
def committed() -> Figures:
    return json.loads(FIGURES.read_text(encoding="utf-8"))


def assert_near(measured: Figures, committed: Figures) -> None:
    """No figure rose by more than the creep, and none exceeds its gate."""
    grown = {
        f"{name}, {column}": f"{gas:,} after {committed[name][column]:,}"
        for name, columns in measured.items()
        for column, gas in columns.items()
        if gas * 100 > committed[name][column] * (100 + CREEP)
    }
    assert not grown, f"more than {CREEP} % above docs/gas.md; {CURE}"
    exceeded = [row.what for row in rows() if row.name in measured and not within(row, measured)]
    assert not exceeded, "a gate is a promise of the design: make it cheaper"


def test_gas__cheap_rows_measured_again__stay_near_the_table_and_within_gates(committed: Figures) -> None:
    with stepped_chain() as sender:
        measured = cheap_figures(sender)
    assert set(measured) == {*ATTEST, *SETTLE, "create", "leave"}
    assert_near(measured, committed)


@pytest.mark.long
def test_gas__all_rows_measured_again__stay_near_the_table_and_within_gates(committed: Figures) -> None:
    with stepped_chain() as sender:
        measured = all_figures(sender)
    assert set(measured) == set(committed)
    assert OVER not in markdown(measured)
    assert_near(measured, committed)


def test_page__rendered_again__is_the_committed_one_and_keeps_all_gates(committed: Figures) -> None:
    page = PAGE.read_text(encoding="utf-8")
    assert page == markdown(committed), f"docs/gas.md isn't of gas.json; {CURE}"
    assert OVER not in page, "a gate is a promise of the design: make it cheaper"
