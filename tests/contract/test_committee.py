# SPDX-License-Identifier: Apache-2.0
"""Sets of signers: who may announce and replace them, and which may sign when."""

from __future__ import annotations

import pytest
from web3.logs import DISCARD

from chain.network import ROLE_GUARDIAN
from oracle.ground.address import checksummed
from oracle.signing.signer import LocalSigner
from tests.contract.world import TIMING, ZERO_ROOT, World, end_of, oracles, refused, start_of

NEXT = oracles("next")
THIRD = oracles("third")


def addresses(signers: list[LocalSigner]) -> list[str]:
    return [signer.address for signer in signers]


def numbered(count: int) -> list[str]:
    return [checksummed((i + 1).to_bytes(20, "big")) for i in range(count)]


def announce(world: World, signers: list[LocalSigner], epoch: int) -> None:
    world.do(world.admin, world.attestations.scheduleCommittee(addresses(signers), epoch))


def submit(world: World, epoch: int, version: int, signers: list[LocalSigner]) -> None:
    world.submit(world.signed(world.report(epoch, committee=version), committee=signers))


# Who may


@pytest.mark.parametrize("who", ["stranger", "guardian", "licensor", "keeper", "csp"])
def test_schedule_committee__not_the_admin__is_refused(world: World, who: str) -> None:
    caller = getattr(world, who)
    with refused("AccessManagedUnauthorized", caller=caller.address):
        world.do(caller, world.attestations.scheduleCommittee(addresses(NEXT), 2))


@pytest.mark.parametrize("who", ["stranger", "guardian", "licensor", "keeper", "csp"])
def test_replace_committee__not_the_admin__is_refused(world: World, who: str) -> None:
    caller = getattr(world, who)
    with refused("AccessManagedUnauthorized", caller=caller.address):
        world.do(caller, world.attestations.replaceCommittee(addresses(NEXT)))


def test_guardian__role_taken_away__may_no_longer_veto(world: World) -> None:
    world.wait_until(end_of(0))
    submit(world, 0, 1, world.committee)
    revoke = world.network.authority.functions.revokeRole(ROLE_GUARDIAN, world.guardian.address)
    world.do(world.admin, revoke)
    with refused("AccessManagedUnauthorized", caller=world.guardian.address):
        world.do(world.guardian, world.veto())


# Which sets


@pytest.mark.parametrize("count", [0, 3, 256])
def test_schedule_committee__size_out_of_range__is_refused(world: World, count: int) -> None:
    signers = numbered(count)
    with refused("Committee_SizeOutOfRange", signers=count):
        world.do(world.admin, world.attestations.scheduleCommittee(signers, 2))


def test_schedule_committee__255_signers__is_accepted(world: World) -> None:
    signers = numbered(255)
    world.do(world.admin, world.attestations.scheduleCommittee(signers, 2))
    kept, quorum = world.attestations.committee(2).call()
    assert [int(one, 16) for one in kept] == list(range(1, 256))
    assert quorum == 171


@pytest.mark.parametrize(("count", "quorum"), [(4, 3), (5, 4), (6, 5), (7, 5), (9, 7), (10, 7), (11, 8), (21, 15)])
def test_committee__of_n_signers__needs_more_than_two_thirds(world: World, count: int, quorum: int) -> None:
    world.do(world.admin, world.attestations.scheduleCommittee(numbered(count), 2))
    assert world.attestations.committee(2).call()[1] == quorum
    assert quorum * 3 > 2 * count
    assert (quorum - 1) * 3 <= 2 * count


@pytest.mark.parametrize(("broken", "index"), [("swapped", 2), ("doubled", 2), ("zero", 0)])
def test_schedule_committee__signers_unordered__is_refused(world: World, broken: str, index: int) -> None:
    one, two, three, four = addresses(NEXT)
    zero = "0x" + "00" * 20
    signers = {"swapped": [one, three, two, four], "doubled": [one, two, two, four], "zero": [zero, one, two, three]}
    with refused("Committee_SignersUnordered", index=index, signer=signers[broken][index]):
        world.do(world.admin, world.attestations.scheduleCommittee(signers[broken], 2))


def test_schedule_committee__less_than_one_epoch_ahead__is_refused(world: World) -> None:
    with refused("Committee_TakeoverTooSoon", fromEpoch=0, earliest=1):
        announce(world, NEXT, 0)
    world.wait_until(start_of(3))
    with refused("Committee_TakeoverTooSoon", fromEpoch=4, earliest=5):
        announce(world, NEXT, 4)
    announce(world, NEXT, 5)


def test_committee__first_set__is_told_at_its_deployment(world: World) -> None:
    events = world.network.attestations.events.CommitteeScheduled().get_logs(from_block=0)
    first = {"version": 1, "fromEpoch": 0, "signers": addresses(world.committee)}
    assert [dict(one["args"]) for one in events] == [first]


def test_committee__unknown_version__is_refused(world: World) -> None:
    for version in (0, 2):
        with refused("Committee_NotInForce", version=version, inForce=1):
            world.at(max(world.now + 1, end_of(0)))
            submit(world, 0, version, world.committee)


# Which may sign


def test_takeover__not_yet_due__only_the_set_in_force_signs(world: World) -> None:
    announce(world, NEXT, 3)
    assert world.attestations.committeeAnnounced().call() == [2, start_of(3)]
    world.wait_until(start_of(3) - 2)
    with refused("Committee_NotInForce", version=2, inForce=1):
        submit(world, 1, 2, NEXT)
    assert world.now == start_of(3) - 1


def test_takeover__due__needs_no_transaction(world: World) -> None:
    announce(world, NEXT, 3)
    world.at(start_of(3))
    submit(world, 2, 2, NEXT)
    grace_ends = start_of(3) + TIMING.grace
    assert world.attestations.committeeInForce().call() == [2, start_of(3), 1, grace_ends]
    assert world.attestations.committeeAnnounced().call() == [0, 0]


def test_predecessor__within_grace__may_sign(world: World) -> None:
    announce(world, NEXT, 3)
    world.at(start_of(3) + TIMING.grace - 1)
    submit(world, 2, 1, world.committee)


def test_predecessor__after_grace__is_refused(world: World) -> None:
    announce(world, NEXT, 3)
    world.at(start_of(3) + TIMING.grace)
    with refused("Committee_NotInForce", version=1, inForce=2):
        submit(world, 2, 1, world.committee)
    assert world.attestations.committeeInForce().call() == [2, start_of(3), 0, 0]


def test_predecessor__of_the_predecessor__is_refused_within_grace(world: World) -> None:
    announce(world, NEXT, 2)
    world.wait_until(start_of(2))
    announce(world, THIRD, 4)
    world.wait_until(start_of(4))
    with refused("Committee_NotInForce", version=1, inForce=3):
        submit(world, 3, 1, world.committee)
    submit(world, 3, 2, NEXT)


def test_schedule_committee__again_before_takeover__replaces_the_announced_set(world: World) -> None:
    announce(world, NEXT, 3)
    announce(world, THIRD, 2)
    world.wait_until(start_of(3))
    assert world.attestations.committeeInForce().call()[0] == 3
    with refused("Committee_NotInForce", version=2, inForce=3):
        submit(world, 2, 2, NEXT)
    submit(world, 2, 3, THIRD)


def test_members__of_another_version_under_a_version_in_force__are_foreign(world: World) -> None:
    announce(world, NEXT, 3)
    world.wait_until(start_of(3))
    with refused("Committee_ForeignSigner"):
        submit(world, 2, 2, world.committee)


# Replaced for cause


def test_replace_committee__report_pending__drops_it(world: World) -> None:
    world.wait_until(end_of(2))
    submit(world, 2, 1, world.committee)
    _, root, _ = world.attestations.pendingReport().call()
    receipt = world.do(world.admin, world.attestations.replaceCommittee(addresses(NEXT)))
    (dropped,) = world.network.attestations.events.ReportDropped().process_receipt(receipt, errors=DISCARD)
    assert dict(dropped["args"]) == {"epoch": 2, "root": root}
    assert world.attestations.pendingReport().call() == [0, ZERO_ROOT, 0]
    world.wait_until(world.now + TIMING.activation_delay)
    assert world.attestations.lastFinal().call() == [0, ZERO_ROOT, 0]
    submit(world, 2, 2, NEXT)


def test_replace_committee__nothing_pending__drops_nothing(world: World) -> None:
    receipt = world.do(world.admin, world.attestations.replaceCommittee(addresses(NEXT)))
    (replaced,) = world.network.attestations.events.CommitteeReplaced().process_receipt(receipt, errors=DISCARD)
    assert dict(replaced["args"]) == {"version": 2, "replaced": 1, "signers": addresses(NEXT)}
    assert not world.network.attestations.events.ReportDropped().process_receipt(receipt, errors=DISCARD)


def test_replace_committee__set_in_force__gets_no_grace(world: World) -> None:
    world.wait_until(end_of(2))
    world.do(world.admin, world.attestations.replaceCommittee(addresses(NEXT)))
    with refused("Committee_NotInForce", version=1, inForce=2):
        submit(world, 2, 1, world.committee)
    assert world.attestations.committeeInForce().call() == [2, world.now - 1, 0, 0]


def test_replace_committee__predecessor_in_grace__loses_it(world: World) -> None:
    announce(world, NEXT, 3)
    world.wait_until(start_of(3))
    world.do(world.admin, world.attestations.replaceCommittee(addresses(THIRD)))
    with refused("Committee_NotInForce", version=1, inForce=3):
        submit(world, 2, 1, world.committee)


def test_replace_committee__set_announced__is_dropped(world: World) -> None:
    announce(world, NEXT, 3)
    world.do(world.admin, world.attestations.replaceCommittee(addresses(THIRD)))
    assert world.attestations.committeeAnnounced().call() == [0, 0]
    world.wait_until(start_of(3))
    assert world.attestations.committeeInForce().call()[0] == 3
    with refused("Committee_NotInForce", version=2, inForce=3):
        submit(world, 2, 2, NEXT)


def test_replace_committee__report_final_in_that_second__stays_final(world: World) -> None:
    world.wait_until(end_of(2))
    submit(world, 2, 1, world.committee)
    world.at(world.now + TIMING.activation_delay)
    world.do(world.admin, world.attestations.replaceCommittee(addresses(NEXT)))
    assert world.attestations.lastFinal().call()[0] == 2


def test_replaced_set__announced_as_no_predecessor__never_signs_again(world: World) -> None:
    world.do(world.admin, world.attestations.replaceCommittee(addresses(NEXT)))
    announce(world, THIRD, 2)
    world.wait_until(start_of(2))
    with refused("Committee_NotInForce", version=1, inForce=3):
        submit(world, 1, 1, world.committee)
    submit(world, 1, 2, NEXT)
