"""The ledger over random histories: nothing falls, nothing exceeds the clock, no cadence changes anything."""

from __future__ import annotations

from hypothesis import given, settings
from hypothesis import strategies as st

from oracle.ground.leaves import EMPTY, Leaf
from oracle.ground.ledger import Ledger, advance
from tests.property.ground.histories import CLOCK, EPOCHS, History, histories

Books = dict[int, tuple[int, int, int]]


def step(history: History, ledger: Ledger, epoch: int, settled: Books) -> tuple[Ledger, tuple[Leaf, ...]]:
    subjects = history.subjects(epoch, settled)
    return advance(ledger, CLOCK, epoch, subjects, history.agreed, history.appeal_epochs)


@settings(deadline=None)
@given(histories())
def test_advance__any_history__equals_the_rule_written_window_by_window(history: History) -> None:
    ledger = Ledger()
    for epoch in range(EPOCHS):
        ledger, leaves = step(history, ledger, epoch, {})
        expected = history.expected(epoch)
        opened = {one.id for one in history.assignments if one.opened_at < CLOCK.end(epoch)}
        kept = [leaf.id for leaf in leaves if leaf != EMPTY]
        # Nothing was settled, so a leaf can have left only where there was nothing to settle.
        empty = {one.id for one in history.assignments if one.stop == one.opened_at}
        assert opened - empty <= set(kept) <= opened
        assert kept == sorted(kept)
        for leaf in leaves:
            if leaf != EMPTY:
                assert (leaf.earned, leaf.accounted) == expected[leaf.id]


@settings(deadline=None)
@given(histories(), st.lists(st.booleans(), min_size=EPOCHS, max_size=EPOCHS), st.data())
def test_advance__with_skipped_epochs__gives_what_each_epoch_in_turn_gives(
    history: History, reported: list[bool], data: st.DataObject
) -> None:
    every, skipping = Ledger(), Ledger()
    settled: Books = {}
    for epoch in range(EPOCHS):
        every, leaves = step(history, every, epoch, settled)
        if reported[epoch]:
            skipping, same = step(history, skipping, epoch, settled)
            assert same == leaves
            assert skipping.encode() == every.encode()
            for leaf in leaves:
                if leaf != EMPTY and data.draw(st.booleans(), label="settle"):
                    settled = history.settle(epoch, leaf, settled)


@settings(deadline=None)
@given(histories(), st.data())
def test_advance__epoch_after_epoch__nothing_falls_and_the_clock_bounds_all(
    history: History, data: st.DataObject
) -> None:
    ledger, settled = Ledger(), dict[int, tuple[int, int, int]]()
    last: dict[int, Leaf] = {}
    gone: set[int] = set()
    by_id = {one.id: one for one in history.assignments}
    for epoch in range(EPOCHS):
        ledger, leaves = step(history, ledger, epoch, settled)
        present = {leaf.id: leaf for leaf in leaves if leaf != EMPTY}
        for key, leaf in present.items():
            one = by_id[key]
            until = ledger.accounts[key].until
            assert key not in gone
            assert leaf.earned <= leaf.accounted <= until - one.opened_at
            assert one.opened_at <= until <= CLOCK.end(epoch)
            if key in last:
                assert leaf.earned >= last[key].earned
                assert leaf.accounted >= last[key].accounted
        for key in set(last) - set(present) - gone:
            one = by_id[key]
            through, *_ = settled.get(key, (one.opened_at, 0, 0))
            assert through >= one.stop
            assert epoch > CLOCK.covering(one.stop) + history.appeal_epochs
            gone.add(key)
        last.update(present)
        for leaf in present.values():
            if data.draw(st.booleans(), label="settle"):
                settled = history.settle(epoch, leaf, settled)


@settings(deadline=None)
@given(histories(), st.integers(0, EPOCHS - 1), st.randoms(use_true_random=False))
def test_advance__subjects_in_any_order__gives_the_same(history: History, epoch: int, random) -> None:
    subjects = history.subjects(epoch, {})
    shuffled = list(subjects)
    random.shuffle(shuffled)
    arguments = (history.agreed, history.appeal_epochs)
    assert advance(Ledger(), CLOCK, epoch, subjects, *arguments) == advance(
        Ledger(), CLOCK, epoch, shuffled, *arguments
    )


@settings(deadline=None)
@given(histories(), st.integers(0, EPOCHS - 1))
def test_encode__any_ledger__comes_back_and_goes_on_alike(history: History, epoch: int) -> None:
    ledger, _ = step(history, Ledger(), epoch, {})
    read = Ledger.decode(ledger.encode())
    assert read == ledger
    assert read.encode() == ledger.encode()
    assert step(history, read, EPOCHS, {}) == step(history, ledger, EPOCHS, {})
