"""From observations to a report: the rule that every oracle computes for itself. Pure."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from oracle.committee.errors import Disagreement, Malformed
from oracle.committee.observation import SignedObservation, View
from oracle.ground.clock import EpochClock
from oracle.ground.errors import InvalidValue
from oracle.ground.keccak import keccak256
from oracle.ground.leaves import Leaf
from oracle.ground.ledger import Ledger, Subject, advance
from oracle.ground.median import agree, measured_needs, quorum
from oracle.ground.merkle import Tree
from oracle.ground.typed_data import Domain, EpochReport
from oracle.ground.uptime import ZERO, Uptime
from oracle.signing.compact import InvalidSignature

FORMAT = "epochal-evidence-1"


@dataclass(frozen=True, slots=True)
class Committee:
    """The set in force: its version and its members' 20-byte addresses, ascending."""

    version: int
    members: tuple[bytes, ...]

    @property
    def quorum(self) -> int:
        """How many observations a proposal needs, and how many signatures a report."""
        return quorum(len(self.members))


@dataclass(frozen=True, slots=True)
class Proposal:
    """What a leader proposes: which observations to use, on which parent and anchor.

    observations: by epoch, for each epoch since the parent's that could be observed, in order of their authors.
    """

    epoch: int
    parent: bytes
    anchor: bytes
    observations: Mapping[int, tuple[SignedObservation, ...]]


@dataclass(frozen=True, slots=True)
class Draft:
    """What follows from a proposal: the report, its tree, the ledger after it, and the evidence behind it."""

    report: EpochReport
    tree: Tree
    ledger: Ledger
    agreed: Mapping[int, Mapping[int, Uptime]]
    evidence: bytes


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


def combine(views: Sequence[View], members: int, tick: int) -> dict[int, Uptime]:
    """The agreed uptime, in seconds, of every assignment that anyone observed."""
    needed = measured_needs(members)
    keys = sorted({key for view in views for key in view.ticks})
    return {key: agree((view.ticks.get(key, ZERO) for view in views), needed).scaled(tick) for key in keys}


def draft(
    proposal: Proposal,
    committee: Committee,
    domain: Domain,
    parent: Ledger,
    clock: EpochClock,
    subjects: Sequence[Subject],
    appeal_epochs: int,
) -> Draft:
    """The report that follows from a proposal. Disagreement when the proposal breaks a rule.

    parent: the ledger behind the last final report. subjects: the assignments of the anchor state.
    """
    if proposal.epoch not in proposal.observations:
        raise Disagreement(f"epoch {proposal.epoch}: the proposal has no observations of it")
    agreed: dict[int, dict[int, Uptime]] = {}
    for epoch in sorted(proposal.observations):
        if not parent.epoch < epoch <= proposal.epoch:
            raise Disagreement(f"epoch {epoch} isn't between the parent's, {parent.epoch}, and {proposal.epoch}")
        ordered = arranged(proposal.observations[epoch], committee, domain, epoch)
        if ordered != tuple(proposal.observations[epoch]):
            raise Disagreement(f"epoch {epoch}: the observations aren't in order of their authors")
        if len(ordered) < committee.quorum:
            raise Disagreement(f"epoch {epoch}: {len(ordered)} observations, a quorum is {committee.quorum}")
        agreed[epoch] = combine([one.view() for one in ordered], len(committee.members), clock.tick)
    ledger, leaves = advance(parent, clock, proposal.epoch, subjects, agreed, appeal_epochs)
    tree = Tree.build(leaves)
    evidence = bundle(proposal, committee, parent)
    report = EpochReport(
        epoch=proposal.epoch,
        committee=committee.version,
        root=tree.root,
        parent=proposal.parent,
        anchor=proposal.anchor,
        evidence=keccak256(evidence),
    )
    return Draft(report, tree, ledger, agreed, evidence)


def bundle(proposal: Proposal, committee: Committee, parent: Ledger) -> bytes:
    """The evidence from which, with the chain's state at the anchor, anyone recomputes the report: canonical JSON."""
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
    }
    return json.dumps(content, sort_keys=True, separators=(",", ":")).encode()


def unbundle(evidence: bytes) -> tuple[Proposal, Committee, Ledger]:
    """What a bundle was made from; Malformed for other bytes. The caller has checked its hash."""
    try:
        content = json.loads(evidence)
        if content["format"] != FORMAT:
            raise Malformed(f"evidence of format {content['format']!r}; this version reads {FORMAT}")
        observations = {
            epoch: tuple(SignedObservation(bytes.fromhex(one), bytes.fromhex(signature)) for one, signature in signed)
            for epoch, signed in content["observations"]
        }
        proposal = Proposal(
            content["epoch"], bytes.fromhex(content["parent"]), bytes.fromhex(content["anchor"]), observations
        )
        committee = Committee(content["committee"], tuple(map(bytes.fromhex, content["members"])))
        return proposal, committee, Ledger.decode(bytes.fromhex(content["ledger"]))
    except (KeyError, TypeError, ValueError, InvalidValue) as error:
        raise Malformed(f"evidence that can't be read: {error}") from error


def leaves_by_id(leaves: Iterable[Leaf]) -> dict[int, Leaf]:
    """Leaves of assignments by their id, without the empty network's one."""
    return {leaf.id: leaf for leaf in leaves if leaf.kind}
