# SPDX-License-Identifier: Apache-2.0
"""Oracles are paid, out of the pot, for the seconds of duty that their own reports tell."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from chain.client import Chain
from chain.deployment.contracts import local_member
from chain.network import Network, named
from chain.transactions import Call
from oracle.committee.in_process import SignedReport, agree_on
from oracle.ground.ids import KIND_ORACLE
from oracle.ground.leaves import Leaf
from oracle.service.verifying import Verifier
from tests.chain.town import ALL, CLOCK, SIGNERS, Deployed, Town, deployment

PAY = 6_000_000
"""For an epoch of duty, in the token's smallest unit."""
UP = (ALL, ALL, ALL)
COLD = [local_member(one.address).address for one in SIGNERS]
LENGTH = CLOCK.length


@pytest.fixture(scope="module")
def paying() -> Iterator[Deployed]:
    with deployment(PAY) as made:
        yield made


@contextmanager
def undone(at: Deployed, folder: Path) -> Iterator[Town]:
    snapshot = at.chain.rpc("evm_snapshot")
    town = Town(at, folder)
    with town.stack:
        yield town
    at.chain.rpc("evm_revert", snapshot)


@pytest.fixture
def town(paying: Deployed, tmp_path: Path) -> Iterator[Town]:
    with undone(paying, tmp_path) as here:
        yield here


def report(town: Town, epoch: int, silent: int | None = None) -> SignedReport:
    """Agree on an epoch that all nodes served, without the observation of one oracle, and wait until it is final."""
    town.see(epoch, UP)
    town.end(epoch)
    signed = agree_on(epoch, [one for index, one in enumerate(town.members) if index != silent])
    town.attest(signed)
    for member in town.members:
        if member.behind:
            member.catch_up(signed.draft.evidence)
    return signed


def told(signed: SignedReport) -> dict[str, tuple[int, int]]:
    """By member, what the leaves of kind 3 tell."""
    leaves = [one for one in signed.draft.tree.leaves if one.kind == KIND_ORACLE]
    names = {int(one, 16): one for one in COLD}
    return {names[one.id]: (one.earned, one.accounted) for one in leaves}


def settle(town: Town, signed: SignedReport, leaf: Leaf) -> None:
    tree, pay = signed.draft.tree, town.network.oracle_pay.functions
    member = COLD[[int(one, 16) for one in COLD].index(leaf.id)]
    epoch, proof = signed.draft.report.epoch, tree.proof(tree.leaves.index(leaf))
    function = pay.settle(epoch, member, leaf.earned, leaf.accounted, list(proof))
    town.timeline.send([Call.of("settle duty", town.keeper.wallet, function, 400_000)])


def settle_all(town: Town, signed: SignedReport) -> None:
    for leaf in signed.draft.tree.leaves:
        if leaf.kind == KIND_ORACLE:
            settle(town, signed, leaf)


def booked(town: Town, member: str) -> tuple[int, int, int, int]:
    """Earned and accounted seconds, what was paid, what is owed."""
    duty = named(town.network.oracle_pay, "dutyOf", town.network.oracle_pay.functions.dutyOf(member).call())
    return duty["earned"], duty["accounted"], duty["paid"], duty["owed"]


def test_report__one_oracle_is_silent_for_an_epoch__all_are_paid_for_what_they_served(town: Town) -> None:
    signed = [report(town, 0), report(town, 1, silent=2), report(town, 2)]
    whole, part = (3 * LENGTH, 3 * LENGTH), (2 * LENGTH, 3 * LENGTH)
    assert told(signed[0]) == dict.fromkeys(COLD, (LENGTH, LENGTH))
    assert told(signed[2]) == {one: part if index == 2 else whole for index, one in enumerate(COLD)}
    assert [one.kind for one in signed[2].draft.tree.leaves] == [1, 1, 1, 3, 3, 3, 3]
    settle_all(town, signed[2])
    pot, token = town.network.oracle_pay.address, town.network.token.functions
    csp = town.wallet("csp")
    town.timeline.send([Call.of("fill the pot", csp, token.mint(pot, 100 * PAY), 200_000)])
    claim = town.network.oracle_pay.functions.claim(COLD)
    town.timeline.send([Call.of("claim pay", town.keeper.wallet, claim, 1_000_000)])
    for index, one in enumerate(COLD):
        seconds = (part if index == 2 else whole)[0]
        assert booked(town, one) == (seconds, 3 * LENGTH, seconds // LENGTH * PAY, 0)
        assert token.balanceOf(one).call() == seconds // LENGTH * PAY


def test_verify__report_with_duties__follows_from_its_evidence_and_the_chain(town: Town) -> None:
    signed = [report(town, 0), report(town, 1, silent=0)]
    settle_all(town, signed[0])
    signed.append(report(town, 2))
    verifier = Verifier(Network(Chain(town.at.chain.url), town.at.addresses), CLOCK.tick)
    for epoch, one in enumerate(signed):
        found = verifier.verify(verifier.reports.of_epoch(epoch), one.draft.evidence)
        assert found.verification.holds, found.verification.checks
    for member in town.members:
        assert member.catch_up(signed[2].draft.evidence).report == signed[2].draft.report


def test_report__skipped_epoch__its_observers_served_it(town: Town) -> None:
    town.see(0, UP)
    town.see(1, UP)
    town.end(1)
    older = [member.observe(0, at=1) for member in town.members[:3]]
    for member in town.members:
        assert member.receive(0, older, at=1) == []
    signed = agree_on(1, town.members)
    assert sorted(signed.draft.agreed) == [0, 1]
    whole, part = (2 * LENGTH, 2 * LENGTH), (LENGTH, 2 * LENGTH)
    assert told(signed) == {one: part if index == 3 else whole for index, one in enumerate(COLD)}


def replace_committee(town: Town, members: list[str]) -> None:
    function = town.network.registry.functions.replaceCommittee(members)
    town.timeline.send([Call.of("replace committee", town.wallet("governor"), function, 2_000_000)])


def test_report__member_of_a_replaced_set__keeps_its_leaf_till_settled_and_returns_from_there(town: Town) -> None:
    first = report(town, 0)
    # In the middle of epoch 1 the same members, as another set: they served all the time.
    town.timeline.reach(CLOCK.start(1) + LENGTH // 2)
    replace_committee(town, COLD)
    second = report(town, 1)
    assert second.draft.report.committee == 2
    assert told(first) == dict.fromkeys(COLD, (LENGTH, LENGTH))
    assert told(second) == dict.fromkeys(COLD, (2 * LENGTH, 2 * LENGTH))
    (leaf, *_) = [one for one in second.draft.tree.leaves if one.kind == KIND_ORACLE]
    settle(town, second, leaf)
    earned = [booked(town, one)[:2] for one in COLD if int(one, 16) == leaf.id]
    assert earned == [(2 * LENGTH, 2 * LENGTH)]


def test_report__network_pays_nothing__has_no_such_leaves(tmp_path: Path) -> None:
    with deployment() as at, undone(at, tmp_path) as town:
        signed = report(town, 0)
        assert [one.kind for one in signed.draft.tree.leaves] == [1, 1, 1]
        assert signed.draft.ledger.encode()[:4] == b"EpL2"
