"""`epochal demo`."""

from __future__ import annotations

from pathlib import Path

import click
from rich.console import Console

from scenario.demo import DemoOptions
from scenario.demo import demo as run_demo

__all__ = ["demo"]


@click.command(short_help="A whole network on this machine, in about two minutes.")
@click.option(
    "--out",
    type=click.Path(path_type=Path),
    default=Path("demo-out"),
    show_default=True,
    help="Folder for pictures and logs.",
)
@click.option("--epoch-length", type=click.IntRange(20, 60), default=24, show_default=True, help="Seconds.")
def demo(out: Path, epoch_length: int) -> None:
    """Start a private chain, deploy the contracts, license six nodes and let a customer fund a job; start four oracles,
    the nodes' agents, an orchestrator and a keeper as processes. Pause one node; kill another with its workload, watch
    the oracles ask for another node on chain, and a spare take over; then show who was paid for which seconds, what was
    withheld and refunded, and that every token is accounted for.

    Ctrl-C stops everything and leaves nothing running.
    """
    run_demo(DemoOptions(out, epoch_length), Console())
