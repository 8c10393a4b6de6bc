"""One oracle's part in agreeing on an epoch: told the time and what came, it says what to send. No clock, no network.

What a round goes through is in docs/protocol.md; the times are `schedule`'s, the rules of a report `agreement`'s.
Nothing here is durable: after a crash the round begins again from the member's journal and from what peers have.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from typing import Final

from oracle.committee.anchor import FinalReport
from oracle.committee.appeal import Appeal
from oracle.committee.appeal_box import BoxFull
from oracle.committee.effects import (
    Alarm,
    Effect,
    Ended,
    FetchEvidence,
    Note,
    Outcome,
)
from oracle.committee.errors import Disagreement, NotAgreed
from oracle.committee.member import MAX_EPOCHS, Member, Standing, describe
from oracle.committee.messages import Message, Ref
from oracle.committee.observation import SignedObservation
from oracle.committee.pool import Equivocation
from oracle.committee.round import TRANSIENT, Round
from oracle.committee.schedule import Schedule
from oracle.ground.errors import EpochalError
from oracle.telemetry.store.errors import StoreError

MAX_EARLY: Final = 16
"""Messages of a round that hasn't begun here yet that are kept of each sender: clocks differ."""


class Core:
    """The state machine. `acts` is False for an oracle that only watches: it signs and submits nothing.

    `tick` and the `take` methods return what has to be done, in order; they may be called from one thread only.
    """

    def __init__(self, member: Member, schedule: Schedule, *, acts: bool = True, ended: Iterable[Outcome] = ()) -> None:
        """`ended`: outcomes of epochs that are known already."""
        self.member = member
        self.schedule = schedule
        self.acts = acts
        self.round: Round | None = None
        self.waiting = "its own start"
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
        self._evidence: dict[bytes, bytes] = {}
        """Evidence that came and couldn't be judged yet, by its hash."""
        self._told_equivocations = set(map(_key, member.pool.equivocations))
        self._gone_since = math.inf
        self._spent: dict[bytes, tuple[bytes, ...]] = {}
        """By evidence, the appeals that its report uses up."""
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
            if message.epoch <= self.schedule.due(now) + 1 and message.epoch not in self._ended:
                early[:] = [*early[1 - MAX_EARLY :], (message, now)]
            return []
        if message.epoch < round_.epoch or message.committee != round_.committee.version:
            return []
        if sender not in round_.committee.members:
            raise Disagreement(f"0x{sender.hex()} isn't of committee {round_.committee.version}")
        try:
            round_.take(sender, message, now)
            self._wait(round_.waiting)
        except TRANSIENT as error:
            self._wait(describe(error))
        return self._take_effects()

    def take_content(self, ref: Ref, content: bytes, now: float) -> list[Effect]:
        """An observation's content that was asked for came. Disagreement for one that is no valid one."""
        round_ = self.round
        if round_ is None:
            return []
        try:
            round_.receive(ref, SignedObservation(content, ref.signature), now)
            self._go_on(round_, now)
        except TRANSIENT as error:
            self._wait(describe(error))
        return self._take_effects()

    def take_appeal(self, appeal: Appeal, now: float) -> list[Effect]:
        """A node's appeal, from itself or from a peer.

        Disagreement for one that proves nothing or comes too late, BoxFull when too many wait; a valid one that a
        leader's proposal names is held for the round all the same.
        """
        self.member.shows(appeal)
        named = self.round is not None and self.round.names(appeal)
        try:
            asked = self.round is not None and self.round.asks_for(appeal)
            fresh = self.member.hand_in(appeal, now, asked)
        except (Disagreement, BoxFull):
            if not named:
                raise
            fresh = False
        if self.round is not None and (named or fresh):
            try:
                self.round.take_appeal(appeal, fresh, now)
            except TRANSIENT as error:
                self._wait(describe(error))
        return self._take_effects()

    def take_evidence(self, report: FinalReport, evidence: bytes, now: float) -> list[Effect]:
        """The evidence of a report on chain came. Tells an alarm if the report doesn't follow from it."""
        self._judge_evidence(report, evidence)
        return [*self._take_effects(), *self.tick(now)]

    def _judge_evidence(self, report: FinalReport, evidence: bytes) -> None:
        try:
            made = self.member.catch_up(evidence, report)
        except (*TRANSIENT, StoreError) as error:
            # It is the right evidence, by its hash: it is judged as soon as that can be done, and not fetched again.
            self._evidence = {report.evidence: evidence}
            self._wait(describe(error))
        except EpochalError as error:
            self._checked.add(report.evidence)
            self._effects.append(Alarm("wrong_report", report.epoch, describe(error)))
        else:
            self._evidence = {}
            self._checked.add(report.evidence)
            self._spent[report.evidence] = made.appeals
            self._effects.append(Note("evidence_checked", report.epoch, f"root 0x{report.root.hex()}"))

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
        emit = self._effects_put
        self.round = round_ = Round(self.member, self.schedule, emit, epoch, anchor, committee, parent, acting)
        round_.largest = self.member.largest_content(anchor)
        if acting:
            round_.to_observe = self.member.observed_epochs(parent.epoch, epoch)
        self._effects.append(Note("round_begun", epoch, f"committee {committee.version}, anchor {anchor.hash}"))

    def _take_early(self, round_: Round) -> None:
        """Messages that came before this oracle began the round."""
        if not self._early:
            return
        early, self._early = self._early, {}
        for sender, messages in early.items():
            for message, came in messages:
                if message.epoch > round_.epoch:
                    self._early.setdefault(sender, []).append((message, came))
                    continue
                about = (message.epoch, message.committee) == (round_.epoch, round_.committee.version)
                if about and sender in round_.committee.members:
                    try:
                        round_.take(sender, message, came)
                    except Disagreement as error:
                        self._effects.append(Note("proposal_refused", round_.epoch, describe(error)))
                    except TRANSIENT as error:
                        self._wait(describe(error))  # the proposal stays; the other messages aren't lost by that

    def _end_what_is_reported(self, standing: Standing, now: float) -> None:
        reported = [one for one in (standing.parent, standing.pending) if one is not None and one.epoch >= 0]
        for report in reported:
            known = self._ended.get(report.epoch)
            if known is None or known.kind != "attested":
                self._end(report.epoch, "attested", f"root 0x{report.root.hex()}")
                self.member.keep_of(report.epoch, report.evidence)
        if (spent := self._spent.get(standing.parent.evidence)) is not None:
            self.member.appeals.drop(spent)
            self._spent = {}
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
        for epoch in range(max(self._due, due - MAX_EPOCHS), due):
            if epoch in self._ended:
                continue
            # While this oracle couldn't read the chain, others may have brought more than one report there.
            root = self.member.reader.submitted(epoch) if epoch <= parent_epoch else None
            if root is not None and not self.member.reader.cleared(epoch):
                self._end(epoch, "attested", f"root 0x{root.hex()}")
            else:
                round_ = self.round
                trouble = round_.trouble if round_ is not None and round_.epoch == epoch else ""
                # Everybody may read this: what an RPC provider or the store said is in the log alone.
                waited = "its chain, store or signer, which failed (see its log)" if self.failing else self.waiting
                told = f"no report before the next epoch was due; this oracle waited for {waited}"
                self._end(epoch, "failed", trouble or told)
        self._due = max(self._due, due)

    def _end(self, epoch: int, kind: str, detail: str) -> None:
        outcome = Outcome(epoch, kind, detail)
        self._ended[epoch] = outcome
        for old in sorted(self._ended)[:-64]:
            del self._ended[old]
        if self.round is not None and self.round.epoch <= epoch:
            round_, self.round = self.round, None
            for report, appeals in round_.drafts.items():
                self._spent[report.evidence] = appeals
        self._effects.append(Ended(outcome))

    def _check_evidence(self, standing: Standing, now: float) -> None:
        """Have the evidence of what is on chain: it is recomputed, kept and served, whoever made it."""
        for report in (standing.parent, standing.pending):
            if report is None or report.epoch < 0 or report.evidence in self._checked:
                continue
            if self.member.has_evidence(report) and not (report is standing.parent and self.member.behind):
                self._checked.add(report.evidence)
            elif not 0 <= now - self._evidence_asked.get(report.evidence, -math.inf) < self.schedule.part:
                self._evidence_asked = dict(list(self._evidence_asked.items())[-8:]) | {report.evidence: now}
                held = self._evidence.get(report.evidence)
                if held is None:
                    self._effects.append(FetchEvidence(report))
                else:
                    self._judge_evidence(report, held)

    # Small things.

    def _go_on(self, round_: Round, now: float) -> None:
        self._take_early(round_)
        round_.go_on(now)
        self._tell_equivocations()
        self._wait(round_.waiting)

    def answered(self, peer: bytes, key: bytes) -> list[Effect]:
        """What a peer was asked for, by its hash, came or didn't; to be told after each fetch."""
        if self.round is not None:
            self.round.answered_by(peer, key)
        return self._take_effects()

    def _effects_put(self, effect: Effect) -> None:
        self._effects.append(effect)

    def _wait(self, what: str) -> None:
        self.waiting = what

    def _tell_equivocations(self) -> None:
        for proof in self.member.pool.equivocations:
            if _key(proof) not in self._told_equivocations:
                self._told_equivocations.add(_key(proof))
                text = f"0x{proof.author.hex()} signed two observations"
                self._effects.append(Alarm("equivocation", proof.first.epoch, text, proof))

    def _take_effects(self) -> list[Effect]:
        effects, self._effects = self._effects, []
        return effects


def _key(proof: Equivocation) -> tuple[bytes, int, int]:
    return proof.author, proof.first.epoch, proof.committee
