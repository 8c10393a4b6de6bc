# SPDX-License-Identifier: Apache-2.0
"""Settling: a leaf's seconds within their bounds, and what they come to."""

from __future__ import annotations

from dataclasses import replace
from itertools import pairwise
from typing import Any

import pytest
from web3.contract.contract import ContractFunction

from oracle.ground.ids import pack
from tests.contract.differential.reallocating import request
from tests.contract.world import (
    GENESIS,
    PRICE,
    STRICT,
    World,
    end_of,
    gross,
    leaf,
    net,
    protocol_share,
    refused,
    start_of,
)


@pytest.fixture
def one(world: World) -> int:
    """The first assignment of job 1, open since the genesis, as are slots 1 and 2."""
    return world.assign_all(world.create_job(), GENESIS)[0]


def seconds(world: World, assignment: int) -> tuple[int, int, int, int]:
    view = world.assignment(assignment)
    return view["earned"], view["accounted"], view["through"], view["held"]


def books(world: World, job: int = 1) -> dict[str, Any]:
    view = world.job(job)
    return {name: view[name] for name in ("deposit", "tally", "refundable", "burnable", "protocolDue")}


def tally(earned: int, unmeasured: int, held: int) -> dict[str, int]:
    """A job's seconds before anything was released or claimed."""
    return {"earned": earned, "unmeasured": unmeasured, "released": 0, "held": held, "claimed": 0, "rounding": 0}


def test_settle__good_leaf__books_seconds_and_amounts(world: World, one: int) -> None:
    world.settle(0, world.publish(0, [leaf(one, 900, 950)]))
    assert seconds(world, one) == (900, 950, end_of(0), 50)
    assert books(world) == {
        "deposit": PRICE * 3 * 10,
        "tally": tally(earned=900, unmeasured=50, held=50),
        "refundable": gross(50),
        "burnable": 0,
        "protocolDue": protocol_share(900),
    }
    assert world.lens.claimable([one]).call() == [net(900)]


def test_settle__by_a_stranger__is_accepted(world: World, one: int) -> None:
    world.settle(0, world.publish(0, [leaf(one, 900, 950)]), who=world.stranger)
    assert seconds(world, one)[0] == 900


def test_settle__same_leaf_again__changes_nothing(world: World, one: int) -> None:
    tree = world.publish(0, [leaf(one, 900, 950)])
    world.settle(0, tree, claim=True)
    before = seconds(world, one), books(world), world.escrow_balance
    world.settle(0, tree)
    world.settle(0, tree, claim=True)
    assert (seconds(world, one), books(world), world.escrow_balance) == before


def test_settle__events__tell_which_leaves_and_what_they_withheld(world: World, one: int) -> None:
    two = pack(1, 1, 1)
    tree = world.publish(0, [leaf(one, 900, 950), leaf(two, 1_000, 1_000)])
    receipt = world.settle_range(0, tree, 0, 1)
    (settled,) = world.events("AssignmentsSettled", receipt)
    assert dict(settled) == {"job": 1, "epoch": 0, "assignment": one, "leaves": 2}
    (withheld,) = world.events("SecondsWithheld", receipt)
    assert dict(withheld) == {"assignment": one, "epoch": 0, "root": tree.root, "secs": 50}
    (settled,) = world.events("AssignmentsSettled", world.settle(0, tree))
    assert dict(settled) == {"job": 1, "epoch": 0, "assignment": one, "leaves": 1}


def test_settle__counters_of_an_assignment__never_fall(world: World, one: int) -> None:
    """Whatever order of leaves is settled, earned, accounted and through only rise."""
    seen = []
    hostile = [(900, 1_000), (0, 0), (2_500, 2_600), (2_000, 5_000), (4_900, 5_000), (100, 6_000)]
    before = None
    for epoch, (earned, accounted) in enumerate(hostile):
        tree = world.publish(epoch, [leaf(one, earned, accounted)])
        for settled in [(epoch, tree)] + ([before] if before else []):
            world.settle(*settled)
            seen.append(seconds(world, one)[:3])
        before = (epoch, tree)
    assert all(a <= b for earlier, later in pairwise(seen) for a, b in zip(earlier, later, strict=True))


# Bounds


@pytest.mark.parametrize(
    ("given", "booked"),
    [
        ((5_000, 5_000), (1_000, 1_000, 0)),
        ((5_000, 500), (500, 500, 0)),
        ((400, 5_000), (400, 1_000, 600)),
        ((2**64 - 1, 2**64 - 1), (1_000, 1_000, 0)),
        ((0, 2**64 - 1), (0, 1_000, 1_000)),
        ((2**64 - 1, 0), (0, 0, 0)),
        ((0, 0), (0, 0, 0)),
    ],
)
def test_settle__leaf_beyond_its_bounds__is_clamped(
    world: World, one: int, given: tuple[int, int], booked: tuple[int, int, int]
) -> None:
    world.settle(0, world.publish(0, [leaf(one, *given)]))
    earned, accounted, through, held = seconds(world, one)
    assert (earned, accounted, held) == booked
    assert through == end_of(0)


def test_settle__opened_inside_the_epoch__counts_its_open_seconds_alone(world: World, one: int) -> None:
    world.close(one)
    opened = start_of(1) + 400
    again = world.at(opened).assign(1, 0, world.linked[0])
    world.settle(1, world.publish(1, [leaf(again, 9_999, 9_999)]))
    assert seconds(world, again) == (600, 600, end_of(1), 0)


def test_settle__closed_inside_the_epoch__counts_up_to_its_close(world: World, one: int) -> None:
    world.at(GENESIS + 300).close(one)
    world.settle(0, world.publish(0, [leaf(one, 9_999, 9_999)]))
    assert seconds(world, one) == (300, 300, GENESIS + 300, 0)


def test_settle__closed_after_the_epoch__counts_up_to_its_end(world: World, one: int) -> None:
    world.at(end_of(0) + 5).close(one)
    world.settle(0, world.publish(0, [leaf(one, 9_999, 9_999)]))
    assert seconds(world, one) == (1_000, 1_000, end_of(0), 0)


def test_settle__past_the_jobs_end__counts_up_to_it(world: World) -> None:
    job = world.create_job(endsAt=GENESIS + 1_500)
    one = world.assign_all(job, GENESIS)[0]
    world.settle(3, world.publish(3, [leaf(one, 9_999, 9_999)]))
    assert seconds(world, one) == (1_500, 1_500, GENESIS + 1_500, 0)


def test_settle__opened_after_the_report__is_void(world: World, one: int) -> None:
    world.close(one)
    again = world.at(end_of(0) + 1).assign(1, 0, world.linked[0])
    world.settle(0, world.publish(0, [leaf(again, 1_000, 1_000)]))
    assert seconds(world, again) == (0, 0, end_of(0) + 1, 0)


def test_settle__assignment_that_does_not_exist__is_void(world: World, one: int) -> None:
    before = books(world)
    for ghost in (pack(1, 2, 7), pack(1, 9, 1)):
        with world.undone():
            world.settle(0, world.publish(0, [leaf(ghost, 1_000, 1_000)]))
            assert books(world) == before


def test_settle__job_that_does_not_exist__is_refused(world: World, one: int) -> None:
    tree = world.publish(0, [leaf(pack(7, 0, 1), 1_000, 1_000)])
    with refused("JobEscrow_UnknownJob", job=7):
        world.settle(0, tree)


def test_settle__good_leaf_after_a_bad_one__settles(world: World, one: int) -> None:
    """A clamp, not a revert: what was booked too much isn't booked again."""
    world.settle(0, world.publish(0, [leaf(one, 2**64 - 1, 2**64 - 1)]))
    world.settle(1, world.publish(1, [leaf(one, 1_500, 1_600)]))
    assert seconds(world, one) == (1_500, 1_600, end_of(1), 100)


def test_settle__good_leaf_after_one_of_nothing__adds_what_is_in_its_bounds(world: World, one: int) -> None:
    world.settle(0, world.publish(0, [leaf(one, 0, 0)]))
    assert books(world)["tally"] == tally(earned=0, unmeasured=1_000, held=0)
    world.settle(1, world.publish(1, [leaf(one, 1_950, 2_000)]))
    assert seconds(world, one)[:3] == (1_000, 1_000, end_of(1))


def test_settle__bad_leaf_in_a_range__does_not_block_the_others(world: World, one: int) -> None:
    two, three = pack(1, 1, 1), pack(1, 2, 1)
    tree = world.publish(0, [leaf(one, 900, 1_000), leaf(two, 2**64 - 1, 0), leaf(three, 900, 1_000)])
    for first, last in ((0, 1), (2, 2)):
        world.settle_range(0, tree, first, last)
    assert [seconds(world, each)[0] for each in (one, two, three)] == [900, 0, 900]


def test_settle__older_final_report__does_nothing(world: World, one: int) -> None:
    older = world.publish(0, [leaf(one, 1_000, 1_000)])
    newer = world.publish(1, [leaf(one, 1_800, 2_000)])
    world.settle(1, newer)
    before = seconds(world, one), books(world)
    world.settle(0, older)
    assert (seconds(world, one), books(world)) == before


def test_settle__skipped_epochs__come_with_the_next_report(world: World, one: int) -> None:
    world.settle(4, world.publish(4, [leaf(one, 4_000, 4_500)]))
    assert seconds(world, one) == (4_000, 4_500, end_of(4), 500)
    assert books(world)["refundable"] == gross(500)


# Paths


def test_settle__single_range_or_with_claim__gives_identical_books(world: World, one: int) -> None:
    two, three = pack(1, 1, 1), pack(1, 2, 1)
    leaves = [
        [leaf(one, 900, 950), leaf(two, 333, 777), leaf(three, 1_000, 1_000)],
        [leaf(one, 1_801, 1_950), leaf(two, 1_033, 1_777), leaf(three, 1_999, 2_000)],
    ]

    def results(how: str) -> Any:
        with world.undone():
            for epoch in (0, 1):
                tree = world.publish(epoch, leaves[epoch])
                if how == "newest" and epoch == 0:
                    continue
                if how == "range":
                    world.settle_range(epoch, tree, 0, 0 if epoch else 1)
                    world.settle_range(epoch, tree, 1 if epoch else 2, 1 if epoch else 2)
                    world.settle_range(epoch, tree, 2, 2)
                else:
                    for index in range(3):
                        world.settle(epoch, tree, index, claim=how == "claim")
            world.claim(one, two, three)
            paid = [world.balance(licence.holder.address) for licence in world.linked]
            return [seconds(world, each) for each in (one, two, three)], books(world), paid, world.escrow_balance

    expected = results("single")
    assert expected[2] == [net(1_801), net(1_033), net(1_999), 0, 0]
    for how in ("range", "claim", "newest"):
        assert results(how) == expected


# Claims


def test_claim__by_anyone__pays_the_payee_once(world: World, one: int) -> None:
    world.settle(0, world.publish(0, [leaf(one, 900, 950)]))
    holder = world.linked[0].holder.address
    (event,) = world.events("Paid", world.claim(one, one))
    assert (event["recipient"], event["amount"], event["claimed"]) == (holder, net(900), 900)
    world.claim(one)
    assert world.balance(holder) == net(900)
    assert world.lens.claimable([one]).call() == [0]


def test_claim__nothing_earned__does_nothing(world: World, one: int) -> None:
    assert world.events("Paid", world.claim(one)) == []


def test_claim__in_parts__sums_up_to_the_whole(world: World, one: int) -> None:
    earned = [1, 2, 5, 700, 701, 998, 1_000]
    for epoch, part in enumerate(earned):
        world.settle(epoch, world.publish(epoch, [leaf(one, part, part)]), claim=True)
    assert world.balance(world.linked[0].holder.address) == net(1_000)


def test_send_to_protocol__without_oracle_pay__goes_to_the_burner_once(world: World, one: int) -> None:
    world.settle(0, world.publish(0, [leaf(one, 900, 950)]))
    supply = world.token.totalSupply().call()
    for amount in (protocol_share(900), 0):
        (sent,) = world.events("SentToProtocol", world.do(world.stranger, world.escrow.sendToProtocol(1)))
        assert dict(sent) == {"job": 1, "token": world.network.addresses.token, "amount": amount}
        assert world.balance(world.network.addresses.burner) == protocol_share(900)
    burn = world.network.burner.functions.burn(world.network.addresses.token)
    world.do(world.stranger, burn)
    assert supply - world.token.totalSupply().call() == protocol_share(900)


def test_withdraw_refund__by_anyone__pays_the_owner_once(world: World, one: int) -> None:
    world.settle(0, world.publish(0, [leaf(one, 900, 950)]))
    before = world.balance(world.csp.address)
    for _ in range(2):
        world.do(world.stranger, world.escrow.withdrawRefund(1))
        assert world.balance(world.csp.address) - before == gross(50)


# Policy windows


@pytest.fixture
def windowed(world: World) -> int:
    """The first assignment of job 1, whose uptime is scored over three epochs."""
    return world.assign_all(world.create_job(policy=replace(STRICT, window_epochs=3)), GENESIS)[0]


def test_settle__inside_a_policy_window__counts_nothing(world: World, windowed: int) -> None:
    for epoch in (0, 1):
        world.settle(epoch, world.publish(epoch, [leaf(windowed, 900, 1_000)]))
        assert seconds(world, windowed) == (0, 0, GENESIS, 0)


def test_settle__policy_window_over__counts_it_whole(world: World, windowed: int) -> None:
    world.settle(2, world.publish(2, [leaf(windowed, 2_900, 3_000)]))
    assert seconds(world, windowed) == (2_900, 3_000, end_of(2), 100)
    world.settle(3, world.publish(3, [leaf(windowed, 2_900, 3_000)]))
    assert seconds(world, windowed) == (2_900, 3_000, end_of(2), 100)


def test_settle__between_window_ends__counts_up_to_the_last_one(world: World, windowed: int) -> None:
    world.settle(4, world.publish(4, [leaf(windowed, 9_999, 9_999)]))
    assert seconds(world, windowed) == (3_000, 3_000, end_of(2), 0)


def test_settle__closed_inside_a_policy_window__counts_up_to_its_close(world: World, windowed: int) -> None:
    world.at(start_of(1) + 500).close(windowed)
    world.settle(1, world.publish(1, [leaf(windowed, 1_400, 1_500)]))
    assert seconds(world, windowed) == (1_400, 1_500, start_of(1) + 500, 100)


def test_settle__job_ends_inside_a_policy_window__counts_up_to_its_end(world: World) -> None:
    job = world.create_job(endsAt=end_of(3), policy=replace(STRICT, window_epochs=3))
    one = world.assign_all(job, GENESIS)[0]
    world.settle(3, world.publish(3, [leaf(one, 3_900, 4_000)]))
    assert seconds(world, one) == (3_900, 4_000, end_of(3), 100)


def test_settle__report_from_before_its_node_was_moved__leaves_the_open_window_to_the_next(world: World) -> None:
    """The report of epoch 1 knew the assignment as open, and told nothing of the window of three epochs. Had it been
    closed as of that epoch's very end, settling that report would have passed over the window."""
    policy = replace(STRICT, window_epochs=3, outage_seconds=1, answer_seconds=100)
    (served, *_) = world.assign_all(world.create_job(policy=policy), GENESIS)
    tree = world.publish(1, [leaf(served, 0, 0)])

    def asked(as_of: int) -> ContractFunction:
        return request(world, 1, 2, served, as_of, PRICE, policy)

    with refused("Reallocations_AsOfBeforeEpoch", asOf=start_of(2), startsAt=start_of(2)):
        world.do(world.keeper, asked(start_of(2)))
    world.do(world.keeper, asked(start_of(2) + 1))
    world.settle(1, tree)
    world.settle(2, world.publish(2, [leaf(served, 2_001, 2_001)]))
    assert seconds(world, served) == (2_001, 2_001, start_of(2) + 1, 0)
