"""From observations to a report: the rule that every oracle computes for itself. Pure."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import pairwise
from typing import NamedTuple

from oracle.committee.appeal import MOST_APPEALS, judged
from oracle.committee.committee import Committee as Committee
from oracle.committee.conflicts import NO_CONFLICTS, Conflicts, heard
from oracle.committee.errors import Disagreement, Malformed
from oracle.committee.observation import SignedObservation, View
from oracle.ground.availability import Deed, attend, availability_leaves
from oracle.ground.clock import EpochClock
from oracle.ground.duty import Post, duty_leaves, serve
from oracle.ground.errors import InvalidValue
from oracle.ground.ids import KIND_ASSIGNMENT
from oracle.ground.keccak import keccak256
from oracle.ground.leaves import EMPTY, Leaf
from oracle.ground.ledger import Ledger, Subject, advance
from oracle.ground.median import agree, measured_needs
from oracle.ground.merkle import Tree
from oracle.ground.typed_data import Domain, EpochReport
from oracle.ground.uptime import ZERO, Uptime
from oracle.signing.compact import InvalidSignature
from oracle.telemetry.wire.appeal import Appeal

FORMAT = "epochal-evidence-2"


@dataclass(frozen=True, slots=True)
class Proposal:
    """What a leader proposes: which observations to use, on which parent and anchor.

    observations: by epoch, for each epoch since the parent's that could be observed, in order of their authors.
    appeals: those to judge in this report, by their hashes ascending, none twice.
    """

    epoch: int
    parent: bytes
    anchor: bytes
    observations: Mapping[int, tuple[SignedObservation, ...]]
    appeals: tuple[Appeal, ...] = ()


@dataclass(frozen=True, slots=True)
class Draft:
    """What follows from a proposal: the report, its tree, the ledger after it, and the evidence behind it.

    appeals: hashes of those that it judged, which are done with once the report is final.
    """

    report: EpochReport
    tree: Tree
    ledger: Ledger
    agreed: Mapping[int, Mapping[int, Uptime]]
    evidence: bytes
    appeals: tuple[bytes, ...] = ()


class Evidence(NamedTuple):
    """What a bundle of evidence holds.

    committees: by appealed epoch, the set whose members' receipts count. ledger: the parent's.
    """

    proposal: Proposal
    committee: Committee
    ledger: Ledger
    committees: Mapping[int, Committee]


def arranged(
    observations: Iterable[SignedObservation], committee: Committee, domain: Domain, epoch: int
) -> tuple[SignedObservation, ...]:
    """The observations in order of their authors; Disagreement when one isn't a valid one of a member for the epoch, or
    when a member comes twice."""
    by_author: dict[bytes, SignedObservation] = {}
    for observation in observations:
        try:
            author, view = observation.author(domain), observation.view()
        except (InvalidSignature, Malformed) as error:
            raise Disagreement(f"epoch {epoch}: an observation is no valid one: {error}") from error
        if author not in committee.members:
            raise Disagreement(f"epoch {epoch}: 0x{author.hex()} observed, but isn't of committee {committee.version}")
        if (view.epoch, view.committee) != (epoch, committee.version):
            raise Disagreement(
                f"epoch {epoch}, committee {committee.version}: 0x{author.hex()} observed epoch {view.epoch} "
                f"for committee {view.committee}"
            )
        if author in by_author:
            raise Disagreement(f"epoch {epoch}: 0x{author.hex()} comes twice in one proposal")
        by_author[author] = observation
    return tuple(by_author[author] for author in sorted(by_author))


def combine(
    views: Sequence[View], members: int, tick: int, authors: Sequence[bytes] = (), conflicts: Conflicts = NO_CONFLICTS
) -> dict[int, Uptime]:
    """The agreed uptime, in seconds, of every assignment that anyone observed.

    authors: of the views, in order of their addresses; needed where there are conflicts.
    """
    return _combined([view.ticks for view in views], members, tick, authors, conflicts)


def _combined(
    views: Sequence[Mapping[int, Uptime]], members: int, tick: int, authors: Sequence[bytes], conflicts: Conflicts
) -> dict[int, Uptime]:
    needed = measured_needs(members)
    agreed: dict[int, Uptime] = {}
    for key in sorted(set().union(*views)):
        seen: Iterable[Uptime] = [view.get(key, ZERO) for view in views]
        if conflicted := conflicts.get(key):
            seen = heard(list(zip(authors, seen, strict=True)), conflicted, members)
        agreed[key] = agree(seen, needed).scaled(tick)
    return agreed


def draft(
    proposal: Proposal,
    committee: Committee,
    domain: Domain,
    parent: Ledger,
    clock: EpochClock,
    subjects: Sequence[Subject],
    appeal_epochs: int,
    *,
    nodes: Mapping[int, bytes] | None = None,
    committees: Mapping[int, Committee] | None = None,
    heartbeat_domain: Domain | None = None,
    conflicts: Conflicts = NO_CONFLICTS,
    posts: Sequence[Post] = (),
    deeds: Sequence[Deed] = (),
) -> Draft:
    """The report that follows from a proposal. Disagreement when the proposal breaks a rule.

    parent: the ledger behind the last final report. subjects: the assignments of the anchor state. What appeals take:
    nodes, the node (20 bytes) of each assignment; committees, by appealed epoch, the set in force at that epoch's
    anchor; and the domain of receipts, a heartbeat's. Appeals that a final report has used are done with. conflicts:
    the members with a part in an assignment, by the anchor's state. posts: where the network pays oracles, the
    committee's members and those of whom the parent's ledger has duties. deeds: licences that the network rewards.
    """
    if proposal.epoch not in proposal.observations:
        raise Disagreement(f"epoch {proposal.epoch}: the proposal has no observations of it")
    agreed: dict[int, dict[int, Uptime]] = {}
    served: dict[int, frozenset[bytes]] = {}
    available: dict[int, dict[int, Uptime]] = {}
    held = {one.licence: one.conflicted for one in deeds if one.conflicted}
    for epoch in sorted(proposal.observations):
        if not parent.epoch < epoch <= proposal.epoch:
            raise Disagreement(f"epoch {epoch} isn't between the parent's, {parent.epoch}, and {proposal.epoch}")
        ordered = arranged(proposal.observations[epoch], committee, domain, epoch)
        if ordered != tuple(proposal.observations[epoch]):
            raise Disagreement(f"epoch {epoch}: the observations aren't in order of their authors")
        if len(ordered) < committee.quorum:
            raise Disagreement(f"epoch {epoch}: {len(ordered)} observations, a quorum is {committee.quorum}")
        views, authors = [one.view() for one in ordered], [one.author(domain) for one in ordered]
        served[epoch] = frozenset(authors)
        agreed[epoch] = combine(views, len(committee.members), clock.tick, authors, conflicts)
        if deeds:
            of_licences = [view.licences for view in views]
            available[epoch] = _combined(of_licences, len(committee.members), clock.tick, authors, held)
    _check_appeals(proposal)
    used = {epoch: one for epoch, one in (committees or {}).items() if any(a.epoch == epoch for a in proposal.appeals)}
    shown: dict[int, dict[int, int]] = {}
    if proposal.appeals:
        if nodes is None or heartbeat_domain is None:
            raise Disagreement(f"epoch {proposal.epoch}: the proposal has appeals, which aren't judged here")
        shown = judged(proposal.appeals, used, heartbeat_domain, clock, subjects, nodes)
    ledger, leaves = advance(parent, clock, proposal.epoch, subjects, agreed, appeal_epochs, shown)
    if posts or deeds:
        duties = serve(parent.duties, clock, served, posts) if posts else {}
        ledger = replace(ledger, duties=duties)
        if deeds:
            ledger = replace(ledger, availability=attend(parent.availability, clock, available, deeds))
        others = *availability_leaves(ledger.availability), *duty_leaves(ledger.duties)
        leaves = (*(each for each in leaves if each != EMPTY), *others) or (EMPTY,)
    tree = Tree.build(leaves)
    evidence = bundle(proposal, committee, parent, used)
    report = EpochReport(
        epoch=proposal.epoch,
        committee=committee.version,
        root=tree.root,
        parent=proposal.parent,
        anchor=proposal.anchor,
        evidence=keccak256(evidence),
    )
    return Draft(report, tree, ledger, agreed, evidence, tuple(one.hash for one in proposal.appeals))


def _check_appeals(proposal: Proposal) -> None:
    if len(proposal.appeals) > MOST_APPEALS:
        raise Disagreement(f"epoch {proposal.epoch}: {len(proposal.appeals)} appeals, at most {MOST_APPEALS}")
    if any(a.hash >= b.hash for a, b in pairwise(proposal.appeals)):
        raise Disagreement(f"epoch {proposal.epoch}: the appeals aren't in order of their hashes, or one comes twice")
    for appeal in proposal.appeals:
        if appeal.epoch > proposal.epoch:
            raise Disagreement(f"epoch {proposal.epoch}: an appeal is for epoch {appeal.epoch}, which is still to come")


def bundle(
    proposal: Proposal, committee: Committee, parent: Ledger, committees: Mapping[int, Committee] | None = None
) -> bytes:
    """The evidence from which, with the chain's state at the anchor, anyone recomputes the report: canonical JSON.

    committees: the sets of the appealed epochs.
    """
    content = {
        "format": FORMAT,
        "epoch": proposal.epoch,
        "committee": committee.version,
        "members": [member.hex() for member in committee.members],
        "parent": proposal.parent.hex(),
        "anchor": proposal.anchor.hex(),
        "ledger": parent.encode().hex(),
        "observations": [
            [epoch, [[one.content.hex(), one.signature.hex()] for one in proposal.observations[epoch]]]
            for epoch in sorted(proposal.observations)
        ],
        "appeals": [appeal.encode().hex() for appeal in proposal.appeals],
        "committees": [
            [epoch, one.version, [member.hex() for member in one.members]]
            for epoch, one in sorted((committees or {}).items())
        ],
    }
    return json.dumps(content, sort_keys=True, separators=(",", ":")).encode()


def unbundle(evidence: bytes) -> Evidence:
    """What a bundle was made from; Malformed for other bytes. The caller has checked its hash, and checks the appealed
    epochs' sets against the chain."""
    try:
        content = json.loads(evidence)
        if content["format"] != FORMAT:
            raise Malformed(f"evidence of format {content['format']!r}; this version reads {FORMAT}")
        observations = {
            epoch: tuple(SignedObservation(bytes.fromhex(one), bytes.fromhex(signature)) for one, signature in signed)
            for epoch, signed in content["observations"]
        }
        proposal = Proposal(
            content["epoch"],
            bytes.fromhex(content["parent"]),
            bytes.fromhex(content["anchor"]),
            observations,
            tuple(Appeal.decode(bytes.fromhex(appeal)) for appeal in content["appeals"]),
        )
        committee = Committee(content["committee"], tuple(map(bytes.fromhex, content["members"])))
        committees = {
            epoch: Committee(version, tuple(map(bytes.fromhex, members)))
            for epoch, version, members in content["committees"]
        }
        return Evidence(proposal, committee, Ledger.decode(bytes.fromhex(content["ledger"])), committees)
    except (KeyError, TypeError, ValueError, RecursionError, InvalidValue) as error:
        raise Malformed(f"evidence that can't be read: {error}") from error


def leaves_by_id(leaves: Iterable[Leaf]) -> dict[int, Leaf]:
    """Leaves of assignments by their id."""
    return {leaf.id: leaf for leaf in leaves if leaf.kind == KIND_ASSIGNMENT}
