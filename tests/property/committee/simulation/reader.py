# SPDX-License-Identifier: Apache-2.0
"""One oracle's view of the simulated chain: late by some blocks, at times none at all."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from random import Random
from types import SimpleNamespace

from chain.client import Block
from chain.endpoint import RpcError
from oracle.committee.anchor import FinalReport, Placed
from oracle.committee.committee import Committee
from oracle.committee.conflicts import Conflicts
from oracle.ground.address import raw_address
from oracle.ground.availability import Deed
from oracle.ground.clock import EpochClock
from oracle.ground.duty import Post
from oracle.ground.ids import pack
from oracle.ground.ledger import Subject
from oracle.ground.policy import Policy
from oracle.ground.uptime import ZERO
from tests.property.committee.simulation.chain import Kept, Mined, SimChain, State
from tests.property.committee.simulation.plan import APPEAL_EPOCHS, BLOCK, GENESIS, HEARTBEATS, REPORTS

HOLDER = "0x" + "d4" * 20
NODES = ("0x" + "a1" * 20, "0x" + "b2" * 20, "0x" + "c3" * 20)


class SimReader:
    """Has the methods of `AnchorReader` that a member uses."""

    def __init__(self, chain: SimChain, finality: int, chance: Random) -> None:
        """`finality`: blocks from the newest one back to the finalized one."""
        self.network = SimpleNamespace(report_domain=REPORTS, heartbeat_domain=HEARTBEATS, appeal_epochs=APPEAL_EPOCHS)
        self.chain = chain
        self.finality = finality
        self.chance = chance
        self.late = 0
        """By how many blocks its provider lags."""
        self.out = False
        self.failing = 0.0
        """How likely a request is to fail."""

    def newest(self) -> Mined:
        """The newest block that this oracle's provider knows; RpcError."""
        if self.out or (self.failing and self.chance.random() < self.failing):
            raise RpcError("the simulated provider doesn't answer")
        return self.chain.blocks[max(0, len(self.chain.blocks) - 1 - self.late)]

    def finalized(self) -> Block:
        """See AnchorReader."""
        number = max(0, self.newest().number - self.finality)
        return _header(self.chain.blocks[number])

    def anchor(self, time: int) -> Block | None:
        """See AnchorReader."""
        number = max(0, -((GENESIS - time) // BLOCK))
        return _header(self.chain.blocks[number]) if number <= self.finalized().number else None

    def committee(self, at: Block) -> Committee:
        """See AnchorReader."""
        state = self._state(at)
        return Committee(state.current, state.sets[state.current - 1])

    def last_final(self, at: Block) -> FinalReport:
        """See AnchorReader."""
        return _told(self._state(at).last) or FinalReport(-1, bytes(32), bytes(32))

    def pending(self) -> FinalReport | None:
        """See AnchorReader."""
        newest = self.newest()
        return _told(newest.state.at(newest.timestamp).pending)

    def latest_final_epoch(self) -> int:
        """See AnchorReader."""
        newest = self.newest()
        last = newest.state.at(newest.timestamp).last
        return last.report.epoch if last else -1

    def cleared(self, epoch: int) -> bool:
        """See AnchorReader."""
        return any(epoch in block.cleared for block in self.chain.blocks[: self.newest().number + 1])

    def submitted(self, epoch: int) -> bytes | None:
        """See AnchorReader."""
        last = self._state(self.finalized()).last
        held = [block.state.at(block.timestamp).last for block in self.chain.blocks[: self.finalized().number + 1]]
        found = [one.report.root for one in (*held, last) if one is not None and one.report.epoch == epoch]
        return found[-1] if found else None

    def placed(self, anchor: Block, last_final_epoch: int) -> list[Placed]:
        """See AnchorReader; in any order."""
        known = [one for one in placed(self.chain) if one.subject.opened_at <= anchor.timestamp]
        return self.chance.sample(known, len(known))

    def conflicts(self, epoch: int, anchor: Block, placed: Sequence[Placed]) -> Conflicts:
        """See AnchorReader: the last member of the set has a part in the first assignment, in every epoch but 1."""
        return conflicts_of(self.committee(anchor), epoch)

    def posts(self, epoch: int, anchor: Block, known: Iterable[int]) -> Sequence[Post]:
        """See AnchorReader; in any order."""
        told = posts_of(self.committee(anchor), epoch, self.chain.clock, known)
        return self.chance.sample(told, len(told))

    def deeds(self, epoch: int, anchor: Block) -> Sequence[Deed]:
        """See AnchorReader; in any order."""
        told = deeds_of(self.committee(anchor), epoch, self.chain.clock)
        return self.chance.sample(told, len(told))

    def opened(self, anchor: Block) -> int:
        """See AnchorReader."""
        return sum(one.subject.opened_at <= anchor.timestamp for one in placed(self.chain))

    def _state(self, at: Block) -> State:
        self.newest()
        return self.chain.blocks[at.number].state.at(at.timestamp)


def placed(chain: SimChain) -> list[Placed]:
    """The network's assignments: one for good, one that is scored over two epochs and opens late, one that stops."""
    start, length = GENESIS, chain.clock.length
    ends = start + 1_000 * length
    told = (
        (start, ends, Policy()),
        (start + length // 2, ends, Policy(window_epochs=2, target_ppm=900_000, floor_ppm=200_000)),
        (start, start + 2 * length + 17, Policy(floor_ppm=0)),
    )
    return [
        Placed(Subject(pack(1, slot, 1), slot + 1, opened, stop, opened, 0, 0, False, policy), NODES[slot], HOLDER, 1)
        for slot, (opened, stop, policy) in enumerate(told)
    ]


def conflicts_of(committee: Committee, epoch: int) -> Conflicts:
    """Who has a part in what in a report of an epoch."""
    return {pack(1, 0, 1): frozenset(committee.members[-1:])} if epoch != 1 else {}


def deeds_of(committee: Committee, epoch: int, clock: EpochClock) -> list[Deed]:
    """A licence for each node, the second of which was linked late and is that of a member's operator."""
    end, late, conflicted = clock.end(epoch), clock.length + 17, frozenset(committee.members[:1])
    return [
        Deed(1, raw_address(NODES[0]), GENESIS, end - GENESIS, ZERO),
        Deed(2, raw_address(NODES[1]), GENESIS + late, max(0, end - GENESIS - late), ZERO, conflicted),
        Deed(3, None if epoch % 3 == 2 else raw_address(NODES[2]), GENESIS, end - GENESIS, ZERO),
    ]


def posts_of(committee: Committee, epoch: int, clock: EpochClock, known: Iterable[int]) -> list[Post]:
    """The members of a set and others, of whom nothing is settled; each a member from the beginning."""
    sitting = {int.from_bytes(one): one for one in committee.members}
    served = (epoch + 1) * clock.length
    return [Post(one, sitting.get(one), served, ZERO) for one in sitting.keys() | set(known)]


def _told(kept: Kept | None) -> FinalReport | None:
    if kept is None:
        return None
    return FinalReport(kept.report.epoch, kept.report.root, kept.report.evidence, kept.final_at)


def _header(block: Mined) -> Block:
    return Block(block.number, block.hash, block.timestamp)
