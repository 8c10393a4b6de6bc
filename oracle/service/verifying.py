"""Verifying a report for anyone: its evidence fetched or read, the chain asked, the report recomputed."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from chain.client import Block, RpcError
from chain.events import EventLog
from chain.network import Network
from oracle.committee.anchor import AnchorReader, Placed
from oracle.committee.committee import Committee
from oracle.committee.conflicts import Conflicts
from oracle.committee.errors import NotAgreed
from oracle.committee.verifying import Claim, Facts, Verification, WrongTick, read, verify
from oracle.ground.address import checksummed, raw_address
from oracle.ground.availability import Deed
from oracle.ground.duty import Post
from oracle.ground.errors import EpochalError, Malformed
from oracle.ground.keccak import keccak256
from oracle.ground.ledger import Ledger
from oracle.service.evidence_source import EvidenceMissing, EvidenceSource
from oracle.service.reports_on_chain import NoReport, ReportsOnChain, Submission, old_state, parent_of


@dataclass(frozen=True, slots=True)
class Verified:
    """A report that was checked. source: where its evidence came from. parent: what was done with the parent's own
    evidence, in words; "" where there is no parent."""

    submission: Submission
    facts: Facts
    verification: Verification
    bundle: bytes
    source: str
    parent: str

    @property
    def signers(self) -> list[str]:
        """Who signed it, EIP-55."""
        members = self.facts.committee.members
        return [checksummed(one) for i, one in enumerate(members) if self.submission.members >> i & 1]


class Verifier:
    """Checks reports of one network. It reads all of the network's events at first."""

    def __init__(self, network: Network, tick: int, source: EvidenceSource | None = None) -> None:
        """`tick`: the network's, in seconds; the chain doesn't have it. Without a source nothing is fetched.

        InvalidValue for a tick of which no whole number makes an epoch; RpcError.
        """
        self.network = network
        self.clock = network.clock(tick)
        self.source = source
        self._reader = AnchorReader(network, EventLog.of(network))
        self.reports = ReportsOnChain(network, self._reader.events)

    def submission_of(self, bundle: bytes) -> Submission:
        """The report that was submitted with these bytes, else that of the epoch they tell. Malformed for what is no
        evidence; NoReport."""
        known = self.reports.with_evidence(keccak256(bundle))
        if known is not None:
            return known
        epoch = read(bundle).proposal.epoch
        if type(epoch) is not int:
            raise Malformed(f"the evidence is of epoch {epoch!r}, which is no whole number")
        return self.reports.of_epoch(epoch)

    def verify(self, submission: Submission, bundle: bytes | None = None, source: str = "") -> Verified:
        """Check a report by its evidence, fetched when it isn't given.

        WrongTick; EvidenceMissing; RpcError, also where the chain's node doesn't have the anchor's state any more.
        """
        if bundle is None:
            bundle, source = self.fetch(submission)
        epoch, root = parent_of(self.network, submission)
        ledger, told = self._parent_ledger(epoch, root)
        facts = self._facts(submission.claim, epoch, root, ledger)
        return Verified(submission, facts, verify(bundle, submission.claim, facts), bundle, source, told)

    def fetch(self, submission: Submission) -> tuple[bytes, str]:
        """(evidence of a report, where it came from). EvidenceMissing."""
        if self.source is None:
            epoch = submission.claim.epoch
            raise EvidenceMissing(f"epoch {epoch}: nobody was named who has its evidence; give --oracle")
        return self.source.fetch(submission.claim)

    def placed(self, anchor: Block) -> list[Placed]:
        """Every assignment whose leaf may be in the tree, in an anchor's state. RpcError."""
        try:
            return self._reader.placed(anchor, self._reader.last_final(anchor).epoch)
        except RpcError as error:
            raise old_state(self.network, anchor.number, error) from error

    def _parent_ledger(self, epoch: int, root: bytes) -> tuple[Ledger | None, str]:
        """The ledger behind the parent, recomputed from the parent's own evidence; and what came of that, in words."""
        if epoch < 0:
            return None, ""
        unchecked = "; the ledger's open windows are checked by that alone"
        submission = next(
            (one for one in reversed(self.reports.standing) if (one.claim.epoch, one.claim.root) == (epoch, root)), None
        )
        if submission is None:
            raise NoReport(f"the parent, of epoch {epoch}, isn't among the reports at {self.network.chain.where}")
        if self.source is None:
            return None, f"the evidence of epoch {epoch} wasn't asked for{unchecked}"
        try:
            bundle, _ = self.source.fetch(submission.claim)
            before = parent_of(self.network, submission)
            found = verify(bundle, submission.claim, self._facts(submission.claim, *before, None))
        except WrongTick:
            raise
        except EpochalError as error:
            return None, f"{error}{unchecked}"
        if not found.holds or found.made is None:
            differs = found.differs
            part = differs.part if differs else ""
            return None, f"the report of epoch {epoch} doesn't follow from its own evidence ({part}){unchecked}"
        return found.made.ledger, f"the report of epoch {epoch} was recomputed from its own evidence"

    def _facts(self, claim: Claim, parent_epoch: int, parent_root: bytes, ledger: Ledger | None) -> Facts:
        network = self.network
        anchor = self.anchor(claim.epoch)
        placed = self.placed(anchor)
        return Facts(
            anchor=bytes.fromhex(anchor.hash[2:]),
            committee=self._committee_at(claim.epoch),
            parent_epoch=parent_epoch,
            parent_root=parent_root,
            subjects=[one.subject for one in placed],
            nodes={one.subject.assignment_id: raw_address(one.node) for one in placed},
            clock=self.clock,
            appeal_epochs=network.appeal_epochs,
            report_domain=network.report_domain,
            heartbeat_domain=network.heartbeat_domain,
            committee_at=self._committee_at,
            conflicts=self._conflicts(claim.epoch, anchor, placed),
            posts=lambda known: self._posts(claim.epoch, anchor, known),
            deeds=self._deeds(claim.epoch, anchor),
            parent_ledger=ledger,
        )

    def _conflicts(self, epoch: int, anchor: Block, placed: list[Placed]) -> Conflicts:
        try:
            return self._reader.conflicts(epoch, anchor, placed)
        except RpcError as error:
            raise old_state(self.network, anchor.number, error) from error

    def _posts(self, epoch: int, anchor: Block, known: Iterable[int]) -> Sequence[Post]:
        try:
            return self._reader.posts(epoch, anchor, known)
        except RpcError as error:
            raise old_state(self.network, anchor.number, error) from error

    def _deeds(self, epoch: int, anchor: Block) -> Sequence[Deed]:
        try:
            return self._reader.deeds(epoch, anchor)
        except RpcError as error:
            raise old_state(self.network, anchor.number, error) from error

    def anchor(self, epoch: int) -> Block:
        """The first finalized block at or after an epoch's end; NotAgreed while there is none."""
        block = self._reader.anchor(self.clock.end(epoch))
        if block is None:
            raise NotAgreed(f"epoch {epoch}: no block at or after its end is finalized yet; try again later")
        return block

    def _committee_at(self, epoch: int) -> Committee:
        anchor = self.anchor(epoch)
        try:
            return self._reader.committee(anchor)
        except RpcError as error:
            raise old_state(self.network, anchor.number, error) from error
