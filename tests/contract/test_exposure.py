# SPDX-License-Identifier: Apache-2.0
"""All oracles lie as much as the contracts let them: that gets them what `epochal exposure` said, not much less."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import pytest

from chain.deployment.settings import Licences, Schedule
from operations import exposure as lies
from oracle.ground.ids import KIND_LICENCE, pack
from oracle.ground.leaves import Leaf
from settlement.exposure import Exposure
from tests.contract.world import (
    EPOCH,
    GENESIS,
    PRICE,
    SETTLE_WINDOW,
    STANDARD,
    STRICT,
    TIMING,
    World,
    end_of,
    gross,
    leaf,
    start_of,
)

CANCEL = 700
MOST = 2**63
WHOLE = 10**18
REWARD = 5_000_000
PENAL = replace(STRICT, penalty_ppm=100_000)


def figure(world: World, job: int) -> lies.JobExposure:
    (found,) = lies.of_jobs(world.network, CANCEL, job).jobs
    return found


def booked(world: World, job: int, *names: str) -> int:
    """What the job's seconds of these names cost together."""
    tally = world.job(job)["tally"]
    return gross(sum(tally[name] for name in names))


def tell(world: World, epoch: int, ids: Sequence[int], earned: int) -> None:
    """The committee signs that these have accounted all, and earned that much; it is settled."""
    told = world.publish(epoch, [leaf(one, earned, MOST) for one in ids])
    for place in range(len(ids)):
        world.settle(epoch, told, place)


def lie_until_it_is_over(world: World, job: int, ids: Sequence[int], earned: int) -> None:
    """The first lie is final and settled, the CSP stops its job as late as `CANCEL` allows, and they lie on."""
    told_at = world.now
    tell(world, 1, ids, earned)
    world.at(told_at + TIMING.activation_delay + CANCEL).stop(job)
    for epoch in (2, 3, 4):
        tell(world, epoch, ids, earned)


def close_to(taken: int, said: int) -> bool:
    return said * 9 < taken * 10 <= said * 10


@pytest.mark.parametrize("withheld", [0, 100])
def test_of_jobs__everything_is_said_to_be_earned__takes_the_figure_and_no_more(world: World, withheld: int) -> None:
    job = world.create_job()
    ids = world.assign_all(job, GENESIS)
    tree = world.publish(0, [leaf(one, EPOCH - withheld, EPOCH) for one in ids])
    for place in range(3):
        world.settle(0, tree, place)
    # No seconds are settled when the lie is told, for an epoch that is over and a half of the next.
    world.wait_until(end_of(1) + EPOCH // 2)
    before, said = booked(world, job, "earned"), figure(world, job).exposure
    assert said.held == -(-PRICE * withheld * 3 // EPOCH)
    lie_until_it_is_over(world, job, ids, MOST)
    assert close_to(booked(world, job, "earned") - before, said.total)
    world.wait_until(world.now + SETTLE_WINDOW)
    world.close_job(job)
    assert figure(world, job).exposure == Exposure(0, 0, 0)


def test_of_jobs__everything_is_said_to_be_withheld__costs_nodes_and_bonds_no_more(world: World) -> None:
    job = world.create_job(policy=PENAL)
    ids = world.assign_all(job, GENESIS)
    subject = 1 << 248 | world.linked[0].id
    token, bonds = world.network.addresses.token, world.network.bonds
    world.do(world.csp, world.token.approve(bonds.address, 10**12))
    for one in world.linked[:3]:
        world.do(world.csp, bonds.functions.deposit(subject - world.linked[0].id + one.id, token, 10**10))
    world.wait_until(end_of(1) + EPOCH // 2)
    found = lies.of_jobs(world.network, CANCEL)
    said = found.jobs[0]
    at_risk = {one.what: (one.at_risk, one.cap) for one in lies.apart(world.network, found)}["bonds"]
    assert at_risk == (said.penalties, 3 * 10**10)
    lie_until_it_is_over(world, job, ids, 0)
    assert booked(world, job, "earned") == 0
    assert close_to(booked(world, job, "held", "released"), said.exposure.total)
    # The appeal span passes, and what was withheld is released at the bonds' cost.
    for epoch in (6, 9):
        world.publish(epoch)
    world.wait_until(world.now + SETTLE_WINDOW)
    world.release(*ids)
    assert booked(world, job, "held") == 0
    assert close_to(int(bonds.functions.burnable(token).call()), said.penalties)


def test_of_jobs__empty_slots__may_be_given_to_complicit_nodes_meanwhile(world: World) -> None:
    job = world.create_job()
    world.wait_until(end_of(1) + EPOCH // 2)
    said = figure(world, job).exposure
    assert (said.unsettled, said.held) == (0, 0)
    ids = world.assign_all(job, world.now + 1)
    assert ids == [pack(job, slot, 1) for slot in range(3)]
    lie_until_it_is_over(world, job, ids, MOST)
    assert close_to(booked(world, job, "earned"), said.total)


def test_of_jobs__report_that_was_vetoed_before__takes_as_long_as_its_review(world: World) -> None:
    world.create_job()
    world.publish(0)
    assert lies.of_jobs(world.network, CANCEL).delay == TIMING.activation_delay
    world.at(end_of(1) + TIMING.settle_delay).submit(world.signed(world.report(1)))
    world.do(world.guardian, world.veto())
    said = lies.of_jobs(world.network, CANCEL)
    assert said.delay == TIMING.review_delay
    assert said.jobs[0].exposure.coming == -(-PRICE * 3 * (TIMING.review_delay + CANCEL) // EPOCH)
    world.at(world.now + 1).submit(world.signed(world.report(1)))
    world.wait_until(world.now + TIMING.review_delay)
    assert lies.of_jobs(world.network, CANCEL).delay == TIMING.activation_delay


def test_of_jobs__endpoint_that_forgot_logs__is_refused(world: World) -> None:
    job = world.create_job()
    world.assign_all(job, GENESIS)
    known = world.network.addresses
    world.network.addresses = replace(known, first_block=world.chain.block("latest").number + 1)
    try:
        with pytest.raises(lies.LogsMissing, match=f"job {job}: .*give an --rpc that keeps the logs"):
            lies.of_jobs(world.network, CANCEL)
    finally:
        world.network.addresses = known


def test_apart__licences_are_said_to_be_available_always__mints_what_was_said(world: World) -> None:
    """All were linked before the schedule starts, the worst that can be."""
    schedule = Schedule(0, 100, REWARD, WHOLE.to_bytes(8, "big"))
    supply = Licences(supply=(10, 0, 0), schedules=(schedule, Schedule(), Schedule()))
    world.enter(world.deploy(licences=supply))
    world.wait_until(start_of(1))
    found = lies.of_jobs(world.network, CANCEL)
    (emission,) = lies.apart(world.network, found)
    assert emission.cap == 10 * REWARD
    rewards = world.network.rewards.functions
    # The last report that is final before the attestable span is over.
    epoch = (world.now + TIMING.attestable_span - TIMING.activation_delay - TIMING.settle_delay - GENESIS) // EPOCH - 1
    told = world.publish(epoch, [Leaf(KIND_LICENCE, one.id, MOST, MOST) for one in world.linked])
    for place, one in enumerate(told.leaves):
        world.do(world.keeper, rewards.settle(epoch, one.id, one.earned, one.accounted, list(told.proof(place))))
    world.do(world.keeper, rewards.claim([one.id for one in world.linked]))
    minted = int(world.network.network_token.functions.minted().call())
    assert minted == len(world.linked) * int(rewards.emission(STANDARD, (epoch + 1) * EPOCH).call())
    assert minted <= emission.at_risk < minted * 4 // 3
