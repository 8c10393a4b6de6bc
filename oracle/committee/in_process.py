"""One round of agreement among oracles that share a process: the protocol's steps without a network between them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from oracle.committee.agreement import Committee, Draft
from oracle.committee.errors import NotAgreed
from oracle.committee.member import Member
from oracle.ground.errors import EpochalError


@dataclass(frozen=True, slots=True)
class SignedReport:
    """A report with its quorum, ready to submit: bit i of `signers` stands for member i; 64 bytes a signature."""

    draft: Draft
    signers: int
    signatures: bytes


def agree_on(epoch: int, members: Sequence[Member]) -> SignedReport:
    """The report of an epoch that is over, signed by every member that comes to it.

    Leaders take turns by epoch; where one proposes nothing that a quorum signs, the next takes over. NotAgreed, with
    every member's reason, when no leader finds a quorum.
    """
    reasons: list[str] = []
    ordered, committee = _of_the_set(epoch, members, reasons)
    _catch_up(ordered, reasons)
    observations = []
    for member in ordered:
        try:
            observations.append(member.observe(epoch))
        except EpochalError as error:
            reasons.append(f"{member.signer.address}: {error}")
    for member in ordered:
        try:
            reasons += [f"{member.signer.address}: {error}" for error in member.receive(epoch, observations)]
        except EpochalError as error:
            reasons.append(f"{member.signer.address}: {error}")
    for turn in range(len(ordered)):
        leader = ordered[(epoch + turn) % len(ordered)]
        try:
            proposal = leader.propose(epoch)
        except EpochalError as error:
            reasons.append(f"{leader.signer.address}: {error}")
            continue
        signed: dict[int, tuple[Draft, bytes]] = {}
        for member in ordered:
            try:
                signed[committee.members.index(member.address)] = member.sign(proposal)
            except EpochalError as error:
                reasons.append(f"{member.signer.address}: {error}")
        drafts = {one.report: one for one, _ in signed.values()}
        for report, made in drafts.items():
            agreeing = [index for index, (one, _) in sorted(signed.items()) if one.report == report]
            if len(agreeing) >= committee.quorum:
                return SignedReport(
                    made,
                    sum(1 << index for index in agreeing),
                    b"".join(signed[index][1] for index in agreeing),
                )
    raise NotAgreed(f"epoch {epoch}: no quorum of {committee.quorum}; " + "; ".join(reasons))


def _of_the_set(epoch: int, members: Sequence[Member], reasons: list[str]) -> tuple[list[Member], Committee]:
    """The members that are of the set in force at the epoch's anchor, in its order, and that set."""
    committee: Committee | None = None
    for member in members:
        try:
            committee = member.reader.committee(member.anchor(epoch))
            break
        except EpochalError as error:
            reasons.append(f"{member.signer.address}: {error}")
    if committee is None:
        raise NotAgreed(f"epoch {epoch}: nobody can read its anchor; " + "; ".join(reasons))
    ordered = sorted((one for one in members if one.address in committee.members), key=lambda one: one.address)
    return ordered, committee


def _catch_up(members: Sequence[Member], reasons: list[str]) -> None:
    """Give whoever lacks what is behind the last final report its evidence, from any peer that has it."""
    for member in members:
        try:
            if not member.behind:
                continue
            for peer in members:
                if (evidence := peer.evidence()) is not None:
                    member.catch_up(evidence)
                    break
        except EpochalError as error:
            reasons.append(f"{member.signer.address}: {error}")
