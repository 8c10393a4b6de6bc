# SPDX-License-Identifier: Apache-2.0
"""What goes in comes out: once a job is closed and nothing is held, deposit = paid + refunded + burned, to the wei."""

from __future__ import annotations

import random
from dataclasses import replace

import pytest

from oracle.ground.ids import pack
from tests.contract.world import GENESIS, PRICE, SETTLE_WINDOW, STRICT, World, end_of, leaf, net

LAST = 7


@pytest.mark.parametrize("seed", range(6))
def test_job__from_deposit_to_close__conserves_every_wei(world: World, seed: int) -> None:
    """Three slots, replaced nodes, random leaves (some beyond their bounds), skipped epochs, an early stop or none."""
    chance = random.Random(seed)
    window = chance.choice([1, 1, 3])
    price = PRICE + chance.randrange(10**6)
    policy = replace(STRICT, window_epochs=window, csp_share_ppm=chance.choice([0, 333_333, 1_000_000]))
    before = world.balance(world.csp.address)
    job = world.create_job(price=price, endsAt=end_of(LAST - 1) - chance.randrange(900), policy=policy)
    deposit = before - world.balance(world.csp.address)
    open_slots = world.assign_all(job, GENESIS)
    everyone = list(open_slots)
    told = dict.fromkeys(everyone, (0, 0))
    stop_in = chance.choice([3, 5, None])

    for epoch in range(LAST + 1):
        if world.now < world.job(job)["stop"] - 50 and chance.random() < 0.5:
            slot = chance.randrange(3)
            world.at(max(world.now + 1, end_of(epoch - 1) + 60 + chance.randrange(200))).close(open_slots[slot])
            open_slots[slot] = world.assign(job, slot, world.linked[chance.randrange(5)])
            everyone.append(open_slots[slot])
            told[open_slots[slot]] = (0, 0)
        if stop_in == epoch:
            world.at(max(world.now + 1, end_of(epoch - 1) + 500)).stop(job)
        if chance.random() < 0.25 and epoch < LAST:
            continue  # nobody reports this epoch
        leaves = []
        for one in sorted(everyone):
            earned, accounted = told[one]
            more = chance.choice([0, 400, 1_000, 5_000])
            told[one] = (earned + chance.randrange(more + 100), accounted + more)
            leaves.append(leaf(one, *told[one]))
        tree = world.publish(epoch, leaves)
        for index in range(len(leaves)):
            if chance.random() < 0.8:
                world.settle(epoch, tree, index, claim=chance.random() < 0.3)
        if chance.random() < 0.3:
            world.do(world.keeper, world.escrow.withdrawRefund(job))
            world.do(world.keeper, world.escrow.sendToBurn(job))
            world.do(world.keeper, world.escrow.sendToProtocol(job))

    world.wait_until(world.now + SETTLE_WINDOW)
    world.close_job(job)
    world.publish(LAST + 12)
    world.wait_until(world.now + SETTLE_WINDOW)
    world.release(*everyone)
    world.claim(*everyone)
    world.do(world.keeper, world.escrow.sendToBurn(job))
    world.do(world.keeper, world.escrow.sendToProtocol(job))
    world.do(world.keeper, world.escrow.withdrawRefund(job))

    view = world.job(job)
    assert (view["tally"]["held"], view["refundable"], view["burnable"], view["protocolDue"]) == (0, 0, 0, 0)
    paid = sum(world.balance(licence.holder.address) for licence in world.linked)
    assert paid == sum(net(world.assignment(one)["earned"], price) for one in everyone)
    refunded = world.balance(world.csp.address) - (before - deposit)
    burned = world.balance(world.network.addresses.burner)
    assert paid + refunded + burned == deposit
    assert world.escrow_balance == 0
    assert (view["paid"], view["refunded"], view["deposit"]) == (paid, refunded, deposit)
    assert view["burned"] + view["toProtocol"] == burned
    for slot in range(3):
        open_seconds = 0
        for generation in range(1, world.escrow.generations(job, slot).call() + 1):
            one = world.assignment(pack(job, slot, generation))
            span = one["stop"] - one["openedAt"]
            assert one["earned"] <= one["accounted"] <= one["through"] - one["openedAt"] <= span
            open_seconds += span
        assert open_seconds <= view["stop"] - view["startsAt"]


def test_jobs__of_one_escrow__do_not_touch_each_other(world: World) -> None:
    first, second = world.create_job(), world.create_job(price=7)
    world.assign_all(first, GENESIS)
    other = world.assign(second, 0, world.linked[3])
    world.settle(0, world.publish(0, [leaf(pack(first, 0, 1), 2**64 - 1, 2**64 - 1), leaf(other, 0, 2**64 - 1)]), 0)
    untouched = world.job(second)
    assert (set(untouched["tally"].values()), untouched["refundable"]) == ({0}, 0)
    world.stop(first)
    world.publish(1)
    world.wait_until(world.now + SETTLE_WINDOW)
    world.close_job(first)
    assert world.job(second) == untouched
    world.claim(pack(first, 0, 1))
    world.do(world.keeper, world.escrow.sendToBurn(first))
    world.do(world.keeper, world.escrow.sendToProtocol(first))
    world.do(world.keeper, world.escrow.withdrawRefund(first))
    assert world.escrow_balance == untouched["deposit"]
