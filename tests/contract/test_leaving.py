# SPDX-License-Identifier: Apache-2.0
"""Leaving takes two steps: accrual stops at once, the unproved rest goes back only after nodes could prove theirs."""

from __future__ import annotations

import pytest

from oracle.ground.ids import pack
from tests.contract.world import (
    EPOCH,
    GENESIS,
    PRICE,
    SETTLE_WINDOW,
    TIMING,
    World,
    end_of,
    gross,
    leaf,
    net,
    refused,
)


@pytest.fixture
def job(world: World) -> int:
    """A job over epochs 0 to 9 whose three slots are served from the genesis on."""
    created = world.create_job()
    world.assign_all(created, GENESIS)
    return created


ONE, TWO, THREE = pack(1, 0, 1), pack(1, 1, 1), pack(1, 2, 1)


# The first step


def test_stop_job__by_its_owner__frees_the_money_for_later_time_at_once(world: World, job: int) -> None:
    deposit = world.job(job)["deposit"]
    (event,) = world.events("JobStopped", world.at(GENESIS + 1_234).stop(job))
    needed = -(-PRICE * 3 * 1_234 // EPOCH)
    assert event["stop"] == GENESIS + 1_234
    view = world.job(job)
    assert (view["stop"], view["leaving"], view["refundable"]) == (GENESIS + 1_234, True, deposit - needed)
    world.do(world.csp, world.escrow.withdrawRefund(job))
    assert world.escrow_balance == needed


@pytest.mark.parametrize("who", ["stranger", "orchestrator", "admin", "guardian", "keeper"])
def test_stop_job__not_its_owner__is_refused(world: World, job: int, who: str) -> None:
    caller = getattr(world, who)
    with refused("CspAccounts_NotPermitted", caller=caller.address):
        world.do(caller, world.escrow.stopJob(job))


def test_stop_job__twice__is_refused(world: World, job: int) -> None:
    world.stop(job)
    with refused("JobEscrow_AlreadyStopped", job=job, stop=world.now):
        world.stop(job)


def test_stop_job__at_its_end__is_refused(world: World, job: int) -> None:
    with refused("JobEscrow_AlreadyStopped", job=job, stop=end_of(9)):
        world.at(end_of(9)).stop(job)


def test_stop_job__before_its_start__frees_everything(world: World) -> None:
    created = world.create_job()
    world.stop(created)
    assert world.job(created)["stop"] == GENESIS
    before = world.balance(world.csp.address)
    world.do(world.csp, world.escrow.withdrawRefund(created))
    assert world.balance(world.csp.address) - before == PRICE * 3 * 10
    assert world.escrow_balance == 0


def test_stop_job__seconds_settled_before__stay_paid(world: World, job: int) -> None:
    world.settle(0, world.publish(0, [leaf(ONE, 1_000, 1_000)]))
    world.stop(job)
    world.claim(ONE)
    assert world.balance(world.linked[0].holder.address) == net(1_000)


def test_settle__after_the_stop__counts_up_to_it(world: World, job: int) -> None:
    world.at(GENESIS + 1_500).stop(job)
    world.settle(1, world.publish(1, [leaf(ONE, 9_999, 9_999)]))
    assert world.assignment(ONE)["earned"] == 1_500


# The second step: by a report


def test_close_job__still_running__is_refused(world: World, job: int) -> None:
    with refused("JobEscrow_NotClosable", job=job):
        world.close_job(job)


def test_close_job__report_that_does_not_reach_the_stop__is_refused(world: World, job: int) -> None:
    world.at(GENESIS + 1_500).stop(job)
    world.publish(0)
    world.wait_until(world.now + SETTLE_WINDOW)
    with refused("JobEscrow_NotClosable", job=job):
        world.close_job(job)


@pytest.mark.parametrize("epoch", [1, 4])
def test_close_job__report_that_reaches_the_stop__waits_a_settle_window(world: World, job: int, epoch: int) -> None:
    """Skipped epochs count as covered."""
    world.at(GENESIS + 1_500).stop(job)
    world.publish(epoch)
    final_at = world.now
    with refused("JobEscrow_NotClosable", job=job):
        world.at(final_at + SETTLE_WINDOW - 1).close_job(job)
    world.at(final_at + SETTLE_WINDOW).close_job(job)
    assert world.job(job)["closed"]


def test_close_job__stop_at_an_epochs_end__is_reached_by_that_epochs_report(world: World, job: int) -> None:
    world.at(end_of(1)).stop(job)
    world.publish(1)
    world.at(world.now + SETTLE_WINDOW).close_job(job)


def test_close_job__report_of_the_end__leaves_a_window_to_prove_every_second(world: World, job: int) -> None:
    """No CSP can empty a job in the block in which the report becomes final."""
    world.at(end_of(0) + 20).stop(job)
    tree = world.publish(1, [leaf(ONE, 1_020, 1_020)])
    with refused("JobEscrow_NotClosable", job=job):
        world.close_job(job)
    world.settle(1, tree)
    world.wait_until(world.now + SETTLE_WINDOW)
    world.close_job(job)
    world.claim(ONE)
    assert world.balance(world.linked[0].holder.address) == net(1_020)


def test_close_job__end_reached_without_a_stop__needs_one_step(world: World, job: int) -> None:
    world.publish(9)
    world.at(world.now + SETTLE_WINDOW).close_job(job)
    view = world.job(job)
    assert view["closed"]
    assert not view["leaving"]


def test_close_job__by_anyone__sends_the_rest_to_the_owner(world: World, job: int) -> None:
    world.at(GENESIS + 1_000).stop(job)
    tree = world.publish(0, [leaf(ONE, 1_000, 1_000)])
    before = world.balance(world.csp.address)
    world.publish(1)
    world.wait_until(world.now + SETTLE_WINDOW)
    world.settle(0, tree)
    receipt = world.do(world.stranger, world.escrow.closeJob(job))
    assert [event["job"] for event in world.events("JobClosed", receipt)] == [job]
    assert world.balance(world.csp.address) == before
    receipt = world.refund(job)
    rest = world.job(job)["deposit"] - gross(1_000)
    (refunded,) = world.events("Refunded", receipt)
    assert (refunded["owner"], refunded["amount"]) == (world.csp.address, rest)
    assert world.balance(world.csp.address) - before == rest
    assert world.escrow_balance == gross(1_000)


def test_close_job__twice__is_refused(world: World, job: int) -> None:
    world.publish(9)
    world.at(world.now + SETTLE_WINDOW).close_job(job)
    with refused("JobEscrow_JobClosed", job=job):
        world.close_job(job)


# The second step: when the network has stalled


def test_close_job__stalled_before_the_stop__waits_the_attestable_span_from_the_stop(world: World, job: int) -> None:
    stalled_at = TIMING.genesis + TIMING.stall_span
    world.at(stalled_at + 700).stop(job)
    stop = world.now
    with refused("JobEscrow_NotClosable", job=job):
        world.at(stop + TIMING.attestable_span - 1).close_job(job)
    world.at(stop + TIMING.attestable_span).close_job(job)
    world.refund(job)
    assert world.escrow_balance == 0


def test_close_job__stalled_after_the_stop__waits_the_attestable_span_from_the_stall(world: World, job: int) -> None:
    world.at(GENESIS + 500).stop(job)
    free_at = TIMING.genesis + TIMING.stall_span + TIMING.attestable_span
    with refused("JobEscrow_NotClosable", job=job):
        world.at(free_at - 1).close_job(job)
    world.at(free_at).close_job(job)
    world.refund(job)
    assert world.escrow_balance == 0


def test_close_job__newest_epoch_reported_after_the_stall__starts_the_stall_span_again(world: World, job: int) -> None:
    world.at(GENESIS + 500).stop(job)
    world.wait_until(TIMING.genesis + TIMING.stall_span + TIMING.attestable_span - 100)
    world.publish((world.now - GENESIS) // EPOCH - 1)
    free_at = world.now + TIMING.stall_span + TIMING.attestable_span
    assert world.attestations.lastProgress().call() == world.now
    world.wait_until(world.now + SETTLE_WINDOW)
    world.close_job(job)  # by the report, which reaches the stop
    assert world.now < free_at


def test_close_job__old_epoch_reported_late__holds_nobody_up_beyond_a_settle_window(world: World, job: int) -> None:
    world.at(GENESIS + 2_500).stop(job)
    free_at = TIMING.genesis + TIMING.stall_span + TIMING.attestable_span
    world.wait_until(free_at)
    world.publish(0)
    final_at = world.attestations.lastFinal().call()[2]
    with refused("JobEscrow_NotClosable", job=job):
        world.close_job(job)
    world.at(max(final_at + SETTLE_WINDOW, end_of(1) + TIMING.stall_span + TIMING.attestable_span)).close_job(job)


def test_close_job__stalled_with_a_report_pending__waits_for_it(world: World, job: int) -> None:
    world.at(GENESIS + 500).stop(job)
    world.wait_until(TIMING.genesis + TIMING.stall_span + TIMING.attestable_span)
    world.submit(world.signed(world.report(0, leaf(ONE, 0, 0).hash())))
    with refused("JobEscrow_NotClosable", job=job):
        world.close_job(job)


def test_close_job__attested_in_the_attestable_span__pays_the_nodes(world: World, job: int) -> None:
    world.at(GENESIS + 2_500).stop(job)
    world.wait_until(TIMING.genesis + TIMING.stall_span + 500)
    world.settle(2, world.publish(2, [leaf(ONE, 2_500, 2_500)]), claim=True)
    assert world.balance(world.linked[0].holder.address) == net(2_500)


# After the close


@pytest.fixture
def closed(world: World, job: int) -> int:
    """Job 1, closed; 1,900 of 2,000 s of the first assignment are earned, 100 s of it held, nothing is claimed; the
    second one has unsettled seconds."""
    world.settle(0, world.publish(0, [leaf(ONE, 900, 1_000)]))
    world.at(end_of(1)).stop(job)
    world.settle(1, world.publish(1, [leaf(ONE, 1_900, 2_000), leaf(TWO, 2_000, 2_000)]))
    world.at(world.now + SETTLE_WINDOW).close_job(job)
    return job


def test_settle__job_closed__pays_no_new_seconds(world: World, closed: int) -> None:
    before = world.job(closed)
    world.settle(2, world.publish(2, [leaf(TWO, 2_000, 2_000)]), claim=True)
    assert world.assignment(TWO)["earned"] == 0
    assert world.job(closed) == before


def test_settle__assignment_closed_before_its_job_was__pays_no_new_seconds_either(world: World, job: int) -> None:
    world.at(GENESIS + 1_500).close(TWO)
    world.at(end_of(1)).stop(job)
    world.publish(1, [leaf(TWO, 1_500, 1_500)])
    world.at(world.now + SETTLE_WINDOW).close_job(job)
    before = world.job(job)
    world.settle(2, world.publish(2, [leaf(TWO, 1_500, 1_500)]), claim=True)
    assert world.assignment(TWO)["earned"] == 0
    assert world.job(job) == before


def test_claim__job_closed__is_paid(world: World, closed: int) -> None:
    world.claim(ONE)
    assert world.balance(world.linked[0].holder.address) == net(1_900)


def test_appeal__job_closed__raises_earned_out_of_held_seconds(world: World, closed: int) -> None:
    world.settle(2, world.publish(2, [leaf(ONE, 1_950, 2_000)]), claim=True)
    assert world.assignment(ONE)["held"] == 50
    assert world.balance(world.linked[0].holder.address) == net(1_950)


def test_release_held__job_closed__leaves_nothing_behind(world: World, closed: int) -> None:
    world.publish(4)
    world.wait_until(world.now + SETTLE_WINDOW)
    world.release(ONE)
    assert world.job(closed)["tally"]["held"] == 0
    world.claim(ONE)
    world.do(world.keeper, world.escrow.withdrawRefund(closed))
    world.do(world.keeper, world.escrow.sendToBurn(closed))
    world.do(world.keeper, world.escrow.sendToProtocol(closed))
    assert world.escrow_balance == 0


def test_settle__job_closed_and_nothing_held__does_nothing(world: World, closed: int) -> None:
    """What rounding left is the CSP's by then: a leaf that comes again must not look for it."""
    tree = world.publish(4, [leaf(ONE, 1_900, 2_000), leaf(TWO, 2_000, 2_000)])
    world.wait_until(world.now + SETTLE_WINDOW)
    world.release(ONE)
    world.claim(ONE)
    before = world.job(closed)
    world.settle(4, tree, 0)
    world.settle_range(4, tree, 0, 1)
    world.settle(4, tree, 0, claim=True)
    assert world.job(closed) == before


def test_settle_range__job_closed_and_an_appeal_frees_its_last_held_second__settles(world: World, job: int) -> None:
    """The second leaf has a wei of rounding, which goes to the CSP as nothing is held any more."""
    world.settle_range(0, world.publish(0, [leaf(TWO, 334, 1_000)]), 0, 0)
    world.settle(4, world.publish(4, [leaf(ONE, 4_500, 5_000), leaf(TWO, 4_334, 5_000)]), 1)
    world.at(end_of(5)).stop(job)
    tree = world.publish(5, [leaf(ONE, 5_500, 6_000), leaf(TWO, 5_334, 6_000)])
    world.settle_range(5, tree, 0, 1)
    world.wait_until(world.now + SETTLE_WINDOW)
    world.close_job(job)
    assert world.assignment(ONE)["held"] == 500
    assert world.assignment(TWO)["held"] == 0
    assert gross(6_000) - gross(5_334) - gross(666) == 1
    world.settle_range(6, world.publish(6, [leaf(ONE, 6_000, 6_000), leaf(TWO, 5_334, 6_000)]), 0, 1)
    assert world.assignment(ONE)["earned"] == 6_000


def test_settle__job_closed_with_held_seconds__pays_no_new_ones_out_of_them(world: World, closed: int) -> None:
    """Seconds that nobody proved in time went back to the CSP. They must not come out of what policy withheld."""
    world.settle(2, world.publish(2, [leaf(ONE, 2_900, 3_000)]))
    assert world.assignment(ONE)["earned"] == 1_900
