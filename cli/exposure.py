"""`epochal exposure`."""

from __future__ import annotations

from typing import Any

import click

from cli.signing_options import open_reading, reading_options, show_json
from operations import exposure as lies
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
    accrues until a report of lies is final and the CSP has stopped the job. Nothing else of a deposit can be touched.
    Apart: what isn't a deposit, each with a cap of its own.
    """
    network = open_reading(given)
    span = times.parse_span("--cancel", cancel, network.timing.epoch_length)
    found = lies.of_jobs(network, span, number)
    others = lies.apart(network, found)
    if as_json:
        show_json(
            {
                "cancel_seconds": span,
                "activation_seconds": network.timing.activation_delay,
                "jobs": [one.as_json() for one in found],
                "apart": [one.as_json() for one in others],
            }
        )
        return
    for one in found:
        terms, show = one.exposure, one.job.token.show
        if terms.total or number is not None:
            click.echo(
                f"job {one.job.id}: {show(terms.total)} = {show(terms.unsettled)} not settled + "
                f"{show(terms.held)} held + {show(terms.coming)} until it is stopped"
            )
    for token, terms, _ in lies.totals(found):
        click.echo(f"all jobs: {token.show(terms.total)} at most, if all oracles lied")
    if not found:
        click.echo("there are no jobs: nothing can be lost")
    click.echo("apart, each with its cap:")
    for each in others:
        click.echo(f"  {each.what}: {each.token.show(each.cap)}; {each.why}")
