"""`epochal explain`."""

from __future__ import annotations

import json
import sys
import time

import click

from oracle.ground.ids import parse_assignment
from oracle.service.explaining import explain_node
from oracle.telemetry.strip import as_dict, text

__all__ = ["explain"]


@click.command(
    short_help="Show a node's ticks of an epoch, and why it lost those it lost.",
    epilog="\b\nExample:\n  epochal explain 0x… 12 --store oracle.sqlite --assignment 7/0/1",
)
@click.argument("node", metavar="NODE")
@click.argument("epoch", metavar="[EPOCH]", type=click.IntRange(0), required=False)
@click.option(
    "--store",
    "stores",
    multiple=True,
    required=True,
    metavar="PATH|postgresql://...",
    help="An oracle's store; repeat it for each of its intakes. It may be in use.",
)
@click.option(
    "--assignment",
    "assignments",
    multiple=True,
    metavar="ID",
    help="Decimal id or job/slot/generation; those that the agent reported on are shown anyway.",
)
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
@click.option("--ascii/--blocks", "ascii_only", default=None, help="Characters of the strip.  [default: what fits]")
def explain(
    node: str,
    epoch: int | None,
    stores: tuple[str, ...],
    assignments: tuple[str, ...],
    as_json: bool,
    ascii_only: bool | None,
) -> None:
    """Show what one oracle saw of NODE (its 0x address) in EPOCH, the newest one if left out: a strip of ticks for each
    kind of evidence, each lost span with its reason, and totals that add up to the epoch."""
    wanted = [parse_assignment(one) for one in assignments]
    told = explain_node(stores, node, epoch, wanted, time.time())
    if as_json:
        click.echo(json.dumps(as_dict(told), indent=2))
        return
    if ascii_only is None:
        ascii_only = "utf" not in (sys.stdout.encoding or "").lower() or not sys.stdout.isatty()
    click.echo(text(told, blocks=not ascii_only), nl=False)
