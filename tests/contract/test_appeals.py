# SPDX-License-Identifier: Apache-2.0
"""What oracles make of appeals, settled through the contracts: given back in time, paid to the wei, and never under
another window's mark."""

from __future__ import annotations

from collections.abc import Mapping

import pytest

from oracle.ground.clock import EpochClock
from oracle.ground.leaves import Leaf
from oracle.ground.ledger import Ledger, Subject, advance
from oracle.ground.policy import Policy
from oracle.ground.uptime import Uptime
from tests.contract.world import EPOCH, GENESIS, World, end_of, leaf, net

CLOCK = EpochClock(GENESIS, EPOCH)
PROPORTIONAL = Policy(target_ppm=1_000_000, floor_ppm=0)
SPAN = 3
"""The appeal span, in epochs, so that there are reports between the first and the last that may give back."""
LAST = 8


@pytest.fixture
def one(world: World) -> int:
    """The first assignment of a job that withholds what was lost, second for second."""
    world.enter(world.deploy(appeal_epochs=SPAN))
    return world.assign_all(world.create_job(policy=PROPORTIONAL), GENESIS)[0]


def attest(
    world: World, one: int, lost: Mapping[int, int], appeals: Mapping[int, int], daily: bool = True
) -> list[Leaf]:
    """Reports up to LAST of what epochs `lost`, settled daily or once; `appeals` names epochs by the report that judges
    the appeal for all of their seconds."""
    ledger, leaves = Ledger(), []
    for epoch in range(LAST + 1):
        view = world.assignment(one)
        booked = (view["through"], view["earned"], view["accounted"])
        subject = Subject(one, 1, GENESIS, end_of(9), *booked, False, PROPORTIONAL)
        agreed = {epoch: {one: Uptime(EPOCH - lost.get(epoch, 0), EPOCH)}}
        shown = {appeals[epoch]: {one: EPOCH}} if epoch in appeals else {}
        ledger, (made,) = advance(ledger, CLOCK, epoch, [subject], agreed, SPAN, shown)
        leaves.append(made)
        tree = world.publish(epoch, [made])
        if daily or epoch == LAST:
            world.settle(epoch, tree)
    return leaves


@pytest.mark.parametrize("report", [2, 5, 6])
def test_appeal__in_the_report_of_each_epoch__is_paid_within_the_span_and_not_after(
    world: World, one: int, report: int
) -> None:
    attest(world, one, lost={2: 100}, appeals={report: 2})
    earned = (LAST + 1) * EPOCH - (0 if report <= 2 + SPAN else 100)
    assert world.assignment(one)["earned"] == earned
    before = world.balance(world.linked[0].holder.address)
    world.claim(one)
    assert world.balance(world.linked[0].holder.address) - before == net(earned)


def test_appeal__report_withholds_something_new__waits_for_one_that_does_not(world: World, one: int) -> None:
    """Epoch 2 and epoch 4 lose 100 s each, and each appeals within its span: all is paid, at any cadence.

    Report 4, which judges the first appeal, withholds epoch 4's seconds, so it gives nothing back; report 5 does."""
    lost, appeals = {2: 100, 4: 100}, {4: 2, 7: 4}
    for daily in (True, False):
        with world.undone():
            leaves = attest(world, one, lost, appeals, daily)
            assert [EPOCH * (epoch + 1) - made.earned for epoch, made in enumerate(leaves)] == [
                *(0, 0, 100, 100, 200),
                *(100, 100, 0, 0),
            ]
            assert world.assignment(one)["earned"] == (LAST + 1) * EPOCH


def test_appeal__given_back_in_the_report_that_withholds_as_much__would_lose_the_later_one(
    world: World, one: int
) -> None:
    """What the rule is for: the same story, told by oracles that give back at once."""
    back = [0, 0, 100, 100, 100, 100, 100, 0, 0]
    for epoch, missing in enumerate(back):
        total = EPOCH * (epoch + 1)
        world.settle(epoch, world.publish(epoch, [leaf(one, total - missing, total)]))
    assert world.assignment(one)["earned"] == (LAST + 1) * EPOCH - 100
