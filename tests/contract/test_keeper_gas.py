# SPDX-License-Identifier: Apache-2.0
"""What a keeper's plans take on the deployed contracts: below what they say, and below a transaction for each leaf."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from chain.events import EventLog
from chain.transactions import GAS_CAP, Call
from oracle.ground.ids import pack
from oracle.ground.leaves import Leaf
from oracle.ground.merkle import Tree
from settlement.keeping.calls import call_of
from settlement.keeping.reading import StateReader
from settlement.planning import Action, Kind, PlanSettings, plan
from tests.contract.world import GENESIS, SETTLE_WINDOW, STRICT, World, leaf

SLOTS = 24
PENAL = replace(STRICT, penalty_ppm=500_000)


class Street:
    """Two jobs of many slots, the second with a penalty, and one of a single slot."""

    def __init__(self, world: World) -> None:
        self.world = world
        self.events = EventLog.of(world.network)
        self.reader = StateReader(world.network, self.events)
        self.trees: dict[int, Tree] = {}
        self.jobs = [
            world.create_job(slots=SLOTS),
            world.create_job(slots=SLOTS, policy=PENAL),
            world.create_job(slots=1),
        ]
        token, bonds = world.network.addresses.token, world.network.bonds
        world.do(world.csp, world.token.approve(bonds.address, 10**12))
        for licence in world.linked:
            world.do(world.csp, bonds.functions.deposit((1 << 248) | licence.id, token, 10**9))
        world.wait_until(GENESIS + 1)
        self.ids: list[int] = []
        for job, slots in zip(self.jobs, (SLOTS, SLOTS, 1), strict=True):
            placed = [world.acceptance(job, slot, world.linked[slot % 5]) for slot in range(slots)]
            for start in range(0, slots, 12):
                calls = [(world.orchestrator, world.placements.assign(*one)) for one in placed[start : start + 12]]
                world.together(*calls)
            self.ids += [pack(job, slot, 1) for slot in range(slots)]

        self.finalize()

    def finalize(self) -> None:
        """A keeper learns of assignments once their blocks are final."""
        self.world.chain.rpc("anvil_mine", hex(70), "0x1")
        self.world.sender.now = self.world.chain.block("latest").timestamp

    def publish(self, epoch: int, withheld: int) -> None:
        """So many seconds of each assignment are withheld in every epoch."""
        seconds = 800 * (epoch + 1)
        leaves: list[Leaf] = [leaf(one, seconds - withheld * epoch, seconds) for one in self.ids]
        self.trees[epoch] = self.world.publish(epoch, leaves)

    def plan(self, **changes: object) -> list[Action]:
        trees: Mapping[int, Tree] = self.trees
        return list(plan(self.reader.read().snapshot, trees, PlanSettings(**changes)).actions)  # type: ignore[arg-type]

    def send(self, action: Action) -> int:
        to, data = call_of(self.world.network, action)
        (receipt,) = self.world.sender.send([Call(action.label, self.world.keeper.wallet, to, data)])
        return int(receipt["gasUsed"])

    def until_done(self, told: list[str]) -> int:
        """The gas of all that there is to do, each action of it held against its estimate."""
        spent = 0
        for _ in range(9):
            if not (actions := self.plan()):
                return spent
            for action in actions:
                used = self.send(action)
                told.append(f"{action.label:60} {used:>10,} of {action.gas:>10,}")
                assert used <= action.gas <= GAS_CAP, told[-1]
                spent += used
        raise AssertionError("no end of it")


def test_plan__of_any_kind__takes_no_more_than_it_says(world: World) -> None:
    street = Street(world)
    told: list[str] = []
    for epoch, withheld in ((0, 0), (1, 300), (2, 300)):
        street.publish(epoch, withheld)
        spent = street.until_done(told)
        told.append(f"epoch {epoch}: {spent:,}")
    world.wait_until(world.now + SETTLE_WINDOW)
    for job in street.jobs:
        world.stop(job)
    epoch = (world.now - GENESIS) // 1_000
    street.publish(epoch, 300)
    street.until_done(told)
    for later in (epoch + 3, epoch + 4):
        street.publish(later, 300)
        world.wait_until(world.now + SETTLE_WINDOW + 1)
        street.until_done(told)
    print("\n".join(told))
    kinds = {line.split()[0] for line in told}
    assert kinds >= {"settle", "pay", "release", "close", "refund", "send", "burn", "end"}
    assert world.escrow_balance == 0


def test_plan__with_ranges__takes_a_fraction_of_single_settlements(world: World) -> None:
    street = Street(world)
    street.publish(0, 0)
    street.until_done([])  # whoever is paid first has no balance yet: that isn't what is compared
    street.publish(1, 0)
    with world.undone():
        ranged = street.until_done([])
    with world.undone():
        tree = street.trees[1]
        singles = sum(int(world.settle(1, tree, index, claim=True)["gasUsed"]) for index in range(len(tree.leaves)))
    print(f"{len(street.ids)} assignments: {ranged:,} gas in ranges, {singles:,} singly")
    assert ranged < 0.5 * singles


def test_plan__of_small_gas__is_cut_and_still_whole(world: World) -> None:
    street = Street(world)
    street.publish(0, 0)
    actions = street.plan(max_gas=500_000, kinds=frozenset({Kind.SETTLE}))
    assert len(actions) > 2
    assert all(street.send(one) <= 500_000 for one in actions)
    assert street.plan(kinds=frozenset({Kind.SETTLE})) == []
