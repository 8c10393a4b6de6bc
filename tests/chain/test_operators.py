# SPDX-License-Identifier: Apache-2.0
"""Oracles whose declared operator pays for an assignment, or is paid for it, are left out of its median."""

from __future__ import annotations

from dataclasses import replace

import pytest

from chain.client import Chain
from chain.deployment.contracts import local_member
from chain.network import Network
from chain.transactions import Call, Wallet
from oracle.committee.anchor import AnchorReader
from oracle.committee.conflicts import Conflicts
from oracle.committee.in_process import agree_on
from oracle.committee.verifying import verify
from oracle.ground.address import raw_address
from oracle.ground.ids import pack
from oracle.service.verifying import Verifier
from oracle.signing.signer import derived_key
from scenario.market import operator_key
from tests.chain.town import ALL, CLOCK, SIGNERS, Town

ALONE = frozenset({raw_address(SIGNERS[0].address)})
SLOTS = [pack(1, slot, 1) for slot in range(3)]


def declare(town: Town, index: int, operator: str) -> None:
    """A member says who operates it, from the next epoch on."""
    cold = Wallet(town.at.chain, derived_key("Epochal local member", SIGNERS[index].address.lower()))
    assert cold.address == local_member(SIGNERS[index].address).address
    town.at.chain.rpc("anvil_setBalance", cold.address, hex(10**20))
    function = town.network.registry.functions.declareOperator(operator)
    town.timeline.send([Call.of("declare operator", cold, function, 200_000)])


def conflicts_at(town: Town, epoch: int, network: Network | None = None) -> Conflicts:
    reader = AnchorReader(network or town.network)
    anchor = reader.anchor(CLOCK.end(epoch))
    assert anchor is not None
    return reader.conflicts(epoch, anchor, reader.placed(anchor, -1))


def test_conflicts__declared_in_an_epoch__count_in_the_next_one_alone(town: Town) -> None:
    csp, own = town.wallet("csp").address, local_member(SIGNERS[0].address).address
    town.timeline.reach(CLOCK.start(0) + 310)
    declare(town, 0, csp)
    town.end(0)
    town.timeline.reach(CLOCK.start(1) + 10)
    declare(town, 0, own)  # as of epoch 2: in the anchor's state nothing is left of the CSP
    town.end(1)
    town.end(2)
    assert [conflicts_at(town, epoch) for epoch in range(3)] == [{}, dict.fromkeys(SLOTS, ALONE), {}]


def test_conflicts__no_block_in_the_epoch__what_was_declared_before_counts(town: Town) -> None:
    town.timeline.reach(CLOCK.start(0) + 310)
    declare(town, 0, Wallet(town.at.chain, operator_key("two")).address)
    town.end(2)
    # One block is the anchor of all three. A holder has a part in his own node's assignment alone.
    assert [conflicts_at(town, epoch) for epoch in range(3)] == [{}, {SLOTS[1]: ALONE}, {SLOTS[1]: ALONE}]


def test_conflicts__network_without_a_registry__has_none(town: Town) -> None:
    declare(town, 0, town.wallet("csp").address)
    town.end(1)
    without = Network(Chain(town.at.chain.url), replace(town.at.addresses, registry=""))
    assert len(conflicts_at(town, 1)) == 3
    assert conflicts_at(town, 1, without) == {}


def second_epoch(town: Town, conflicted: bool) -> None:
    """Report epoch 0, in which the first oracle's operator was the CSP already, or wasn't."""
    if conflicted:
        declare(town, 0, town.wallet("csp").address)
    town.see(0, (ALL, ALL, ALL))
    town.end(0)
    town.attest(agree_on(0, town.members))


@pytest.mark.parametrize("conflicted", [True, False])
def test_agree_on__csp_runs_an_oracle_and_two_lie__are_believed_only_where_it_isnt_known(
    town: Town, conflicted: bool
) -> None:
    second_epoch(town, conflicted)
    town.see(1, (ALL, ALL, ALL), town.members[2:])
    town.see(1, (0, 0, 0), town.members[:2])
    town.end(1)
    signed = agree_on(1, town.members)
    # Two of four are more than the median bears; of three it bears the one who isn't known to be the CSP's.
    assert [leaf.earned for leaf in signed.draft.tree.leaves] == (
        [1_200, 1_200, 900] if conflicted else [600, 600, 300]
    )
    assert signed.signers == 0b1111
    town.attest(signed)
    verifier = Verifier(Network(Chain(town.at.chain.url), town.at.addresses), CLOCK.tick)
    found = verifier.verify(verifier.reports.of_epoch(1), signed.draft.evidence)
    assert found.verification.holds
    assert found.facts.conflicts == (dict.fromkeys(SLOTS, ALONE) if conflicted else {})
    unaware = verify(signed.draft.evidence, found.submission.claim, replace(found.facts, conflicts={})).differs
    assert (unaware.part if unaware else None) == ("root" if conflicted else None)


def test_agree_on__too_few_others__conflicted_counts(town: Town) -> None:
    second_epoch(town, conflicted=True)
    town.see(1, (ALL, ALL, ALL))
    del town.members[3]
    town.end(1)
    signed = agree_on(1, town.members)
    assert conflicts_at(town, 1) == dict.fromkeys(SLOTS, ALONE)
    assert [leaf.earned for leaf in signed.draft.tree.leaves] == [1_200, 1_200, 900]
