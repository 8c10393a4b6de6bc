"""`epochal node`: what a node operator runs."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import click

from node.agent import run_agent
from node.settings import NodeSettings

__all__ = ["node"]


@click.group(short_help="Run a node's agent.")
def node() -> None:
    """What a node operator runs."""


@node.command(
    short_help="Send this node's heartbeats to the oracles.",
    epilog="\b\nExample:\n"
    "  NODE_KEY=0x... epochal node run --oracle http://127.0.0.1:8600 --oracle http://127.0.0.1:8601 \\\n"
    "      --chain-id 31337 --attestations 0x... --key-env NODE_KEY",
)
@click.option(
    "--oracle",
    "oracles",
    multiple=True,
    required=True,
    metavar="URL",
    help="An oracle's address; repeat it for each oracle.",
)
@click.option("--chain-id", type=int, required=True, help="Chain of the network.")
@click.option("--attestations", required=True, metavar="ADDRESS", help="The network's Attestations contract.")
@click.option(
    "--key-env", metavar="NAME", help="Environment variable that holds the node's private key (0x, 64 hex digits)."
)
@click.option("--keystore", type=click.Path(path_type=Path), help="Ethereum keystore file with the node's key.")
@click.option(
    "--password-file", type=click.Path(path_type=Path), help="File whose first line is the keystore's password."
)
@click.option("--tick", type=float, help="Seconds between heartbeats.  [default: what each oracle says]")
def run(**given: Any) -> None:
    """Send a signed heartbeat to every oracle at each tick, until Ctrl-C or SIGTERM.

    A dead or slow oracle never delays another; each is retried with growing pauses. The agent prints one line when an
    oracle starts or stops acknowledging.
    """
    given["oracles"] = tuple(given["oracles"])
    sys.exit(run_agent(NodeSettings(**given)))
