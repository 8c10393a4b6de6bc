"""Appeals in the ledger over random histories: they follow the rule and raise nothing but `earned`, and no cadence or
order changes what they come to."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import replace

from hypothesis import given, settings
from hypothesis import strategies as st

from oracle.ground.leaves import EMPTY, Leaf
from oracle.ground.ledger import Ledger, advance
from tests.property.ground.appealed import Appeals, Rule, appealed_histories, had_they_seen, handed_in
from tests.property.ground.histories import CLOCK, EPOCHS, History

LONG = 2 * EPOCHS
"""An appeal span that outlasts the history."""
Shown = tuple[int, int, int]


def step(history: History, ledger: Ledger, epoch: int, appeals: Appeals, settled: dict) -> tuple[Ledger, list[Leaf]]:
    subjects = history.subjects(epoch, settled)
    after, leaves = advance(ledger, CLOCK, epoch, subjects, history.agreed, history.appeal_epochs, appeals)
    assert Ledger.decode(after.encode()) == after
    return after, [leaf for leaf in leaves if leaf != EMPTY]


@settings(deadline=None)
@given(appealed_histories(), st.data())
def test_advance__with_appeals__equals_the_rule_and_raises_earned_alone(
    case: tuple[History, list[Shown]], data: st.DataObject
) -> None:
    history, waiting = case
    rule, ledger, without = Rule(history), Ledger(), Ledger()
    settled: dict[int, tuple[int, int, int]] = {}
    last: dict[int, Leaf] = {}
    for epoch in range(EPOCHS + 3):
        if not data.draw(st.integers(0, 4), label="report"):
            continue
        now = [one for one in waiting if one[0] <= epoch and data.draw(st.booleans(), label="now")]
        waiting = [one for one in waiting if one not in now or data.draw(st.booleans(), label="again")]
        ledger, leaves = step(history, ledger, epoch, handed_in(now), settled)
        without, plain = step(history, without, epoch, {}, {})
        expected = rule.report(epoch, handed_in(now))
        unappealed = {leaf.id: leaf for leaf in plain}
        for leaf in leaves:
            assert (leaf.earned, leaf.accounted) == expected[leaf.id]
            assert leaf.earned <= leaf.accounted == unappealed[leaf.id].accounted
            assert leaf.id not in last or leaf.earned >= last[leaf.id].earned
            if data.draw(st.integers(0, 2), label="settle"):
                settled = history.settle(epoch, leaf, settled)
        last |= {leaf.id: leaf for leaf in leaves}
        # Of a licence's assignments in one window, an appeal of the earlier may leave less to the later, as if it had
        # been seen at once: together they never earn less.
        told = total(history, [replace(leaf, earned=expected[leaf.id][0]) for leaf in plain])
        assert all(told[key] >= earned for key, earned in total(history, plain).items())


def total(history: History, leaves: list[Leaf]) -> dict[tuple[int, int], int]:
    """Earned seconds of each licence in each slot."""
    found: dict[tuple[int, int], int] = defaultdict(int)
    by_id = {one.id: one for one in history.assignments}
    for leaf in leaves:
        found[by_id[leaf.id].slot, by_id[leaf.id].licence] += leaf.earned
    return found


def reported(history: History, appeals: list[Shown], data: st.DataObject, until: int) -> list[Leaf]:
    """The last leaves, with some epochs skipped and each appeal in some report from its epoch on, or in several."""
    epochs = sorted({*data.draw(st.sets(st.integers(0, until))), until - 1, until})
    plan: dict[int, list[Shown]] = defaultdict(list)
    for one in data.draw(st.permutations(appeals)):
        able = [epoch for epoch in epochs if epoch >= one[0]]
        for epoch in data.draw(st.lists(st.sampled_from(able), min_size=1, max_size=2)):
            plan[epoch].append(one)
    ledger, leaves = Ledger(), list[Leaf]()
    for epoch in epochs:
        ledger, leaves = step(history, ledger, epoch, handed_in(plan[epoch]), {})
    return leaves


@settings(deadline=None)
@given(appealed_histories(), st.data())
def test_advance__appeals_in_any_order_over_any_reports__come_to_what_oracles_that_saw_would_have(
    case: tuple[History, list[Shown]], data: st.DataObject
) -> None:
    history, appeals = replace(case[0], appeal_epochs=LONG), case[1]
    first, second = (reported(history, appeals, data, until=EPOCHS + 8) for _ in range(2))
    seen = had_they_seen(history, appeals)
    _, ideal = step(seen, Ledger(), EPOCHS + 8, {}, {})
    # The last report, in which no window ends, gives all that was put off.
    assert total(history, first) == total(history, second) == total(history, ideal)
    if len({(one.slot, one.licence) for one in history.assignments}) == len(history.assignments):
        assert first == second == ideal


@settings(deadline=None)
@given(appealed_histories(), st.data())
def test_advance__appeals_within_a_short_span__never_beyond_what_oracles_that_saw_would_have(
    case: tuple[History, list[Shown]], data: st.DataObject
) -> None:
    history, appeals = case
    leaves = reported(history, appeals, data, until=EPOCHS + 1)
    _, ideal = step(had_they_seen(history, appeals), Ledger(), EPOCHS + 1, {}, {})
    most = total(history, ideal)
    assert all(earned <= most[key] for key, earned in total(history, leaves).items())
