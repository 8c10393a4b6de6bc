# SPDX-License-Identifier: Apache-2.0
"""What must hold whatever happens, and what must happen once nothing fails."""

from __future__ import annotations

from random import Random
from typing import TYPE_CHECKING

from oracle.committee.agreement import Draft, Evidence, Proposal, draft, unbundle
from oracle.committee.effects import Outcome
from oracle.ground.address import raw_address
from oracle.ground.median import measured_needs
from oracle.ground.typed_data import EpochReport
from oracle.ground.uptime import ZERO, Uptime
from tests.property.committee.simulation.chain import Mined
from tests.property.committee.simulation.plan import (
    APPEAL_EPOCHS,
    BLOCK,
    GRACE,
    HEARTBEATS,
    REPORTS,
    TICK,
    Mood,
)
from tests.property.committee.simulation.reader import conflicts_of, deeds_of, placed, posts_of

if TYPE_CHECKING:
    from tests.property.committee.simulation.oracle import SimOracle
    from tests.property.committee.simulation.simulation import Simulation


class Audit:
    """Collects what is wrong; `finish` looks at the whole run."""

    def __init__(self, world: Simulation) -> None:
        self.world = world
        self.violations: list[str] = []
        self.drafts: dict[EpochReport, tuple[Draft, bytes]] = {}
        """What an honest oracle first drafted for a report, and its ledger's bytes."""
        self.submitted: list[tuple[float, EpochReport]] = []
        """Every report that the chain took, and when; also those that a reorganisation took out again."""
        self.failed: dict[tuple[int, int], float] = {}
        """(oracle, epoch) -> when the oracle recorded it as failed."""

    def wrong(self, what: str) -> None:
        """Something that must not be."""
        self.world.trace(-1, f"WRONG: {what}")
        self.violations.append(f"{self.world.time.now:.2f} {what}")

    # As it happens.

    def drafted(self, oracle: SimOracle, made: Draft) -> None:
        """Honest oracles that draft one report hold the same bytes."""
        if not oracle.honest:
            return
        ledger = made.ledger.encode()
        first, known = self.drafts.setdefault(made.report, (made, ledger))
        if (first.evidence, first.tree, known) != (made.evidence, made.tree, ledger):
            self.wrong(f"oracle {oracle.number} drafted epoch {made.report.epoch} with other bytes behind it")

    def signed(self, oracle: SimOracle, proposal: Proposal, known: set[bytes]) -> None:
        """An oracle signed a proposal; it had the observations of the `known` before its deadline."""
        used = {one.author(REPORTS) for one in proposal.observations[proposal.epoch]}
        if oracle.honest and not known <= used:
            self.wrong(f"oracle {oracle.number} signed a proposal for epoch {proposal.epoch} that omits what it had")

    def on_chain(self, report: EpochReport, block: Mined) -> None:
        """The chain took a report."""
        self.submitted.append((self.world.time.now, report))
        if report not in self.drafts:
            self.wrong(f"the report of epoch {report.epoch} on chain is none that an honest oracle drafted")
            return
        made, ledger = self.drafts[report]
        found = unbundle(made.evidence)
        self._check_views(made, found)
        self._check_shuffled(made, ledger, found)

    def ended(self, oracle: SimOracle, outcome: Outcome) -> None:
        """An oracle recorded how an epoch ended."""
        if outcome.kind == "failed":
            self.failed[oracle.number, outcome.epoch] = self.world.time.now

    def _check_views(self, made: Draft, found: Evidence) -> None:
        """Every measured ratio lies within what honest oracles observed."""
        members = found.committee.members
        honest = {one.address: one for one in self.world.oracles if one.honest}
        for epoch, observations in found.proposal.observations.items():
            by_author = {one.author(REPORTS): one for one in observations}
            for author in by_author.keys() & honest.keys():
                journalled = honest[author].store.observation(epoch, found.committee.version)
                if journalled is None or journalled.content != by_author[author].content:
                    self.wrong(
                        f"oracle {honest[author].number}'s observation of epoch {epoch} isn't the journalled one"
                    )
            conflicts = conflicts_of(found.committee, made.report.epoch)
            for key, agreed in made.agreed[epoch].items():
                views = {author: one.view().ticks.get(key, ZERO) for author, one in by_author.items()}
                others = {author: seen for author, seen in views.items() if author not in conflicts.get(key, ())}
                if sum(one.observed > 0 for one in others.values()) >= measured_needs(len(members)):
                    views = others
                seen = [views[author] for author in views if author in honest and views[author].observed]
                present = sum(one.observed > 0 for one in views.values())
                if present < measured_needs(len(members)):
                    if agreed != ZERO:
                        self.wrong(f"epoch {epoch}: assignment {key} was measured by {present} oracles only")
                elif not _within(Uptime(agreed.up // TICK, agreed.observed // TICK), seen):
                    self.wrong(f"epoch {epoch}: assignment {key} has {agreed}, honest oracles saw {seen}")

    def _check_shuffled(self, made: Draft, ledger: bytes, found: Evidence) -> None:
        """The same inputs in any order make the same bytes."""
        chance = Random(made.report.root)
        told = found.proposal
        epochs = chance.sample(list(told.observations), len(told.observations))
        known = [one for one in placed(self.world.chain) if one.subject.opened_at <= self.world.anchor_time(told.epoch)]
        chance.shuffle(known)
        again = draft(
            Proposal(
                told.epoch, told.parent, told.anchor, {one: told.observations[one] for one in epochs}, told.appeals
            ),
            found.committee,
            REPORTS,
            found.ledger,
            self.world.plan.clock,
            [one.subject for one in known],
            APPEAL_EPOCHS,
            nodes={one.subject.assignment_id: raw_address(one.node) for one in reversed(known)},
            committees=dict(reversed(list(found.committees.items()))),
            heartbeat_domain=HEARTBEATS,
            conflicts=conflicts_of(found.committee, told.epoch),
            deeds=deeds_of(found.committee, told.epoch, self.world.plan.clock),
            posts=posts_of(found.committee, told.epoch, self.world.plan.clock, found.ledger.duties),
        )
        if (again.report, again.evidence, again.ledger.encode()) != (made.report, made.evidence, ledger):
            self.wrong(f"epoch {told.epoch}: inputs in another order made other bytes")

    # In the end.

    def finish(self) -> None:
        """Look at the whole run."""
        self._check_final_reports()
        for epoch, mood in enumerate(self.world.plan.moods):
            if mood in (Mood.CALM, Mood.SQUALL):
                self._check_attested(epoch)
            elif mood is Mood.SILENCE:
                self._check_failed(epoch)
        self._check_outcomes()
        self._check_alarms()

    def _check_final_reports(self) -> None:
        """One final report of an epoch, each on the one before it, and none that ever changes."""
        final: dict[int, EpochReport] = {}
        before: EpochReport | None = None
        for block in self.world.chain.blocks:
            last = block.state.at(block.timestamp).last
            if last is None or last.report == before:
                continue
            report = last.report
            if report.epoch in final:
                self.wrong(f"epoch {report.epoch} has two final reports")
            if report.parent != (before.root if before else bytes(32)):
                self.wrong(f"the final report of epoch {report.epoch} isn't on its parent")
            final[report.epoch] = before = report
        self.final = final

    def _check_attested(self, epoch: int) -> None:
        """Where nothing fails, or not for long, an epoch is attested before the next one's round begins."""
        plan, chain = self.world.plan, self.world.chain
        begin, end = plan.schedule.begin(epoch), plan.schedule.begin(epoch + 1)
        if any(begin <= when < end and report.epoch == epoch for when, report in self.submitted):
            return
        at = max(one.number for one in chain.blocks if one.timestamp <= begin)
        state = chain.blocks[at].state.at(int(begin))
        settled = chain.blocks[max(0, at - plan.finality)]
        anchor = next(one for one in chain.blocks if one.timestamp >= plan.clock.end(epoch))
        version = anchor.state.at(anchor.timestamp).current
        allowed = version == state.current or (version == state.previous and end < state.since + GRACE)
        free = state.pending is None and settled.state.at(settled.timestamp).last == state.last
        if (free and allowed) or epoch == len(plan.moods) - 1:
            waits = {one.number: one.core.waiting for one in self.world.oracles if one.up}
            self.wrong(f"epoch {epoch} was not attested though nothing failed; at the end they wait for {waits}")

    def _check_failed(self, epoch: int) -> None:
        """More than f silent members stop an epoch; everyone records it, and a later report carries its seconds."""
        plan = self.world.plan
        begin, end = plan.schedule.begin(epoch), plan.schedule.begin(epoch + 1)
        if any(begin <= when < end and report.epoch == epoch for when, report in self.submitted):
            self.wrong(f"epoch {epoch} was attested though more than f members were silent")
            return
        for oracle in self.world.live(begin, end + 3 * BLOCK):
            if (oracle.number, epoch) not in self.failed:
                self.wrong(f"oracle {oracle.number} didn't record epoch {epoch} as failed: {oracle.outcomes}")
        later = [report for _, report in sorted(self.final.items()) if report.epoch > epoch]
        if epoch in self.final or not later or plan.moods[later[0].epoch] is not Mood.CALM:
            return
        made, _ = self.drafts[later[0]]
        if epoch not in made.agreed:
            self.wrong(f"the report of epoch {later[0].epoch} doesn't carry epoch {epoch}")

    def _check_outcomes(self) -> None:
        """What oracles recorded is what is on chain; who was there has an outcome for every epoch."""
        plan = self.world.plan
        final = set(self.final)
        head = self.world.chain.head
        pending = head.state.at(head.timestamp).pending
        reported = final | ({pending.report.epoch} if pending else set())
        whole = self.world.live(plan.schedule.begin(0), self.world.time.now)
        for oracle in self.world.live(plan.schedule.begin(len(plan.moods) - 1), self.world.time.now):
            told = {one.epoch: one.kind for one in oracle.outcomes}
            for epoch in range(len(plan.moods)):
                kind = told.get(epoch)
                if kind is None and oracle in whole:
                    self.wrong(f"oracle {oracle.number} has no outcome for epoch {epoch}")
                if kind is not None and (kind == "attested") != (epoch in reported):
                    self.wrong(f"oracle {oracle.number} says {kind} of epoch {epoch}, final are {sorted(reported)}")

    def _check_alarms(self) -> None:
        """Nobody honest is accused, and where nobody lies nothing alarms."""
        liars = {one.address for one in self.world.oracles if not one.honest}
        for oracle in self.world.oracles:
            for alarm in oracle.alarms if oracle.honest else ():
                if alarm.kind == "equivocation":
                    if alarm.proof is None or alarm.proof.author not in liars:
                        self.wrong(f"oracle {oracle.number} accuses an honest one: {alarm.text}")
                elif alarm.kind == "wrong_report" or not liars:
                    self.wrong(f"oracle {oracle.number} alarms for nothing: {alarm.kind}: {alarm.text}")


def _within(agreed: Uptime, seen: list[Uptime]) -> bool:
    """Whether an uptime in ticks, its ups rounded down, lies within what some saw."""
    if not seen or not agreed.observed:
        return False
    return (
        min(one.observed for one in seen) <= agreed.observed <= max(one.observed for one in seen)
        and any(one.up * agreed.observed // one.observed <= agreed.up for one in seen)
        and any(agreed.up * one.observed <= one.up * agreed.observed for one in seen)
    )
