# SPDX-License-Identifier: Apache-2.0
"""An epoch of a network of any size, and the steps that close it."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Final

from oracle.ground.availability import Deed, attend, availability_leaves
from oracle.ground.bitmap import span
from oracle.ground.clock import EpochClock
from oracle.ground.ids import pack
from oracle.ground.leaves import Leaf
from oracle.ground.ledger import Ledger, Subject, advance
from oracle.ground.median import agree, measured_needs
from oracle.ground.merkle import Tree
from oracle.ground.policy import Policy
from oracle.ground.typed_data import EpochReport
from oracle.ground.uptime import ZERO, Uptime

CLOCK: Final = EpochClock(genesis=1_700_000_000, length=86_400, tick=10)
TICKS: Final = CLOCK.ticks_per_epoch
ORACLES: Final = 4
CONTRACT: Final = "0x" + "11" * 20
APPEAL_EPOCHS: Final = 7
STEPS: Final = ("medians", "ledger", "tree", "digest")
"""What `close` does, in order."""

_EVERYTHING: Final = span(range(TICKS))


def truth(nodes: int, dice: random.Random) -> Iterator[int]:
    """The ticks in which each node was up: it has an outage now and then, of up to 100 minutes."""
    for _ in range(nodes):
        up = _EVERYTHING
        for _ in range(dice.choice((0, 0, 0, 1, 2))):
            length = dice.randrange(1, 600)
            up &= ~(((1 << length) - 1) << dice.randrange(TICKS - length))
        yield up


def eyesight(number: int, dice: random.Random) -> int:
    """The ticks that an oracle observed: it is blind for a while, some longer than others."""
    return _EVERYTHING & ~(((1 << 60 * number) - 1) << dice.randrange(TICKS - 600))


def heard(up: int, observed: int, dice: random.Random) -> int:
    """The ticks in which an oracle heard a node: one heartbeat got lost."""
    return up & observed & ~(1 << dice.randrange(TICKS))


def subjects(nodes: int) -> list[Subject]:
    """A year's jobs of four slots, one assignment for each node."""
    stop, policy = CLOCK.end(364), Policy()
    return [
        Subject(pack(1 + i // 4, i % 4, 1), i + 1, CLOCK.genesis, stop, CLOCK.genesis, 0, 0, False, policy)
        for i in range(nodes)
    ]


def opened(served: Sequence[Subject]) -> Ledger:
    """The ledger after epoch 0, in which every account was made."""
    flawless = {subject.assignment_id: Uptime(CLOCK.length, CLOCK.length) for subject in served}
    return advance(Ledger(), CLOCK, 0, served, {0: flawless}, APPEAL_EPOCHS)[0]


def close(
    views: Sequence[Sequence[Uptime]], before: Ledger, served: Sequence[Subject], done: Callable[[], None]
) -> tuple[Sequence[Leaf], bytes]:
    """(leaves, root) of epoch 1 from the oracles' views of the subjects; calls `done` after each of STEPS."""
    needed = measured_needs(len(views))
    agreed = [agree(seen, needed).scaled(CLOCK.tick) for seen in zip(*views, strict=True)]
    done()
    by_assignment = {one.assignment_id: uptime for one, uptime in zip(served, agreed, strict=True)}
    ledger, leaves = advance(before, CLOCK, 1, served, {1: by_assignment}, APPEAL_EPOCHS)
    done()
    tree = Tree.build(leaves)
    done()
    report = EpochReport(ledger.epoch, 1, tree.root, bytes(32), bytes(32), bytes(32))
    report.digest(EpochReport.domain(1, CONTRACT))
    done()
    return leaves, tree.root


def rewarded(nodes: int) -> list[Deed]:
    """A licence for each node, linked from the beginning."""
    return [Deed(i + 1, bytes(20), CLOCK.genesis, 2 * CLOCK.length, ZERO) for i in range(nodes)]


def availability(views: Sequence[Mapping[int, Uptime]], known: Mapping[int, Uptime], deeds: Sequence[Deed]) -> Tree:
    """What rewarded licences add to epoch 1, from the oracles' views by licence: medians, sums, leaves, their tree."""
    needed = measured_needs(len(views))
    agreed = {one.licence: agree([view[one.licence] for view in views], needed).scaled(CLOCK.tick) for one in deeds}
    return Tree.build(availability_leaves(attend(known, CLOCK, {1: agreed}, deeds)))
