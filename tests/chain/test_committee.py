# SPDX-License-Identifier: Apache-2.0
"""A committee of four with stores and keys of their own, against the real contracts: liars, silence, restarts."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NoReturn

import pytest

from chain.client import Chain, RpcError
from chain.deployment.contracts import local_member
from chain.errors import ContractReverted, error_class
from chain.transactions import Call, LiveSender, Sender, SteppedSender, Wallet
from oracle.committee.agreement import Proposal, leaves_by_id
from oracle.committee.errors import Disagreement, NotAgreed
from oracle.committee.in_process import agree_on
from oracle.committee.member import Member
from oracle.committee.observation import SignedObservation, View, digest
from oracle.ground.errors import EpochalError
from oracle.ground.ids import pack
from oracle.ground.keccak import keccak256
from oracle.ground.leaves import Leaf
from oracle.ground.merkle import Tree
from oracle.ground.uptime import Uptime
from oracle.signing.signer import LocalSigner
from oracle.telemetry.store.errors import JournalFloor, StoreError
from scenario.market import Market, key_of
from tests.chain.town import ALL, CLOCK, GENESIS, SIGNERS, SPEC, TICKS, Town

SETTLED_FIRST = (Leaf(1, pack(1, 0, 1), 600, 600), Leaf(1, pack(1, 1, 1), 600, 600), Leaf(1, pack(1, 2, 1), 0, 300))


def refuse(*_: object) -> NoReturn:
    raise EpochalError("this oracle is down")


class Silent(Member):
    """Gives no observation, and takes part in nothing else."""

    observe = refuse


class Crashed(Silent):
    """Answers nothing at all."""

    receive = propose = sign = refuse


class Babbling(Member):
    """Its observation is no observation."""

    def observe(self, epoch: int) -> SignedObservation:
        return SignedObservation(b"what?", bytes(64))


class Impostor(Member):
    """Observes in another key's name."""

    def observe(self, epoch: int) -> SignedObservation:
        content = View(epoch, 1, {pack(1, 0, 1): Uptime(0, TICKS)}).encode()
        stranger = LocalSigner(keccak256(b"a stranger"))
        domain = self.reader.network.report_domain
        return SignedObservation(content, stranger.sign(digest(domain, epoch, 1, content)))


class Leaving(Member):
    """Proposes without the first observation that it received."""

    def propose(self, epoch: int) -> Proposal:
        whole = super().propose(epoch)
        return Proposal(whole.epoch, whole.parent, whole.anchor, {epoch: whole.observations[epoch][1:]})


def test_agree_on__all_honest__is_signed_by_all_and_final(town: Town) -> None:
    town.see(0)
    town.end(0)
    signed = agree_on(0, town.members)
    assert signed.draft.tree.leaves == SETTLED_FIRST
    assert signed.signers == 0b1111
    town.attest(signed)
    assert town.final_root(0) == signed.draft.report.root


@pytest.mark.parametrize("liar", range(4))
@pytest.mark.parametrize("lie", [(0, 0, 0), (ALL, ALL, ALL)], ids=["all down", "all up"])
def test_agree_on__one_store_is_false__changes_nothing(town: Town, liar: int, lie: tuple[int, ...]) -> None:
    town.see(0, members=[member for index, member in enumerate(town.members) if index != liar])
    town.see(0, lie, [town.members[liar]])
    town.end(0)
    signed = agree_on(0, town.members)
    assert signed.draft.tree.leaves == SETTLED_FIRST
    assert signed.signers == 0b1111


@pytest.mark.parametrize("at", [0, 3], ids=["its leader", "another"])
@pytest.mark.parametrize(
    ("kind", "signers"),
    [(Silent, 4), (Crashed, 3), (Babbling, 4), (Impostor, 4)],
    ids=lambda value: getattr(value, "__name__", str(value)),
)
def test_agree_on__one_member_fails__changes_nothing(town: Town, kind: type[Member], signers: int, at: int) -> None:
    town.see(0)
    town.members[at] = town.member(at, kind)
    town.end(0)
    signed = agree_on(0, town.members)
    assert signed.draft.tree.leaves == SETTLED_FIRST
    assert signed.signers.bit_count() == signers
    town.attest(signed)
    assert town.final_root(0) == signed.draft.report.root


def test_agree_on__two_members_crashed__is_not_agreed_and_says_why(town: Town) -> None:
    town.see(0)
    town.members[:2] = [town.member(index, Crashed) for index in range(2)]
    town.end(0)
    with pytest.raises(NotAgreed, match=r"no quorum of 3.*this oracle is down"):
        agree_on(0, town.members)


def test_agree_on__epoch_is_not_over__is_not_agreed(town: Town) -> None:
    town.see(0)
    town.timeline.reach(CLOCK.end(0) - 1)
    with pytest.raises(NotAgreed, match="is finalized yet"):
        agree_on(0, town.members)


def test_sign__proposal_omits_an_observation__is_refused_and_the_next_leader_is_heard(town: Town) -> None:
    town.see(0)
    town.members[0] = town.member(0, Leaving)
    town.end(0)
    signed = agree_on(0, town.members)
    assert b'"observations":[[0,' in signed.draft.evidence
    assert signed.draft.evidence.count(SIGNERS[0].address[2:].lower().encode()) == 1  # among the members alone
    assert signed.signers == 0b1111
    lame = town.members[0].propose(0)
    assert len(lame.observations[0]) == 3
    for member in town.members:
        with pytest.raises(Disagreement, match="omits the observation of"):
            member.sign(lame)


def test_sign__another_anchor_or_parent__is_refused(town: Town) -> None:
    town.see(0)
    town.end(0)
    agree_on(0, town.members)
    good = town.members[0].propose(0)
    for anchor, parent, told in ((b"\x01" * 32, good.parent, "anchor"), (good.anchor, b"\x01" * 32, "parent")):
        with pytest.raises(Disagreement, match=told):
            town.members[1].sign(Proposal(0, parent, anchor, good.observations))


def test_observe__restarted_on_the_same_store__signs_the_same(town: Town) -> None:
    town.see(0)
    town.end(0)
    first = town.members[1].observe(0)
    # What it hears too late, or hears again, doesn't change what it has said.
    town.see(0, (0, ALL, ALL), [town.members[1]])
    assert town.members[1].observe(0) == first
    assert town.member(1).observe(0) == first


def test_observe__restored_store__abstains_and_the_round_goes_on(town: Town) -> None:
    town.see(0)
    town.end(0)
    restored = town.members[1]
    restored.store.set_journal_floor(0)
    with pytest.raises(JournalFloor, match="abstains up to epoch 0"):
        restored.observe(0)
    assert restored.store.observation(0, 1) is None
    signed = agree_on(0, town.members)
    assert signed.draft.tree.leaves == SETTLED_FIRST
    assert signed.signers == 0b1111  # it signs what the observations of the others come to
    town.attest(signed)
    town.see(1)
    town.end(1)
    agree_on(1, town.members)
    assert restored.store.observation(1, 1) is not None


def test_journal__second_different_observation__is_refused(town: Town) -> None:
    town.see(0)
    town.end(0)
    member = town.members[1]
    first = member.observe(0)
    other = View(0, 1, {pack(1, 0, 1): Uptime(0, TICKS)}).encode()
    signature = member.signer.sign(digest(member.reader.network.report_domain, 0, 1, other))
    with pytest.raises(StoreError, match="is signed already"):
        member.store.journal_observation(0, 1, keccak256(other), signature, other)
    assert member.observe(0) == first


def test_agree_on__after_two_epochs_unreported__carries_their_seconds(town: Town) -> None:
    able = list(town.members)
    for epoch in range(2):
        town.see(epoch)
        town.end(epoch)
        # Everyone hears everyone, but nobody leads: no report comes of it.
        observations = [member.observe(epoch) for member in able]
        for member in able:
            assert member.receive(epoch, observations) == []
    town.see(2)
    town.end(2)
    signed = agree_on(2, able)
    assert signed.draft.tree.leaves == (
        Leaf(1, pack(1, 0, 1), 1_800, 1_800),
        Leaf(1, pack(1, 1, 1), 1_800, 1_800),
        Leaf(1, pack(1, 2, 1), 0, 1_500),
    )
    town.attest(signed)
    town.keeper.settle(2, signed.draft.tree)
    for key, booked in town.keeper.booked([leaf.id for leaf in signed.draft.tree.leaves]).items():
        leaf = leaves_by_id(signed.draft.tree.leaves)[key]
        assert (booked.earned, booked.accounted, booked.through) == (leaf.earned, leaf.accounted, CLOCK.end(2))


def test_agree_on__after_two_epochs_nobody_observed__leaves_them_unmeasured(town: Town) -> None:
    town.see(2)
    town.end(2)
    signed = agree_on(2, town.members)
    assert [leaf.accounted for leaf in signed.draft.tree.leaves] == [600, 600, 600]


def test_agree_on__member_without_the_parent_s_ledger__catches_up_from_a_peer_s_evidence(town: Town) -> None:
    town.see(0)
    town.end(0)
    town.attest(agree_on(0, town.members))
    town.members[2].store.close()
    (town.folder / "2.sqlite").unlink()
    town.members[2] = town.member(2)
    town.see(1)
    town.end(1)
    with pytest.raises(NotAgreed, match="has to catch up"):
        town.members[2].sign(proposal_of(town, 1))
    signed = agree_on(1, town.members)
    assert signed.signers == 0b1111
    town.attest(signed)
    assert town.final_root(1) == signed.draft.report.root


def test_catch_up__other_evidence__is_refused(town: Town) -> None:
    town.see(0)
    town.end(0)
    signed = agree_on(0, town.members)
    town.attest(signed)
    with pytest.raises(Disagreement, match="isn't that of the report on chain"):
        town.members[2].catch_up(signed.draft.evidence.replace(b'"epoch":0', b'"epoch":1'))


def test_agree_on__member_absent_for_a_round__signs_the_next(town: Town) -> None:
    town.see(0)
    town.end(0)
    town.attest(agree_on(0, town.members[:3]))
    town.see(1)
    town.end(1)
    assert agree_on(1, town.members).signers == 0b1111


def test_agree_on__quorum_without_the_first_member__names_the_right_ones(town: Town) -> None:
    town.see(0)
    town.end(0)
    signed = agree_on(0, town.members[1:])
    assert signed.signers == 0b1110
    town.attest(signed)
    assert town.final_root(0) == signed.draft.report.root


def test_agree_on__endpoint_of_one_member_dead__changes_nothing(town: Town) -> None:
    town.see(0)
    town.end(0)
    town.members[2].reader.network.chain.w3.provider.endpoint_uri = "http://127.0.0.1:9"  # type: ignore[attr-defined]
    assert agree_on(0, town.members).signers == 0b1011


def test_agree_on__set_replaced_after_an_unreported_epoch__goes_on(town: Town) -> None:
    town.see(0)
    town.end(0)
    town.attest(agree_on(0, town.members))
    town.see(1)
    town.end(1)
    agree_on(1, town.members)
    members = [local_member(signer.address).address for signer in SIGNERS]
    replace = town.network.registry.functions.replaceCommittee(members)
    town.timeline.send([Call.of("replace committee", town.wallet("governor"), replace, 2_000_000)])
    town.see(2)
    town.end(2)
    signed = agree_on(2, town.members)
    assert (signed.draft.report.committee, signed.signers) == (2, 0b1111)
    assert sorted(signed.draft.agreed) == [2]


def test_placed__older_anchor_after_a_newer_one__has_the_older_state(town: Town) -> None:
    town.see(0)
    town.end(0)
    member = town.members[0]
    older = [one.subject.assignment_id for one in member.reader.placed(member.anchor(0), -1)]
    close = town.network.placements.functions.closeAssignment(pack(1, 0, 1))
    town.timeline.send([Call.of("close", town.wallet("orchestrator"), close, 300_000)])
    market = Market(town.timeline, town.network, SPEC)
    town.timeline.send([market.assign(1, 0, 2, town.at.nodes[0], market.terms_hash())])
    town.see(1)
    town.end(1)
    assert len(member.reader.placed(member.anchor(1), -1)) == len(older) + 1
    assert [one.subject.assignment_id for one in member.reader.placed(member.anchor(0), -1)] == older


def test_settle__leaf_of_an_unknown_assignment__keeps_no_other_from_being_settled(town: Town) -> None:
    town.see(0)
    town.end(0)
    tree = Tree.build([Leaf(1, pack(1, 0, 1), 500, 600), Leaf(1, pack(1, 2, 9), 600, 600)])
    books = town.keeper.booked([leaf.id for leaf in tree.leaves])
    assert list(books) == [pack(1, 0, 1)]


def test_send__refused_by_the_endpoint__leaves_no_gap(town: Town) -> None:
    chain = Chain(town.at.chain.url)
    sender, wallet = LiveSender(chain, patience=20), Wallet(chain, key_of("csp"))
    approve = Call.of("approve", wallet, town.network.token.functions.approve(wallet.address, 1), 100_000)
    asked = chain.rpc

    def hiccup(method: str, *parameters: Any) -> Any:
        if method == "eth_sendRawTransaction":
            chain.rpc = asked  # type: ignore[method-assign]
            raise RpcError("eth_sendRawTransaction: no answer")
        return asked(method, *parameters)

    chain.rpc = hiccup  # type: ignore[method-assign]
    with pytest.raises(RpcError):
        sender.send([approve])
    chain.rpc("evm_setAutomine", True)
    try:
        (receipt,) = sender.send([approve])
    finally:
        chain.rpc("evm_setAutomine", False)
    assert receipt["status"] == 1


def proposal_of(town: Town, epoch: int) -> Proposal:
    observations = [member.observe(epoch) for member in town.members]
    for member in town.members:
        member.receive(epoch, observations)
    return town.members[0].propose(epoch)


SENDERS: list[Callable[[Chain], Sender]] = [SteppedSender, LiveSender]


@pytest.mark.parametrize("kind", SENDERS)
def test_send__contract_refuses__is_an_exception_of_the_error_s_name(town: Town, kind: Callable[..., Sender]) -> None:
    town.see(0)
    town.end(0)
    signed = agree_on(0, town.members)
    with pytest.raises(error_class("Committee_QuorumNotReached"), match=r"attest epoch: .*given=2, quorum=3") as caught:
        kind(town.at.chain).send([town.submission(signed, signers=0b0011)])
    assert isinstance(caught.value, ContractReverted)
    assert (caught.value.label, caught.value.values) == ("attest epoch", {"given": 2, "quorum": 3})
    close = town.network.escrow.functions.closeJob(town.at.job)
    with pytest.raises(error_class("JobEscrow_NotClosable")):
        kind(town.at.chain).send([Call.of("close job", town.wallet("keeper"), close)])


def test_live_sender__call_with_a_limit_reverts_on_chain__is_told_by_name(town: Town) -> None:
    chain = town.at.chain
    chain.rpc("evm_setAutomine", True)
    try:
        close = town.network.escrow.functions.closeJob(town.at.job)
        with pytest.raises(error_class("JobEscrow_NotClosable")):
            LiveSender(chain).send([Call.of("close job", town.wallet("keeper"), close, gas=500_000)])
    finally:
        chain.rpc("evm_setAutomine", False)


def test_stepped_sender__many_calls__are_in_one_block_in_their_order(town: Town) -> None:
    keeper = town.wallet("keeper")
    sender = SteppedSender(town.at.chain)
    calls = [Call("note", keeper, keeper.address, hex(number + 256), 100_000) for number in range(200)]
    receipts = sender.at(GENESIS - 100).send(calls)
    assert len({receipt["blockNumber"] for receipt in receipts}) == 1
    assert [receipt["transactionIndex"] for receipt in receipts] == list(range(200))
    assert town.at.chain.block("latest").timestamp == GENESIS - 100 == sender.now
