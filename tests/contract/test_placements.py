# SPDX-License-Identifier: Apache-2.0
"""Assignments: who opens and closes them, with whose acceptance, and when."""

from __future__ import annotations

from typing import Any

import pytest

from oracle.ground.ids import pack
from oracle.ground.typed_data import Acceptance
from tests.contract.world import GENESIS, World, end_of, named, refused


@pytest.fixture
def job(world: World) -> int:
    """A job that starts with the first epoch, which has just begun."""
    created = world.create_job()
    world.create_job()
    world.wait_until(GENESIS)
    return created


def assign(world: World, job: int, slot: int = 0, licence: int = 0, /, **changes: Any) -> None:
    acceptance = world.acceptance(job, slot, world.linked[licence], **changes)
    world.do(world.orchestrator, world.placements.assign(*acceptance))


def test_assign__accepted__opens_now_and_pays_the_present_holder(world: World, job: int) -> None:
    one = world.linked[0]
    assignment = world.at(GENESIS + 7).assign(job, 2, one)
    assert assignment == pack(job, 2, 1)
    view = world.assignment(assignment)
    assert (view["openedAt"], view["through"], view["closedAt"]) == (GENESIS + 7, GENESIS + 7, 0)
    assert (view["node"], view["payee"], view["licence"]) == (one.node.address, one.holder.address, one.id)
    assert view["stop"] == end_of(9)
    assert world.licences.openAssignments(one.id).call() == 1


@pytest.mark.parametrize("who", ["stranger", "csp", "keeper", "admin", "licensor"])
def test_assign__not_the_orchestrator__is_refused(world: World, job: int, who: str) -> None:
    caller = getattr(world, who)
    with refused("Placements_NotOrchestrator", caller=caller.address):
        world.do(caller, world.placements.assign(*world.acceptance(job, 0, world.linked[0])))


def test_assign__by_the_node_itself__is_refused(world: World, job: int) -> None:
    one = world.linked[0]
    with refused("Placements_NotOrchestrator", caller=one.node.address):
        world.do(one.node, world.placements.assign(*world.acceptance(job, 0, one)))


def test_assign__slot_taken__is_refused(world: World, job: int) -> None:
    first = world.assign(job, 0, world.linked[0])
    for licence in (0, 1):
        with refused("JobEscrow_SlotTaken", assignment=first):
            assign(world, job, 0, licence)


def test_assign__slot_freed_in_the_same_block__has_the_next_generation(world: World, job: int) -> None:
    first = world.assign(job, 0, world.linked[0])
    acceptance = world.acceptance(job, 0, world.linked[1])
    world.together(
        (world.orchestrator, world.placements.closeAssignment(first)),
        (world.orchestrator, world.placements.assign(*acceptance)),
    )
    second = world.assignment(pack(job, 0, 2))
    assert second["openedAt"] == world.assignment(first)["closedAt"] == world.now
    assert world.escrow.generations(job, 0).call() == 2


def test_assign__before_the_funded_window__is_refused(world: World) -> None:
    job = world.create_job()
    with refused("JobEscrow_JobNotRunning", job=job, startsAt=GENESIS, stop=end_of(9)):
        world.at(GENESIS - 1)
        assign(world, job)


def test_assign__at_its_ends__opens_until_the_last_second(world: World, job: int) -> None:
    world.at(end_of(9) - 1).assign(job, 0, world.linked[0])
    with refused("JobEscrow_JobNotRunning", job=job, stop=end_of(9)):
        assign(world, job, 1, 1)


def test_assign__job_stopped__is_refused(world: World, job: int) -> None:
    world.stop(job)
    with refused("JobEscrow_JobNotRunning", job=job, stop=world.now):
        assign(world, job)


def test_assign__in_the_block_of_the_stop__is_refused(world: World, job: int) -> None:
    acceptance = world.acceptance(job, 0, world.linked[0])
    with refused("JobEscrow_JobNotRunning"):
        world.together(
            (world.csp, world.escrow.stopJob(job)), (world.orchestrator, world.placements.assign(*acceptance))
        )


def test_assign__unknown_slot__is_refused(world: World, job: int) -> None:
    for slot in (3, 5):
        with refused("JobEscrow_UnknownSlot", slot=slot, slots=3):
            assign(world, job, slot)


def test_assign__unknown_job__is_refused(world: World, job: int) -> None:
    placement, r, vs = world.acceptance(job, 0, world.linked[0])
    with refused("JobEscrow_UnknownJob", job=9):
        world.do(world.orchestrator, world.placements.assign((9, *placement[1:]), r, vs))


def test_assign__licence_not_linked__is_refused(world: World, job: int) -> None:
    one = world.linked[0]
    world.do(one.holder, world.licences.unlink(one.id))
    with refused("NodeLicense_NotLinked", licence=one.id):
        assign(world, job)


@pytest.mark.parametrize("licence", [0, 99, 2**96 + 1, 2**256 - 1])
def test_assign__licence_that_does_not_exist__is_refused(world: World, job: int, licence: int) -> None:
    placement, r, vs = world.acceptance(job, 0, world.linked[0])
    with refused("ERC721NonexistentToken", tokenId=licence):
        world.do(world.orchestrator, world.placements.assign((*placement[:2], licence, placement[3]), r, vs))


def test_assign__acceptance_expired__is_refused(world: World, job: int) -> None:
    expiry = world.now + 10
    acceptance = world.acceptance(job, 0, world.linked[0], expiry=expiry)
    with refused("Placements_AcceptanceExpired", expiry=expiry):
        world.at(expiry + 1).do(world.orchestrator, world.placements.assign(*acceptance))


def test_assign__in_the_acceptances_last_second__is_accepted(world: World, job: int) -> None:
    expiry = world.now + 10
    acceptance = world.acceptance(job, 0, world.linked[0], expiry=expiry)
    world.at(expiry).do(world.orchestrator, world.placements.assign(*acceptance))


@pytest.mark.parametrize(
    "changes",
    [{"job": 2}, {"slot": 1}, {"generation": 2}, {"generation": 0}, {"licence": 2}, {"terms": b"\1" * 32}],
    ids=lambda changes: " ".join(changes),
)
def test_assign__acceptance_says_something_else__is_refused(world: World, job: int, changes: dict[str, Any]) -> None:
    with refused("Placements_WrongAcceptance", node=world.linked[0].node.address):
        assign(world, job, **changes)


def test_assign__expiry_changed_after_signing__is_refused(world: World, job: int) -> None:
    placement, r, vs = world.acceptance(job, 0, world.linked[0], expiry=world.now + 10)
    with refused("Placements_WrongAcceptance"):
        world.do(world.orchestrator, world.placements.assign((*placement[:3], placement[3] + 1), r, vs))


def test_assign__acceptance_for_another_chain__is_refused(world: World, job: int) -> None:
    domain = Acceptance.domain(1, world.network.addresses.escrow)
    with refused("Placements_WrongAcceptance"):
        assign(world, job, domain=domain)


def test_assign__acceptance_for_another_contract__is_refused(world: World, job: int) -> None:
    domain = Acceptance.domain(world.chain.chain_id, world.network.addresses.attestations)
    with refused("Placements_WrongAcceptance"):
        assign(world, job, domain=domain)


def test_assign__acceptance_of_another_node__is_refused(world: World, job: int) -> None:
    placement, r, vs = world.acceptance(job, 0, world.linked[1], licence=world.linked[0].id)
    with refused("Placements_WrongAcceptance", recovered=world.linked[1].node.address):
        world.do(world.orchestrator, world.placements.assign((job, 0, world.linked[0].id, placement[3]), r, vs))


def test_assign__acceptance_used_before__is_refused(world: World, job: int) -> None:
    acceptance = world.acceptance(job, 0, world.linked[0])
    world.do(world.orchestrator, world.placements.assign(*acceptance))
    world.close(pack(job, 0, 1))
    with refused("Placements_WrongAcceptance"):
        world.do(world.orchestrator, world.placements.assign(*acceptance))


# Closing


@pytest.mark.parametrize("who", ["orchestrator", "csp", "holder", "node"])
def test_close_assignment__by_a_party__stops_now(world: World, job: int, who: str) -> None:
    one = world.linked[0]
    assignment = world.assign(job, 0, one)
    world.close(assignment, getattr(one, who, None) or getattr(world, who))
    view = world.assignment(assignment)
    assert view["closedAt"] == view["stop"] == world.now
    assert world.licences.openAssignments(one.id).call() == 0


@pytest.mark.parametrize("who", ["stranger", "keeper", "admin", "guardian", "licensor"])
def test_close_assignment__by_a_stranger__is_refused_while_it_runs(world: World, job: int, who: str) -> None:
    assignment = world.assign(job, 0, world.linked[0])
    caller = getattr(world, who)
    with refused("CspAccounts_NotPermitted", caller=caller.address):
        world.close(assignment, caller)


def test_close_assignment__by_a_party_of_another_one__is_refused(world: World, job: int) -> None:
    assignment = world.assign(job, 0, world.linked[0])
    with refused("CspAccounts_NotPermitted", caller=world.linked[1].node.address):
        world.close(assignment, world.linked[1].node)


@pytest.mark.parametrize("stopped", [False, True])
def test_close_assignment__job_over__anyone_may_and_it_stopped_then(world: World, job: int, stopped: bool) -> None:
    assignment = world.assign(job, 0, world.linked[0])
    stop = end_of(9)
    if stopped:
        world.stop(job)
        stop = world.now
    world.at(max(world.now + 1, stop)).close(assignment, world.stranger)
    assert world.assignment(assignment)["closedAt"] == stop


def test_close_assignment__twice__is_refused(world: World, job: int) -> None:
    assignment = world.assign(job, 0, world.linked[0])
    world.close(assignment)
    with refused("JobEscrow_AlreadyClosed", assignment=assignment):
        world.close(assignment)


@pytest.mark.parametrize("assignment", [0, pack(1, 0, 1), pack(1, 0, 2), 2**128 | pack(1, 0, 1)])
def test_assignment__unknown__is_refused(world: World, job: int, assignment: int) -> None:
    unknown = ("JobEscrow_UnknownAssignment", {"assignment": assignment})
    name, values = unknown if assignment else ("JobEscrow_UnknownJob", {"job": 0})
    with refused(name, **values):
        world.close(assignment)
    with refused("JobEscrow_UnknownAssignment", assignment=assignment):
        world.claim(assignment)
    with refused("JobEscrow_UnknownAssignment", assignment=assignment):
        world.release(assignment)


def test_payee__licence_moved_after_closing__stays_who_it_was(world: World, job: int) -> None:
    one = world.linked[0]
    assignment = world.assign(job, 0, one)
    world.close(assignment)
    world.do(one.holder, world.licences.unlink(one.id))
    world.do(one.holder, world.licences.transferFrom(one.holder.address, world.stranger.address, one.id))
    assert named(world.lens.assignmentOf(assignment))["payee"] == one.holder.address
