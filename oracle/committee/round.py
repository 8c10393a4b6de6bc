"""One round of agreement among oracles that share a process: the protocol's steps without a network between them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from oracle.committee.agreement import Draft
from oracle.committee.errors import NotAgreed
from oracle.committee.member import Member
from oracle.ground.errors import EpochalError
from oracle.ground.median import quorum


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
    ordered = sorted(members, key=lambda member: member.address)
    reasons: list[str] = []
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
        for index, member in enumerate(ordered):
            try:
                signed[index] = member.sign(proposal)
            except EpochalError as error:
                reasons.append(f"{member.signer.address}: {error}")
        drafts = {one.report: one for one, _ in signed.values()}
        for report, made in drafts.items():
            agreeing = [index for index, (one, _) in signed.items() if one.report == report]
            if len(agreeing) >= quorum(len(ordered)):
                return SignedReport(
                    made,
                    sum(1 << index for index in agreeing),
                    b"".join(signed[index][1] for index in agreeing),
                )
    raise NotAgreed(f"epoch {epoch}: no quorum of {quorum(len(ordered))}; " + "; ".join(reasons))
