"""What oracles read of the chain: the committee, the last final report, and every assignment in an anchor's state."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from chain.client import Block
from chain.network import Network, named
from oracle.committee.agreement import Committee
from oracle.ground.ledger import Subject
from oracle.ground.policy import EVIDENCE_CODES, Policy

_PAGE = 500
_EVIDENCE = {code: name for name, code in EVIDENCE_CODES.items()}


@dataclass(frozen=True, slots=True)
class Placed:
    """An assignment in the anchor's state, and the node (lower-case address) that serves it."""

    subject: Subject
    node: str


@dataclass(frozen=True, slots=True)
class FinalReport:
    """The last final report, and the evidence it was submitted with; epoch −1 and zeros before the first."""

    epoch: int
    root: bytes
    evidence: bytes


class AnchorReader:
    """One oracle's reader of one network. Jobs and assignments are found by their events in finalized blocks, which
    never change, so each block is looked at once; their state is read at the anchor's hash."""

    def __init__(self, network: Network) -> None:
        self.network = network
        self._policies: dict[int, Policy] = {}
        # The block in which each assignment was opened, and the anchor from which its leaf was out of the tree.
        self._assignments: dict[int, int] = {}
        self._settled: dict[int, int] = {}
        self._scanned = -1
        self._evidence: dict[tuple[int, bytes], bytes] = {}
        self._scanned_reports = -1
        # An anchor is read several times in a round: its state can't change.
        self._last_placed: tuple[str, int, list[Placed]] | None = None
        self._last_committee: tuple[str, Committee] | None = None

    def committee(self, at: Block) -> Committee:
        """The set in force at a block."""
        if self._last_committee and self._last_committee[0] == at.hash:
            return self._last_committee[1]
        calls = self.network.attestations.functions
        version = self.network.chain.call(calls.committeeInForce(), at)[0]
        signers, _ = self.network.chain.call(calls.committee(version), at)
        committee = Committee(version, tuple(bytes.fromhex(signer[2:]) for signer in signers))
        self._last_committee = (at.hash, committee)
        return committee

    def last_final(self, at: Block) -> FinalReport:
        """The last report that is final at a block."""
        epoch, root, final_at = self.network.chain.call(self.network.attestations.functions.lastFinal(), at)
        if not final_at:
            return FinalReport(-1, bytes(32), bytes(32))
        self._scan_reports(at.number)
        return FinalReport(epoch, root, self._evidence[epoch, root])

    def placed(self, anchor: Block, last_final_epoch: int) -> list[Placed]:
        """Every assignment whose leaf may still be in the tree, in the anchor's state.

        An assignment whose leaf had left the tree by the last final report is not asked for again.
        """
        if self._last_placed and self._last_placed[:2] == (anchor.hash, last_final_epoch):
            return self._last_placed[2]
        self._scan(anchor.number)
        wanted = [
            key
            for key, opened in self._assignments.items()
            if opened <= anchor.number and self._settled.get(key, anchor.number) >= anchor.number
        ]
        placed: list[Placed] = []
        calls = self.network.escrow.functions
        for start in range(0, len(wanted), _PAGE):
            views = self.network.chain.call(calls.assignmentsOf(wanted[start : start + _PAGE]), anchor)
            placed += [self._placed(named(self.network.escrow, "assignmentOf", view)) for view in views]
        clock = self.network.clock(1)
        for one in placed:
            done = one.subject.through >= one.subject.stop or one.subject.job_closed
            stop = max(one.subject.stop, clock.genesis)
            if done and last_final_epoch > clock.covering(stop) + self.network.appeal_epochs:
                self._settled.setdefault(one.subject.assignment_id, anchor.number)
        self._last_placed = (anchor.hash, last_final_epoch, placed)
        return placed

    def _placed(self, view: dict[str, Any]) -> Placed:
        return Placed(
            Subject(
                assignment_id=view["id"],
                licence=view["licence"],
                opened_at=view["openedAt"],
                stop=view["stop"],
                through=view["through"],
                booked_earned=view["earned"],
                booked_accounted=view["accounted"],
                job_closed=view["jobClosed"],
                policy=self._policies[view["id"] >> 64],
            ),
            view["node"].lower(),
        )

    def _scan_reports(self, to_block: int) -> None:
        """Take up the reports submitted since the last scan; of two with one epoch and root, the later one counts."""
        if to_block <= self._scanned_reports:
            return
        submitted = self.network.attestations.events.ReportSubmitted
        for log in self.network.chain.logs(submitted, self._scanned_reports + 1, to_block):
            arguments = log["args"]
            self._evidence[arguments["epoch"], arguments["root"]] = arguments["evidence"]
        self._scanned_reports = to_block

    def _scan(self, to_block: int) -> None:
        """Take up jobs and assignments of the blocks since the last scan."""
        if to_block <= self._scanned:
            return
        events = self.network.escrow.events
        chain, first = self.network.chain, self._scanned + 1
        for log in chain.logs(events.JobCreated, first, to_block):
            raw = log["args"]["details"]["policy"]
            self._policies[log["args"]["job"]] = Policy(
                evidence=_EVIDENCE[raw["evidence"]],
                target_ppm=raw["targetPpm"],
                floor_ppm=raw["floorPpm"],
                window_epochs=raw["windowEpochs"],
                min_observed_seconds=raw["minObservedSeconds"],
                csp_share_ppm=raw["cspSharePpm"],
            )
        for log in chain.logs(events.AssignmentOpened, first, to_block):
            self._assignments[log["args"]["assignment"]] = log["blockNumber"]
        self._scanned = to_block
