# SPDX-License-Identifier: Apache-2.0
"""Jobs: what may be created, and what funds it."""

from __future__ import annotations

from copy import copy
from dataclasses import replace

import pytest

from chain import compiler
from chain.transactions import Call
from tests.contract.world import (
    EPOCH,
    GENESIS,
    PRICE,
    STRICT,
    ZERO_ADDRESS,
    World,
    end_of,
    leaf,
    net,
    refused,
)

FIELDS = "evidence target floor window minimum share penalty missed outage answer cooldown maintenance".split()


def policy_with(**changes: int) -> tuple[int, ...]:
    """The strict policy as the contract takes it, whatever its values."""
    return tuple({**dict(zip(FIELDS, STRICT.abi_values(), strict=True)), **changes}.values())


@pytest.fixture
def fickle(world: World) -> World:
    """A world whose escrow takes the fickle token, which the CSP has and approved."""
    artifact = compiler.load("tests/contract/solidity")["FickleToken"]
    (receipt,) = world.sender.send([Call("deploy FickleToken", world.admin.wallet, None, artifact.bytecode)])
    network = world.deploy(tokens=(receipt["contractAddress"],))
    network.token = world.chain.contract(receipt["contractAddress"], artifact.abi)
    elsewhere = copy(world)
    elsewhere.enter(network)
    return elsewhere


def test_create_job__valid__takes_the_deposit_rounded_up(world: World) -> None:
    before = world.balance(world.csp.address)
    job = world.create_job(slots=2, endsAt=GENESIS + 1_501)
    deposit = -(-PRICE * 2 * 1_501 // EPOCH)
    assert before - world.balance(world.csp.address) == deposit == world.escrow_balance
    view = world.job(job)
    assert view["deposit"] == deposit
    assert view["owner"] == world.csp.address
    assert view["orchestrator"] == world.orchestrator.address
    assert (view["startsAt"], view["stop"]) == (GENESIS, GENESIS + 1_501)
    assert not view["leaving"]
    assert not view["closed"]


def test_create_job__window_shorter_than_an_epoch__is_accepted(world: World) -> None:
    job = world.create_job(slots=1, startsAt=GENESIS + 10, endsAt=GENESIS + 11)
    assert world.job(job)["deposit"] == -(-PRICE // EPOCH)


@pytest.mark.parametrize(
    ("rule", "changes"),
    [
        ("price and slots are not zero", {"price": 0}),
        ("price and slots are not zero", {"slots": 0}),
        ("startsAt < endsAt", {"startsAt": GENESIS + 5, "endsAt": GENESIS + 5}),
        ("startsAt < endsAt", {"startsAt": GENESIS + 5, "endsAt": GENESIS}),
        ("startsAt is not in the past, nor before the genesis", {"startsAt": GENESIS - 1}),
        ("orchestrator is not zero", {"orchestrator": ZERO_ADDRESS}),
    ],
)
def test_create_job__terms_break_a_rule__is_refused(world: World, rule: str, changes: dict[str, object]) -> None:
    with refused("JobRules_TermsViolated", rule=rule):
        world.create_job(**changes)


def test_create_job__starts_in_the_past__is_refused(world: World) -> None:
    world.wait_until(GENESIS + 100)
    with refused("JobRules_TermsViolated", rule="startsAt is not in the past, nor before the genesis"):
        world.create_job(startsAt=GENESIS + 100)
    world.at(GENESIS + 110).create_job(startsAt=GENESIS + 110)


@pytest.mark.parametrize(
    ("rule", "changes"),
    [
        ("evidence is 1 (liveness), 2 (health) or 3 (probe)", {"evidence": 0}),
        ("evidence is 1 (liveness), 2 (health) or 3 (probe)", {"evidence": 4}),
        ("floorPpm <= targetPpm, 0 < targetPpm <= 1000000", {"floor": 980_001}),
        ("floorPpm <= targetPpm, 0 < targetPpm <= 1000000", {"target": 0, "floor": 0}),
        ("floorPpm <= targetPpm, 0 < targetPpm <= 1000000", {"target": 1_000_001}),
        ("windowEpochs >= 1", {"window": 0}),
        ("cspSharePpm <= 1000000", {"share": 1_000_001}),
        ("penaltyPpm <= 1000000", {"penalty": 1_000_001}),
        ("answerSeconds >= 1 where missedEpochs or outageSeconds ask for another node", {"outage": 1, "answer": 0}),
    ],
)
def test_create_job__policy_out_of_bounds__is_refused(world: World, rule: str, changes: dict[str, int]) -> None:
    with refused("Policy_Violated", rule=rule):
        world.create_job(policy=policy_with(**changes))


def test_create_job__token_not_allowed__is_refused(world: World) -> None:
    token = world.network.addresses.burner
    with refused("Admission_TokenNotAllowed", token=token):
        world.create_job(token=token)


def test_create_job__without_approval__is_refused(world: World) -> None:
    with refused("ERC20InsufficientAllowance", allowance=0):
        world.do(world.csp, world.token.approve(world.network.addresses.escrow, 0))
        world.create_job()


def test_create_job__deposit_beyond_96_bits__is_refused(world: World) -> None:
    rule = "deposit < 2^96"
    with refused("JobRules_TermsViolated", rule=rule):
        world.create_job(price=2**96 - 1, slots=2, endsAt=GENESIS + EPOCH)
    with refused("JobRules_TermsViolated", rule=rule):
        world.create_job(price=2**96 - 1, slots=2**12, endsAt=GENESIS + 2**31)
    with refused("JobRules_TermsViolated", rule=rule):
        world.do(world.csp, world.rules.costOf(2**96, EPOCH))


def test_deposit_for__an_empty_window__is_refused(world: World) -> None:
    with refused("JobRules_TermsViolated", rule="startsAt < endsAt"):
        world.do(world.csp, world.rules.depositFor(world.terms(startsAt=GENESIS + 5, endsAt=GENESIS + 5)))


def test_create_job__greatest_deposit__is_counted_right(world: World) -> None:
    assert world.rules.depositFor(world.terms(price=2**96 - 1, slots=1, endsAt=GENESIS + EPOCH)).call() == 2**96 - 1


def test_create_job__slot_seconds_of_44_bits_or_more__is_refused(world: World) -> None:
    for changes in ({"slots": 2**14, "endsAt": GENESIS + 2**30}, {"slots": 2**32 - 1, "endsAt": 2**40 - 1}):
        with refused("JobRules_TermsViolated", rule="all slots' seconds together < 2^44"):
            world.create_job(price=1, **changes)


def test_terms_hash__of_a_job__binds_token_price_policy_and_intent_alone(world: World) -> None:
    def hash_of(**changes: object) -> bytes:
        return world.rules.termsHash(world.terms(**changes)).call()

    job = world.create_job()
    assert world.job(job)["terms"] == hash_of() == hash_of(slots=9, endsAt=end_of(99))
    others = [
        hash_of(token=ZERO_ADDRESS),
        hash_of(price=PRICE + 1),
        hash_of(policy=replace(STRICT, target_ppm=990_000)),
        hash_of(policy=replace(STRICT, csp_share_ppm=0)),
        hash_of(policy=replace(STRICT, cooldown_seconds=1)),
        hash_of(intent=bytes(32)),
    ]
    assert len({hash_of(), *others}) == 7


def test_job_of__unknown__is_refused(world: World) -> None:
    for job in (0, 1):
        for function in (
            world.escrow.stopJob,
            world.escrow.closeJob,
            world.escrow.withdrawRefund,
            world.escrow.sendToBurn,
        ):
            with refused("JobEscrow_UnknownJob", job=job):
                world.do(world.csp, function(job))


# Tokens that misbehave


def test_create_job__fee_on_transfer__is_refused(fickle: World) -> None:
    fickle.do(fickle.admin, fickle.token.takeFee(1))
    deposit = fickle.rules.depositFor(fickle.terms()).call()
    with refused("JobEscrow_WrongAmountReceived", received=deposit - deposit // 10**6, deposit=deposit):
        fickle.create_job()


def serve(world: World, count: int = 2) -> tuple[int, list[int]]:
    """A job whose first `count` slots were served through epoch 0, reported and settled; 950 of 1000 s earned."""
    job = world.create_job()
    assignments = world.assign_all(job, GENESIS, count)
    tree = world.publish(0, [leaf(one, 950, 1_000) for one in assignments])
    for index in range(count):
        world.settle(0, tree, index)
    return job, assignments


@pytest.mark.parametrize("entry", ["claim", "withdrawRefund", "sendToBurn", "createJob", "settleAndClaim"])
def test_token__calls_back_into_the_escrow__is_refused(fickle: World, entry: str) -> None:
    job, (one, _) = serve(fickle)
    inner = {
        "claim": fickle.escrow.claim([one]),
        "withdrawRefund": fickle.escrow.withdrawRefund(job),
        "sendToBurn": fickle.escrow.sendToBurn(job),
        "createJob": fickle.escrow.createJob(fickle.account, fickle.terms(startsAt=end_of(1))),
        "settleAndClaim": fickle.escrow.settleAndClaim(0, one, 0, 0, []),
    }[entry]
    data = inner._encode_transaction_data()
    fickle.do(fickle.admin, fickle.token.callBack(fickle.network.addresses.escrow, data))
    # The call-back fails, and the token with it: a payment that doesn't go through leaves all as it was.
    (told,) = fickle.events("PaymentRefused", fickle.claim(one))
    assert (told["assignment"], told["amount"]) == (one, net(950))
    assert fickle.assignment(one)["claimed"] == 0
    assert fickle.balance(fickle.linked[0].holder.address) == 0
    fickle.do(fickle.admin, fickle.token.callBack(ZERO_ADDRESS, b""))
    fickle.claim(one)
    assert fickle.balance(fickle.linked[0].holder.address) == net(950)


def test_token__refuses_one_payee__blocks_nobody_else(fickle: World) -> None:
    _, (one, two) = serve(fickle)
    fickle.do(fickle.admin, fickle.token.refuse(fickle.linked[0].holder.address))
    receipt = fickle.claim(one, two)
    assert [event["assignment"] for event in fickle.events("PaymentRefused", receipt)] == [one]
    assert [event["assignment"] for event in fickle.events("Paid", receipt)] == [two]
    assert fickle.balance(fickle.linked[1].holder.address) == net(950)
    tree = fickle.publish(1, [leaf(one, 1_950, 2_000), leaf(two, 1_950, 2_000)])
    fickle.settle_range(1, tree, 0, 1)
    assert fickle.assignment(one)["earned"] == 1_950
    # The payee has it sent elsewhere.
    holder = fickle.linked[0].holder
    with refused("JobEscrow_NotAllowed", caller=fickle.stranger.address):
        fickle.do(fickle.stranger, fickle.escrow.claimTo([one], fickle.stranger.address))
    with refused("JobEscrow_PaymentRefused", recipient=holder.address):
        fickle.do(holder, fickle.escrow.claimTo([one], holder.address))
    fickle.do(holder, fickle.escrow.claimTo([one], fickle.stranger.address))
    assert fickle.balance(fickle.stranger.address) == net(1_950)
