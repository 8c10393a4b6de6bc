# SPDX-License-Identifier: Apache-2.0
"""Reports: what is accepted, what is refused and why, when they are final."""

from __future__ import annotations

import pytest

from oracle.ground.typed_data import EpochReport
from oracle.signing.compact import CURVE_ORDER
from oracle.signing.signer import derive
from tests.contract.world import SEED, TIMING, ZERO_ROOT, World, end_of, joined, oracles, refused, start_of


@pytest.fixture
def over(world: World) -> World:
    """A world in which epoch 3 is just over and nothing was reported."""
    world.wait_until(end_of(3))
    return world


def root(text: str) -> bytes:
    return text.encode().ljust(32, b"\1")


def finalise(world: World, epoch: int, name: str) -> None:
    world.submit(world.signed(world.report(epoch, root(name))))
    world.wait_until(world.now + TIMING.activation_delay)


def test_submit__quorum__is_pending_until_the_activation_delay_has_passed(over: World) -> None:
    over.submit(over.signed(over.report(3, root("a"))))
    final_at = over.now + TIMING.activation_delay
    assert over.attestations.pendingReport().call() == [3, root("a"), final_at]
    with refused("Attestations_NotFinal", epoch=3):
        over.at(final_at - 1).do(over.keeper, over.escrow.settle(3, 1 << 64, 0, 0, []))
    assert over.attestations.lastFinal().call() == [0, ZERO_ROOT, 0]
    over.wait_until(final_at)
    assert over.attestations.lastFinal().call() == [3, root("a"), final_at]
    assert over.attestations.pendingReport().call() == [0, ZERO_ROOT, 0]
    assert over.attestations.finalRoot(3).call() == root("a")


def test_final_root__of_the_first_epoch__isn_t_there_before_its_report_is(over: World) -> None:
    """Places that were never written read as epoch 0."""
    for name in ("", "a"):
        if name:
            finalise(over, 3, name)
        with refused("Attestations_NotFinal", epoch=0):
            over.do(over.keeper, over.attestations.finalRoot(0))


def test_submit__by_a_stranger__is_accepted(over: World) -> None:
    over.submit(over.signed(over.report(3)), who=over.stranger)


def test_submit__all_members_signed__is_accepted(over: World) -> None:
    over.submit(over.signed(over.report(3), members=(0, 1, 2, 3)))


def test_submit__report_of_a_skipped_ahead_epoch__keeps_the_last_two_final_ones(world: World) -> None:
    for epoch, name in ((0, "a"), (1, "b"), (4, "c")):
        world.wait_until(end_of(epoch))
        finalise(world, epoch, name)
    assert world.attestations.finalRoot(4).call() == root("c")
    assert world.attestations.finalRoot(1).call() == root("b")
    assert world.attestations.previousFinal().call()[:2] == [1, root("b")]
    for epoch in (0, 2, 3, 5):
        with refused("Attestations_NotFinal", epoch=epoch):
            world.do(world.keeper, world.escrow.settle(epoch, 1 << 64, 0, 0, []))


def test_submit__zero_root__is_refused(over: World) -> None:
    with refused("Attestations_ZeroRoot"):
        over.submit(over.signed(over.report(3, ZERO_ROOT)))


def test_submit__epoch_not_over__is_refused(world: World) -> None:
    with refused("Attestations_EpochNotOver", epoch=3, endsAt=end_of(3)):
        world.at(end_of(3) - 1).submit(world.signed(world.report(3)))


def test_submit__epoch_just_over__is_accepted(world: World) -> None:
    world.at(end_of(3)).submit(world.signed(world.report(3)))


def test_submit__greatest_epoch__is_refused(over: World) -> None:
    with refused("Attestations_EpochNotOver", epoch=2**64 - 1):
        over.submit(over.signed(over.report(2**64 - 1)))


@pytest.mark.parametrize("epoch", [3, 2, 0])
def test_submit__epoch_not_after_the_last_final_one__is_refused(over: World, epoch: int) -> None:
    finalise(over, 3, "a")
    with refused("Attestations_EpochOutOfOrder", epoch=epoch, lastFinal=3):
        over.submit(over.signed(over.report(epoch, root("b"))))


def test_submit__parent_not_the_last_final_root__is_refused(over: World) -> None:
    with refused("Attestations_WrongParent", parent=root("x"), lastFinal=ZERO_ROOT):
        over.submit(over.signed(over.report(2, parent=root("x"))))
    finalise(over, 2, "a")
    with refused("Attestations_WrongParent", parent=ZERO_ROOT, lastFinal=root("a")):
        over.submit(over.signed(over.report(3, parent=ZERO_ROOT)))


def test_submit__another_report_pending__is_refused(over: World) -> None:
    over.submit(over.signed(over.report(2, root("a"))))
    final_at = over.now + TIMING.activation_delay
    for epoch in (2, 3):
        with refused("Attestations_ReportPending", epoch=2, finalAt=final_at):
            over.submit(over.signed(over.report(epoch, root("b"))))


def test_submit__in_the_second_in_which_the_pending_one_is_final__is_accepted(over: World) -> None:
    over.submit(over.signed(over.report(2, root("a"))))
    over.at(over.now + TIMING.activation_delay).submit(over.signed(over.report(3, parent=root("a"))))
    assert over.attestations.lastFinal().call()[:2] == [2, root("a")]


# Signatures


def test_submit__too_few_signatures__is_refused(over: World) -> None:
    with refused("Committee_QuorumNotReached", given=2, quorum=3):
        over.submit(over.signed(over.report(3), members=(0, 2)))


def test_submit__no_signatures__is_refused(over: World) -> None:
    with refused("Committee_QuorumNotReached", given=0, quorum=3):
        over.submit((over.report(3), 0b111, b""))


def test_submit__one_signature_given_for_all__is_refused(over: World) -> None:
    report = over.report(3)
    signature = over.committee[0].sign(report.digest(over.network.report_domain))
    with refused("Committee_DuplicateSignature", signer=over.committee[0].address):
        over.submit((report, 0b111, signature * 3))


def test_submit__quorum_of_bytes_and_one_member_named__is_refused(over: World) -> None:
    report, _, signatures = over.signed(over.report(3))
    with refused("Committee_MalformedSignatures", bytesGiven=192, membersNamed=1):
        over.submit((report, 0b001, signatures))


def test_submit__duplicate_signature__is_refused(over: World) -> None:
    report, _, _ = over.signed(over.report(3))
    digest = report.digest(over.network.report_domain)
    first, second = over.committee[0].sign(digest), over.committee[1].sign(digest)
    with refused("Committee_DuplicateSignature", signer=over.committee[1].address):
        over.submit((report, 0b111, joined([first, second, second])))


def test_submit__signatures_out_of_order__is_refused(over: World) -> None:
    report, members, signatures = over.signed(over.report(3))
    swapped = signatures[64:128] + signatures[:64] + signatures[128:]
    expected = over.committee[0].address
    with refused("Committee_SignaturesUnordered", signer=over.committee[1].address, expected=expected):
        over.submit((report, members, swapped))


def test_submit__signature_of_the_first_member_for_another__is_refused(over: World) -> None:
    report, _, signatures = over.signed(over.report(3), members=(0, 2, 3))
    first = over.committee[0].address
    with refused("Committee_SignaturesUnordered", signer=first, expected=over.committee[1].address):
        over.submit((report, 0b1110, signatures))


def test_submit__signatures_of_other_members_than_named__is_refused(over: World) -> None:
    report, _, signatures = over.signed(over.report(3), members=(0, 1, 3))
    last = over.committee[3].address
    with refused("Committee_SignaturesUnordered", signer=last, expected=over.committee[2].address):
        over.submit((report, 0b0111, signatures))


def test_submit__foreign_signer__is_refused(over: World) -> None:
    foreign = derive(SEED, "foreign")
    with refused("Committee_ForeignSigner", signer=foreign.address):
        over.submit(over.signed(over.report(3), committee=[*over.committee[:2], foreign]))


def test_submit__signatures_over_another_report__is_refused(over: World) -> None:
    _, members, signatures = over.signed(over.report(3, root("a")))
    with refused("Committee_ForeignSigner"):
        over.submit((over.report(3, root("b")), members, signatures))


@pytest.mark.parametrize("changed", ["committee", "anchor", "evidence"])
def test_submit__field_changed_after_signing__is_refused(over: World, changed: str) -> None:
    _, members, signatures = over.signed(over.report(3))
    if changed == "committee":
        with refused("Committee_NotInForce", version=2, inForce=1):
            over.submit((over.report(3, committee=2), members, signatures))
        return
    with refused("Committee_ForeignSigner"):
        over.submit((over.report(3, **{changed: root("other")}), members, signatures))


def test_submit__signed_for_another_chain__is_refused(over: World) -> None:
    domain = EpochReport.domain(1, over.network.addresses.attestations)
    with refused("Committee_ForeignSigner"):
        over.submit(over.signed(over.report(3), domain=domain))


def test_submit__signed_for_another_contract__is_refused(over: World) -> None:
    domain = EpochReport.domain(over.chain.chain_id, over.network.addresses.escrow)
    with refused("Committee_ForeignSigner"):
        over.submit(over.signed(over.report(3), domain=domain))


def test_submit__malleable_signature__is_refused(over: World) -> None:
    """64 bytes have no room for the twin of a low s but next to the middle of the order: there it must not pass."""
    report, members, signatures = over.signed(over.report(3))
    for s in (CURVE_ORDER // 2 + 1, (1 << 255) - 1):
        with refused("Committee_MalleableSignature", index=2):
            over.submit((report, members, signatures[:160] + s.to_bytes(32, "big")))
    with refused("Committee_ForeignSigner"):
        over.submit((report, members, signatures[:160] + (CURVE_ORDER // 2).to_bytes(32, "big")))


@pytest.mark.parametrize(
    "bad", [bytes(64), b"\xff" * 32 + (1).to_bytes(32, "big"), (5).to_bytes(32, "big") + bytes(32)]
)
def test_submit__signature_of_nobody__is_refused(over: World, bad: bytes) -> None:
    report, members, signatures = over.signed(over.report(3))
    with refused("Committee_ForeignSigner", signer="0x" + "00" * 20):
        over.submit((report, members, bad + signatures[64:]))


@pytest.mark.parametrize("bit", [4, 7, 200, 255])
def test_submit__unknown_member_bit__is_refused(over: World, bit: int) -> None:
    report, members, signatures = over.signed(over.report(3))
    with refused("Committee_UnknownMember", members=members | 1 << bit, size=4):
        over.submit((report, members | 1 << bit, signatures))


@pytest.mark.parametrize("extra", [1, 63, 64])
def test_submit__more_bytes_than_members_signed__is_refused(over: World, extra: int) -> None:
    report, members, signatures = over.signed(over.report(3))
    with refused("Committee_MalformedSignatures", bytesGiven=192 + extra, membersNamed=3):
        over.submit((report, members, signatures + signatures[:extra]))


def test_submit__fewer_bytes_than_members_named__is_refused(over: World) -> None:
    report, _, signatures = over.signed(over.report(3))
    with refused("Committee_MalformedSignatures", bytesGiven=192, membersNamed=4):
        over.submit((report, 0b1111, signatures))


def test_submit__signatures_cut_short__is_refused(over: World) -> None:
    report, members, signatures = over.signed(over.report(3))
    with refused("Committee_MalformedSignatures", bytesGiven=191, membersNamed=2):
        over.submit((report, members, signatures[:-1]))


# Veto


def test_veto__pending_report__clears_the_place_and_consumes_nothing(over: World) -> None:
    over.submit(over.signed(over.report(3, root("a"))))
    over.do(over.guardian, over.veto())
    assert over.attestations.pendingReport().call() == [0, ZERO_ROOT, 0]
    over.wait_until(over.now + TIMING.activation_delay)
    assert over.attestations.lastFinal().call() == [0, ZERO_ROOT, 0]
    over.submit(over.signed(over.report(3, root("b"))))


@pytest.mark.parametrize("who", ["stranger", "keeper", "admin", "csp", "licensor"])
def test_veto__not_the_guardian__is_refused(over: World, who: str) -> None:
    over.submit(over.signed(over.report(3)))
    caller = getattr(over, who)
    with refused("AccessManagedUnauthorized", caller=caller.address):
        over.do(caller, over.veto())


def test_veto__nothing_pending__is_refused(over: World) -> None:
    with refused("Attestations_NothingPending"):
        over.do(over.guardian, over.veto())


def test_veto__report_final_already__is_refused(over: World) -> None:
    over.submit(over.signed(over.report(3)))
    over.at(over.now + TIMING.activation_delay)
    with refused("Attestations_NothingPending"):
        over.do(over.guardian, over.veto())


def test_veto__meant_for_another_report__is_refused(over: World) -> None:
    """Signed against a lie that was replaced meanwhile, it mustn't hit the truth."""
    over.submit(over.signed(over.report(3, root("a"))))
    meant = over.veto()
    over.do(over.guardian, meant)
    over.submit(over.signed(over.report(2, root("b"))))
    for epoch, other in ((3, root("a")), (2, root("a")), (3, root("b")), (0, ZERO_ROOT)):
        with refused("Attestations_AnotherPending", epoch=2, root=root("b")):
            over.do(over.guardian, over.attestations.veto(epoch, other))
    assert over.attestations.pendingReport().call()[:2] == [2, root("b")]


def test_veto__second_one_for_an_epoch__is_refused(over: World) -> None:
    over.submit(over.signed(over.report(3, root("a"))))
    over.do(over.guardian, over.veto())
    over.submit(over.signed(over.report(3, root("b"))))
    with refused("Attestations_VetoedBefore", epoch=3):
        over.do(over.guardian, over.veto())


def test_submit__epoch_vetoed_before__waits_the_review_delay(over: World) -> None:
    over.submit(over.signed(over.report(3, root("a"))))
    over.do(over.guardian, over.veto())
    over.submit(over.signed(over.report(3, root("b"))))
    final_at = over.now + TIMING.review_delay
    over.wait_until(final_at - 1)
    assert over.attestations.pendingReport().call() == [3, root("b"), final_at]
    over.wait_until(final_at)
    assert over.attestations.lastFinal().call() == [3, root("b"), final_at]


def test_submit__epoch_before_a_vetoed_one__waits_the_review_delay_too(over: World) -> None:
    over.submit(over.signed(over.report(3, root("a"))))
    over.do(over.guardian, over.veto())
    over.submit(over.signed(over.report(2, root("b"))))
    assert over.attestations.pendingReport().call()[2] == over.now + TIMING.review_delay
    with refused("Attestations_VetoedBefore", epoch=2):
        over.do(over.guardian, over.veto())


def test_submit__epoch_after_a_vetoed_one__waits_the_activation_delay_and_can_be_vetoed(over: World) -> None:
    over.submit(over.signed(over.report(2, root("a"))))
    over.do(over.guardian, over.veto())
    over.submit(over.signed(over.report(3, root("b"))))
    assert over.attestations.pendingReport().call()[2] == over.now + TIMING.activation_delay
    over.do(over.guardian, over.veto())


def test_review__replacement_of_the_committee__comes_in_time(over: World) -> None:
    """Review outlasts an emergency replacement: a hostile report that comes again after its veto never gets final."""
    over.submit(over.signed(over.report(3, root("hostile"))))
    over.do(over.guardian, over.veto())
    over.submit(over.signed(over.report(3, root("hostile"))))
    over.wait_until(over.now + TIMING.replacement_span)
    fresh = oracles("fresh")
    over.do(over.admin, over.attestations.replaceCommittee([signer.address for signer in fresh]))
    over.wait_until(over.now + TIMING.review_delay)
    assert over.attestations.lastFinal().call() == [0, ZERO_ROOT, 0]


# What the escrow asks


def test_final_since__later_epochs_final__is_never_before_the_truth(world: World) -> None:
    since = {}
    for epoch in (1, 3, 6):
        world.wait_until(end_of(epoch))
        finalise(world, epoch, f"{epoch}")
        since[epoch] = world.now
    expected = {0: since[3], 1: since[3], 2: since[3], 3: since[3], 4: since[6], 6: since[6], 7: 0}
    assert {epoch: world.attestations.finalSince(epoch).call() for epoch in expected} == expected


def test_last_progress__no_report_final__is_the_genesis(over: World) -> None:
    assert over.attestations.lastProgress().call() == TIMING.genesis
    over.submit(over.signed(over.report(3)))
    assert over.attestations.lastProgress().call() == TIMING.genesis
    over.wait_until(over.now + TIMING.activation_delay)
    assert over.attestations.lastProgress().call() == over.now


def test_last_progress__report_long_after_its_epoch__counts_an_epoch_at_most(over: World) -> None:
    finalise(over, 0, "late")
    assert over.now > start_of(2)
    assert over.attestations.lastProgress().call() == start_of(2)
