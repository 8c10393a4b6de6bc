# SPDX-License-Identifier: Apache-2.0
"""Plans over random lives of a network: nothing in them is refused, and whatever keepers do, the money is the same."""

from __future__ import annotations

import random
from collections.abc import Callable
from copy import deepcopy

from hypothesis import example, given, settings
from hypothesis import strategies as st

from settlement.planning import PlanSettings
from tests.property.settlement.keeper_town import CLOCK, EAGER, EPOCH, TOKEN, Life, Town

LIVES = st.builds(
    Life,
    seed=st.integers(0, 10**9),
    jobs=st.integers(1, 3),
    slots=st.integers(1, 4),
    epochs=st.integers(2, 6),
    appeal_epochs=st.integers(0, 2),
    window=st.integers(1, 2),
    penalty=st.sampled_from([0, 300_000]),
    dies=st.booleans(),
)
PATIENT = PlanSettings(batch_epochs=3, least_paid={TOKEN: 400_000}, max_gas=500_000)

Visit = Callable[[Town], None]


def thorough(town: Town, how: PlanSettings = EAGER) -> None:
    """Plan and act until nothing is left to do."""
    for _ in range(20):
        found = town.plan(how).actions
        if not found:
            return
        for action in found:
            before = town.books()
            town.act(action)
            assert town.books() != before, f"{action.label} moved nothing"
    raise AssertionError(f"no end of it: {[one.label for one in found]}")


def careless(chance: random.Random) -> Visit:
    """Now and then a keeper does a part of its plan, in any order, and some of it twice."""

    def visit(town: Town) -> None:
        if chance.random() < 0.5:
            return
        for _ in range(chance.randint(1, 3)):
            found = list(town.plan(chance.choice([EAGER, PATIENT])).actions)
            chance.shuffle(found)
            for action in found[: chance.randint(0, len(found))] + found[:2]:
                if "close" not in action.key or not town.model.jobs[action.what.job - 1].closed:  # type: ignore[union-attr]
                    town.act(action) if not _ended(town, action) else None

    return visit


def _ended(town: Town, action: object) -> bool:
    """Whether it ends assignments that are ended: the second of two is refused, as it is on chain."""
    from settlement.model import NEVER
    from settlement.planning.actions import Expire

    what = action.what  # type: ignore[attr-defined]
    return isinstance(what, Expire) and any(town.model.accounts[one].closed_at != NEVER for one in what.assignments)


def live(life: Life, visit: Visit) -> Town:
    """The whole life, with a keeper's visit after each report; at last all that was withheld finds its place."""
    town = Town(life)
    for epoch in range(life.epochs):
        town.people(epoch)
        if town.random.random() < 0.8 or epoch == life.epochs - 1:
            town.report(epoch)
            visit(town)
            town.now += 350
            visit(town)
    if life.dies:
        town.now += 20 * EPOCH
    else:
        span = 2 * life.appeal_epochs + 5
        for epoch in range(life.epochs, life.epochs + 2 * span):
            town.report(epoch)
            # What a careless keeper settles by its last report is held for a span from there.
            each = visit if epoch < life.epochs + span else thorough
            each(town)
            town.now = max(town.now, CLOCK.end(epoch) + 500)
            each(town)
    thorough(town)
    return town


@given(LIVES)
@settings(max_examples=150, deadline=None)
def test_plan__of_any_life__is_allowed_moves_something_and_ends(life: Life) -> None:
    town = live(life, thorough)
    for number, job in enumerate(town.model.jobs, 1):
        assert job.closed
        assert town.model.tally(number).held == 0
        assert town.model.tally(number).claimed == town.model.tally(number).earned
        paid = town.model.tally(number).paid
        assert paid + job.refunded + job.burned + job.to_protocol == job.deposit


# All is settled by the last of the reports that the careless keeper looks at.
@example(Life(0, jobs=1, slots=3, epochs=3, appeal_epochs=0, window=1, penalty=0, dies=False), 587)
# In a range beside settled leaves lies one of which held seconds are to be released.
@example(Life(0, jobs=3, slots=4, epochs=3, appeal_epochs=0, window=1, penalty=0, dies=True), 1)
@given(LIVES, st.integers(0, 10**9))
@settings(max_examples=150, deadline=None)
def test_plan__done_by_careless_keepers_in_any_order__comes_to_the_same_balances(life: Life, seed: int) -> None:
    assert live(life, careless(random.Random(seed))).balances() == live(life, thorough).balances()


@given(LIVES, st.randoms(use_true_random=False))
@settings(max_examples=50, deadline=None)
def test_plan__of_one_state__is_the_same_and_its_order_is_free(life: Life, chance: random.Random) -> None:
    seen = []

    def visit(town: Town) -> None:
        found = town.plan(EAGER)
        assert town.plan(EAGER) == found
        assert len({one.key for one in found.actions}) == len(found.actions)
        other = deepcopy(town)
        shuffled = list(found.actions)
        chance.shuffle(shuffled)
        for action in found.actions:
            town.act(action)
        for action in shuffled:
            other.act(action)
        assert other.books() == town.books()
        keys = {one.key for one in found.actions}
        assert not keys & {one.key for one in town.plan(EAGER).actions}
        seen.append(len(keys))

    live(life, visit)
    assert seen
