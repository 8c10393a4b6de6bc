# SPDX-License-Identifier: Apache-2.0
"""Oracles that ran all the time and one that starts anew find the same maintenance, read from the chain."""

from __future__ import annotations

from types import SimpleNamespace

from chain.client import Block
from oracle.committee.anchor import AnchorReader
from oracle.committee.member import Member
from oracle.ground.leaves import EMPTY
from oracle.ground.policy import Policy
from tests.contract.world import GENESIS, World, end_of, leaf


def unmeasured(world: World, reader: AnchorReader, assignment: int, epoch: int, anchor: Block) -> int:
    """Seconds of an epoch that count as unmeasured in an assignment, as an oracle with this reader finds them."""
    placed = reader.placed(anchor, reader.last_final(anchor).epoch)
    (subject,) = (one.subject for one in placed if one.subject.assignment_id == assignment)
    member = SimpleNamespace(reader=reader, clock=world.network.clock(1), _placed=lambda _: placed)
    return Member._unmeasured(member, subject, epoch, anchor).bit_count()  # type: ignore[arg-type]


def test_maintenance__earlier_piece_of_the_window_left_the_tree__still_uses_its_part_up(world: World) -> None:
    world.enter(world.deploy(appeal_epochs=0))
    one = world.linked[0]
    job = world.create_job(policy=Policy(window_epochs=5, maintenance_seconds=100), slots=1)
    declare = world.network.maintenance.functions.declare
    first = world.at(GENESIS + 1).assign(job, 0, one)
    world.at(GENESIS + 50).do(one.node, declare(one.id, GENESIS + 100, GENESIS + 200))
    world.at(GENESIS + 60).do(one.node, declare(one.id, GENESIS + 4_100, GENESIS + 4_200))
    world.at(GENESIS + 400).close(first)
    second = world.at(GENESIS + 500).assign(job, 0, one)
    running = AnchorReader(world.network)
    found = []
    for epoch in range(7):
        world.wait_until(end_of(epoch) + 1)
        anchor = world.chain.block("latest")
        # Anvil counts a block as finalized once 64 follow it.
        world.chain.rpc("anvil_mine", hex(70), "0x1")
        world.sender.now = world.chain.block("latest").timestamp
        told = [unmeasured(world, reader, second, epoch, anchor) for reader in (running, AnchorReader(world.network))]
        assert told[0] == told[1], f"epoch {epoch}"
        found.append(told[0])
        tree = world.publish(epoch, [leaf(first, 299, 299)] if epoch < 2 else (EMPTY,))
        if epoch == 0:
            world.settle(0, tree)
    # The first piece has used all of the window's hundred seconds up.
    assert found == [100, 0, 0, 0, 0, 0, 0]
