"""What `epochal verify` prints."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

from chain.network import Network
from oracle.committee.claimed_leaves import LeafDifference
from oracle.ground.ids import KIND_ASSIGNMENT, show_assignment
from oracle.ground.leaves import Leaf
from oracle.service.verifying import Verified

_BY_TICKS: Final = ("ledger", "appeals", "root")
"""Parts that come out wrong when ticks are taken for longer or shorter than they were."""


def lines(found: Verified, network: Network, difference: LeafDifference | None, against: Path | None) -> list[str]:
    """The outcome to read; its last line is the verdict."""
    one, claim, checked = found.submission, found.submission.claim, found.verification
    members = len(found.facts.committee.members)
    out = [
        f"report of epoch {claim.epoch}, chain {network.chain.chain_id}, Attestations {network.addresses.attestations}",
        f"  submitted  in block {one.block}, signed by {len(found.signers)} of {members}: {', '.join(found.signers)}",
        f"  standing   {_standing(found)}",
        f"  evidence   from {found.source}",
    ]
    if found.parent:
        out.append(f"  parent     {found.parent}")
    out += [f"{'ok     ' if each.holds else 'DIFFERS'}  {each.part:<12}  {each.text}" for each in checked.checks]
    if difference is not None:
        out.append(f"DIFFERS  {'leaf':<12}  {_leaf_text(difference, against)}")
    elif against is not None and checked.made is not None:
        out.append(f"ok       {'leaves':<12}  all as in {against}")
    differs = checked.differs
    if differs is not None:
        if differs.part == "root" and against is None:
            out.append("Give --against with the leaves that are claimed to see the first other one.")
        if differs.part in _BY_TICKS:
            out.append(
                f"Ticks were taken to last {found.facts.clock.tick} s: is that what the network's oracles use (--tick)?"
            )
        out.append(f"DIFFERS: {differs.part}: {differs.text}")
    elif difference is not None:
        out.append(f"DIFFERS: the report follows from its evidence, but {against} has other leaves")
    else:
        out.append(f"OK: the report of epoch {claim.epoch} follows from its evidence and the chain")
    return out


def as_dict(found: Verified, difference: LeafDifference | None, compared: bool) -> dict[str, Any]:
    """The outcome for JSON; hashes and addresses as 0x text, ids as decimal text."""
    one, claim, checked = found.submission, found.submission.claim, found.verification
    made, evidence, differs = checked.made, checked.evidence, checked.differs
    return {
        "verified": checked.holds and difference is None,
        "epoch": claim.epoch,
        "standing": one.standing,
        "final_at": one.final_at,
        "block": one.block,
        "committee": claim.committee,
        "signers": found.signers,
        "root": _hex(claim.root),
        "recomputed_root": _hex(made.report.root) if made else None,
        "anchor": _hex(claim.anchor),
        "evidence": _hex(claim.evidence),
        "evidence_bytes": len(found.bundle),
        "source": found.source,
        "parent": {"epoch": found.facts.parent_epoch, "root": _hex(found.facts.parent_root), "note": found.parent},
        "observations": (
            {str(epoch): len(each) for epoch, each in sorted(evidence.proposal.observations.items())}
            if evidence
            else None
        ),
        "appeals": len(evidence.proposal.appeals) if evidence else None,
        "leaves": len(made.tree.leaves) if made else None,
        "checks": [{"part": each.part, "holds": each.holds, "text": each.text} for each in checked.checks],
        "differs": {"part": differs.part, "text": differs.text} if differs else None,
        "compared": compared and made is not None,
        "first_leaf_that_differs": (
            {
                "kind": difference.kind,
                "id": str(difference.id),
                "recomputed": _leaf(difference.recomputed),
                "claimed": _leaf(difference.claimed),
            }
            if difference
            else None
        ),
    }


def _standing(found: Verified) -> str:
    one = found.submission
    when = datetime.fromtimestamp(one.final_at, UTC).strftime("%Y-%m-%d %H:%M:%S UTC")
    return {"final": f"final since {when}", "pending": f"pending, final at {when}"}.get(one.standing, one.standing)


def _leaf_text(difference: LeafDifference, against: Path | None) -> str:
    name = f"kind {difference.kind}, id {difference.id}"
    if difference.kind == KIND_ASSIGNMENT:
        name = f"assignment {show_assignment(difference.id)}"
    ours, theirs = (_seconds(one) for one in (difference.recomputed, difference.claimed))
    return f"{name}: recomputed {ours}; in {against} {theirs}"


def _seconds(leaf: Leaf | None) -> str:
    return f"earned {leaf.earned:,} s of {leaf.accounted:,} s accounted" if leaf else "there is none"


def _leaf(leaf: Leaf | None) -> dict[str, int] | None:
    return {"earned": leaf.earned, "accounted": leaf.accounted} if leaf else None


def _hex(raw: bytes) -> str:
    return "0x" + raw.hex()
