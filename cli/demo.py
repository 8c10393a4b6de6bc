"""`epochal demo`."""

from __future__ import annotations

from pathlib import Path

import click
from rich.console import Console

from scenario.demo import DemoOptions
from scenario.demo import demo as run_demo

__all__ = ["demo"]


@click.command(short_help="A whole network on this machine, in about a minute and a half.")
@click.option(
    "--out",
    type=click.Path(path_type=Path),
    default=Path("demo-out"),
    show_default=True,
    help="Folder for pictures and logs.",
)
@click.option("--epoch-length", type=click.IntRange(10, 60), default=12, show_default=True, help="Seconds.")
def demo(out: Path, epoch_length: int) -> None:
    """Start a private chain, deploy the contracts, license six nodes and let a customer fund a job; start real node
    processes that send signed heartbeats to four oracles over HTTP; kill one node and pause another; then show who
    earned what, what was withheld and refunded, and that every token is accounted for.

    Ctrl-C stops everything and leaves nothing running.
    """
    run_demo(DemoOptions(out, epoch_length), Console())
