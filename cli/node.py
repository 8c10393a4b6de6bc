"""`epochal node`: what a node operator runs."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import click

from cli.node_appeal import appeal
from cli.node_running import running_options, take_running
from node.settings import GatewaySettings, NodeSettings

__all__ = ["node"]

_FILE = click.Path(path_type=Path)


def _oracles(help_text: str) -> Callable[[Any], Any]:
    return click.option("--oracle", "oracles", multiple=True, required=True, metavar="URL", help=help_text)


@click.group(short_help="Run a node's agent, or a site's gateway; verify receipts.")
def node() -> None:
    """What a node operator runs."""


@node.command(
    short_help="Send this node's heartbeats to the oracles.",
    epilog="\b\nExample:\n"
    "  NODE_KEY=0x... epochal node run --oracle http://127.0.0.1:8600 --oracle http://127.0.0.1:8601 \\\n"
    "      --chain-id 31337 --attestations 0x... --key-env NODE_KEY \\\n"
    "      --workload 7/0/1=http://127.0.0.1:8080/health --receipts receipts",
)
@_oracles("An oracle's or a gateway's address, or mqtts://BROKER/0xORACLE; repeat it for each oracle.")
@click.option("--chain-id", type=int, required=True, help="Chain of the network.")
@click.option("--attestations", required=True, metavar="ADDRESS", help="The network's Attestations contract.")
@click.option(
    "--key-env", metavar="NAME", help="Environment variable that holds the node's private key (0x, 64 hex digits)."
)
@click.option("--keystore", type=_FILE, help="Ethereum keystore file with the node's key.")
@click.option("--password-file", type=_FILE, help="File whose first line is the keystore's password.")
@click.option("--tick", type=float, help="Seconds between heartbeats.  [default: what each oracle says]")
@click.option("--sealed", is_flag=True, help="Sign once for a session, then send heartbeats in the cheap form.")
@click.option(
    "--workload",
    "workloads",
    multiple=True,
    metavar="ASSIGNMENT=TARGET",
    help="Report the health of an assignment (7/0/1 or its decimal id); TARGET is http://..., https://..., "
    "tcp://HOST:PORT, exec:COMMAND or pidfile:PATH. Repeat it for each.",
)
@click.option("--workloads", "workloads_file", type=_FILE, help="JSON file of the same, read again when it changes.")
@click.option(
    "--on-fenced",
    metavar="COMMAND",
    help="Run once for each assignment that isn't this node's any more; EPOCHAL_ASSIGNMENT names it.",
)
@click.option("--receipts", type=_FILE, metavar="DIR", help="Keep the oracles' receipts here, for appeals.")
@click.option("--mqtt-username", metavar="NAME", help="User for MQTT brokers.")
@click.option("--mqtt-password-env", metavar="NAME", help="Environment variable with that user's password.")
@click.option("--mqtt-ca-file", type=_FILE, help="Authorities for mqtts:// brokers.  [default: the system's]")
@running_options
def run(**given: Any) -> None:
    """Send a signed heartbeat to every oracle at each tick, until Ctrl-C or SIGTERM.

    A dead or slow oracle never delays another; each is retried with growing pauses. The agent prints one line when an
    oracle starts or stops acknowledging, when a workload's health changes, and at each epoch's end for each oracle:
    what its signed receipt says that it saw.

    With --orchestrator it also runs workloads: it accepts placements by its operator's own settings, starts and watches
    the processes, and stops what isn't this node's any more. See docs/running-workloads.md.
    """
    from node.agent import run_agent

    given["running"] = take_running(given)
    given["oracles"] = tuple(given["oracles"])
    given["workloads"] = tuple(given["workloads"])
    sys.exit(run_agent(NodeSettings(**given)))


@node.command(
    short_help="Relay the heartbeats of a site's nodes.",
    epilog="\b\nExample:\n"
    "  epochal node gateway --listen 10.0.0.1:8700 --oracle https://oracle-1.example --oracle https://oracle-2.example\n"
    "  and on each node: epochal node run --oracle http://10.0.0.1:8700/o/0 --oracle http://10.0.0.1:8700/o/1 ...",
)
@_oracles("An oracle's address; nodes find the first at /o/0, the second at /o/1, and so on.")
@click.option("--listen", default="127.0.0.1:8700", show_default=True, metavar="HOST:PORT", help="Where nodes come.")
@click.option(
    "--batch-ms", type=float, default=20.0, show_default=True, help="Longest wait for heartbeats to send along, in ms."
)
@click.option(
    "--queue", type=int, default=20_000, show_default=True, help="Heartbeats that may wait for an oracle; more get 503."
)
def gateway(**given: Any) -> None:
    """Collect the heartbeats of many nodes and send them on in few requests, until Ctrl-C or SIGTERM.

    It holds no keys and can forge nothing: every heartbeat stays signed by its node, every receipt by its oracle. It
    answers "accepted" only what an oracle accepted.
    """
    from node.gateway import run_gateway

    given["oracles"] = tuple(given["oracles"])
    sys.exit(run_gateway(GatewaySettings(**given)))


@node.command(short_help="List and verify kept receipts.")
@click.argument("folder", type=_FILE, metavar="DIR")
@click.option("--json", "as_json", is_flag=True, help="Print a JSON list instead of a table.")
def receipts(folder: Path, as_json: bool) -> None:
    """List the receipts in DIR, kept there by `epochal node run --receipts DIR`, and verify each signature.

    The exit status is 1 if one of them is not what its place says.
    """
    from node.receipts import verify_folder

    found = list(verify_folder(folder))
    if as_json:
        rows = [
            {"epoch": r.epoch, "oracle": r.oracle, "ticks": r.ticks, "valid": r.fault is None, "fault": r.fault}
            | {"file": str(r.path)}
            for r in found
        ]
        click.echo(json.dumps(rows, indent=2))
    else:
        click.echo(f"{'epoch':>8}  {'oracle':42}  {'ticks':>7}  signature")
        for r in found:
            click.echo(f"{r.epoch:>8}  {r.oracle:42}  {r.ticks:>7,}  {r.fault or 'valid'}")
    sys.exit(any(r.fault is not None for r in found))


node.add_command(appeal)
