# SPDX-License-Identifier: Apache-2.0
"""Gas doesn't creep up: the cheap figures of the gas table again, against those that are committed."""

from __future__ import annotations

import json

import pytest

from benchmarks.gas import FIGURES, PAGE
from benchmarks.gas_measures import Figures, cheap_figures
from benchmarks.gas_table import markdown
from benchmarks.gas_world import stepped_chain

CREEP = 5  # per cent
CURE = "if it is worth it, run `make gas` and commit what it writes"


@pytest.fixture(scope="module")
def committed() -> Figures:
    return json.loads(FIGURES.read_text(encoding="utf-8"))


@pytest.fixture(scope="module")
def measured() -> Figures:
    with stepped_chain() as sender:
        return cheap_figures(sender)


@pytest.mark.parametrize("name", ["attest_3", "settle_64_1", "range_100", "create", "leave"])
def test_gas__measured_again__stays_near_the_committed_figure(name: str, measured: Figures, committed: Figures) -> None:
    grown = {
        column: f"{gas:,} after {committed[name][column]:,}"
        for column, gas in measured[name].items()
        if gas * 100 > committed[name][column] * (100 + CREEP)
    }
    assert not grown, f"{name} costs more than {CREEP} % more gas than before; {CURE}"


def test_page__rendered_again__is_the_committed_one(committed: Figures) -> None:
    assert PAGE.read_text(encoding="utf-8") == markdown(committed), f"docs/gas.md isn't of gas.json; {CURE}"
