"""One oracle's part in agreeing on an epoch: told the time and what came, it says what to send. No clock, no network.

What a round goes through is in docs/protocol.md; the times are `schedule`'s, the rules of a report `agreement`'s.
Nothing here is durable: after a crash the round begins again from the member's journal and from what peers have.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Final

from chain.client import Block, ChainUnavailable, RpcError
from chain.endpoints import EndpointsDisagree
from chain.events import ChainUnsettled
from oracle.committee.agreement import Committee, Draft, Proposal
from oracle.committee.anchor import FinalReport
from oracle.committee.appeal import Appeal
from oracle.committee.effects import (
    Alarm,
    Effect,
    Ended,
    FetchAppeal,
    FetchEvidence,
    FetchObservation,
    Note,
    Outcome,
    Send,
    Submit,
)
from oracle.committee.errors import Disagreement, NotAgreed, Omission
from oracle.committee.member import MAX_EPOCHS, Member, Standing, describe
from oracle.committee.messages import Body, Have, Message, Proposed, Reason, Ref, Refusal, Vote
from oracle.committee.observation import SignedObservation
from oracle.committee.pool import ref_of
from oracle.committee.schedule import Schedule, distance, leader
from oracle.ground.errors import EpochalError
from oracle.ground.typed_data import EpochReport
from oracle.signing.compact import InvalidSignature, recover
from oracle.signing.remote import SignerUnavailable
from oracle.telemetry.store.errors import StoreError

MAX_EARLY: Final = 16
"""Messages of a round that hasn't begun here yet that are kept of each sender: clocks differ."""
TRANSIENT: Final = (
    RpcError,
    ChainUnavailable,
    ChainUnsettled,
    EndpointsDisagree,
    NotAgreed,
    SignerUnavailable,
)
"""What passes by itself: the same is tried again at the next tick."""


@dataclass(slots=True)
class _Round:
    """What is under way for one epoch."""

    epoch: int
    anchor: Block
    committee: Committee
    parent: FinalReport
    acting: bool
    """Whether this oracle is of the set, and acts."""
    turn: int = -1
    to_observe: list[int] = field(default_factory=list)
    proposals: dict[bytes, tuple[bytes, int, Proposed]] = field(default_factory=dict)
    """By hash: its leader, its turn, and what it refers to."""
    judged: dict[bytes, str] = field(default_factory=dict)
    """By hash: "" for one that was signed, else why not."""
    mine: list[Message] = field(default_factory=list)
    """This oracle's own proposals and votes, in order."""
    votes: dict[EpochReport, dict[bytes, bytes]] = field(default_factory=dict)
    drafts: dict[EpochReport, Draft] = field(default_factory=dict)
    quorum_at: dict[EpochReport, tuple[float, int]] = field(default_factory=dict)
    """When a report got its quorum here, and in which turn it was proposed."""
    submitted: set[EpochReport] = field(default_factory=set)
    proposed_in: dict[int, frozenset[bytes]] = field(default_factory=dict)
    """By turn, the contents and appeals of this oracle's last proposal in it."""
    answered: set[tuple[bytes, int]] = field(default_factory=set)
    tried: set[tuple[bytes, bytes]] = field(default_factory=set)
    """(peer, hash) that was asked for."""
    authors: dict[Ref, bytes | None] = field(default_factory=dict)
    trouble: str = ""


class Core:
    """The state machine. `acts` is False for an oracle that only watches: it signs and submits nothing.

    `tick` and the `take` methods return what has to be done, in order; they may be called from one thread only.
    """

    def __init__(self, member: Member, schedule: Schedule, *, acts: bool = True, ended: Iterable[Outcome] = ()) -> None:
        """`ended`: outcomes of epochs that are known already."""
        self.member = member
        self.schedule = schedule
        self.acts = acts
        self.round: _Round | None = None
        self.waiting = "the first epoch"
        """What this oracle waits for, in words."""
        self.failing = False
        """Whether it waits because something failed."""
        self.last_final = -1
        """The epoch of the last final report."""
        self._ended: dict[int, Outcome] = {one.epoch: one for one in ended}
        self._due = max(self._ended, default=-1)
        self._early: dict[bytes, list[tuple[Message, float]]] = {}
        self._checked: set[bytes] = set()
        self._evidence_asked: dict[bytes, float] = {}
        self._told_equivocations = 0
        self._gone_since = math.inf
        self._effects: list[Effect] = []

    # What happens.

    def tick(self, now: float) -> list[Effect]:
        """What is due at `now` (UNIX seconds). What fails is tried again at the next tick; `waiting` tells it."""
        try:
            self._advance(now)
        except EpochalError as error:
            self._wait(describe(error))
            self.failing = not isinstance(error, NotAgreed)
        else:
            self.failing = False
        return self._take_effects()

    @property
    def outcomes(self) -> list[Outcome]:
        """How the last epochs ended, oldest first."""
        return [self._ended[epoch] for epoch in sorted(self._ended)]

    def take(self, sender: bytes, message: Message, now: float) -> list[Effect]:
        """A peer's message; `sender` is its recovered signer. Disagreement for one that breaks the protocol."""
        round_ = self.round
        if round_ is None or message.epoch > round_.epoch:
            early = self._early.setdefault(sender, [])
            if message.epoch <= self.schedule.due(now) + 1 and len(early) < MAX_EARLY:
                early.append((message, now))
            return []
        if message.epoch < round_.epoch or message.committee != round_.committee.version:
            return []
        if sender not in round_.committee.members:
            raise Disagreement(f"0x{sender.hex()} isn't of committee {round_.committee.version}")
        try:
            self._take(round_, sender, message, now)
        except TRANSIENT as error:
            self._wait(describe(error))
        return self._take_effects()

    def take_content(self, ref: Ref, content: bytes, now: float) -> list[Effect]:
        """An observation's content that was asked for came. Disagreement for one that is no valid one."""
        round_ = self.round
        if round_ is None:
            return []
        try:
            self._receive(round_, ref, SignedObservation(content, ref.signature), now)
            self._go_on(round_, now)
        except TRANSIENT as error:
            self._wait(describe(error))
        return self._take_effects()

    def take_appeal(self, appeal: Appeal, now: float) -> list[Effect]:
        """A node's appeal, from itself or from a peer. Disagreement for one that proves nothing."""
        fresh = self.member.hand_in(appeal, now)
        round_ = self.round
        if fresh and round_ is not None:
            try:
                self._have(round_)
                self._go_on(round_, now)
            except TRANSIENT as error:
                self._wait(describe(error))
        return self._take_effects()

    def take_evidence(self, report: FinalReport, evidence: bytes, now: float) -> list[Effect]:
        """The evidence of a report on chain came. Tells an alarm if the report doesn't follow from it."""
        try:
            self.member.catch_up(evidence, report)
        except TRANSIENT as error:
            self._wait(describe(error))
        except EpochalError as error:
            self._checked.add(report.evidence)
            self._effects.append(Alarm("wrong_report", report.epoch, describe(error)))
        else:
            self._checked.add(report.evidence)
            self._effects.append(Note("evidence_checked", report.epoch, f"root 0x{report.root.hex()}"))
        return [*self._take_effects(), *self.tick(now)]

    # Beginning and ending.

    def _advance(self, now: float) -> None:
        # An epoch that isn't over on the chain can't be agreed on, whatever this oracle's clock says.
        due = min(self.schedule.due(now), self.member.newest_epoch_over())
        if due < 0:
            self._wait("the end of epoch 0")
            return
        standing = self.member.standing()
        self.last_final = standing.parent.epoch
        self._end_what_is_reported(standing, now)
        self._check_evidence(standing, now)
        self._end_what_is_late(due, standing.parent.epoch)
        if due <= standing.parent.epoch or due in self._ended:
            self._wait(f"the end of epoch {due + 1}")
        elif standing.pending is not None or not standing.settled:
            self.round = None
            self._wait(f"the report of epoch {(standing.pending or standing.parent).epoch} to become final")
        else:
            if self.round is None or self.round.parent != standing.parent or self.round.epoch != due:
                self._begin(due, standing.parent)
            round_ = self.round
            if round_ is not None:
                self._go_on(round_, now)

    def _begin(self, epoch: int, parent: FinalReport) -> None:
        self.round = None
        anchor = self.member.anchor(epoch)
        committee = self.member.reader.committee(anchor)
        self.member.forget(parent.epoch)
        self.member.prune(parent.epoch)
        acting = self.acts and self.member.address in committee.members
        self.round = round_ = _Round(epoch, anchor, committee, parent, acting)
        if acting:
            round_.to_observe = self.member.observed_epochs(parent.epoch, epoch)
        self._effects.append(Note("round_begun", epoch, f"committee {committee.version}, anchor {anchor.hash}"))

    def _observe(self, round_: _Round, now: float) -> None:
        """Sign what this oracle saw. What passes by itself is tried again; what it must not sign it abstains from."""
        if not round_.to_observe:
            return
        while round_.to_observe:
            epoch = round_.to_observe[0]
            try:
                own = self.member.observe(epoch, at=round_.epoch)
            except TRANSIENT:
                raise
            except EpochalError as error:
                self._effects.append(Note("abstained", epoch, describe(error)))
            else:
                self.member.receive(epoch, [own], now, at=round_.epoch)
                self._effects.append(Note("observed", epoch, f"content 0x{own.content_hash.hex()}"))
            round_.to_observe.pop(0)
        self._have(round_)

    def _take_early(self, round_: _Round) -> None:
        """Messages that came before this oracle began the round."""
        if not self._early:
            return
        early, self._early = self._early, {}
        for sender, messages in early.items():
            for message, came in messages:
                about = (message.epoch, message.committee) == (round_.epoch, round_.committee.version)
                if about and sender in round_.committee.members:
                    try:
                        self._take(round_, sender, message, came)
                    except Disagreement as error:
                        self._effects.append(Note("proposal_refused", round_.epoch, describe(error)))

    def _end_what_is_reported(self, standing: Standing, now: float) -> None:
        reported = [one for one in (standing.parent, standing.pending) if one is not None and one.epoch >= 0]
        for report in reported:
            known = self._ended.get(report.epoch)
            if known is None or known.kind != "attested":
                self._end(report.epoch, "attested", f"root 0x{report.root.hex()}")
        newest = max((one.epoch for one in reported), default=-1)
        gone = [one for one in self._ended.values() if one.kind == "attested" and one.epoch > newest]
        if not standing.settled or not gone:
            self._gone_since = math.inf
            return
        self._gone_since = min(self._gone_since, now)
        for outcome in gone:
            if self.member.reader.cleared(outcome.epoch):
                # The next epoch's report carries its seconds: the same report again would meet the same veto.
                self._end(outcome.epoch, "dropped", "the report on chain was vetoed, or dropped with its committee")
            elif now >= self._gone_since + self.schedule.part:
                # The chain lost it in a reorganisation, and nobody brought it back: once more.
                del self._ended[outcome.epoch]
                self._effects.append(Note("report_lost", outcome.epoch, outcome.detail))

    def _end_what_is_late(self, due: int, parent_epoch: int) -> None:
        """Every epoch has its outcome, also one whose round could not begin."""
        if self._due < 0:
            self._due = due
        for epoch in range(max(self._due, parent_epoch + 1, due - MAX_EPOCHS), due):
            if epoch not in self._ended:
                round_ = self.round
                trouble = round_.trouble if round_ is not None and round_.epoch == epoch else ""
                self._end(
                    epoch, "failed", trouble or f"no report before the next epoch was due; waited for {self.waiting}"
                )
        self._due = max(self._due, due)

    def _end(self, epoch: int, kind: str, detail: str) -> None:
        outcome = Outcome(epoch, kind, detail)
        self._ended[epoch] = outcome
        for old in sorted(self._ended)[:-64]:
            del self._ended[old]
        if self.round is not None and self.round.epoch <= epoch:
            round_, self.round = self.round, None
            if kind == "attested":
                self._drop_done_appeals(round_)
        self._effects.append(Ended(outcome))

    def _drop_done_appeals(self, round_: _Round) -> None:
        """Those that the report used up, and those that come too late for any."""
        for made in round_.drafts.values():
            done = {one.hash for one in self.member.appeals(round_.epoch)} - set(made.open_appeals)
            self.member.pool.drop_appeals(done)

    def _check_evidence(self, standing: Standing, now: float) -> None:
        """Have the evidence of what is on chain: it is recomputed, kept and served, whoever made it."""
        for report in (standing.parent, standing.pending):
            if report is None or report.epoch < 0 or report.evidence in self._checked:
                continue
            if self.member.has_evidence(report) and not (report is standing.parent and self.member.behind):
                self._checked.add(report.evidence)
            elif now - self._evidence_asked.get(report.evidence, -math.inf) >= self.schedule.part:
                self._evidence_asked[report.evidence] = now
                self._effects.append(FetchEvidence(report))

    # A round.

    def _go_on(self, round_: _Round, now: float) -> None:
        self._observe(round_, now)
        self._take_early(round_)
        turn = self.schedule.turn(round_.epoch, now)
        if turn > round_.turn:
            first = round_.turn < 0
            round_.turn = turn
            if not first:
                # Whoever was away meanwhile learns what there is.
                self._have(round_)
                for message in [one for one in round_.mine if isinstance(one.body, Vote)][-1:]:
                    self._send(round_, message.body, turn=message.turn)
        for key in [key for key in round_.proposals if key not in round_.judged]:
            self._judge(round_, key, now)
        if self._may_propose(round_, now):
            self._propose(round_, now)
        self._submit_when_due(round_, now)
        self._wait(self._what_is_missing(round_))

    def _may_propose(self, round_: _Round, now: float) -> bool:
        if not round_.acting or leader(round_.committee.members, round_.epoch, round_.turn) != self.member.address:
            return False
        return now >= self.schedule.deadline(round_.epoch) or self._complete(round_)

    def _complete(self, round_: _Round) -> bool:
        return len(self.member.pool.of(round_.epoch, round_.committee.version)) == len(round_.committee.members)

    def _propose(self, round_: _Round, now: float) -> None:
        if self.member.behind:
            raise NotAgreed(f"the evidence of the report of epoch {round_.parent.epoch}")
        proposal = self.member.propose(round_.epoch)
        refs = [ref_of(one) for epoch in sorted(proposal.observations) for one in proposal.observations[epoch]]
        contents = frozenset([ref.signature for ref in refs] + [one.hash for one in proposal.appeals])
        if contents <= round_.proposed_in.get(round_.turn, frozenset()) or self._has_quorum(round_):
            return
        round_.proposed_in[round_.turn] = contents
        body = Proposed(proposal.parent, proposal.anchor, tuple(refs), tuple(one.hash for one in proposal.appeals))
        self._effects.append(Note("proposed", round_.epoch, f"turn {round_.turn}, {len(refs)} observations"))
        self._send(round_, body)
        if body.hash not in round_.proposals:
            round_.proposals[body.hash] = (self.member.address, round_.turn, body)
            self._judge(round_, body.hash, now)

    def _judge(self, round_: _Round, key: bytes, now: float) -> None:
        """Sign a proposal, refuse it, or ask for what it refers to."""
        author, turn, body = round_.proposals[key]
        if self._missing(round_, author, body, now):
            return
        if not round_.acting:
            round_.judged[key] = "watching"
            return
        if now < self.schedule.deadline(round_.epoch) and not self._uses_all(round_, body):
            return  # another observation may come until then
        if self.member.behind:
            raise NotAgreed(f"the evidence of the report of epoch {round_.parent.epoch}")
        proposal = self._resolve(round_, body)
        try:
            made, signature = self.member.sign(proposal, self.schedule.deadline(round_.epoch))
        except Omission as error:
            refs = tuple(ref_of(one) for one in error.observations)
            hashes = tuple(one.hash for one in error.appeals)
            self._refuse(round_, key, author, Refusal(key, Reason.OMITS, refs, hashes, describe(error)))
        except (*TRANSIENT, StoreError):
            raise
        except EpochalError as error:
            self._effects.append(Alarm("disagreement", round_.epoch, describe(error)))
            self._refuse(round_, key, author, Refusal(key, Reason.DISAGREES, text=describe(error)))
        else:
            round_.judged[key] = ""
            round_.drafts[made.report] = made
            report = made.report
            vote = Vote(key, report.root, report.parent, report.anchor, report.evidence, signature)
            self._effects.append(Note("voted", round_.epoch, f"root 0x{report.root.hex()}"))
            self._send(round_, vote, turn=turn)
            self._count(round_, self.member.address, report, signature, turn, now)

    def _refuse(self, round_: _Round, key: bytes, author: bytes, refusal: Refusal) -> None:
        round_.judged[key] = refusal.text or refusal.reason.name.lower()
        round_.trouble = round_.judged[key]
        self._effects.append(Note("proposal_refused", round_.epoch, round_.judged[key]))
        if author != self.member.address:
            self._send(round_, refusal, to=(author,))

    def _take(self, round_: _Round, sender: bytes, message: Message, now: float) -> None:
        body = message.body
        match body:
            case Have():
                self._take_have(round_, sender, body, now)
            case Proposed():
                self._take_proposal(round_, sender, message.turn, body, now)
            case Vote():
                self._take_vote(round_, sender, message.turn, body, now)
            case Refusal():
                self._take_refusal(round_, sender, body, now)

    def _take_have(self, round_: _Round, sender: bytes, body: Have, now: float) -> None:
        self._ask(round_, sender, body.refs, body.appeals, now)
        told = {ref.signature for ref in body.refs} | set(body.appeals)
        if self._own_hashes(round_) - told and (sender, round_.turn) not in round_.answered:
            round_.answered.add((sender, round_.turn))
            self._have(round_, to=(sender,))
            for message in [one for one in round_.mine if isinstance(one.body, Vote)][-1:]:
                self._send(round_, message.body, to=(sender,), turn=message.turn)

    def _take_proposal(self, round_: _Round, sender: bytes, turn: int, body: Proposed, now: float) -> None:
        members = round_.committee.members
        if leader(members, round_.epoch, turn) != sender:
            raise Disagreement(f"epoch {round_.epoch}: turn {turn} isn't 0x{sender.hex()}'s to propose in")
        if sum(author == sender for author, _, _ in round_.proposals.values()) > 2 * len(members) + 4:
            raise Disagreement(f"epoch {round_.epoch}: 0x{sender.hex()} proposed too often")
        key = body.hash
        if key in round_.proposals:
            return
        round_.proposals[key] = (sender, turn, body)
        self._judge(round_, key, now)
        self._submit_when_due(round_, now)

    def _take_vote(self, round_: _Round, sender: bytes, turn: int, body: Vote, now: float) -> None:
        report = EpochReport(round_.epoch, round_.committee.version, body.root, body.parent, body.anchor, body.evidence)
        try:
            signer = recover(report.digest(self.member.domain), body.signature)
        except InvalidSignature as error:
            raise Disagreement(f"epoch {round_.epoch}: 0x{sender.hex()}'s vote: {error}") from error
        if signer != sender:
            raise Disagreement(f"epoch {round_.epoch}: 0x{sender.hex()} votes with a signature of 0x{signer.hex()}")
        held = round_.votes.get(report)
        if (
            held is None
            and sum(sender in votes for votes in round_.votes.values()) > 2 * len(round_.committee.members) + 4
        ):
            raise Disagreement(f"epoch {round_.epoch}: 0x{sender.hex()} votes for too many reports")
        self._count(round_, sender, report, body.signature, turn, now)
        self._submit_when_due(round_, now)

    def _take_refusal(self, round_: _Round, sender: bytes, body: Refusal, now: float) -> None:
        if round_.proposals.get(body.proposal, (b"",))[0] != self.member.address:
            return
        round_.trouble = f"0x{sender.hex()} refused: {body.text or body.reason.name.lower()}"
        self._effects.append(Note("refused_by_peer", round_.epoch, round_.trouble))
        self._ask(round_, sender, body.refs, body.appeals, now)

    # What peers hold.

    def _receive(self, round_: _Round, ref: Ref, observation: SignedObservation, now: float) -> None:
        refused = self.member.receive(ref.epoch, [observation], now, at=round_.epoch)
        if refused:
            raise refused[0]
        self._effects.append(
            Note("observation_received", ref.epoch, f"of 0x{(self._author(round_, ref) or b'').hex()}")
        )
        self._tell_equivocations()

    def _author(self, round_: _Round, ref: Ref) -> bytes | None:
        """The member that signed it; None if it is nobody's of the set."""
        if ref not in round_.authors:
            try:
                author = ref.author(self.member.domain, round_.committee.version)
            except InvalidSignature:
                author = b""
            round_.authors[ref] = author if author in round_.committee.members else None
        return round_.authors[ref]

    def _ask(self, round_: _Round, sender: bytes, refs: Sequence[Ref], appeals: Sequence[bytes], now: float) -> None:
        pool, version = self.member.pool, round_.committee.version
        for ref in refs:
            if not round_.parent.epoch < ref.epoch <= round_.epoch:
                continue
            author = self._author(round_, ref)
            if author is None or pool.get(ref.epoch, version, author, ref.content_hash) is not None:
                continue
            if pool.is_full(ref.epoch, version, author):
                continue
            if (same := pool.content(ref.epoch, ref.content_hash)) is not None:
                self._receive(round_, ref, same.signed_as(ref.signature), now)
            elif (sender, ref.content_hash) not in round_.tried:
                round_.tried.add((sender, ref.content_hash))
                self._effects.append(FetchObservation(sender, ref))
        for key in appeals:
            if pool.appeal(key) is None and (sender, key) not in round_.tried:
                round_.tried.add((sender, key))
                self._effects.append(FetchAppeal(sender, key))

    def fetch_failed(self, peer: bytes, key: bytes) -> None:
        """What was asked for didn't come: it may be asked for again."""
        if self.round is not None:
            self.round.tried.discard((peer, key))

    def _missing(self, round_: _Round, leader_: bytes, body: Proposed, now: float) -> bool:
        """Whether anything that a proposal refers to isn't here; its leader is asked for that."""
        self._ask(round_, leader_, body.refs, body.appeals, now)
        if any(self.member.pool.appeal(key) is None for key in body.appeals):
            return True
        return any(self._get(round_, ref) is None for ref in body.refs)

    def _get(self, round_: _Round, ref: Ref) -> SignedObservation | None:
        author = self._author(round_, ref)
        if author is None:
            return None
        return self.member.pool.get(ref.epoch, round_.committee.version, author, ref.content_hash)

    def _uses_all(self, round_: _Round, body: Proposed) -> bool:
        return sum(ref.epoch == round_.epoch for ref in body.refs) == len(round_.committee.members)

    def _resolve(self, round_: _Round, body: Proposed) -> Proposal:
        pool = self.member.pool
        observations: dict[int, tuple[SignedObservation, ...]] = {}
        for ref in body.refs:
            content = self._get(round_, ref)
            assert content is not None
            observations[ref.epoch] = (*observations.get(ref.epoch, ()), content)
        appeals = [pool.appeal(key) for key in body.appeals]
        return Proposal(
            round_.epoch, body.parent, body.anchor, observations, tuple(one for one in appeals if one is not None)
        )

    def _own_hashes(self, round_: _Round) -> set[bytes]:
        refs, appeals = self._held(round_)
        return {ref.signature for ref in refs} | set(appeals)

    def _held(self, round_: _Round) -> tuple[tuple[Ref, ...], tuple[bytes, ...]]:
        held = self.member.held(round_.parent.epoch, round_.epoch, round_.committee)
        refs = [ref_of(one) for known in held.values() for one in known.values()]
        return tuple(refs), tuple(one.hash for one in self.member.appeals(round_.epoch))

    def _have(self, round_: _Round, to: tuple[bytes, ...] | None = None) -> None:
        if round_.acting:
            self._send(round_, Have(*self._held(round_)), to=to)

    # Votes and submission.

    def _count(
        self, round_: _Round, voter: bytes, report: EpochReport, signature: bytes, turn: int, now: float
    ) -> None:
        votes = round_.votes.setdefault(report, {})
        votes.setdefault(voter, signature)
        if len(votes) >= round_.committee.quorum and report not in round_.quorum_at:
            round_.quorum_at[report] = (now, turn)
            self._effects.append(Note("quorum", round_.epoch, f"root 0x{report.root.hex()}, {len(votes)} votes"))

    def _has_quorum(self, round_: _Round) -> bool:
        return bool(round_.quorum_at)

    def _submit_when_due(self, round_: _Round, now: float) -> None:
        """The leader submits at once, who comes after him when it is his turn and the chain doesn't show a report."""
        if not round_.acting:
            return
        for report, (since, turn) in round_.quorum_at.items():
            place = distance(round_.committee.members, round_.epoch, turn, self.member.address)
            if report in round_.submitted or now < since + place * self.schedule.part:
                continue
            round_.submitted.add(report)
            votes = round_.votes[report]
            members = [index for index, one in enumerate(round_.committee.members) if one in votes]
            signatures = b"".join(votes[round_.committee.members[index]] for index in members)
            self._effects.append(Submit(report, sum(1 << index for index in members), signatures))
            return

    # Small things.

    def _what_is_missing(self, round_: _Round) -> str:
        if round_.quorum_at:
            return f"epoch {round_.epoch}: the signed report to be on chain"
        held = len(self.member.pool.of(round_.epoch, round_.committee.version))
        votes = max((len(one) for one in round_.votes.values()), default=0)
        told = f"; {round_.trouble}" if round_.trouble else ""
        return (
            f"epoch {round_.epoch}, turn {max(round_.turn, 0)}: {held} observations and {votes} votes of "
            f"{round_.committee.quorum}{told}"
        )

    def _wait(self, what: str) -> None:
        self.waiting = what

    def _tell_equivocations(self) -> None:
        for proof in self.member.pool.equivocations[self._told_equivocations :]:
            self._effects.append(
                Alarm("equivocation", proof.first.epoch, f"0x{proof.author.hex()} signed two observations", proof)
            )
        self._told_equivocations = len(self.member.pool.equivocations)

    def _send(self, round_: _Round, body: Body, to: tuple[bytes, ...] | None = None, turn: int | None = None) -> None:
        message = Message(round_.epoch, round_.committee.version, max(round_.turn, 0) if turn is None else turn, body)
        if isinstance(body, Proposed | Vote) and to is None:
            round_.mine.append(message)
        peers = to if to is not None else tuple(one for one in round_.committee.members if one != self.member.address)
        self._effects.append(Send(peers, message))

    def _take_effects(self) -> list[Effect]:
        effects, self._effects = self._effects, []
        return effects
