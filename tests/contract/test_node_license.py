# SPDX-License-Identifier: Apache-2.0
"""Licences: minted by the licensor, linked with the node's consent, moved only when nothing hangs on them."""

from __future__ import annotations

import pytest

from oracle.ground.typed_data import NodeConsent
from tests.contract.world import FOREVER, GENESIS, STANDARD, ZERO_ADDRESS, World, halves, refused

# Minting


def test_mint__by_the_licensor__counts_ids_from_one(world: World) -> None:
    assert [licence.id for licence in world.linked] == [1, 2, 3, 4, 5]
    assert world.mint(world.stranger) == 6
    assert world.licences.ownerOf(6).call() == world.stranger.address


@pytest.mark.parametrize("who", ["stranger", "guardian", "admin", "csp", "orchestrator"])
def test_mint__not_the_licensor__is_refused(world: World, who: str) -> None:
    caller = getattr(world, who)
    with refused("AccessManagedUnauthorized", caller=caller.address):
        world.do(caller, world.licences.mint(caller.address, STANDARD))


# Linking


def test_link__with_consent__links_both_ways(world: World) -> None:
    licence, node = world.mint(world.stranger), world.person("node")
    world.link(licence, world.stranger, node)
    assert world.licences.nodeOf(licence).call() == node.address
    assert world.licences.licenceOf(node.address).call() == licence
    assert world.licences.consentNonce(node.address).call() == 1


def test_link__licence_linked_already__is_refused(world: World) -> None:
    one = world.linked[0]
    with refused("NodeLicense_AlreadyLinked", licence=one.id, node=one.node.address):
        world.link(one.id, one.holder, world.person("other node"))


def test_link__node_linked_already__is_refused(world: World) -> None:
    licence, one = world.mint(world.stranger), world.linked[0]
    with refused("NodeLicense_NodeTaken", node=one.node.address, licence=one.id):
        world.link(licence, world.stranger, one.node)


def test_link__by_another_than_the_holder__is_refused(world: World) -> None:
    licence, node = world.mint(world.stranger), world.person("node")
    with refused("NodeLicense_NotHolder", licence=licence, caller=world.keeper.address):
        world.link(licence, world.keeper, node)


def test_link__unknown_licence__is_refused(world: World) -> None:
    with refused("ERC721NonexistentToken", tokenId=99):
        world.link(99, world.stranger, world.person("node"))


def test_link__consent_expired__is_refused(world: World) -> None:
    licence, node = world.mint(world.stranger), world.person("node")
    deadline = world.now + 10
    signature = world.consent(licence, world.stranger, node, deadline=deadline)
    with refused("NodeLicense_ConsentExpired", deadline=deadline):
        world.at(deadline + 1).link(licence, world.stranger, node, signature, deadline)


def test_link__in_the_consents_last_second__is_accepted(world: World) -> None:
    licence, node = world.mint(world.stranger), world.person("node")
    deadline = world.now + 10
    signature = world.consent(licence, world.stranger, node, deadline=deadline)
    world.at(deadline).link(licence, world.stranger, node, signature, deadline)


def test_link__consent_used_before__is_refused(world: World) -> None:
    licence, node = world.mint(world.stranger), world.person("node")
    signature = world.consent(licence, world.stranger, node)
    world.link(licence, world.stranger, node, signature)
    world.do(node, world.licences.unlink(licence))
    with refused("NodeLicense_WrongConsent", node=node.address):
        world.link(licence, world.stranger, node, signature)


@pytest.mark.parametrize(
    "changes",
    [
        {"licence": 1},
        {"holder": ZERO_ADDRESS},
        {"node": ZERO_ADDRESS},
        {"nonce": 1},
        {"deadline": FOREVER - 1},
    ],
    ids=lambda changes: next(iter(changes)),
)
def test_link__consent_says_something_else__is_refused(world: World, changes: dict[str, object]) -> None:
    licence, node = world.mint(world.stranger), world.person("node")
    signature = world.consent(licence, world.stranger, node, **changes)
    with refused("NodeLicense_WrongConsent", node=node.address):
        world.link(licence, world.stranger, node, signature)


def test_link__consent_for_another_chain__is_refused(world: World) -> None:
    licence, node = world.mint(world.stranger), world.person("node")
    domain = NodeConsent.domain(1, world.network.addresses.licences)
    with refused("NodeLicense_WrongConsent", node=node.address):
        world.link(licence, world.stranger, node, world.consent(licence, world.stranger, node, domain))


def test_link__consent_for_another_contract__is_refused(world: World) -> None:
    licence, node = world.mint(world.stranger), world.person("node")
    domain = NodeConsent.domain(world.chain.chain_id, world.network.addresses.escrow)
    with refused("NodeLicense_WrongConsent", node=node.address):
        world.link(licence, world.stranger, node, world.consent(licence, world.stranger, node, domain))


def test_link__consent_for_another_holder__is_refused_after_a_transfer(world: World) -> None:
    licence, node = world.mint(world.stranger), world.person("node")
    signature = world.consent(licence, world.stranger, node)
    transfer = world.licences.transferFrom(world.stranger.address, world.keeper.address, licence)
    world.do(world.stranger, transfer)
    with refused("NodeLicense_WrongConsent", node=node.address):
        world.link(licence, world.keeper, node, signature)


def test_link__signature_of_nobody__links_nobody(world: World) -> None:
    """No signature may recover to the zero address and so link it."""
    licence = world.mint(world.stranger)
    with refused("ECDSAInvalidSignature"):
        world.do(world.stranger, world.licences.link(licence, ZERO_ADDRESS, FOREVER, *halves(bytes(64))))


# Unlinking and moving


@pytest.mark.parametrize("who", ["holder", "node"])
def test_unlink__by_holder_or_node__frees_both(world: World, who: str) -> None:
    one = world.linked[0]
    world.do(getattr(one, who), world.licences.unlink(one.id))
    assert world.licences.nodeOf(one.id).call() == ZERO_ADDRESS
    assert world.licences.licenceOf(one.node.address).call() == 0
    world.link(one.id, one.holder, one.node)


def test_unlink__by_a_stranger__is_refused(world: World) -> None:
    with refused("NodeLicense_NotHolder", licence=1, caller=world.stranger.address):
        world.do(world.stranger, world.licences.unlink(1))


def test_unlink__not_linked__is_refused(world: World) -> None:
    licence = world.mint(world.stranger)
    with refused("NodeLicense_NotLinked", licence=licence):
        world.do(world.stranger, world.licences.unlink(licence))


def test_unlink__assignment_open__is_refused_until_it_is_closed(world: World) -> None:
    job, one = world.create_job(), world.linked[0]
    world.wait_until(GENESIS)
    assignment = world.assign(job, 0, one)
    second = world.assign(job, 1, one)
    for closed, left in ((assignment, 2), (second, 1)):
        for who in (one.holder, one.node):
            with refused("NodeLicense_AssignmentOpen", licence=one.id, open=left):
                world.do(who, world.licences.unlink(one.id))
        world.close(closed, one.holder)
    assert world.licences.openAssignments(one.id).call() == 0
    world.do(one.holder, world.licences.unlink(one.id))


@pytest.mark.parametrize("approved", [False, True])
def test_transfer__linked__is_refused(world: World, approved: bool) -> None:
    one = world.linked[0]
    mover = one.holder
    if approved:
        mover = world.keeper
        world.do(one.holder, world.licences.approve(mover.address, one.id))
    transfer = world.licences.transferFrom(one.holder.address, world.stranger.address, one.id)
    with refused("NodeLicense_AlreadyLinked", licence=one.id, node=one.node.address):
        world.do(mover, transfer)


def test_transfer__unlinked__moves(world: World) -> None:
    one = world.linked[0]
    world.do(one.holder, world.licences.unlink(one.id))
    world.do(one.holder, world.licences.transferFrom(one.holder.address, world.stranger.address, one.id))
    assert world.licences.ownerOf(one.id).call() == world.stranger.address


# The escrow's side


@pytest.mark.parametrize("name", ["openAssignment", "closeAssignment"])
def test_open_and_close__not_the_escrow__is_refused(world: World, name: str) -> None:
    for caller in (world.admin, world.licensor, world.linked[0].holder):
        with refused("NodeLicense_NotEscrow", caller=caller.address):
            world.do(caller, getattr(world.licences, name)(1))
