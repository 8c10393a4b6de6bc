"""`epochal exposure`."""

from __future__ import annotations

from typing import Any

import click

from cli.signing_options import open_reading, reading_options, show_json
from operations import exposure as lies
from operations.exposure import Apart, Found
from oracle.ground import times

__all__ = ["exposure"]


@click.command(
    short_help="What all oracles together could misdirect.",
    epilog="\b\nExamples:\n"
    "  epochal exposure --network addresses.json --rpc http://127.0.0.1:8545\n"
    "  epochal exposure --job 7 --cancel 12h --network addresses.json --rpc http://127.0.0.1:8545 --json",
)
@click.option("--job", "number", type=click.IntRange(min=1), metavar="JOB", help="Of this job alone.")
@click.option(
    "--cancel",
    default="1epochs",
    metavar="SPAN",
    show_default=True,
    help="How long a CSP takes to stop its job once a report that lies is final.",
)
@reading_options
def exposure(number: int | None, cancel: str, as_json: bool, **given: Any) -> None:
    """Show the most that could be lost if every oracle of the committee lied from now on.

    For each job: price × the seconds open since each assignment was settled last, the money that is held, and what
    all slots accrue until a report of lies is final and the CSP has stopped the job. Nothing else of a deposit can be
    touched. Apart: what isn't a deposit, what lies could take of it, and the cap of each.
    """
    network = open_reading(given)
    span = times.parse_span("--cancel", cancel, network.timing.epoch_length)
    found = lies.of_jobs(network, span, number)
    others = lies.apart(network, found)
    if as_json:
        show_json(
            {
                "time": found.now,
                "cancel_seconds": span,
                "activation_seconds": found.delay,
                "jobs": [one.as_json() for one in found.jobs],
                "totals": [{"token": token.address, "total": str(one.total)} for token, one in found.totals()],
                "apart": [one.as_json() for one in others],
            }
        )
        return
    for line in _lines(found, span, number is None):
        click.echo(line)
    click.echo("apart, each with its cap:")
    for other in others:
        click.echo(f"  {_line(other)}")


def _lines(found: Found, span: int, of_all: bool) -> list[str]:
    if not found.jobs:
        return ["there are no jobs: no deposit can be lost"]
    final, stopped = times.show_span(found.delay), times.show_span(span)
    lines = [f"all oracles lie from now on; that is final after {final}, and each job stopped {stopped} later:"]
    for one in found.jobs:
        terms, show = one.exposure, one.job.token.show
        if terms.total or not of_all:
            lines.append(
                f"job {one.job.id}: {show(terms.total)} = {show(terms.unsettled)} not settled + "
                f"{show(terms.held)} held + {show(terms.coming)} until it is stopped"
            )
    if of_all:
        lines += [f"all jobs: {token.show(terms.total)} at most" for token, terms in found.totals()]
    return lines


def _line(one: Apart) -> str:
    taken = f"at most {one.token.show(one.at_risk)}" if one.at_risk else "none"
    return f"{one.what}: {taken} of {one.token.show(one.cap)}; {one.why}"
