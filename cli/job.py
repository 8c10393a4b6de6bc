"""`epochal job`: from a job's creation to its last refund."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

import click

from cli.job_changes import cancel, close, enlarge, exit_job, extend, refund, reopen, shrink, stop
from cli.job_create import create, hand_in
from cli.job_statement import statement
from cli.signing_options import open_reading, reading_options, show_json
from operations import policies
from operations.csp import accounts, job_view
from oracle.ground.address import checksummed, raw_address
from oracle.ground.errors import InvalidValue

__all__ = ["job"]


@click.group(short_help="Create, change, leave and account for jobs.")
def job() -> None:
    """Create jobs, change them, leave them, and see where each unit of their deposits went.

    Whatever sends something tries it first, tells what it does and costs, and asks before money moves: --dry-run stops
    there, --yes doesn't ask. If a command is broken off, run it again: it goes on, and pays nothing twice.
    """


@job.command("list", short_help="Jobs and their states.")
@click.option("--account", type=click.IntRange(min=1), metavar="N", help="Of this CSP account alone.")
@click.option("--owner", metavar="ADDRESS", help="Of this owner's accounts alone.")
@reading_options
def list_jobs(account: int | None, owner: str | None, as_json: bool, **given: Any) -> None:
    """List jobs: state, slots, end, deposit, and what can be refunded."""
    network = open_reading(given)
    wanted = [account] if account is not None else None
    if owner is not None:
        try:
            address = checksummed(raw_address(owner))
        except InvalidValue as error:
            raise InvalidValue(f"--owner: {error}") from error
        owned = accounts.accounts_of(network, address)
        wanted = owned if wanted is None else [one for one in owned if one in wanted]
    found = job_view.jobs_of(network, wanted)
    if as_json:
        show_json([one.as_json() for one in found])
        return
    for one in found:
        view, show = one.view, one.token.show
        slots = f"{view['slots']} slot{'s' if view['slots'] > 1 else ''}"
        click.echo(
            f"job {one.id}: {one.state}, account {view['account']}, {slots}, deposit {show(view['deposit'])}, paid "
            f"{show(view['paid'])}, refundable {show(view['refundable'])}"
        )
    if not found:
        click.echo("there are no such jobs; `epochal job create` makes one")


@job.command("show", short_help="One job: its money, its slots.")
@click.argument("number", metavar="JOB", type=click.IntRange(min=1))
@reading_options
def show_job(number: int, as_json: bool, **given: Any) -> None:
    """Show a job as it stands: its state, where its money is and why it comes back, and each slot's node."""
    network = open_reading(given)
    one = job_view.of(network, number)
    slots, policy = job_view.slots_of(network, one), policies.told(network, [number]).get(number)
    if as_json:
        show_json({**one.as_json(), "policy": asdict(policy) if policy else None, "slots_now": slots})
        return
    for name, value in [*one.lines(), ("policy", policies.text(policy) if policy else "not told by this node's logs")]:
        click.echo(f"{name.ljust(14)} {value}")
    for slot in slots:
        click.echo(job_view.slot_line(one, slot))


for _command in (
    create,
    hand_in,
    extend,
    enlarge,
    shrink,
    stop,
    cancel,
    close,
    exit_job,
    refund,
    reopen,
    statement,
):
    job.add_command(_command)
