# SPDX-License-Identifier: Apache-2.0
"""The adders count what a loop counts, and dark ticks are what the rule says, over any counts."""

from __future__ import annotations

import random

from hypothesis import given
from hypothesis import strategies as st

from oracle.ground.darkness import EDGE_TICKS, MIN_NODES, REFERENCE_TICKS, SHARE, dark_ticks, heard, judge

COUNTS = st.lists(
    st.tuples(st.integers(1, 400), st.integers(0, 60)).map(lambda step: [step[1]] * step[0]), max_size=12
).map(lambda steps: [count for step in steps for count in step])


@given(st.lists(st.integers(0, 2**70 - 1), max_size=40), st.integers(0, 5000), st.integers(0, 2**32))
def test_heard__any_masks__counts_like_a_loop(masks: list[int], many: int, seed: int) -> None:
    ups = masks + random.Random(seed).choices(masks, k=many) if masks else []
    assert heard(iter(ups), 70) == [sum(up >> tick & 1 for up in ups) for tick in range(70)]


def cores(counts: list[int]) -> list[bool]:
    """The rule without its edges, word for word."""
    heard_enough = [tick for tick, count in enumerate(counts) if count >= MIN_NODES]
    opening = max(counts[heard_enough[0] : heard_enough[0] + REFERENCE_TICKS]) if heard_enough else 0
    lit: list[int] = []
    dark = []
    for count in counts:
        reference = max(lit[-REFERENCE_TICKS:] + ([opening] if len(lit) < REFERENCE_TICKS else []))
        dark.append(reference >= MIN_NODES and count * SHARE < reference)
        if not dark[-1]:
            lit.append(count)
    return dark


@given(COUNTS)
def test_judge__any_counts__dark_is_the_rule_and_edges_that_touch_it(counts: list[int]) -> None:
    core = cores(counts)
    dark = judge(counts)
    assert dark.bit_length() <= len(counts)
    for tick, is_core in enumerate(core):
        near = core[max(0, tick - EDGE_TICKS) : tick + EDGE_TICKS + 1]
        beside = core[max(0, tick - 1) : tick + 2]
        assert dark >> tick & 1 or not any(beside)
        assert is_core or not dark >> tick & 1 or any(near)


@given(COUNTS, st.integers(0, 3))
def test_judge__a_fifth_of_all_nodes_silent_at_any_time__darkens_nothing(shape: list[int], seed: int) -> None:
    """Whatever a fifth of the nodes do, alone they never hide behind the rule."""
    steady = 200
    assert judge([steady + min(count, 50) for count in shape]) == 0


@given(st.integers(5, 60), st.integers(1, 300), st.integers(0, 300), st.integers(1, 300), st.randoms())
def test_dark_ticks__oracle_blind__no_node_loses_a_tick(
    nodes: int, before: int, blind: int, after: int, chance: random.Random
) -> None:
    """Blind from within one tick to within another, at least a tick between: no healthy node is down anywhere."""
    ticks = before + 1 + (blind + 1) + 1 + after
    full = (1 << ticks) - 1
    gone = ((1 << (blind + 1)) - 1) << (before + 1)
    edges = (1 << before, 1 << (before + blind + 2))
    ups = [full & ~gone & ~sum(edge for edge in edges if chance.random() < 0.5) for _ in range(nodes)]
    dark = dark_ticks(ups, ticks)
    assert all(full & ~dark & ~up == 0 for up in ups)
