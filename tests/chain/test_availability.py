# SPDX-License-Identifier: Apache-2.0
"""Licences are rewarded by what the committee's own reports tell of their nodes."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from chain.client import Chain
from chain.deployment.settings import Licences, Schedule
from chain.network import Network, named
from chain.transactions import Call, Wallet
from oracle.committee.in_process import SignedReport, agree_on
from oracle.ground.ids import KIND_LICENCE
from oracle.ground.typed_data import NodeConsent
from oracle.ground.uptime import Uptime
from oracle.service.verifying import Verifier
from scenario.market import operator_key
from tests.chain.test_duty import COLD, LENGTH, PAY, told, undone
from tests.chain.test_operators import declare
from tests.chain.town import ALL, CLOCK, Deployed, Town, deployment

CAP = 6_000_000
"""What a standard licence gets in all, for one epoch's seconds; nothing is for the other kinds."""
SCHEDULE = Schedule(0, 1, CAP, (10**18).to_bytes(8, "big"))
LICENCES = Licences(relink_cooldown=90, supply=(1_000, 1_000, 1), schedules=(SCHEDULE, Schedule(), Schedule()))
DOWN = (ALL, ALL >> 30, 0)


@pytest.fixture(scope="module")
def rewarding() -> Iterator[Deployed]:
    with deployment(PAY, LICENCES) as made:
        yield made


@pytest.fixture
def town(rewarding: Deployed, tmp_path: Path) -> Iterator[Town]:
    with undone(rewarding, tmp_path) as here:
        yield here


def available(signed: SignedReport) -> dict[int, tuple[int, int]]:
    """By licence, what the leaves of kind 2 tell."""
    return {one.id: (one.earned, one.accounted) for one in signed.draft.tree.leaves if one.kind == KIND_LICENCE}


def report(town: Town, epoch: int) -> SignedReport:
    town.end(epoch)
    signed = agree_on(epoch, town.members)
    town.attest(signed)
    return signed


def settle_and_claim(town: Town, signed: SignedReport) -> None:
    rewards, tree = town.network.rewards.functions, signed.draft.tree
    for place, leaf in enumerate(tree.leaves):
        if leaf.kind == KIND_LICENCE:
            proof = list(tree.proof(place))
            function = rewards.settle(signed.draft.report.epoch, leaf.id, leaf.earned, leaf.accounted, proof)
            town.timeline.send([Call.of("settle licence", town.keeper.wallet, function, 400_000)])
    claim = rewards.claim([one.licence for one in town.at.nodes])
    town.timeline.send([Call.of("claim rewards", town.keeper.wallet, claim, 1_000_000)])


def test_report__nodes_up_half_up_and_down__licences_are_rewarded_for_it(town: Town) -> None:
    town.see(0, DOWN)
    signed = report(town, 0)
    numbers = [one.licence for one in town.at.nodes]
    # Also for the time before the third node served anybody.
    assert available(signed) == dict(zip(numbers, ((600, 600), (300, 600), (0, 600)), strict=True))
    assert told(signed) == dict.fromkeys(COLD, (LENGTH, LENGTH))
    assert [one.kind for one in signed.draft.tree.leaves] == [1] * 3 + [2] * 3 + [3] * 4
    settle_and_claim(town, signed)
    token = town.network.network_token.functions
    holders = [Wallet(town.at.chain, operator_key(one.name)).address for one in town.at.nodes]
    assert [token.balanceOf(one).call() for one in holders] == [CAP, CAP // 2, 0]
    town.see(1, DOWN)
    second = report(town, 1)
    assert available(second)[numbers[1]] == (600, 1_200)
    settle_and_claim(town, second)
    assert [token.balanceOf(one).call() for one in holders] == [CAP, CAP, 0]
    verifier = Verifier(Network(Chain(town.at.chain.url), town.at.addresses), CLOCK.tick)
    for epoch, one in enumerate((signed, second)):
        found = verifier.verify(verifier.reports.of_epoch(epoch), one.draft.evidence)
        assert found.verification.holds, found.verification.checks


@pytest.mark.parametrize("liar", range(4))
def test_report__one_lies_about_licences__is_not_believed(town: Town, liar: int) -> None:
    town.see(0, DOWN, [member for index, member in enumerate(town.members) if index != liar])
    town.see(0, (0, ALL, ALL), [town.members[liar]])
    town.end(0)
    signed = agree_on(0, town.members)
    assert sorted(available(signed).values()) == [(0, 600), (300, 600), (600, 600)]


def test_report__holder_runs_an_oracle_and_two_lie__are_not_believed(town: Town) -> None:
    node = town.at.nodes[0]
    declare(town, 0, Wallet(town.at.chain, operator_key(node.name)).address)
    town.see(0, (ALL, ALL, ALL))
    report(town, 0)
    town.see(1, (0, ALL, ALL), town.members[2:])
    town.see(1, (ALL, ALL, ALL), town.members[:2])
    assert available(report(town, 1))[node.licence] == (600, 1_200)


def test_report__licence_linked_anew__counts_from_then_on(town: Town) -> None:
    one, licences = town.at.nodes[2], town.network.licences.functions
    holder, ends = Wallet(town.at.chain, operator_key(one.name)), CLOCK.end(5)
    town.timeline.reach(CLOCK.start(0) + 100)
    town.timeline.send([Call.of("unlink", holder, licences.unlink(one.licence), 200_000)])
    consent = NodeConsent(one.licence, holder.address, one.signer.address, 1, ends)
    signature = one.signer.sign_typed(consent, town.network.consent_domain)
    link = licences.link(one.licence, one.signer.address, ends, signature[:32], signature[32:])
    town.timeline.reach(CLOCK.start(0) + 199)
    town.timeline.send([Call.of("link", holder, link, 200_000)])
    town.see(0, (ALL, ALL, ALL))
    signed = report(town, 0)
    assert available(signed)[one.licence] == (400, 400)
    settle_and_claim(town, signed)
    booked = town.network.rewards.functions.availabilityOf(one.licence).call()
    assert named(town.network.rewards, "availabilityOf", booked)["earned"] == 400


def test_report__network_without_rewards__has_observations_of_the_first_form(tmp_path: Path) -> None:
    with deployment() as at, undone(at, tmp_path) as town:
        town.see(0, DOWN)
        signed = report(town, 0)
        assert available(signed) == {}
        assert town.members[0].observe(0).content[:4] == b"EOB1"
        assert signed.draft.ledger.encode()[:4] == b"EpL2"


def test_observe__licences__are_in_the_observation(town: Town) -> None:
    town.see(0, DOWN)
    town.end(0)
    one = town.members[0].observe(0)
    assert len(one.content) == town.members[0].largest_content(town.members[0].anchor(0))
    assert [one.view().licences[node.licence] for node in town.at.nodes] == [
        Uptime(60, 60),
        Uptime(30, 60),
        Uptime(0, 60),
    ]
