"""Settling what is final, from the evidence that oracles serve: what a keeper does who trusts nobody."""

from __future__ import annotations

from chain.client import Block
from oracle.committee.agreement import Draft, Evidence, draft, unbundle
from oracle.committee.anchor import AnchorReader
from oracle.ground.address import raw_address
from oracle.ground.errors import EpochalError
from oracle.ground.keccak import keccak256
from scenario.network.watching import Mined
from scenario.network.world import World


class WrongEvidence(EpochalError):
    """The report on chain doesn't follow from the evidence that is served for it."""


class Settling:
    """Recomputes final reports and settles them. Its methods block; they may be called from one thread at a time."""

    def __init__(self, world: World) -> None:
        self._world = world
        self._reader = AnchorReader(world.network)
        self.followed: dict[int, tuple[Evidence, Draft]] = {}
        """What each report came from, by epoch."""
        self.settled: set[int] = set()
        self.transactions = 0

    def follow(self, mined: Mined, bundle: bytes) -> Draft:
        """What follows from a report's evidence. WrongEvidence unless it is the report on chain."""
        if keccak256(bundle) != mined.evidence:
            raise WrongEvidence(
                f"epoch {mined.epoch}: an oracle serves other evidence than that of the report on chain"
            )
        given = unbundle(bundle)
        anchor = self._anchor(given.proposal.anchor)
        placed = self._reader.placed(anchor, given.ledger.epoch)
        network = self._world.network
        made = draft(
            given.proposal,
            given.committee,
            network.report_domain,
            given.ledger,
            self._world.clock,
            [one.subject for one in placed],
            network.appeal_epochs,
            nodes={one.subject.assignment_id: raw_address(one.node) for one in placed},
            committees=given.committees,
            heartbeat_domain=network.heartbeat_domain,
            conflicts=self._reader.conflicts(mined.epoch, anchor, placed),
            posts=self._reader.posts(mined.epoch, anchor, given.ledger.duties),
            deeds=self._reader.deeds(mined.epoch, anchor),
        )
        if made.report.root != mined.root:
            raise WrongEvidence(
                f"epoch {mined.epoch}: its evidence comes to root 0x{made.report.root.hex()}, on chain is "
                f"0x{mined.root.hex()}"
            )
        self.followed[mined.epoch] = given, made
        return made

    def settle(self, mined: Mined, bundle: bytes) -> int:
        """Settle a final report; returns how many transactions that took. It does no harm to settle one again."""
        made = self.follow(mined, bundle)
        sent = self._world.keeper().settle(mined.epoch, made.tree)
        self.transactions += sent
        self.settled.add(mined.epoch)
        return sent

    def wind_up(self) -> None:
        """Release what is due of the withheld, pay everyone, close the job that is over, refund and burn."""
        world, keeper = self._world, self._world.keeper()
        keeper.release(world.assignments)
        keeper.claim(world.assignments)
        keeper.close(world.job)
        keeper.refund(world.job)
        keeper.burn(world.job)

    def _anchor(self, hash_: bytes) -> Block:
        raw = self._world.chain.rpc("eth_getBlockByHash", "0x" + hash_.hex(), False)
        if raw is None:
            raise WrongEvidence(f"anchor 0x{hash_.hex()} isn't on this chain; a reorg took it out")
        return Block(int(raw["number"], 16), raw["hash"], int(raw["timestamp"], 16))
