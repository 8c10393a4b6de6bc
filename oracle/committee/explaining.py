"""How a report came to what it says of one node: views, the median, the policy's verdict, appeals. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from oracle.committee.agreement import Draft, Evidence
from oracle.committee.appeal import judged
from oracle.committee.verifying import Facts
from oracle.ground.ledger import Account, Subject
from oracle.ground.median import measured_needs
from oracle.ground.policy import PPM, Policy
from oracle.ground.uptime import ZERO, Uptime


class Verdict(StrEnum):
    """What a policy makes of a measured uptime."""

    ALL = "all"
    PART = "part"
    NONE = "none"
    UP_TIME = "up_time"
    UNMEASURED = "unmeasured"


def verdict(policy: Policy, measured: Uptime) -> Verdict:
    """Which of a policy's rules applies to seconds measured. UP_TIME: so few were observed that just those up count."""
    if not measured.observed:
        return Verdict.UNMEASURED
    if measured.observed < policy.min_observed_seconds:
        return Verdict.UP_TIME
    if measured.up * PPM >= policy.target_ppm * measured.observed:
        return Verdict.ALL
    return Verdict.PART if measured.up * PPM > policy.floor_ppm * measured.observed else Verdict.NONE


@dataclass(frozen=True, slots=True)
class Sight:
    """What one oracle (20 bytes) saw, in ticks; None: the report uses no observation of its.

    conflicted: it has a part in the assignment, and counts only where too few others saw it.
    """

    oracle: bytes
    seen: Uptime | None
    conflicted: bool = False


@dataclass(frozen=True, slots=True)
class Told:
    """One assignment of the node, in the epoch that was asked for and in the report that carries it.

    sights     by oracle, in the committee's order
    needed     how many must have observed it for it to be measured
    agreed     what the committee came to, seconds
    open       seconds of the epoch that lie inside the assignment
    window     first and last epoch of the policy window
    measured   what was measured of the window, when this report doesn't count it yet; None: the report counts it
    verdict    the policy's, on `agreed`
    before     the account behind the parent, and behind the report; `after` is None where the leaf has left the tree
    """

    subject: Subject
    sights: tuple[Sight, ...]
    needed: int
    agreed: Uptime
    open: int
    window: tuple[int, int]
    measured: Uptime | None
    verdict: Verdict
    before: Account
    after: Account | None


@dataclass(frozen=True, slots=True)
class AppealTold:
    """What an appeal of the node for the epoch came to in a report.

    acknowledged: seconds that f + 1 oracles acknowledged. raised: seconds that the report gave back of all that appeals
    of this assignment won; what it may not give yet a later report gives.
    """

    report: int
    hash: bytes
    assignment: int
    acknowledged: int
    raised: int


def told_of(node: bytes, epoch: int, evidence: Evidence, made: Draft, facts: Facts) -> tuple[Told, ...]:
    """Each assignment that the node (20 bytes) served in the epoch, which the report carries."""
    clock = facts.clock
    start, end = clock.start(epoch), clock.end(epoch)
    seen = {one.author(facts.report_domain): one.view().ticks for one in evidence.proposal.observations.get(epoch, ())}
    found = []
    for subject in facts.subjects:
        key = subject.assignment_id
        if facts.nodes.get(key) != node or subject.opened_at >= end or subject.stop <= start:
            continue
        before = evidence.ledger.accounts.get(key, Account(0, 0, subject.opened_at))
        after = made.ledger.accounts.get(key)
        counted = after is None or after.until > before.until
        agreed = made.agreed.get(epoch, {}).get(key, ZERO)
        last = subject.window_of(epoch)[-1]
        found.append(
            Told(
                subject,
                tuple(
                    Sight(one, seen[one].get(key, ZERO) if one in seen else None, one in facts.conflicts.get(key, ()))
                    for one in facts.committee.members
                ),
                measured_needs(len(facts.committee.members)),
                agreed,
                min(subject.stop, end) - max(subject.opened_at, start),
                (last - subject.policy.window_epochs + 1, last),
                None if counted else made.ledger.open_windows.get(key, ZERO),
                verdict(subject.policy, agreed),
                before,
                after,
            )
        )
    return tuple(found)


def appeals_of(node: bytes, epoch: int, evidence: Evidence, made: Draft, facts: Facts) -> tuple[AppealTold, ...]:
    """What the node's appeals for the epoch came to in this report."""
    found = []
    for appeal in evidence.proposal.appeals:
        if (appeal.node, appeal.epoch) != (node, epoch):
            continue
        shown = judged(
            [appeal], evidence.committees, facts.heartbeat_domain, facts.clock, facts.subjects, facts.nodes
        ).get(epoch, {})
        for key, seconds in sorted(shown.items()):
            found.append(AppealTold(made.report.epoch, appeal.hash, key, seconds, _raised(key, evidence, made)))
    return tuple(found)


def _raised(key: int, evidence: Evidence, made: Draft) -> int:
    before, after = evidence.ledger.accounts.get(key), made.ledger.accounts.get(key)
    if after is None:
        return 0
    # An account forgets what appeals raised when its windows are counted further.
    same = before is not None and before.until == after.until
    return max(0, after.raised - (before.raised if before is not None and same else 0))
