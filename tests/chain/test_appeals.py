# SPDX-License-Identifier: Apache-2.0
"""A node's appeal, from oracles' receipts to the payee's tokens, through a committee and the real contracts."""

from __future__ import annotations

import pytest

from chain.network import named
from chain.transactions import Call
from oracle.committee.appeal import Appeal, gather
from oracle.committee.errors import Disagreement
from oracle.committee.in_process import agree_on
from oracle.ground.address import raw_address
from oracle.ground.ids import pack
from oracle.ground.leaves import Leaf
from oracle.telemetry.wire import receipt
from tests.chain.town import ALL, CLOCK, SIGNERS, SPEC, TICKS, Town

ONE = pack(1, 0, 1)
# Node one was heard in 50 of 60 ticks: below the policy's 90 %, so all of its 600 s are withheld.
POOR = (ALL >> 10, ALL, ALL)
APPEAL_EPOCHS = 1


def appeal(town: Town, *bits: int) -> Appeal:
    """Node one's for epoch 0, with receipts of the first oracles for these ticks."""
    domain, node = town.network.heartbeat_domain, town.at.nodes[0].address
    raws = [receipt.issue(oracle, domain, node, 0, ticks, TICKS) for oracle, ticks in zip(SIGNERS, bits, strict=False)]
    return gather(raw_address(node), 0, raws, domain)


def attest(town: Town, epoch: int, up: tuple[int, ...]) -> Leaf:
    """One epoch, observed, agreed, final and settled; the leaf of node one."""
    town.see(epoch, up)
    town.end(epoch)
    signed = agree_on(epoch, town.members)
    assert signed.signers == 0b1111
    town.attest(signed)
    town.keeper.settle(epoch, signed.draft.tree)
    (found,) = [one for one in signed.draft.tree.leaves if one.id == ONE]
    return found


def booked(town: Town) -> int:
    return town.keeper.booked([ONE])[ONE].earned


def paid(town: Town) -> int:
    """What node one's payee gets, in the token's smallest unit, when all that is due is claimed."""
    escrow, lens, token = town.network.escrow, town.network.lens, town.network.token.functions
    payee = named(lens, "assignmentOf", lens.functions.assignmentOf(ONE).call())["payee"]
    before = token.balanceOf(payee).call()
    town.timeline.send([Call.of("claim", town.keeper.wallet, escrow.functions.claim([ONE]))])
    return int(token.balanceOf(payee).call()) - int(before)


def test_appeal__of_what_two_oracles_acknowledged__is_paid_within_its_span(town: Town) -> None:
    assert attest(town, 0, POOR) == Leaf(1, ONE, 0, 600)
    for member in town.members:
        member.hand_in(appeal(town, ALL, ALL))
    assert attest(town, APPEAL_EPOCHS, (ALL, ALL, ALL)) == Leaf(1, ONE, 1_200, 1_200)
    assert booked(town) == 1_200
    assert paid(town) == SPEC.price * 1_200 // CLOCK.length


def test_appeal__after_its_span__is_refused_and_changes_nothing(town: Town) -> None:
    attest(town, 0, POOR)
    attest(town, 1, (ALL, ALL, ALL))
    for member in town.members:
        with pytest.raises(Disagreement, match="nothing that can still be put right"):
            member.hand_in(appeal(town, ALL, ALL))
    assert attest(town, APPEAL_EPOCHS + 1, (ALL, ALL, ALL)) == Leaf(1, ONE, 1_200, 1_800)
    assert paid(town) == SPEC.price * 1_200 // CLOCK.length


def test_appeal__with_one_oracle_s_receipt__is_refused_and_the_round_goes_on(town: Town) -> None:
    attest(town, 0, POOR)
    for member in town.members:
        with pytest.raises(Disagreement, match="no tick of it is acknowledged"):
            member.hand_in(appeal(town, ALL))
    assert attest(town, 1, (ALL, ALL, ALL)) == Leaf(1, ONE, 600, 1_200)
