"""`epochal job statement`."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from cli.signing_options import open_reading, reading_options, show_json

_FILE = click.Path(path_type=Path)


@click.command(
    short_help="What was paid for which uptime, and what came back and why.",
    epilog="\b\nExample:\n  epochal job statement 7 --csv job7.csv --report job7.html",
)
@click.argument("job", type=click.IntRange(min=1))
@click.option("--csv", "csv_file", type=_FILE, metavar="FILE", help="Write every movement of money as CSV.")
@click.option("--report", type=_FILE, metavar="FILE", help="Write a page with tables and plots, to read and to print.")
@reading_options
def statement(job: int, csv_file: Path | None, report: Path | None, as_json: bool, **given: Any) -> None:
    """Account for a job: where its deposit is, part by part, and why.

    Read from the chain's events, and held against the contracts' own sums: if they don't agree to the last unit,
    nothing is written and the exit status is 1.
    """
    from operations.csp import statement_csv, statement_events, statement_report  # matplotlib takes its time

    network = open_reading(given)
    made = statement_events.read(network, job)
    if csv_file is not None:
        statement_csv.write(made, csv_file)
    if report is not None:
        statement_report.write(made, report)
    token = made.job.token
    if as_json:
        show_json(
            {
                **made.job.as_json(),
                "block": made.block,
                "parts": {name: str(amount) for name, amount in made.parts()},
                "movements": len(made.movements),
                "files": [str(one) for one in (csv_file, report) if one is not None],
            }
        )
        return
    click.echo(f"job {job}, {made.job.state}, at block {made.block}: deposit {token.show(made.job.view['deposit'])}")
    for name, amount in made.parts():
        if amount:
            click.echo(f"  {name.ljust(30)} {token.show(amount)}")
    for one in made.served:
        uptime = "nothing settled" if one.uptime_ppm is None else f"{one.uptime_ppm / 10_000:.2f} % uptime"
        click.echo(
            f"  slot {one.slot}/{one.generation}, licence {one.licence}: {one.earned} of {one.open} s earned, "
            f"{uptime}, "
            f"{token.show(one.paid)} paid, {token.show(one.claimable)} to claim"
        )
    click.echo(f"{len(made.movements)} movements; all sums agree with the chain")
    for path in (csv_file, report):
        if path is not None:
            click.echo(f"written: {path}")
