"""`epochal licence maintenance`."""

from __future__ import annotations

from typing import Any

import click

from cli.signing_options import open_reading, open_sending, reading_options, show_json, signing_options, tell
from operations.licences import maintenance as windows
from operations.licences import views
from operations.plans import Plan
from oracle.ground import times
from oracle.ground.errors import InvalidValue

_LICENCE = click.argument("number", metavar="LICENCE", type=click.IntRange(min=1))


@click.group(short_help="Say beforehand when a node will be away.")
def maintenance() -> None:
    """Declare when a licence's node will be away: as far as a job's policy allows, that time isn't held against it."""


@maintenance.command(short_help="Declare a window.")
@_LICENCE
@click.option("--from", "start", default="now", show_default=True, metavar="TIME", help="A time, or +2h from now.")
@click.option("--to", "end", metavar="TIME", help="When it ends.")
@click.option("--lasts", metavar="SPAN", help="Instead of --to: 45m, 2h, 1d or 2epochs from its start.")
@signing_options
def declare(number: int, start: str, end: str | None, lasts: str | None, **given: Any) -> None:
    """Declare that a licence's node will be away, beforehand. The holder's key or the node's may."""
    if (end is None) == (lasts is None):
        raise click.UsageError("give --to or --lasts")
    network, sending = open_sending(given)

    def build() -> Plan:
        now, epoch = network.chain.block("latest").timestamp, network.timing.epoch_length
        begins = windows.reachable(times.parse_time("--from", start, now, epoch), now)
        if end is not None:
            over = times.parse_time("--to", end, now, epoch)
        else:
            over = begins + times.parse_span("--lasts", lasts or "", epoch)
        longest = int(network.chain.call(network.maintenance.functions.longest()))
        if over - begins > longest:
            raise InvalidValue(
                f"the maintenance would last {times.show_span(over - begins)}, longer than the network's "
                f"{times.show_span(longest)}: give a shorter span, or declare several"
            )
        return windows.declaring(network, sending.address, number, begins, over, longest)

    wish = {"do": "maintenance declare", "at": network.maintenance.address, "licence": number}
    lines = [f"declared; see `epochal licence maintenance list {number}`"]
    sending.run(
        {**wish, "from": start, "to": end, "lasts": lasts},
        build,
        lambda outcome: tell(outcome, given["as_json"], lines, licence=number),
    )


@maintenance.command(short_help="Cancel a window, or end it early.")
@_LICENCE
@click.option("--from", "start", metavar="TIME", help="Its start.  [default: the only one that isn't over]")
@click.option("--at", "moment", metavar="TIME", help="End it then.  [default: not at all, or now if it has begun]")
@signing_options
def cancel(number: int, start: str | None, moment: str | None, **given: Any) -> None:
    """Cancel a window that hasn't begun; end one that has as soon as can be."""
    network, sending = open_sending(given)

    def build() -> Plan:
        now, epoch = network.chain.block("latest").timestamp, network.timing.epoch_length
        begins = None if start is None else times.parse_time("--from", start, now, epoch)
        ends = None if moment is None else times.parse_time("--at", moment, now, epoch)
        return windows.cancelling(network, sending.address, number, begins, ends)

    wish = {"do": "maintenance cancel", "at": network.maintenance.address, "licence": number, "from": start}
    sending.run(
        {**wish, "moment": moment},
        build,
        lambda outcome: tell(outcome, given["as_json"], ["done"] if outcome.plan.calls else [], licence=number),
    )


@maintenance.command("list", short_help="Windows that aren't over; --all for all.")
@_LICENCE
@click.option("--all", "every", is_flag=True, help="Those that are over too.")
@reading_options
def list_windows(number: int, every: bool, as_json: bool, **given: Any) -> None:
    """List a licence's declared maintenance."""
    network = open_reading(given)
    views.of(network, number)
    now = network.chain.block("latest").timestamp
    found = windows.windows(network, number, 0 if every else now)
    if as_json:
        show_json([{"from": one.start, "to": one.to} for one in found])
        return
    for one in found:
        click.echo(one.text(now))
    if not found:
        click.echo(f"licence {number} has no maintenance declared")
