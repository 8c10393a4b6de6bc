"""`epochal licence why`: why was I paid what I was paid."""

from __future__ import annotations

from typing import Any

import click

from chain.network import Network
from cli.chain_options import TICK
from cli.signing_options import open_reading, reading_options, show_json
from operations.licences import pay, views, why
from operations.licences.why import Told
from oracle.ground.errors import EpochalError, InvalidValue
from oracle.ground.ids import parse_assignment
from oracle.ground.policy import PPM

_MOST_EPOCHS = 100


@click.command(
    "why",
    short_help="Where each second of an assignment went, and why it wasn't paid.",
    epilog="\b\nExamples:\n  epochal licence why 7\n  epochal licence why 3/0/1 --evidence --epochs 12-14",
)
@click.argument("which", metavar="LICENCE|JOB/SLOT/GENERATION")
@click.option("--epochs", metavar="N|FIRST-LAST", help="What reports of these epochs withheld.")
@click.option(
    "--evidence", is_flag=True, help="Take epochs apart by the oracles' evidence: these, or the newest three."
)
@click.option(
    "--oracle", "oracles", multiple=True, metavar="URL", help="Where it is fetched.  [default: the chain's directory]"
)
@click.option("--tick", type=click.IntRange(min=1), default=TICK, show_default=True, help="The network's, in seconds.")
@click.option("--all", "every", is_flag=True, help="Of a licence: also assignments that ended and are paid.")
@reading_options
def why_(
    which: str,
    epochs: str | None,
    evidence: bool,
    oracles: tuple[str, ...],
    tick: int,
    every: bool,
    as_json: bool,
    **given: Any,
) -> None:
    """Take a licence's assignments, or one, apart: open time, earned, withheld and why, unmeasured, not settled yet;
    what was paid, what can be claimed, what a freeze holds back, until when withheld time can be appealed.

    With --evidence also how far below the target each epoch was, recomputed from what the oracles signed; no oracle is
    believed. An epoch that was measured wrong is appealed with `epochal node appeal`.
    """
    span = _span(epochs)
    network = open_reading(given)
    ids = _assignments(network, which)
    found = why.tell(network, ids, span)
    if len(ids) > 1 and not every:
        kept = [one for one in found if not one.served.closed_at or one.served.claimable or one.served.held]
        found = kept or found[-1:]
    explained = _Explained(network, oracles, tick, span) if evidence or oracles else None
    details = [explained.epochs(one) if explained else [] for one in found]
    if as_json:
        show_json([{**one.as_json(), "epochs": told} for one, told in zip(found, details, strict=True)])
        return
    if not found:
        click.echo(
            f"licence {which} was never assigned: an orchestrator places nodes, `epochal node run --orchestrator`"
        )
    for one, told in zip(found, details, strict=True):
        click.echo("\n".join(one.lines()))
        for each in told:
            click.echo(f"  epoch {each['epoch']:<8}{each['text']}")
    if any(one.served.accounted > one.served.earned for one in found):
        click.echo("measured wrong? `epochal node appeal` hands in the receipts that the agent kept")
        if explained is None:
            click.echo("how far below the target an epoch was: --evidence, with --epochs FIRST-LAST for older ones")


def _assignments(network: Network, which: str) -> list[int]:
    if "/" in which:
        return [parse_assignment(which)]
    if not (which.isascii() and which.isdigit() and len(which) <= 40):
        raise InvalidValue(f"{which!r} is neither a licence nor an assignment: give 7, or 3/0/1 (job/slot/generation)")
    number = int(which)
    if number >> 64:
        return [parse_assignment(which)]
    return pay.assignments_of(network, [views.of(network, number).id])


class _Explained:
    """Takes epochs apart by the evidence of the reports that carry them; each is recomputed once."""

    def __init__(self, network: Network, oracles: tuple[str, ...], tick: int, span: tuple[int, int] | None) -> None:
        # What recomputes reports takes its time to load, and only this needs it.
        from oracle.service.evidence_source import EvidenceSource
        from oracle.service.verifying import Verifier

        self._verifier = Verifier(network, tick, EvidenceSource(network, oracles))
        if span is None:
            newest = self._verifier.reports.newest_epoch()
            span = max(0, newest - 2), newest
        self._span = span

    def epochs(self, one: Told) -> list[dict[str, Any]]:
        """Each epoch of the span in which the assignment was served, or that can't be told."""
        from oracle.service.explaining_report import explain_report

        found: list[dict[str, Any]] = []
        for epoch in range(self._span[0], self._span[1] + 1):
            try:
                told = explain_report(self._verifier, one.served.node, epoch)
            except EpochalError as error:
                found.append({"epoch": epoch, "text": f"can't be taken apart: {error}"})
                continue
            mine = [each for each in told.assignments if each.subject.assignment_id == one.served.id]
            if not mine:
                continue
            agreed, policy = mine[0].agreed, mine[0].subject.policy
            ppm = agreed.up * PPM // agreed.observed if agreed.observed else None
            found.append(
                {
                    "epoch": epoch,
                    "up": agreed.up,
                    "observed": agreed.observed,
                    "assigned": mine[0].open,
                    "verdict": mine[0].verdict.value,
                    "below_target_ppm": max(0, policy.target_ppm - ppm) if ppm is not None else None,
                    "text": _epoch_text(agreed.up, agreed.observed, mine[0].open, ppm, policy.target_ppm),
                }
            )
        return found


def _epoch_text(up: int, observed: int, assigned: int, ppm: int | None, target: int) -> str:
    if ppm is None:
        return f"unmeasured: of its {assigned} s too few oracles saw any; paid to nobody, withheld from nobody"
    said = f"up {up} of {observed} s observed ({ppm / 10_000:.2f} %), of {assigned} s assigned"
    below = target - ppm
    if below <= 0:
        return f"{said}: at or above the target of {target / 10_000:g} %, all earned"
    return f"{said}: {below / 10_000:.2f} points below the target of {target / 10_000:g} %"


def _span(text: str | None) -> tuple[int, int] | None:
    if text is None:
        return None
    parts = text.split("-")
    if not all(one.isascii() and one.isdigit() and len(one) <= 18 for one in parts) or len(parts) > 2:
        raise InvalidValue(f"--epochs is {text!r}: give an epoch like 12, or a range like 12-14")
    first, last = int(parts[0]), int(parts[-1])
    if not first <= last < first + _MOST_EPOCHS:
        raise InvalidValue(f"--epochs is {text!r}: give at most {_MOST_EPOCHS} epochs, the first one first")
    return first, last
