"""What an oracle's part in a round wants done, and how an epoch ended."""

from __future__ import annotations

from dataclasses import dataclass

from oracle.committee.anchor import FinalReport
from oracle.committee.messages import Message, Ref
from oracle.committee.pool import Equivocation
from oracle.ground.reallocations import Reallocation
from oracle.ground.typed_data import EpochReport, ReallocationBatch


@dataclass(frozen=True, slots=True)
class Send:
    """A message for these members (20-byte addresses)."""

    to: tuple[bytes, ...]
    message: Message


@dataclass(frozen=True, slots=True)
class FetchObservation:
    """The content that a peer says it holds, of at most `most` bytes; give it to `Core.take_content`."""

    peer: bytes
    ref: Ref
    most: int


@dataclass(frozen=True, slots=True)
class FetchAppeal:
    """The appeal that a peer says it holds; give it to `Core.take_appeal`."""

    peer: bytes
    hash: bytes


@dataclass(frozen=True, slots=True)
class FetchEvidence:
    """The evidence of a report on chain, from any peer; give it to `Core.take_evidence`."""

    report: FinalReport


@dataclass(frozen=True, slots=True)
class Submit:
    """A report with its quorum: bit i of `signers` stands for member i; 64 bytes a signature."""

    report: EpochReport
    signers: int
    signatures: bytes


@dataclass(frozen=True, slots=True)
class SubmitRequests:
    """Requests for other nodes with their quorum; signers and signatures as in `Submit`. `requests` are all of the
    batch, in the order of its tree; those at `places` are to be carried out."""

    batch: ReallocationBatch
    requests: tuple[Reallocation, ...]
    places: tuple[int, ...]
    signers: int
    signatures: bytes


@dataclass(frozen=True, slots=True)
class Outcome:
    """How an epoch ended. kind: "attested" (its report is on chain), "failed" (no report before the next epoch was due;
    a later one carries its seconds), or "dropped" (its report was vetoed, or went with its committee)."""

    epoch: int
    kind: str
    detail: str


@dataclass(frozen=True, slots=True)
class Ended:
    """An epoch has its outcome."""

    outcome: Outcome


@dataclass(frozen=True, slots=True)
class Alarm:
    """Something that a person has to look at. kind: "disagreement", "equivocation" or "wrong_report"."""

    kind: str
    epoch: int
    text: str
    proof: Equivocation | None = None


@dataclass(frozen=True, slots=True)
class Note:
    """Something worth a line in the log."""

    kind: str
    epoch: int
    text: str


Effect = Send | FetchObservation | FetchAppeal | FetchEvidence | Submit | SubmitRequests | Ended | Alarm | Note
