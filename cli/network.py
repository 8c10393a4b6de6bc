"""`epochal network`."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import click
from rich.console import Console

from scenario.network.faults import KINDS, parse_fault
from scenario.network.guests import parse_funded, parse_guest
from scenario.network.options import SHORTEST, NetworkOptions
from scenario.network.run import run_network

__all__ = ["network"]

_EPILOG = (
    "\b\nFaults are NAME:TARGET[=VALUE]@EPOCHS[+SECONDS], EPOCHS being FIRST or FIRST-LAST:\n"
    + "".join(f"  {name:<12} {kind.does}{kind.usual}\n" for name, kind in KINDS.items())
    + "\n\b\nTargets: oracles by number (2 or 1,2), all, node-3; a partition's groups 1,2|3,4,5; chain.\n"
    "\n\b\nExamples:\n"
    "  epochal network --epochs 4 --fault kill:2@1+8 --fault 'partition:1,2|3,4,5@2+15'\n"
    "  epochal network --hold --fault liar:5@0-9"
)


@click.command(short_help="Anvil, oracles and nodes as real processes, and faults.", epilog=_EPILOG)
@click.option("--oracles", type=int, default=5, show_default=True, help="At least 4.")
@click.option("--nodes", type=int, default=4, show_default=True, help="Nodes that serve a job.")
@click.option("--epochs", type=int, default=4, show_default=True, help="Epochs that are measured.")
@click.option("--epoch-length", type=int, default=20, show_default=True, help=f"Seconds, at least {SHORTEST}.")
@click.option("--fault", "faults", multiple=True, metavar="FAULT", help="See below; may be repeated.")
@click.option("--endpoints", type=int, default=1, show_default=True, help="RPC endpoints of each oracle.")
@click.option("--wind-up", is_flag=True, help="Go on until withheld money is released and the job closed.")
@click.option(
    "--guest", "guests", multiple=True, metavar="ADDRESS=URL", help="A further oracle, which you run yourself."
)
@click.option("--fund", "funded", multiple=True, metavar="ADDRESS", help="An address to give ether to.")
@click.option("--hold", is_flag=True, help="Go on until Ctrl-C.")
@click.option("--out", type=click.Path(path_type=Path), default=Path("network-out"), show_default=True, help="Folder.")
def network(out: Path, oracles: int, nodes: int, faults: tuple[str, ...], **given: Any) -> None:
    """Start a private chain, deploy the contracts, and run oracles and nodes as processes of their own. Tell how each
    epoch ends as the chain has it, settle what is final, let faults happen between them, and check at the end that no
    epoch was reported twice or got lost, that no liar was believed, and that every token is accounted for.

    Logs, stores and result.json are in the folder of --out. Exit status 1 where a check failed. Ctrl-C stops everything
    and leaves nothing running.
    """
    console = Console()
    parsed = tuple(parse_fault(one, oracles, nodes) for one in faults)
    options = NetworkOptions(
        out,
        oracles,
        nodes,
        given["epochs"],
        given["epoch_length"],
        parsed,
        given["endpoints"],
        bool(given["hold"]),
        bool(given["wind_up"]),
        tuple(map(parse_guest, given["guests"])),
        tuple(map(parse_funded, given["funded"])),
    )
    result = run_network(options, lambda line: console.print(line, highlight=False, soft_wrap=True))
    result.save(out / "result.json")
    for line in ["", *result.lines()]:
        console.print(line, highlight=False, soft_wrap=True)
    for problem in result.problems:
        console.print(f"[red]{problem}[/]", highlight=False, soft_wrap=True)
    console.print("all is as it must be" if not result.problems else f"{len(result.problems)} checks failed")
    sys.exit(1 if result.problems else 0)
