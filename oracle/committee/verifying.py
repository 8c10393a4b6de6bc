"""Whether a report follows from its evidence: what anyone can check who trusts no oracle. Pure.

The checks go from the outside in, so the first that fails says what was changed. A bundle of another hash is looked
into all the same: the check that fails after that one names the part.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import zip_longest
from json import JSONDecodeError
from typing import Any

from oracle.committee.agreement import FORMAT, Draft, Evidence, arranged, draft, unbundle
from oracle.committee.agreement import bundle as bundled
from oracle.committee.appeal import acknowledged
from oracle.committee.committee import Committee
from oracle.committee.conflicts import Conflicts
from oracle.committee.errors import Disagreement, Malformed
from oracle.ground.address import checksummed
from oracle.ground.availability import Deed
from oracle.ground.clock import EpochClock
from oracle.ground.duty import Post
from oracle.ground.errors import EpochalError, UserError
from oracle.ground.ids import show_assignment
from oracle.ground.keccak import keccak256
from oracle.ground.ledger import Ledger, Subject
from oracle.ground.median import fault_bound
from oracle.ground.merkle import Tree
from oracle.ground.typed_data import Domain
from oracle.signing.compact import InvalidSignature


class Differs(EpochalError):
    """A part of the evidence isn't what the report, or the chain, says."""

    def __init__(self, part: str, text: str) -> None:
        super().__init__(text)
        self.part = part


class WrongTick(UserError):
    """Oracles measured in shorter ticks than was said, so nothing that is recomputed with these would be true."""


@dataclass(frozen=True, slots=True)
class Claim:
    """A report as it was submitted. committee: the version of its set; hashes of 32 bytes."""

    epoch: int
    committee: int
    root: bytes
    anchor: bytes
    evidence: bytes


@dataclass(frozen=True, slots=True)
class Facts:
    """What the chain says of a report's epoch.

    anchor          the first finalized block at or after the epoch's end
    committee       the set in force there
    parent_epoch    of the last report that was final when this one was submitted; -1 for none
    parent_root     its root; zeros for none
    subjects        the assignments in the anchor's state
    nodes           the node (20 bytes) of each assignment
    committee_at    the set in force at another epoch's anchor
    conflicts       the members with a part in an assignment, by what was declared when the epoch started
    posts           where the network pays oracles, the committee's members and others, given by their addresses
    deeds           the licences that the network rewards
    parent_ledger   what the parent's own evidence comes to, where that was there to recompute
    """

    anchor: bytes
    committee: Committee
    parent_epoch: int
    parent_root: bytes
    subjects: Sequence[Subject]
    nodes: Mapping[int, bytes]
    clock: EpochClock
    appeal_epochs: int
    report_domain: Domain
    heartbeat_domain: Domain
    committee_at: Callable[[int], Committee]
    conflicts: Conflicts
    posts: Callable[[Iterable[int]], Sequence[Post]]
    deeds: Sequence[Deed]
    parent_ledger: Ledger | None = None


@dataclass(frozen=True, slots=True)
class Check:
    """One part that was looked at, and what was found, in a line."""

    part: str
    holds: bool
    text: str


@dataclass(frozen=True, slots=True)
class Verification:
    """What became of the checks. `made` is what follows from the evidence, if it could be followed."""

    checks: tuple[Check, ...]
    evidence: Evidence | None
    made: Draft | None

    @property
    def holds(self) -> bool:
        """Whether the report follows from its evidence."""
        return self.made is not None and all(one.holds for one in self.checks)

    @property
    def differs(self) -> Check | None:
        """The most telling part of those that differ: the last, for all parts of changed bytes differ in hash too."""
        failed = [one for one in self.checks if not one.holds]
        return failed[-1] if failed else None


def verify(bundle: bytes, claim: Claim, facts: Facts) -> Verification:
    """Check a bundle against its report and the chain, and recompute the report. Stops at the first part that differs,
    but for the hash and the form of the encoding.

    WrongTick where members measured more ticks than the clock's epochs have.
    """
    checks: list[Check] = []
    evidence: Evidence | None = None
    made: Draft | None = None

    def held(part: str, text: str) -> None:
        checks.append(Check(part, True, text))

    try:
        found = keccak256(bundle)
        if found == claim.evidence:
            held("hash", f"0x{found.hex()}, {len(bundle):,} bytes")
        else:
            text = f"the evidence has hash 0x{found.hex()}, on chain is 0x{claim.evidence.hex()}"
            checks.append(Check("hash", False, text))
        evidence = _read(bundle)
        if bundled(*evidence) == bundle:
            held("format", f"{FORMAT}, in its canonical encoding")
        else:
            text = "the evidence isn't in the one canonical encoding of what it holds"
            checks.append(Check("format", False, text))
        check_tick(evidence, facts)
        for part, look in (
            ("epoch", _epoch),
            ("committee", _committee),
            ("anchor", _anchor),
            ("parent", _parent),
            ("ledger", _ledger),
            ("observations", _observations),
            ("appeals", _appeals),
        ):
            held(part, look(evidence, claim, facts))
        made = _followed(evidence, facts)
        held("rules", "order, quorum and times are as they must be")
        held("root", _root(made, claim))
    except Differs as error:
        checks.append(Check(error.part, False, str(error)))
    return Verification(tuple(checks), evidence, made)


def read(bundle: bytes) -> Evidence:
    """What a bundle holds. Malformed, in words for who was given it, for other bytes."""
    try:
        return unbundle(bundle)
    except Malformed as error:
        if error.__cause__ is None:
            raise
        no_json = isinstance(error.__cause__, (JSONDecodeError, UnicodeDecodeError, RecursionError))
        raise Malformed(
            "cut off or no JSON; fetch it again" if no_json else "JSON, but damaged or no evidence; fetch it again"
        ) from error


def check_tick(evidence: Evidence, facts: Facts) -> None:
    """WrongTick when more members measured more ticks of an epoch than it has than may lie.

    So many prove it, for an honest one is among them; fewer may be liars, who shall not keep anyone from verifying.
    """
    clock, members = facts.clock, facts.committee.members
    for epoch, observations in sorted(evidence.proposal.observations.items()):
        most: dict[bytes, int] = {}
        for one in observations:
            try:
                view = one.view()
                ticks = max((seen.observed for seen in view.ticks.values()), default=0)
                if ticks <= clock.ticks_per_epoch or (view.epoch, view.committee) != (epoch, facts.committee.version):
                    continue
                author = one.author(facts.report_domain)
            except (InvalidSignature, Malformed):
                continue  # told by the check of the observations
            if author in members:
                most[author] = ticks
        told = sorted(most.items(), key=lambda each: (-each[1], each[0]))[fault_bound(len(members)) :]
        fits = [tick for tick in range(1, clock.tick) if told and clock.length % tick == 0]
        fits = [tick for tick in fits if clock.length // tick >= told[0][1]]
        if fits:
            raise WrongTick(
                f"{checksummed(told[0][0])} observed {told[0][1]:,} ticks in an epoch of {clock.length:,} s, which has "
                f"{_counted(clock.ticks_per_epoch, 'tick')} of {clock.tick:,} s: give --tick {fits[-1]}"
            )


def _counted(number: int, one: str, many: str = "") -> str:
    return f"{number:,} {one if number == 1 else many or one + 's'}"


def _read(bundle: bytes) -> Evidence:
    try:
        evidence = read(bundle)
    except Malformed as error:
        raise Differs("format", str(error)) from error
    proposal = evidence.proposal
    numbers = (proposal.epoch, evidence.committee.version, *proposal.observations, *evidence.committees)
    if not all(type(one) is int for one in numbers):
        raise Differs("format", "an epoch or a version in the evidence isn't a whole number")
    return evidence


def _epoch(evidence: Evidence, claim: Claim, facts: Facts) -> str:
    told = evidence.proposal.epoch
    if told != claim.epoch:
        raise Differs("epoch", f"the evidence is of epoch {told}, the report of epoch {claim.epoch}")
    return str(told)


def _committee(evidence: Evidence, claim: Claim, facts: Facts) -> str:
    wanted, told = facts.committee, evidence.committee
    for who, version in (("report", claim.committee), ("evidence", told.version)):
        if version != wanted.version:
            raise Differs("committee", f"the {who} names set {version}, in force at the anchor was {wanted.version}")
    for number, (a, b) in enumerate(zip_longest(told.members, wanted.members, fillvalue=b"")):
        if a != b:
            text = f"member {number} of set {wanted.version} is {_hex(a)} in the evidence, {_hex(b)} on chain"
            raise Differs("committee", text)
    return f"set {wanted.version}, {_counted(len(wanted.members), 'member')}, a quorum is {wanted.quorum}"


def _anchor(evidence: Evidence, claim: Claim, facts: Facts) -> str:
    for who, told in (("report", claim.anchor), ("evidence", evidence.proposal.anchor)):
        if told != facts.anchor:
            text = (
                f"the {who} names block {_hex(told)}, the first finalized one after the epoch is {_hex(facts.anchor)}"
            )
            raise Differs("anchor", text)
    return f"block {_hex(facts.anchor)}"


def _parent(evidence: Evidence, claim: Claim, facts: Facts) -> str:
    told, wanted = evidence.proposal.parent, facts.parent_root
    if told != wanted:
        text = f"the evidence names root {_hex(told)}, the last final report's, of epoch {facts.parent_epoch}, was "
        raise Differs("parent", text + _hex(wanted))
    return f"epoch {facts.parent_epoch}, root {_hex(wanted)}" if facts.parent_epoch >= 0 else "none: the first report"


def _ledger(evidence: Evidence, claim: Claim, facts: Facts) -> str:
    ledger = evidence.ledger
    if ledger.epoch != facts.parent_epoch:
        raise Differs("ledger", f"the ledger stands at epoch {ledger.epoch}, the parent at {facts.parent_epoch}")
    if ledger.epoch < 0:
        if ledger != Ledger():
            raise Differs("ledger", "the ledger before the first report isn't empty")
        return "empty, before the first report"
    known = facts.parent_ledger
    if known is not None and (difference := ledger_difference(ledger, known)):
        raise Differs("ledger", difference)
    root = Tree.build(ledger.leaves()).root
    if root != facts.parent_root:
        text = f"the ledger's accounts come to root {_hex(root)}, the parent's is {_hex(facts.parent_root)}"
        raise Differs("ledger", text)
    how = "as the parent's evidence comes to" if known is not None else "accounts as in the parent's leaves"
    return f"{_counted(len(ledger.accounts), 'account')} after epoch {ledger.epoch}, {how}"


def ledger_difference(told: Ledger, known: Ledger) -> str:
    """The first entry in which a ledger differs from the one that is known to be right, in a line; "" if none."""
    for what in ("accounts", "open_windows", "losses", "windows", "duties", "availability"):
        ours: Mapping[Any, Any] = getattr(known, what)
        theirs: Mapping[Any, Any] = getattr(told, what)
        for key in sorted(ours.keys() | theirs.keys()):
            if ours.get(key) != theirs.get(key):
                name = f"job {key[0]}, slot {key[1]}, to {key[3]}" if isinstance(key, tuple) else show_assignment(key)
                if what in ("duties", "availability"):
                    name = checksummed(key.to_bytes(20)) if what == "duties" else f"licence {key}"
                return (
                    f"{what.replace('_', ' ')} of {name}: {theirs.get(key)} in the evidence, {ours.get(key)} after the "
                    "parent"
                )
    return ""


def _observations(evidence: Evidence, claim: Claim, facts: Facts) -> str:
    told, members = [], facts.committee.members
    for epoch, observations in sorted(evidence.proposal.observations.items()):
        for number, one in enumerate(observations):
            which = f"number {number + 1} of {len(observations)} of epoch {epoch}, content {_hex(one.content_hash)}"
            try:
                known = one.author(facts.report_domain) in members
                if known:
                    arranged([one], facts.committee, facts.report_domain, epoch)
            except (InvalidSignature, Malformed, Disagreement) as error:
                raise Differs("observations", f"{which}: {error}") from error
            if not known:
                # Of changed bytes any signature recovers to somebody: that address would blame a stranger.
                text = "its signature and its content don't belong together, or aren't a member's"
                raise Differs("observations", f"{which}: {text}")
        told.append(f"epoch {epoch} by {len(observations)} of {len(members)}")
    return "signed by members: " + ", ".join(told)


def _appeals(evidence: Evidence, claim: Claim, facts: Facts) -> str:
    appeals = evidence.proposal.appeals
    epochs = sorted({one.epoch for one in appeals})
    if epochs and epochs[-1] > claim.epoch:
        raise Differs("appeals", f"one is for epoch {epochs[-1]}, which was still to come")
    if sorted(evidence.committees) != epochs:
        raise Differs("appeals", f"sets are told for epochs {sorted(evidence.committees)}, appeals are for {epochs}")
    for epoch in epochs:
        wanted = facts.committee_at(epoch)
        if evidence.committees[epoch] != wanted:
            raise Differs("appeals", f"the set of appealed epoch {epoch} isn't that on chain, version {wanted.version}")
    for number, one in enumerate(appeals):
        try:
            acknowledged(one, evidence.committees[one.epoch], facts.heartbeat_domain, facts.clock.ticks_per_epoch)
        except Disagreement as error:
            raise Differs("appeals", f"number {number + 1} of {len(appeals)}: {error}") from error
    return f"{len(appeals)}, receipts signed by members" if appeals else "none"


def _followed(evidence: Evidence, facts: Facts) -> Draft:
    try:
        return draft(
            evidence.proposal,
            facts.committee,
            facts.report_domain,
            evidence.ledger,
            facts.clock,
            facts.subjects,
            facts.appeal_epochs,
            nodes=facts.nodes,
            committees=evidence.committees,
            heartbeat_domain=facts.heartbeat_domain,
            conflicts=facts.conflicts,
            posts=facts.posts(evidence.ledger.duties),
            deeds=facts.deeds,
        )
    except Disagreement as error:
        raise Differs("rules", str(error)) from error


def _root(made: Draft, claim: Claim) -> str:
    found = made.report.root
    if found != claim.root:
        raise Differs("root", f"recomputed {_hex(found)}, on chain is {_hex(claim.root)}")
    return f"{_hex(found)}, recomputed from {_counted(len(made.tree.leaves), 'leaf', 'leaves')}"


def _hex(raw: bytes) -> str:
    return f"0x{raw.hex()}" if raw else "missing"
