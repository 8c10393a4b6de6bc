"""What `epochal explain` tells beyond one oracle's store: the report that carries the epoch, and a node's appeals."""

from __future__ import annotations

from dataclasses import dataclass

from oracle.committee.explaining import AppealTold, Told, appeals_of, told_of
from oracle.committee.verifying import WrongTick, read
from oracle.ground.address import raw_address
from oracle.ground.errors import EpochalError, InvalidValue, Malformed, UserError
from oracle.service.reports_on_chain import Submission
from oracle.service.verifying import Verified, Verifier


class ReportDiffers(EpochalError):
    """The report doesn't follow from its evidence, so the evidence explains nothing."""


class OtherEpoch(UserError):
    """The evidence given isn't that of the report which carries the epoch."""


@dataclass(frozen=True, slots=True)
class ReportTold:
    """A node (20 bytes) in one epoch, as the report that carries it has it. notes: what couldn't be looked up."""

    node: bytes
    epoch: int
    verified: Verified
    assignments: tuple[Told, ...]
    appeals: tuple[AppealTold, ...]
    notes: tuple[str, ...]

    @property
    def carried(self) -> tuple[int, int]:
        """First and last epoch whose seconds the report carries."""
        return self.verified.facts.parent_epoch + 1, self.verified.submission.claim.epoch


def explain_report(verifier: Verifier, node: str, epoch: int, bundle: bytes | None = None) -> ReportTold:
    """What became of a node's epoch, from evidence that is fetched, or from the `bundle` given, once it was verified.

    NoReport while none carries the epoch; ReportDiffers; OtherEpoch; WrongTick; EvidenceMissing; InvalidValue for what
    is no address or no evidence; RpcError.
    """
    try:
        name = raw_address(node)
    except InvalidValue as error:
        raise InvalidValue(f"NODE: {error}") from error
    submission = verifier.reports.carrying(epoch)
    try:
        given = submission if bundle is None else verifier.submission_of(bundle)
    except Malformed as error:
        raise InvalidValue(f"--evidence: {error}") from error
    if given != submission:
        raise OtherEpoch(
            f"--evidence: isn't of the report that carries epoch {epoch}, which is that of epoch "
            f"{submission.claim.epoch}; give its evidence, or leave it out to have it fetched"
        )
    found = _followed(verifier, submission, bundle)
    evidence, made = found.verification.evidence, found.verification.made
    assert evidence is not None
    assert made is not None
    assignments = told_of(name, epoch, evidence, made, found.facts)
    appeals, notes = _appeals(verifier, found, name, epoch, assignments)
    return ReportTold(name, epoch, found, assignments, appeals, notes)


def _followed(verifier: Verifier, submission: Submission, bundle: bytes | None) -> Verified:
    found = verifier.verify(submission, bundle, "--evidence" if bundle is not None else "")
    if not found.verification.holds:
        differs = found.verification.differs
        told = f"{differs.part}: {differs.text}" if differs else "it can't be followed"
        raise ReportDiffers(
            f"the report of epoch {submission.claim.epoch} doesn't follow from its evidence: {told}; "
            "look at it with `epochal verify`"
        )
    return found


def _appeals(
    verifier: Verifier, found: Verified, node: bytes, epoch: int, assignments: tuple[Told, ...]
) -> tuple[tuple[AppealTold, ...], tuple[str, ...]]:
    """The node's appeals for the epoch, in this report and in those that may still take them."""
    last = max((one.window[-1] for one in assignments), default=epoch) + verifier.network.appeal_epochs
    first = found.submission.claim.epoch
    later = [one for one in verifier.reports.standing if first < one.claim.epoch <= max(first, last)]
    told: list[AppealTold] = []
    notes: list[str] = []
    for submission in (found.submission, *later):
        try:
            one = found if submission is found.submission else _with_appeal(verifier, submission, node, epoch)
        except WrongTick:
            raise
        except (EpochalError, Malformed) as error:
            notes.append(f"whether the report of epoch {submission.claim.epoch} took an appeal isn't known: {error}")
            continue
        if one is not None and one.verification.evidence is not None and one.verification.made is not None:
            told += appeals_of(node, epoch, one.verification.evidence, one.verification.made, one.facts)
    return tuple(told), tuple(notes)


def _with_appeal(verifier: Verifier, submission: Submission, node: bytes, epoch: int) -> Verified | None:
    """The report, followed, if the node's appeal is in its evidence."""
    bundle, source = verifier.fetch(submission)
    if not any((one.node, one.epoch) == (node, epoch) for one in read(bundle).proposal.appeals):
        return None
    found = verifier.verify(submission, bundle, source)
    if not found.verification.holds:
        raise ReportDiffers("it doesn't follow from its evidence")
    return found
