"""One epoch's round at one oracle: what it holds, what it proposes, signs and refuses, and when it submits.

The steps are described in docs/protocol.md. A round is made from the member's journal and from what peers have, so one
that a crash ended begins again.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Final

from chain.client import Block, ChainUnavailable, RpcError
from chain.endpoints import EndpointsDisagree
from chain.events import ChainUnsettled
from oracle.committee.agreement import Committee, Proposal
from oracle.committee.anchor import FinalReport
from oracle.committee.appeal import MOST_APPEALS, Appeal
from oracle.committee.asking import Asking, Fetch
from oracle.committee.effects import Alarm, Effect, FetchAppeal, FetchObservation, Note, Send, Submit
from oracle.committee.errors import Disagreement, NotAgreed, Omission
from oracle.committee.member import MAX_EPOCHS, Member, describe, printable
from oracle.committee.messages import Body, Have, Message, Proposed, Reason, Ref, Refusal, Vote
from oracle.committee.observation import SignedObservation
from oracle.committee.pool import MAX_CONTENTS, Equivocation, ref_of
from oracle.committee.schedule import Schedule, distance, leader
from oracle.ground.errors import EpochalError
from oracle.ground.typed_data import EpochReport
from oracle.signing.compact import InvalidSignature, recover
from oracle.signing.remote import SignerUnavailable
from oracle.telemetry.store.errors import JournalFloor, StoreError

TRANSIENT: Final = (RpcError, ChainUnavailable, ChainUnsettled, EndpointsDisagree, NotAgreed, SignerUnavailable)
"""What passes by itself: the same is tried again at the next tick."""
MAX_SIGNED: Final = 4
"""Proposals of a leader that are signed in one turn of his: each is a whole recomputation. An honest one makes another
only when it learned of something that it left out, and the next leader has learned of all of it."""


@dataclass(slots=True)
class Round:
    """What is under way for one epoch. `emit` takes what has to be done."""

    member: Member
    schedule: Schedule
    emit: Callable[[Effect], None]
    epoch: int
    anchor: Block
    committee: Committee
    parent: FinalReport
    acting: bool
    """Whether this oracle is of the set, and acts."""
    turn: int = -1
    to_observe: list[int] = field(default_factory=list)
    proposals: dict[tuple[bytes, bytes], tuple[bytes, int, Proposed]] = field(default_factory=dict)
    """By leader and hash: its leader, its turn, and what it refers to. Two leaders may propose the same, and one may
    not have the contents, or have proposed too much: that is nothing against the other."""
    judged: dict[tuple[bytes, bytes], str] = field(default_factory=dict)
    """By leader and hash: "" for one that was signed, else why not."""
    cast: list[tuple[int, Vote]] = field(default_factory=list)
    """This oracle's votes, in order, each with the turn of the proposal."""
    votes: dict[EpochReport, dict[bytes, bytes]] = field(default_factory=dict)
    drafts: dict[EpochReport, tuple[bytes, ...]] = field(default_factory=dict)
    """By report that this oracle drafted, the appeals that it uses up."""
    quorum_at: dict[EpochReport, tuple[float, int]] = field(default_factory=dict)
    """When a report got its quorum here, and in which turn it was proposed."""
    report_turns: dict[EpochReport, int] = field(default_factory=dict)
    """By report, the turn of the proposal from which this oracle drafted it."""
    submitted: dict[EpochReport, float] = field(default_factory=dict)
    """When this oracle last submitted a report."""
    signed_for: Counter[tuple[bytes, int]] = field(default_factory=Counter)
    """How many proposals of a leader were signed in one turn of his."""
    proposed_in: dict[int, frozenset[bytes]] = field(default_factory=dict)
    """By turn, the contents and appeals of this oracle's last proposal in it."""
    answered: set[tuple[bytes, int]] = field(default_factory=set)
    asking: Asking = field(init=False)
    named: dict[tuple[bytes, int, bytes], list[Ref]] = field(default_factory=dict)
    """By leader, epoch and author, the first two contents of the author that the leader's proposals name."""
    needed: set[Ref] = field(default_factory=set)
    """All of those."""
    wanted_of: defaultdict[tuple[int, bytes], set[bytes]] = field(default_factory=lambda: defaultdict(set))
    """By epoch and author, the contents that were asked for."""
    wanted: dict[bytes, dict[Ref, None]] = field(default_factory=dict)
    """By content, who signed it: what comes once stands for all of them."""
    appeals: dict[bytes, Appeal] = field(default_factory=dict)
    """Those that came during the round, by their hash."""
    signed: dict[tuple[int, bytes], Ref] = field(default_factory=dict)
    """By epoch and author, the first ref that was seen."""
    largest: int = 0
    """Bytes of the largest content that an observation can have."""
    authors: dict[Ref, bytes | None] = field(default_factory=dict)
    trouble: str = ""

    def __post_init__(self) -> None:
        self.asking = Asking(self.emit, self._lacks)

    def names(self, appeal: Appeal) -> bool:
        """Whether a proposal refers to it: then it is judged with that, whatever else there is of its node."""
        return any(appeal.hash in body.appeals for _, _, body in self.proposals.values())

    def asks_for(self, appeal: Appeal) -> bool:
        """Whether a peer was asked for it and hasn't answered yet."""
        return self.asking.is_under_way(appeal.hash)

    def take_appeal(self, appeal: Appeal, fresh: bool, now: float) -> None:
        """A valid appeal came that a proposal names, or that is now the one of its node and epoch: `fresh`."""
        self.appeals[appeal.hash] = appeal
        if fresh:
            self.tell()
        self.go_on(now)

    def _observe(self, now: float) -> None:
        """Sign what this oracle saw. What passes by itself is tried again; what it must not sign it abstains from."""
        if not self.to_observe:
            return
        while self.to_observe:
            epoch = self.to_observe[0]
            try:
                own = self.member.observe(epoch, at=self.epoch)
            except JournalFloor as error:
                self.emit(Note("abstained", epoch, describe(error)))
            else:
                self.member.receive(epoch, [own], now, at=self.epoch)
                self.emit(Note("observed", epoch, f"content 0x{own.content_hash.hex()}"))
            self.to_observe.pop(0)
        self.tell()

    def go_on(self, now: float) -> None:
        self._observe(now)
        turn = self.schedule.turn(self.epoch, now)
        if turn > self.turn:
            first = self.turn < 0
            self.turn = turn
            self.asking.new_turn()
            if not first:
                # Whoever was away meanwhile learns what there is.
                self.tell()
                self._vote_again()
        for key in [key for key in self.proposals if key not in self.judged]:
            self._judge(key, now)
        if self._may_propose(now):
            self._propose(now)
        self._submit_when_due(now)

    def _may_propose(self, now: float) -> bool:
        if not self.acting or leader(self.committee.members, self.epoch, self.turn) != self.member.address:
            return False
        return now >= self.schedule.deadline(self.epoch) or self._complete()

    def _complete(self) -> bool:
        """Whether all members' observations are here: of this epoch, and of each one before it of which there is any.

        Else what a skipped epoch measured would be lost if this epoch's observations came first.
        """
        held = self.member.held(self.parent.epoch, self.epoch, self.committee)
        return self.epoch in held and all(len(known) == len(self.committee.members) for known in held.values())

    def _propose(self, now: float) -> None:
        if self.member.behind:
            raise NotAgreed(f"the evidence of the report of epoch {self.parent.epoch}")
        proposal = self.member.propose(self.epoch)
        refs = [ref_of(one) for epoch in sorted(proposal.observations) for one in proposal.observations[epoch]]
        contents = frozenset([ref.signature for ref in refs] + [one.hash for one in proposal.appeals])
        if contents <= self.proposed_in.get(self.turn, frozenset()) or self._has_quorum():
            return
        self.proposed_in[self.turn] = contents
        body = Proposed(proposal.parent, proposal.anchor, tuple(refs), tuple(one.hash for one in proposal.appeals))
        self.emit(Note("proposed", self.epoch, f"turn {self.turn}, {len(refs)} observations"))
        self._send(body)
        key = self.member.address, body.hash
        if key not in self.proposals:
            self.proposals[key] = (self.member.address, self.turn, body)
            self._judge(key, now)

    def _judge(self, key: tuple[bytes, bytes], now: float) -> None:
        """Sign a proposal, refuse it, or ask for what it refers to."""
        author, turn, body = self.proposals[key]
        for _, vote in self.cast:
            if vote.proposal == body.hash:
                self.judged[key] = ""  # signed when another leader proposed it
                self._vote(vote, turn)
                return
        if author != self.member.address and self.signed_for[author, turn] >= MAX_SIGNED:
            self.judged[key] = "too many proposals in one turn"
            return
        if self._missing(author, body, now):
            return
        if not self.acting:
            self.judged[key] = "watching"
            return
        if now < self.schedule.deadline(self.epoch) and not self._uses_all(body):
            return  # another observation may come until then
        if self.member.behind:
            raise NotAgreed(f"the evidence of the report of epoch {self.parent.epoch}")
        proposal = self._resolve(body)
        try:
            made, signature = self.member.sign(proposal, self.schedule.deadline(self.epoch))
        except Omission as error:
            refs = tuple(ref_of(one) for one in error.observations)
            hashes = tuple(one.hash for one in error.appeals)
            self._refuse(key, author, Refusal(body.hash, Reason.OMITS, refs, hashes, describe(error)))
        except (*TRANSIENT, StoreError):
            raise
        except EpochalError as error:
            self._refuse(key, author, Refusal(body.hash, Reason.DISAGREES, text=describe(error)))
        else:
            self.judged[key] = ""
            report = made.report
            self.drafts[report] = made.appeals
            self.report_turns.setdefault(report, turn)
            self.signed_for[author, turn] += 1
            vote = Vote(body.hash, report.root, report.parent, report.anchor, report.evidence, signature)
            self.emit(Note("voted", self.epoch, f"root 0x{report.root.hex()}"))
            self._vote(vote, turn)
            self._count(self.member.address, report, signature, turn, now)

    def _refuse(self, key: tuple[bytes, bytes], author: bytes, refusal: Refusal) -> None:
        self.judged[key] = refusal.text or refusal.reason.name.lower()
        self.trouble = self.judged[key]
        self.emit(Note("proposal_refused", self.epoch, self.judged[key]))
        if author != self.member.address:
            self._send(refusal, to=(author,))

    def take(self, sender: bytes, message: Message, now: float) -> None:
        """A member's message. Disagreement for one that breaks the protocol."""
        body = message.body
        if isinstance(body, Have | Proposed | Refusal) and not self._plausible(body.refs, body.appeals):
            told = f"{len(body.refs)} observations and {len(body.appeals)} appeals"
            raise Disagreement(f"epoch {self.epoch}: 0x{sender.hex()} names {told}, more than there can be")
        match body:
            case Have():
                self._take_have(sender, body, now)
            case Proposed():
                self._take_proposal(sender, message.turn, body, now)
            case Vote():
                self._take_vote(sender, message.turn, body, now)
            case Refusal():
                self._take_refusal(sender, body, now)

    def _take_have(self, sender: bytes, body: Have, now: float) -> None:
        self._ask(sender, body.refs, body.appeals, now)
        told = {ref.signature for ref in body.refs} | set(body.appeals)
        if self._own_hashes() - told and (sender, self.turn) not in self.answered:
            self.answered.add((sender, self.turn))
            self.tell(to=(sender,))
            self._vote_again(to=(sender,))

    def _take_proposal(self, sender: bytes, turn: int, body: Proposed, now: float) -> None:
        members = self.committee.members
        if leader(members, self.epoch, turn) != sender:
            raise Disagreement(f"epoch {self.epoch}: turn {turn} isn't 0x{sender.hex()}'s to propose in")
        if sum(author == sender for author, _, _ in self.proposals.values()) > 2 * len(members) + 4:
            raise Disagreement(f"epoch {self.epoch}: 0x{sender.hex()} proposed too often")
        key = sender, body.hash
        if key in self.proposals:
            return
        self.proposals[key] = (sender, turn, body)
        self._note_named(sender, body)
        self._judge(key, now)
        self._submit_when_due(now)

    def _take_vote(self, sender: bytes, turn: int, body: Vote, now: float) -> None:
        report = EpochReport(self.epoch, self.committee.version, body.root, body.parent, body.anchor, body.evidence)
        try:
            signer = recover(report.digest(self.member.domain), body.signature)
        except InvalidSignature as error:
            raise Disagreement(f"epoch {self.epoch}: 0x{sender.hex()}'s vote: {error}") from error
        if signer != sender:
            raise Disagreement(f"epoch {self.epoch}: 0x{sender.hex()} votes with a signature of 0x{signer.hex()}")
        held = self.votes.get(report)
        if held is None and sum(sender in votes for votes in self.votes.values()) > 2 * len(self.committee.members) + 4:
            raise Disagreement(f"epoch {self.epoch}: 0x{sender.hex()} votes for too many reports")
        self.emit(Note("vote_received", self.epoch, f"of 0x{sender.hex()} for root 0x{body.root.hex()}"))
        mine = [vote for _, vote in self.cast if vote.proposal == body.proposal]
        if mine and ((ours := mine[-1]).root, ours.evidence) != (body.root, body.evidence):
            text = f"0x{sender.hex()} comes to root 0x{body.root.hex()}, this oracle to 0x{ours.root.hex()}"
            self.emit(Alarm("disagreement", self.epoch, text))
        self._count(sender, report, body.signature, self.report_turns.get(report, max(self.turn, 0)), now)
        self._submit_when_due(now)

    def _take_refusal(self, sender: bytes, body: Refusal, now: float) -> None:
        if (self.member.address, body.proposal) not in self.proposals:
            return
        self.trouble = f"0x{sender.hex()} refused: {printable(body.text) or body.reason.name.lower()}"
        self.emit(Note("refused_by_peer", self.epoch, self.trouble))
        self._ask(sender, body.refs, body.appeals, now)

    # What peers hold.

    def receive(self, ref: Ref, observation: SignedObservation, now: float) -> None:
        """An observation came; it stands for all who signed the same content. Disagreement for no valid one.

        Somebody may sign another's content as one of another epoch: that ref is nobody's then, and the others stand.
        """
        wrong: Disagreement | None = None
        for each in self.wanted.get(ref.content_hash, {}) | {ref: None}:
            signed, needed = observation.signed_as(each.signature), each in self.needed
            refused = self.member.receive(each.epoch, [signed], now, at=self.epoch, needed=needed)
            if refused:
                self.authors[each] = None
                wrong = refused[0] if each == ref else wrong
            else:
                self.emit(Note("observation_received", each.epoch, f"of 0x{(self._author(each) or b'').hex()}"))
        for each in self.wanted.pop(ref.content_hash, {}):
            author = self._author(each) or b""
            self.wanted_of[each.epoch, author].discard(ref.content_hash)
        if wrong is not None:
            raise wrong

    def _note_named(self, leader_: bytes, body: Proposed) -> None:
        """Contents that a leader's proposals name are needed, however many others of their authors there are.

        Two of each author: an honest leader names one, and another one after a crash.
        """
        for ref in body.refs:
            author = self._author(ref)
            if author is None:
                continue
            named = self.named.setdefault((leader_, ref.epoch, author), [])
            if ref not in named and len(named) < 2:
                named.append(ref)
                self.needed.add(ref)

    def _author(self, ref: Ref) -> bytes | None:
        """The member that signed it; None if it is nobody's of the set."""
        if ref not in self.authors:
            try:
                author = ref.author(self.member.domain, self.committee.version)
            except InvalidSignature:
                author = b""
            self.authors[ref] = author if author in self.committee.members else None
        return self.authors[ref]

    def _ask(self, sender: bytes, refs: Sequence[Ref], appeals: Sequence[bytes], now: float) -> None:
        pool, version = self.member.pool, self.committee.version
        for ref in refs:
            if not self.parent.epoch < ref.epoch <= self.epoch:
                continue
            author = self._author(ref)
            if author is None:
                continue
            self._compare(author, ref)
            if pool.get(ref.epoch, version, author, ref.content_hash) is not None:
                continue
            if pool.is_full(ref.epoch, version, author) and ref not in self.needed:
                continue
            if (same := pool.content(ref.epoch, ref.content_hash)) is not None:
                try:
                    self.receive(ref, same, now)
                except Disagreement as error:
                    self.emit(Note("observation_refused", ref.epoch, describe(error)))
                continue
            # Whoever signs contents that nobody can have is asked for no more of them than are ever held.
            wanted = self.wanted_of[ref.epoch, author]
            if ref.content_hash in wanted or len(wanted) < MAX_CONTENTS or ref in self.needed:
                wanted.add(ref.content_hash)
                self.wanted.setdefault(ref.content_hash, {})[ref] = None
                self.asking.want(sender, ref.content_hash, FetchObservation(sender, ref, self.largest))
        for key in appeals:
            if self._appeal(key) is None:
                self.asking.want(sender, key, FetchAppeal(sender, key))

    def _compare(self, author: bytes, ref: Ref) -> None:
        """Two signatures of one author for one epoch are proof enough, whether the contents can be had or not."""
        first = self.signed.setdefault((ref.epoch, author), ref)
        if first.content_hash != ref.content_hash:
            self.member.prove(Equivocation(author, self.committee.version, first, ref))

    def answered_by(self, peer: bytes, key: bytes) -> None:
        """What a peer was asked for came, or didn't."""
        self.asking.answered(peer, key)

    def _lacks(self, key: bytes, fetch: Fetch) -> bool:
        return self._appeal(key) is None if isinstance(fetch, FetchAppeal) else key in self.wanted

    def _plausible(self, refs: Sequence[Ref], appeals: Sequence[bytes]) -> bool:
        """Whether there are no more refs than members and epochs (each costs a recovered signature), nor more appeals
        than one report takes."""
        epochs = min(self.epoch - self.parent.epoch, MAX_EPOCHS)
        return len(refs) <= epochs * len(self.committee.members) and len(appeals) <= MOST_APPEALS

    def _missing(self, leader_: bytes, body: Proposed, now: float) -> bool:
        """Whether anything that a proposal refers to isn't here; its leader is asked for that."""
        self._ask(leader_, body.refs, body.appeals, now)
        if any(self._appeal(key) is None for key in body.appeals):
            return True
        return any(self._get(ref) is None for ref in body.refs)

    def _appeal(self, key: bytes) -> Appeal | None:
        """An appeal that a proposal may refer to, also one that a better one replaced here."""
        return self.member.appeals.get(key) or self.appeals.get(key)

    def _get(self, ref: Ref) -> SignedObservation | None:
        author = self._author(ref)
        if author is None:
            return None
        return self.member.pool.get(ref.epoch, self.committee.version, author, ref.content_hash)

    def _uses_all(self, body: Proposed) -> bool:
        """Whether it uses observations of all members, of each epoch of which this oracle holds any."""
        used = Counter(ref.epoch for ref in body.refs)
        epochs = {self.epoch, *self.member.held(self.parent.epoch, self.epoch, self.committee)}
        return all(used[each] == len(self.committee.members) for each in epochs)

    def _resolve(self, body: Proposed) -> Proposal:
        observations: dict[int, tuple[SignedObservation, ...]] = {}
        for ref in body.refs:
            content = self._get(ref)
            assert content is not None
            observations[ref.epoch] = (*observations.get(ref.epoch, ()), content)
        appeals = [self._appeal(key) for key in body.appeals]
        return Proposal(
            self.epoch, body.parent, body.anchor, observations, tuple(one for one in appeals if one is not None)
        )

    def _own_hashes(self) -> set[bytes]:
        refs, appeals = self._held()
        return {ref.signature for ref in refs} | set(appeals)

    def _held(self) -> tuple[tuple[Ref, ...], tuple[bytes, ...]]:
        held = self.member.held(self.parent.epoch, self.epoch, self.committee)
        refs = [ref_of(one) for known in held.values() for one in known.values()]
        return tuple(refs), tuple(one.hash for one in self.member.appeals.standing(self.epoch))

    def tell(self, to: tuple[bytes, ...] | None = None) -> None:
        if self.acting:
            self._send(Have(*self._held()), to=to)

    # Votes and submission.

    def _vote(self, vote: Vote, turn: int) -> None:
        self.cast.append((turn, vote))
        self._send(vote, turn=turn)

    def _vote_again(self, to: tuple[bytes, ...] | None = None) -> None:
        """Tell the last vote to all, or to whoever may have missed it."""
        for turn, vote in self.cast[-1:]:
            self._send(vote, to=to, turn=turn)

    def _count(self, voter: bytes, report: EpochReport, signature: bytes, turn: int, now: float) -> None:
        votes = self.votes.setdefault(report, {})
        votes.setdefault(voter, signature)
        if len(votes) >= self.committee.quorum and report not in self.quorum_at:
            self.quorum_at[report] = (now, turn)
            self.emit(Note("quorum", self.epoch, f"root 0x{report.root.hex()}, {len(votes)} votes"))

    def _has_quorum(self) -> bool:
        return bool(self.quorum_at)

    def _submit_when_due(self, now: float) -> None:
        """The leader submits at once, who comes after him when it is his turn and the chain doesn't show a report."""
        if not self.acting:
            return
        if any(now < last + self.schedule.part for last in self.submitted.values()):
            # One at a time: the chain takes one report of an epoch. After a while once more, if it shows none: whatever
            # became of the first transaction.
            return
        for report, (since, turn) in self.quorum_at.items():
            place = distance(self.committee.members, self.epoch, turn, self.member.address)
            if now < since + place * self.schedule.part:
                continue
            self.submitted[report] = now
            votes = self.votes[report]
            members = [index for index, one in enumerate(self.committee.members) if one in votes]
            signatures = b"".join(votes[self.committee.members[index]] for index in members)
            self.emit(Submit(report, sum(1 << index for index in members), signatures))
            return

    @property
    def waiting(self) -> str:
        """What the round waits for, in words."""
        if self.quorum_at:
            return f"epoch {self.epoch}: the signed report to be on chain"
        held = len(self.member.pool.of(self.epoch, self.committee.version))
        votes = max((len(one) for one in self.votes.values()), default=0)
        told = f"; {self.trouble}" if self.trouble else ""
        return (
            f"epoch {self.epoch}, turn {max(self.turn, 0)}: {held} observations and {votes} votes of "
            f"{self.committee.quorum}{told}"
        )

    def _send(self, body: Body, to: tuple[bytes, ...] | None = None, turn: int | None = None) -> None:
        message = Message(self.epoch, self.committee.version, max(self.turn, 0) if turn is None else turn, body)
        peers = to if to is not None else tuple(one for one in self.committee.members if one != self.member.address)
        self.emit(Send(peers, message))
