# SPDX-License-Identifier: Apache-2.0
"""Faults as people write them."""

from __future__ import annotations

from decimal import Decimal

import pytest

from benchmarks.chaos_plan import alone, combined
from oracle.ground.clock import EpochClock
from scenario.network.faults import KINDS, BadFault, parse_fault, spans
from tests.project import ROOT

pytestmark = pytest.mark.unit

CLOCK = EpochClock(1_000, 20)


@pytest.mark.parametrize(
    ("text", "oracles", "nodes", "value", "when"),
    [
        ("kill:2@1+8", (2,), (), 0, [(1020, 1028)]),
        ("pause:1,node-3@2.5", (1,), (3,), 0, [(1050, 1070)]),
        ("liar:oracle-5@0-2", (5,), (), 0, [(1000, 1060)]),
        ("slow:all=0.25@1", (1, 2, 3, 4, 5), (), Decimal("0.25"), [(1020, 1040)]),
        ("skew:4=-2.5@1", (4,), (), Decimal("-2.5"), [(1020, 1040)]),
        ("rpc:3@1-3+4", (3,), (), 0, [(1020, 1024), (1040, 1044), (1060, 1064)]),
        ("reorg:chain@1.5-2", (), (), 3, [(1030, 1030), (1050, 1050)]),
        ("stuck:chain=500@0+10", (), (), 500, [(1000, 1010)]),
    ],
)
def test_parse_fault__written_well__tells_whom_and_when(
    text: str, oracles: tuple[int, ...], nodes: tuple[int, ...], value: int, when: list[tuple[int, int]]
) -> None:
    fault = parse_fault(text, oracles=5, nodes=4)
    assert (fault.oracles, fault.nodes, fault.value) == (oracles, nodes, value)
    assert [(one.begin, one.end) for one in spans(fault, CLOCK)] == when


@pytest.mark.parametrize(
    ("text", "groups"),
    [("1,2|3,4,5", ((1, 2), (3, 4, 5))), ("4", ((4,), (1, 2, 3, 5))), ("1|2", ((1,), (2,), (3, 4, 5)))],
)
def test_parse_fault__partition__puts_every_oracle_in_one_group(text: str, groups: tuple[tuple[int, ...], ...]) -> None:
    assert parse_fault(f"partition:{text}@1", oracles=5, nodes=4).groups == groups


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("kill", "write NAME:TARGET"),
        ("kill:2", "write NAME:TARGET"),
        ("melt:2@1", "there is no fault melt"),
        ("kill:6@1", "numbered from 1 to 5"),
        ("kill:node-5@1", "numbered from 1 to 4"),
        ("kill:0@1", "numbered from 1"),
        ("kill:2,2@1", "names one target twice"),
        ("liar:node-1@1", "name oracles by number"),
        ("kill:1|2@1", "only a partition has groups"),
        ("partition:1,2,3,4,5@1", "all oracles are in one group"),
        ("stuck:2@1", "write chain"),
        ("kill:2=3@1", "has no value"),
        ("reorg:chain=2.5@1", "give 1 to 40 blocks"),
        ("reorg:chain@1+5", "this is a moment"),
        ("kill:2@3-1", "end before they begin"),
        ("kill:2@1+0", "give more than 0"),
    ],
)
def test_parse_fault__written_wrong__names_it_and_the_cure(text: str, told: str) -> None:
    with pytest.raises(BadFault) as caught:
        parse_fault(text, oracles=5, nodes=4)
    assert told in str(caught.value)
    assert text in str(caught.value)


def test_chaos_plans__any_seed__are_faults_that_end_before_the_run_does() -> None:
    plans = [*((faults, epochs) for _, faults, epochs in alone())]
    plans += [(combined(seed, 14, 5, 4), 14) for seed in range(200)]
    for faults, epochs in plans:
        clock = EpochClock(0, 20)
        ends = [span.end for text in faults for span in spans(parse_fault(text, 5, 4), clock)]
        assert max(ends) <= clock.end(epochs - 2)
    assert combined(7, 14, 5, 4) == combined(7, 14, 5, 4) != combined(8, 14, 5, 4)


def test_network_page__faults__are_those_there_are() -> None:
    page = (ROOT / "docs" / "network.md").read_text(encoding="utf-8")
    rows = [line.split("|")[1] for line in page.splitlines() if line.startswith("| `")]
    assert {name.strip("` ") for row in rows for name in row.split(",")} == KINDS.keys()
