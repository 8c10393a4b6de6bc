"""Reports as a chain has them: every submission, and what became of it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from chain.client import Block, RpcError
from chain.events import EventLog
from chain.network import Network
from oracle.committee.verifying import Claim
from oracle.ground.errors import EpochalError

_EVENTS: Final = ("ReportSubmitted", "ReportVetoed", "ReportDropped")
_BECAME: Final = {"ReportVetoed": "vetoed", "ReportDropped": "dropped"}


class NoReport(EpochalError):
    """The chain has no report of what was asked for."""


@dataclass(frozen=True, slots=True)
class Submission:
    """A report that the contract took.

    members: bit i stands for member i of its set, who signed. final_at: UNIX seconds. block: the number of the block it
    came in. standing: "final", "pending", "vetoed" or "dropped", at the newest block.
    """

    claim: Claim
    members: int
    final_at: int
    block: int
    standing: str

    @property
    def stands(self) -> bool:
        """Whether it is final, or waits to be."""
        return self.standing in ("final", "pending")


class ReportsOnChain:
    """All reports that were ever submitted to one network, read once."""

    def __init__(self, network: Network, events: EventLog) -> None:
        """`events` is brought up to date. RpcError when the chain doesn't answer."""
        events.advance()
        told = [(one.name, one.block, one.log_index, one.args) for one in events.events(_EVENTS)]
        after = events.head.number + 1 if events.head else network.addresses.first_block
        self.newest = network.chain.block("latest")
        """The newest block when they were read."""
        for name in _EVENTS:
            logs = network.chain.logs(network.attestations.events[name], after, self.newest.number)
            told += [(name, log["blockNumber"], log["logIndex"], log["args"]) for log in logs]
        self.submissions = _submissions(sorted(told, key=lambda one: one[1:3]), self.newest)
        """In the chain's order."""

    def of_epoch(self, epoch: int) -> Submission:
        """An epoch's report: the one that stands, else the newest that was cleared. NoReport."""
        found = [one for one in self.submissions if one.claim.epoch == epoch]
        if not found:
            epochs = sorted({one.claim.epoch for one in self.submissions})
            known = f"the newest is of epoch {epochs[-1]}" if epochs else "there is none of any epoch yet"
            raise NoReport(f"no report of epoch {epoch} is on chain; {known}")
        return next((one for one in reversed(found) if one.stands), found[-1])

    def with_evidence(self, evidence: bytes) -> Submission | None:
        """The newest report that was submitted with that evidence."""
        return next((one for one in reversed(self.submissions) if one.claim.evidence == evidence), None)

    def carrying(self, epoch: int) -> Submission:
        """The report that carries an epoch's seconds: the first that stands, of that epoch or a later one. NoReport."""
        found = [one for one in self.standing if one.claim.epoch >= epoch]
        if not found:
            newest = f"the newest is of epoch {self.standing[-1].claim.epoch}" if self.standing else "there is none yet"
            raise NoReport(f"no report on chain carries epoch {epoch} yet; {newest}")
        return found[0]

    def newest_epoch(self) -> int:
        """The epoch of the newest report that stands. NoReport."""
        if not self.standing:
            raise NoReport("no report is on chain yet")
        return self.standing[-1].claim.epoch

    @property
    def standing(self) -> list[Submission]:
        """Those that are final or wait to be, by epoch."""
        return sorted((one for one in self.submissions if one.stands), key=lambda one: one.claim.epoch)


def _submissions(told: list[tuple[str, int, int, Mapping[str, Any]]], newest: Block) -> list[Submission]:
    found: list[Submission] = []
    for name, block, _, args in told:
        if name == "ReportSubmitted":
            claim = Claim(args["epoch"], args["committee"], *(bytes(args[k]) for k in ("root", "anchor", "evidence")))
            standing = "final" if args["finalAt"] <= newest.timestamp else "pending"
            found.append(Submission(claim, args["members"], args["finalAt"], block, standing))
        elif found:
            # Only one report waits at a time, and only that can be vetoed or dropped.
            last = found[-1]
            found[-1] = Submission(last.claim, last.members, last.final_at, last.block, _BECAME[name])
    return found


def parent_of(network: Network, submission: Submission) -> tuple[int, bytes]:
    """(epoch, root) of the last report that was final when this one was submitted; (-1, zeros) for none. RpcError."""
    block = network.chain.block(submission.block)
    try:
        epoch, root, final_at = network.chain.call(network.attestations.functions.lastFinal(), block)
    except RpcError as error:
        raise old_state(network, block.number, error) from error
    return (epoch, bytes(root)) if final_at else (-1, bytes(32))


def old_state(network: Network, block: int, error: RpcError) -> RpcError:
    """The error to tell when a block's state can't be read: most nodes keep that of the newest blocks only."""
    return RpcError(
        f"the state of block {block} can't be read at {network.chain.where} ({error}); for a report that is not among "
        "the newest give --rpc of an archive node"
    )
