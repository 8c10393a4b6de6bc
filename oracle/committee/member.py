"""One oracle of a committee: what it saw, what it signs, what it remembers."""

from __future__ import annotations

import json
import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from chain.client import Block
from oracle.committee.agreement import Committee, Draft, Proposal, arranged, draft, unbundle
from oracle.committee.anchor import AnchorReader, FinalReport, Placed
from oracle.committee.appeal import Appeal, acknowledged, appeal_expired
from oracle.committee.appeal_box import AppealBox
from oracle.committee.errors import Disagreement, Malformed, NotAgreed, Omission
from oracle.committee.messages import Ref
from oracle.committee.observation import SignedObservation, View, commitment, content_size
from oracle.committee.pool import Equivocation, Pool
from oracle.ground.address import raw_address
from oracle.ground.availability import Deed
from oracle.ground.clock import EpochClock
from oracle.ground.errors import EpochalError
from oracle.ground.keccak import keccak256
from oracle.ground.ledger import Ledger, Subject
from oracle.ground.maintenance import counted, declared_within, policy_window, ticks_of
from oracle.signing.compact import InvalidSignature
from oracle.signing.signer import Signer
from oracle.telemetry.store.bitmaps import BitmapStore
from oracle.telemetry.store.records import merged
from oracle.telemetry.wire.receipt import signed_by

MAX_EPOCHS: Final = 366
MAX_REFS: Final = 8_000
MAX_CONTENT_BYTES: Final = 192 * 1024 * 1024
"""What one proposal holds at most, after a committee was silent for long: so many epochs, so many observations, and so
many bytes of their contents. Its evidence has to be carried and recomputed by all."""
MAX_PROOFS: Final = 256


@dataclass(frozen=True, slots=True)
class Standing:
    """Where the chain stands: the last final report, and the one that waits. `settled`: the newest block knows of no
    other final report than the finalized one."""

    parent: FinalReport
    pending: FinalReport | None
    settled: bool


_INDEX: Final = "evidence-index"
_PROOFS: Final = "equivocation:"
_PROOFS_END: Final = "equivocation;"
_Known = dict[bytes, SignedObservation]


class Member:
    """An oracle with its own key, store and reader of the chain.

    It journals an observation before it releases the signature, and signs a report only when it has recomputed it
    from the proposal's observations and the chain. Without a signer it watches: it observes and recomputes, and
    signs nothing.
    """

    def __init__(
        self,
        signer: Signer,
        store: BitmapStore,
        reader: AnchorReader,
        clock: EpochClock,
        workers: Sequence[BitmapStore] = (),
        keep: int = 0,
    ) -> None:
        """`store` holds the journal, and telemetry; `workers` are stores of further intakes of this oracle, to read.
        `keep`: epochs whose evidence outlives their report's being the last final one."""
        self.signer = signer
        self.store = store
        self.workers = tuple(workers)
        self.keep = keep
        self.reader = reader
        self.clock = clock
        self.address = bytes.fromhex(signer.address[2:])
        self.domain = reader.network.report_domain
        self.pool = Pool()
        self.pool.equivocations += [_proof(raw) for _, raw in store.states(_PROOFS, _PROOFS_END)]
        self.appeals = AppealBox(store)
        self._shown: dict[bytes, int] = {}
        self._last_ledger: tuple[str, Ledger] | None = None

    # What the chain says.

    def anchor(self, epoch: int) -> Block:
        """The first finalized block at or after the epoch's end; NotAgreed while there is none."""
        block = self.reader.anchor(self.clock.end(epoch))
        if block is None:
            raise NotAgreed(f"epoch {epoch}: no block at or after its end is finalized yet; try again later")
        return block

    def newest_epoch_over(self) -> int:
        """The newest epoch that is over by the finalized block; -1 while there is none."""
        head = self.reader.finalized().timestamp
        return self.clock.epoch_at(head) - 1 if head >= self.clock.genesis else -1

    def standing(self) -> Standing:
        """Where the chain stands now."""
        parent = self._parent()
        return Standing(parent, self.reader.pending(), self.reader.latest_final_epoch() == parent.epoch)

    # Observations.

    def observe(self, epoch: int, at: int | None = None) -> SignedObservation:
        """This oracle's observation of an epoch that is over, for the set in force at the anchor of the report of epoch
        `at` (`epoch` itself when left out). Journalled, then released; the same one each time."""
        anchor = self.anchor(epoch if at is None else at)
        committee = self.reader.committee(anchor)
        held = self.store.observation(epoch, committee.version)
        if held is None:
            self.store.check_floor(epoch)
            content = self._view(epoch, committee, anchor).encode()
            signature = self.signer.sign_typed(commitment(epoch, committee.version, content), self.domain)
            held = self.store.journal_observation(epoch, committee.version, keccak256(content), signature, content)
        return SignedObservation(held.content, held.signature)

    def observed_epochs(self, parent_epoch: int, epoch: int) -> list[int]:
        """The epochs after the parent's up to `epoch` of which this oracle has anything to tell; always `epoch`."""
        kept = {each for store in (self.store, *self.workers) for each in store.epochs()}
        return [*sorted(each for each in kept if parent_epoch < each < epoch)[-MAX_EPOCHS:], epoch]

    def held(self, parent_epoch: int, epoch: int, committee: Committee, by: float = math.inf) -> dict[int, _Known]:
        """By epoch and author the observations that a report of `epoch` may use, of as many of the newest epochs as one
        proposal holds; only those that came `by` then."""
        most = min(MAX_EPOCHS, MAX_REFS // len(committee.members))
        epochs = [each for each in self.pool.epochs(committee.version) if parent_epoch < each <= epoch]
        found = {each: self.pool.of(each, committee.version, by) for each in epochs[-most:]}
        return {each: known for each, known in found.items() if known}

    def receive(
        self,
        epoch: int,
        observations: Iterable[SignedObservation],
        now: float = -math.inf,
        at: int | None = None,
        needed: bool = False,
    ) -> list[Disagreement]:
        """Take observations of an epoch in that came at `now`; the first of each author stands. `at` as in `observe`,
        `needed` as in `Pool.add`.

        Returns what is wrong with those refused: one bad observation keeps no good one out.
        """
        anchor = self.anchor(epoch if at is None else at)
        committee, most = self.reader.committee(anchor), self.largest_content(anchor)
        refused: list[Disagreement] = []
        for observation in observations:
            try:
                if len(observation.content) > most:
                    size = len(observation.content)
                    raise Disagreement(
                        f"epoch {epoch}: an observation of {size} bytes, of all there is it takes {most}"
                    )
                arranged([observation], committee, self.domain, epoch)
            except Disagreement as error:
                refused.append(error)
            else:
                proof = self.pool.add(observation.author(self.domain), observation, now, needed)
                if proof is not None:
                    self.prove(proof)
        return refused

    def largest_content(self, anchor: Block) -> int:
        """Bytes of an observation of every assignment and rewarded licence that there ever was at a block: nobody has
        more to tell."""
        return content_size(self.reader.opened(anchor), len(self._deeds(anchor)))

    def prove(self, proof: Equivocation) -> None:
        """Keep a proof of double signing, one for each author and epoch: it outlives this process; the oldest go."""
        about = (proof.author, proof.first.epoch, proof.committee)
        if any((one.author, one.first.epoch, one.committee) == about for one in self.pool.equivocations):
            return
        self.pool.equivocations.append(proof)
        self.store.put_state(f"{_PROOFS}{proof.first.epoch:020}:{proof.author.hex()}", _written(proof))
        for key, _ in self.store.states(_PROOFS, _PROOFS_END)[:-MAX_PROOFS]:
            self.store.drop_state(key, key + "\0")
        del self.pool.equivocations[:-MAX_PROOFS]

    def hand_in(self, appeal: Appeal, now: float = -math.inf, asked: bool = False) -> bool:
        """Take a node's appeal in; whether it is new. `asked`: a peer was asked for it, which found it due when it
        came. That isn't judged again: it depends on the moment, and one oracle would wait for what others don't take.

        Disagreement, with the reason, for one that proves nothing or has nothing to put right. BoxFull.
        """
        if not asked:
            self._check_due(appeal)
        shows = self.shows(appeal)
        if not shows:
            raise Disagreement(
                f"{_about(appeal)}: no tick of it is acknowledged by f + 1 oracles; hand in the receipts of more"
            )
        return self.appeals.add(appeal, shows, now)

    def is_signed(self, appeal: Appeal) -> bool:
        """Whether a member of that epoch's set signed the first receipt: the cheapest thing to ask of a stranger's."""
        if appeal.epoch > self.newest_epoch_over():
            return False
        try:
            signer = signed_by(appeal.read()[0], self.reader.network.heartbeat_domain)
        except (InvalidSignature, Malformed, IndexError):
            return False
        return bytes.fromhex(signer[2:]) in self._committee_of(appeal.epoch).members

    def _check_due(self, appeal: Appeal) -> None:
        """Disagreement unless a report to come may raise something by this appeal."""
        newest, parent = self.newest_epoch_over(), self._parent()
        if appeal.epoch > newest:
            raise Disagreement(f"{_about(appeal)}: that epoch isn't over; hand it in afterwards")
        if appeal_expired(appeal.epoch, parent.epoch + 1, self.reader.network.appeal_epochs):
            raise Disagreement(f"{_about(appeal)}: the appeal span is over")
        served = [one.subject for one in self._placed(self.anchor(newest)) if raw_address(one.node) == appeal.node]
        if not served:
            raise Disagreement(f"{_about(appeal)}: that node serves nothing that a report to come can pay")
        if appeal.epoch <= parent.epoch and not self.behind:
            ledger = self._ledger(parent)
            if not any(ledger.lost(one, appeal.epoch) for one in served):
                raise Disagreement(f"{_about(appeal)}: the reports left out nothing that can still be put right")

    def shows(self, appeal: Appeal) -> int:
        """How many ticks f + 1 oracles acknowledged, as an appeal shows; Disagreement."""
        if appeal.hash not in self._shown:
            committee, domain = self._committee_of(appeal.epoch), self.reader.network.heartbeat_domain
            self._shown[appeal.hash] = acknowledged(appeal, committee, domain, self.clock.ticks_per_epoch).bit_count()
        return self._shown[appeal.hash]

    # Reports.

    def propose(self, epoch: int) -> Proposal:
        """The proposal that this oracle makes as leader, of all that it received. NotAgreed without a quorum."""
        anchor = self.anchor(epoch)
        committee = self.reader.committee(anchor)
        parent = self._parent()
        observations: dict[int, tuple[SignedObservation, ...]] = {}
        room = MAX_CONTENT_BYTES
        for since, known in reversed(self.held(parent.epoch, epoch, committee).items()):
            room -= _bytes_of(known.values())
            if since < epoch and room < 0:
                break
            if len(known) >= committee.quorum:
                observations[since] = tuple(known.values())
        if epoch not in observations:
            received = len(self.pool.of(epoch, committee.version))
            raise NotAgreed(f"epoch {epoch}: {received} observations, a quorum is {committee.quorum}")
        return Proposal(
            epoch, parent.root, bytes.fromhex(anchor.hash[2:]), observations, tuple(self.appeals.standing(epoch))
        )

    def draft(self, proposal: Proposal, by: float = math.inf) -> Draft:
        """What follows from a proposal by this oracle's own reading of the chain.

        Disagreement if that differs, Omission if it leaves out what this oracle received `by` then.
        """
        anchor = self.anchor(proposal.epoch)
        if proposal.anchor.hex() != anchor.hash[2:]:
            raise Disagreement(f"epoch {proposal.epoch}: anchor 0x{proposal.anchor.hex()}, here it is {anchor.hash}")
        parent = self._parent()
        if proposal.parent != parent.root:
            raise Disagreement(
                f"epoch {proposal.epoch}: parent 0x{proposal.parent.hex()}, here it is 0x{parent.root.hex()}"
            )
        committee = self.reader.committee(anchor)
        used = [one for known in proposal.observations.values() for one in known]
        if len(proposal.observations) > 1 and _bytes_of(used) > MAX_CONTENT_BYTES:
            raise Disagreement(
                f"epoch {proposal.epoch}: the observations take {_bytes_of(used)} bytes, too many for all"
            )
        self._check_complete(proposal, committee, parent, by)
        return self._follow(proposal, committee, self._ledger(parent), anchor)

    def sign(self, proposal: Proposal, by: float = math.inf) -> tuple[Draft, bytes]:
        """The draft of a proposal and this oracle's signature of its report. Remembers the ledger behind it."""
        made = self.draft(proposal, by)
        self._remember(made)
        return made, self.signer.sign_typed(made.report, self.domain)

    def _check_complete(self, proposal: Proposal, committee: Committee, parent: FinalReport, by: float) -> None:
        omitted: list[tuple[bytes, SignedObservation]] = []
        for epoch, known in self.held(parent.epoch, proposal.epoch, committee, by).items():
            used = {one.author(self.domain) for one in proposal.observations.get(epoch, ())}
            # An epoch that the proposal uses has to be used whole, however little had come by then.
            if len(known) >= committee.quorum or epoch in proposal.observations:
                omitted += [(author, known[author]) for author in known if author not in used]
        room = MAX_CONTENT_BYTES - sum(_bytes_of(known) for known in proposal.observations.values())
        omitted = [each for each in omitted if each[1].view().epoch == proposal.epoch or len(each[1].content) <= room]
        appeals = self.appeals.lacking(proposal.epoch, by, {one: self.shows(one) for one in proposal.appeals})
        if omitted:
            what = f"observation of 0x{omitted[0][0].hex()}"
        elif appeals:
            what = f"appeal of 0x{appeals[0].node.hex()}"
        else:
            return
        raise Omission(f"epoch {proposal.epoch}: the proposal omits the {what}", [one for _, one in omitted], appeals)

    # What is behind the last final report.

    @property
    def behind(self) -> bool:
        """Whether this oracle lacks what is behind the last final report."""
        parent = self._parent()
        key = _key("ledger", parent.epoch, parent.evidence)
        if parent.epoch < 0 or (self._last_ledger and self._last_ledger[0] == key):
            return False
        return self.store.get_state(key) is None

    def evidence(self) -> bytes | None:
        """The evidence of the last final report, if this oracle has it."""
        return self.evidence_of(self._parent())

    def evidence_of(self, report: FinalReport) -> bytes | None:
        """A report's evidence, if this oracle has it."""
        return self.store.get_state(_key("evidence", report.epoch, report.evidence))

    def evidence_by_hash(self, key: bytes) -> bytes | None:
        """Evidence by its hash, if this oracle has it. Any thread may ask."""
        found = self._evidence_index().get(key.hex())
        return None if found is None else self.store.get_state(_key("evidence", found[0], key))

    def evidence_size(self, key: bytes) -> int | None:
        """Bytes of the evidence of that hash, if this oracle has it. Any thread may ask."""
        found = self._evidence_index().get(key.hex())
        return None if found is None else found[1]

    def keep_of(self, epoch: int, evidence: bytes | None) -> None:
        """Of what was signed for an epoch, keep what is behind the report on chain; None: nothing."""
        index = self._evidence_index()
        wrong = [bytes.fromhex(key) for key, (since, _) in index.items() if since == epoch]
        wrong = [key for key in wrong if key != evidence]
        for key in wrong:
            for kind in ("evidence", "ledger"):
                place = _key(kind, epoch, key)
                self.store.drop_state(place, place + "\0")
        if wrong:
            self._put_index({key: told for key, told in index.items() if bytes.fromhex(key) not in wrong})

    def _evidence_index(self) -> dict[str, tuple[int, int]]:
        """By hash in hex, an evidence's epoch and size."""
        raw = self.store.get_state(_INDEX)
        return {key: (epoch, size) for key, (epoch, size) in json.loads(raw).items()} if raw else {}

    def has_evidence(self, report: FinalReport) -> bool:
        """Whether this oracle has a report's evidence."""
        if self._last_ledger and self._last_ledger[0] == _key("ledger", report.epoch, report.evidence):
            return True
        return self.evidence_of(report) is not None

    def catch_up(self, evidence: bytes, report: FinalReport | None = None) -> Draft:
        """Rebuild what is behind the last final report, or behind `report`, from its evidence, and from nothing else.

        Disagreement unless it hashes to what the chain has, and the report recomputed from it has the chain's root.
        """
        told = report or self._parent()
        if keccak256(evidence) != told.evidence:
            raise Disagreement(f"epoch {told.epoch}: the evidence given isn't that of the report on chain")
        found = unbundle(evidence)
        made = self._follow(found.proposal, found.committee, found.ledger, self.anchor(found.proposal.epoch))
        if made.report.root != told.root:
            raise Disagreement(f"epoch {told.epoch}: the root on chain doesn't follow from its evidence here")
        self._remember(made)
        return made

    def _follow(self, proposal: Proposal, committee: Committee, parent: Ledger, anchor: Block) -> Draft:
        """What follows from a proposal in the state of its anchor."""
        placed = self._placed(anchor)
        network = self.reader.network
        return draft(
            proposal,
            committee,
            self.domain,
            parent,
            self.clock,
            [one.subject for one in placed],
            network.appeal_epochs,
            nodes={one.subject.assignment_id: raw_address(one.node) for one in placed},
            committees={one.epoch: self._committee_of(one.epoch) for one in proposal.appeals},
            heartbeat_domain=network.heartbeat_domain,
            conflicts=self.reader.conflicts(proposal.epoch, anchor, placed),
            posts=self.reader.posts(proposal.epoch, anchor, parent.duties),
            deeds=self.reader.deeds(proposal.epoch, anchor),
        )

    def _remember(self, made: Draft) -> None:
        """Keep a report's ledger and evidence."""
        epoch, evidence = made.report.epoch, made.report.evidence
        self.store.put_state(_key("evidence", epoch, evidence), made.evidence)
        self._put_index(self._evidence_index() | {evidence.hex(): (epoch, len(made.evidence))})
        key = _key("ledger", epoch, evidence)
        self.store.put_state(key, made.ledger.encode())
        self._last_ledger = key, made.ledger

    def forget(self, epoch: int) -> None:
        """Drop observations of peers up to an epoch whose report is final, and appeals that come too late for any."""
        self.pool.forget(epoch)
        late = [one.hash for one in self.appeals if appeal_expired(one.epoch, epoch, self.reader.network.appeal_epochs)]
        self.appeals.drop(late)
        self._shown.clear()

    def prune(self, epoch: int) -> None:
        """Drop ledgers of reports of epochs before `epoch`, whose own report is final, and evidence that is older."""
        for kind, first in (("evidence", epoch - self.keep), ("ledger", epoch)):
            self.store.drop_state(_key(kind, 0, b""), _key(kind, max(first, 0), b""))
        index = self._evidence_index()
        kept = {key: told for key, told in index.items() if told[0] >= epoch - self.keep}
        if kept != index:
            self._put_index(kept)

        self.store.forget_observations(epoch - max(self.keep, MAX_EPOCHS))

    def _put_index(self, index: Mapping[str, tuple[int, int]]) -> None:
        self.store.put_state(_INDEX, json.dumps(index, sort_keys=True).encode())

    def _parent(self) -> FinalReport:
        return self.reader.last_final(self.reader.finalized())

    def _committee_of(self, epoch: int) -> Committee:
        """The set in force at an epoch's anchor, whose receipts count."""
        return self.reader.committee(self.anchor(epoch))

    def _placed(self, anchor: Block) -> list[Placed]:
        return self.reader.placed(anchor, self.reader.last_final(anchor).epoch)

    def _ledger(self, parent: FinalReport) -> Ledger:
        if parent.epoch < 0:
            return Ledger()
        key = _key("ledger", parent.epoch, parent.evidence)
        if self._last_ledger and self._last_ledger[0] == key:
            return self._last_ledger[1]
        raw = self.store.get_state(key)
        if raw is None:
            raise NotAgreed(
                f"the ledger behind the final report of epoch {parent.epoch} isn't here; it has to catch up from that "
                "report's evidence"
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
            away = self._unmeasured(subject, epoch, anchor)
            ticks[subject.assignment_id] = record.uptime(
                subject.policy.evidence, node, subject.assignment_id, span, away
            )
        licences = {}
        for deed in self._deeds(anchor):
            if deed.node is not None and deed.since < end:
                span = self.clock.whole_ticks(epoch, deed.since, end)
                licences[deed.licence] = record.uptime("liveness", deed.node, 0, span)
        return View(epoch, committee.version, ticks, licences)

    def _deeds(self, anchor: Block) -> Sequence[Deed]:
        """The licences to observe by an anchor's state; which epoch is reported there tells nothing here."""
        return self.reader.deeds(self.clock.epoch_at(anchor.timestamp) - 1, anchor)

    def _unmeasured(self, subject: Subject, epoch: int, anchor: Block) -> int:
        """The mask of the epoch's ticks in which declared maintenance counts as unmeasured."""
        policy = subject.policy
        if not policy.maintenance_seconds:
            return 0
        within = policy_window(self.clock, policy, epoch)
        windows = self.reader.maintenance(subject.licence, within, anchor)
        if not windows:
            return 0
        slot, placed = subject.assignment_id >> 32, [one.subject for one in self._placed(anchor)]
        served = [
            (one.opened_at, one.stop)
            for one in placed
            if one.assignment_id >> 32 == slot and one.licence == subject.licence
        ]
        return ticks_of(
            counted(declared_within(windows, served, within), policy.maintenance_seconds), self.clock, epoch
        )


def describe(error: EpochalError) -> str:
    """An error's text in one line, for messages and outcomes."""
    return printable(str(error))


def printable(text: str) -> str:
    """A text of anybody's in one line, without what a terminal could mistake."""
    return " ".join("".join(each if each.isprintable() else " " for each in text).split())


def _about(appeal: Appeal) -> str:
    return f"appeal of 0x{appeal.node.hex()} for epoch {appeal.epoch}"


def _bytes_of(observations: Iterable[SignedObservation]) -> int:
    return sum(len(one.content) for one in observations)


def _written(proof: Equivocation) -> bytes:
    refs = [[one.epoch, one.content_hash.hex(), one.signature.hex()] for one in (proof.first, proof.second)]
    return json.dumps([proof.author.hex(), proof.committee, refs]).encode()


def _proof(raw: bytes) -> Equivocation:
    author, committee, refs = json.loads(raw)
    first, second = (Ref(epoch, bytes.fromhex(key), bytes.fromhex(signature)) for epoch, key, signature in refs)
    return Equivocation(bytes.fromhex(author), committee, first, second)


def _key(kind: str, epoch: int, evidence: bytes) -> str:
    # By the evidence, not by the root: two proposals can come to the same leaves and differ in windows still open.
    return f"{kind}:{epoch:020}:{evidence.hex()}"
