"""One oracle of a committee: what it saw, what it signs, what it remembers."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from chain.client import Block
from oracle.committee.agreement import Committee, Draft, Proposal, arranged, draft, unbundle
from oracle.committee.anchor import AnchorReader, FinalReport, Placed
from oracle.committee.errors import Disagreement, NotAgreed
from oracle.committee.observation import SignedObservation, View, digest
from oracle.ground.address import raw_address
from oracle.ground.clock import EpochClock
from oracle.ground.keccak import keccak256
from oracle.ground.ledger import Ledger
from oracle.signing.signer import Signer
from oracle.telemetry.store.bitmaps import BitmapStore
from oracle.telemetry.store.records import merged


class Member:
    """An oracle with its own key, store and reader of the chain.

    It journals an observation before it releases the signature, and signs a report only when it has recomputed it
    from the proposal's observations and the chain.
    """

    def __init__(
        self,
        signer: Signer,
        store: BitmapStore,
        reader: AnchorReader,
        clock: EpochClock,
        workers: Sequence[BitmapStore] = (),
    ) -> None:
        """`store` holds the journal, and telemetry; `workers` are stores of further intakes of this oracle, to read."""
        self.signer = signer
        self.store = store
        self.workers = tuple(workers)
        self.reader = reader
        self.clock = clock
        self.address = bytes.fromhex(signer.address[2:])
        self._domain = reader.network.report_domain
        self._received: dict[int, dict[bytes, SignedObservation]] = {}

    def anchor(self, epoch: int) -> Block:
        """The first finalized block at or after the epoch's end; NotAgreed while there is none."""
        block = self.reader.network.chain.anchor(self.clock.end(epoch))
        if block is None:
            raise NotAgreed(f"epoch {epoch}: no block at or after its end is finalized yet; try again later")
        return block

    def observe(self, epoch: int) -> SignedObservation:
        """This oracle's observation of an epoch that is over: journalled, then released. The same one each time."""
        anchor = self.anchor(epoch)
        committee = self.reader.committee(anchor)
        held = self.store.observation(epoch, committee.version)
        if held is None:
            self.store.check_floor(epoch)
            content = self._view(epoch, committee, anchor).encode()
            signature = self.signer.sign(digest(self._domain, epoch, committee.version, content))
            held = self.store.journal_observation(epoch, committee.version, keccak256(content), signature, content)
        return SignedObservation(held.content, held.signature)

    def receive(self, epoch: int, observations: Iterable[SignedObservation]) -> list[Disagreement]:
        """Take observations of peers in; the first of each author stands. Returns what is wrong with those refused: one
        bad observation keeps no good one out."""
        committee = self.reader.committee(self.anchor(epoch))
        known = self._received.setdefault(epoch, {})
        refused: list[Disagreement] = []
        for observation in observations:
            try:
                arranged([observation], committee, self._domain, epoch)
            except Disagreement as error:
                refused.append(error)
            else:
                known.setdefault(observation.author(self._domain), observation)
        return refused

    def propose(self, epoch: int) -> Proposal:
        """The proposal that this oracle makes as leader, of all that it received. NotAgreed without a quorum."""
        anchor = self.anchor(epoch)
        committee = self.reader.committee(anchor)
        parent = self._parent()
        observations: dict[int, tuple[SignedObservation, ...]] = {}
        for since in range(parent.epoch + 1, epoch + 1):
            known = self._of(since, committee)
            if len(known) >= committee.quorum:
                observations[since] = tuple(known[author] for author in sorted(known))
        if epoch not in observations:
            raise NotAgreed(
                f"epoch {epoch}: {len(self._received.get(epoch, {}))} observations, a quorum is {committee.quorum}"
            )
        return Proposal(epoch, parent.root, bytes.fromhex(anchor.hash[2:]), observations)

    def draft(self, proposal: Proposal) -> Draft:
        """What follows from a proposal by this oracle's own reading of the chain; Disagreement if that differs."""
        anchor = self.anchor(proposal.epoch)
        if proposal.anchor.hex() != anchor.hash[2:]:
            raise Disagreement(f"epoch {proposal.epoch}: anchor 0x{proposal.anchor.hex()}, here it is {anchor.hash}")
        parent = self._parent()
        if proposal.parent != parent.root:
            raise Disagreement(
                f"epoch {proposal.epoch}: parent 0x{proposal.parent.hex()}, here it is 0x{parent.root.hex()}"
            )
        committee = self.reader.committee(anchor)
        for epoch in self._received:
            known = self._of(epoch, committee)
            used = {one.author(self._domain) for one in proposal.observations.get(epoch, ())}
            omitted = sorted(known.keys() - used)
            if parent.epoch < epoch <= proposal.epoch and omitted and len(known) >= committee.quorum:
                raise Disagreement(f"epoch {epoch}: the proposal omits the observation of 0x{omitted[0].hex()}")
        return self._follow(proposal, committee, self._ledger(parent), anchor)

    def sign(self, proposal: Proposal) -> tuple[Draft, bytes]:
        """The draft of a proposal and this oracle's signature of its report. Remembers the ledger behind it."""
        made = self.draft(proposal)
        self._remember(made)
        return made, self.signer.sign(made.report.digest(self._domain))

    @property
    def behind(self) -> bool:
        """Whether this oracle lacks what is behind the last final report."""
        parent = self._parent()
        return parent.epoch >= 0 and self.store.get_state(_key("ledger", parent.epoch, parent.evidence)) is None

    def evidence(self) -> bytes | None:
        """The evidence of the last final report, if this oracle has it."""
        parent = self._parent()
        return self.store.get_state(_key("evidence", parent.epoch, parent.evidence))

    def catch_up(self, evidence: bytes) -> None:
        """Rebuild what is behind the last final report from its evidence, and from nothing else. Disagreement unless it
        hashes to what the chain has, and the report recomputed from it has the chain's root."""
        parent = self._parent()
        if keccak256(evidence) != parent.evidence:
            raise Disagreement(f"epoch {parent.epoch}: the evidence given isn't that of the final report")
        proposal, committee, ledger = unbundle(evidence)
        made = self._follow(proposal, committee, ledger, self.anchor(proposal.epoch))
        if made.report.root != parent.root:
            raise Disagreement(f"epoch {parent.epoch}: the final root doesn't follow from its evidence here")
        self._remember(made)

    def _follow(self, proposal: Proposal, committee: Committee, parent: Ledger, anchor: Block) -> Draft:
        """What follows from a proposal in the state of its anchor."""
        subjects = [one.subject for one in self._placed(anchor)]
        appeal_epochs = self.reader.network.appeal_epochs
        return draft(proposal, committee, self._domain, parent, self.clock, subjects, appeal_epochs)

    def _remember(self, made: Draft) -> None:
        """Keep a report's ledger and evidence."""
        epoch, evidence = made.report.epoch, made.report.evidence
        self.store.put_state(_key("evidence", epoch, evidence), made.evidence)
        self.store.put_state(_key("ledger", epoch, evidence), made.ledger.encode())

    def _of(self, epoch: int, committee: Committee) -> dict[bytes, SignedObservation]:
        """What members of this very set were seen to observe; another set's is worth nothing in its report."""
        known = self._received.get(epoch, {})
        return {author: one for author, one in known.items() if one.view().committee == committee.version}

    def forget(self, epoch: int) -> None:
        """Drop observations of peers up to an epoch whose report is final."""
        for known in [one for one in self._received if one <= epoch]:
            del self._received[known]

    def prune(self, epoch: int) -> None:
        """Drop ledgers and evidence of reports of epochs before `epoch`, whose own report is final."""
        for kind in ("evidence", "ledger"):
            self.store.drop_state(_key(kind, 0, b""), _key(kind, epoch, b""))

    def _parent(self) -> FinalReport:
        return self.reader.last_final(self.reader.network.chain.finalized())

    def _placed(self, anchor: Block) -> list[Placed]:
        return self.reader.placed(anchor, self.reader.last_final(anchor).epoch)

    def _ledger(self, parent: FinalReport) -> Ledger:
        if parent.epoch < 0:
            return Ledger()
        raw = self.store.get_state(_key("ledger", parent.epoch, parent.evidence))
        if raw is None:
            raise NotAgreed(
                f"the ledger behind the final report of epoch {parent.epoch} isn't in {self.store.location}; "
                "it has to catch up from that report's evidence"
            )
        return Ledger.decode(raw)

    def _view(self, epoch: int, committee: Committee, anchor: Block) -> View:
        start, end = self.clock.start(epoch), self.clock.end(epoch)
        serving = [one for one in self._placed(anchor) if one.subject.opened_at < end and one.subject.stop > start]
        seen = merged(store.read(epoch) for store in (self.store, *self.workers))
        record = seen.judged_by(raw_address(one.node) for one in serving)
        ticks = {}
        for one in serving:
            subject = one.subject
            span = self.clock.whole_ticks(epoch, subject.opened_at, subject.stop)
            node = raw_address(one.node)
            ticks[subject.assignment_id] = record.uptime(subject.policy.evidence, node, subject.assignment_id, span)
        return View(epoch, committee.version, ticks)


def _key(kind: str, epoch: int, evidence: bytes) -> str:
    # By the evidence, not by the root: two proposals can come to the same leaves and differ in windows still open.
    return f"{kind}:{epoch:020}:{evidence.hex()}"
