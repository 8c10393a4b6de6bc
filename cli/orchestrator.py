"""`epochal orchestrator`: who places nodes into the slots of jobs."""

from __future__ import annotations

import json
import logging
import os
import sys
import urllib.error
import urllib.request
from pathlib import Path
from typing import Any, Final

import click
from rich.console import Console
from rich.table import Table

from cli.chain_options import open_network
from cli.options_file import options_from
from oracle.ground.errors import EpochalError
from oracle.signing.keys import load_key
from orchestrator.service.daemon import run_orchestrator
from orchestrator.service.errors import SettingsError
from orchestrator.service.settings import OrchestratorSettings

__all__ = ["orchestrator"]

_FILE = click.Path(path_type=Path)
_SECONDS: Final = 10.0
_FORMAT: Final = "%(asctime)s %(levelname)s %(message)s"


class NoAnswer(EpochalError):
    """The orchestrator doesn't answer, or not as one does."""


@click.group(short_help="Run an orchestrator, or look at one.")
def orchestrator() -> None:
    """Who places nodes into the slots of jobs, and tells them what to run."""


@orchestrator.command(
    short_help="Run an orchestrator.",
    epilog="\b\nExamples:\n"
    "  ORCHESTRATOR_KEY=0x... epochal orchestrator run --data orchestrator --listen 0.0.0.0:8620 \\\n"
    "      --network addresses.json --rpc http://127.0.0.1:8545 --key-env ORCHESTRATOR_KEY\n"
    "  epochal orchestrator run --settings orchestrator.toml",
)
@click.option(
    "--settings",
    type=_FILE,
    is_eager=True,
    expose_value=False,
    callback=options_from,
    metavar="FILE",
    help="TOML file of these options, with _ for -, and rpc as a list; the command line stands above it.",
)
@click.option("--data", type=_FILE, required=True, metavar="DIR", help="Folder for what it must remember.")
@click.option("--network", "network", type=_FILE, required=True, metavar="FILE", help="The network's addresses.")
@click.option(
    "--rpc", "rpcs", multiple=True, required=True, metavar="URL", help="The network's chain; may be repeated."
)
@click.option("--listen", default="127.0.0.1:8620", show_default=True, metavar="HOST:PORT", help="Where it is reached.")
@click.option("--key-env", metavar="NAME", help="Environment variable with the key that jobs name as orchestrator.")
@click.option("--keystore", type=_FILE, metavar="FILE", help="Ethereum keystore file with it.")
@click.option("--password-file", type=_FILE, metavar="FILE", help="File whose first line is the keystore's password.")
@click.option("--poll-seconds", type=int, default=5, show_default=True, help="How often nodes tell of themselves.")
@click.option("--look-seconds", type=int, default=4, show_default=True, help="How often the chain is read.")
@click.option("--silent-seconds", type=int, default=30, show_default=True, help="After which a node isn't chosen.")
@click.option("--accept-seconds", type=int, default=60, show_default=True, help="That a node has to accept.")
@click.option(
    "--prepare-seconds", type=int, default=60, show_default=True, help="More than the intent's own, to prepare."
)
@click.option(
    "--declined-seconds", type=int, default=300, show_default=True, help="Before it is asked for a slot again."
)
@click.option("--retry-seconds", type=int, default=15, show_default=True, help="Before a slot refused is tried again.")
@click.option("--max-fee-gwei", type=int, default=200, show_default=True, help="Dearest gas; above it, it waits.")
@click.option("--stuck-seconds", type=int, default=60, show_default=True, help="Before a dearer transaction is sent.")
@click.option("--min-balance-wei", type=int, default=0, show_default=True, help="Below it /health says so.")
@click.option("--log-level", type=click.Choice(["debug", "info", "warning"]), default="info", show_default=True)
def run(**given: Any) -> None:
    """Run the orchestrator of all jobs that name its key, until Ctrl-C or SIGTERM.

    It may be killed at any moment and goes on where it was. Nobody but it may use its key: it counts the key's
    transactions.
    """
    logging.basicConfig(level=given.pop("log_level").upper(), format=_FORMAT, stream=sys.stderr)
    for noisy in ("web3", "urllib3", "aiohttp", "asyncio"):
        logging.getLogger(noisy).setLevel(logging.WARNING)
    key_env, keystore, password_file = (given.pop(name) for name in ("key_env", "keystore", "password_file"))
    addresses, rpcs = given.pop("network"), given.pop("rpcs")
    settings = OrchestratorSettings(**given)
    signer = load_key(key_env, keystore, password_file, os.environ)
    sys.exit(run_orchestrator(settings, open_network(addresses, rpcs), signer))


@orchestrator.command(short_help="Show an orchestrator's jobs, slots and nodes.")
@click.argument("job", type=int, required=False)
@click.option(
    "--url", default="http://127.0.0.1:8620", show_default=True, envvar="EPOCHAL_ORCHESTRATOR", show_envvar=True
)
@click.option("--json", "as_json", is_flag=True, help="Print JSON instead of tables.")
def status(job: int | None, url: str, as_json: bool) -> None:
    """Show the jobs of an orchestrator with their slots, and the nodes it knows; with JOB, that job alone, with what
    happened to it and why no node fits a vacant slot."""
    base = url.rstrip("/")
    jobs = _get(f"{base}/v1/jobs") if job is None else [_get(f"{base}/v1/jobs/{job}")]
    nodes = _get(f"{base}/v1/nodes") if job is None else []
    if as_json:
        click.echo(json.dumps({"jobs": jobs, "nodes": nodes} if job is None else jobs[0], indent=2))
        return
    console = Console()
    console.print(_slots(jobs))
    if job is None:
        console.print(_nodes(nodes))
        return
    for slot in jobs[0]["slots"]:
        for licence, why in slot.get("unfit", {}).items():
            console.print(f"slot {slot['slot']}: licence {licence}: {why}", highlight=False)
    for event in jobs[0]["events"]:
        console.print(f"{event['at']}  slot {event['slot']}  {event['note']}", highlight=False)


def _get(url: str) -> Any:
    if not url.startswith(("http://", "https://")):
        raise SettingsError(f"--url is {url}: give http://HOST:PORT or https://HOST:PORT")
    try:
        with urllib.request.urlopen(url, timeout=_SECONDS) as answer:  # noqa: S310  its scheme is looked at above
            return json.load(answer)
    except urllib.error.HTTPError as error:
        told = error.read(4_096).decode("utf-8", "replace")
        raise NoAnswer(f"{url} answers {error.code}: {told}") from error
    except (OSError, ValueError) as error:
        raise NoAnswer(f"{url} doesn't answer as an orchestrator ({error}); check --url") from error


def _slots(jobs: list[dict[str, Any]]) -> Table:
    table = Table("job", "name", "slot", "state", "assignment", "licence", "workload", "where", "next", title="Jobs")
    for one in jobs:
        for slot in one["slots"]:
            coming, main = slot.get("next"), slot["ports"].get("main")
            table.add_row(
                str(one["job"]),
                one["name"] or "(intent unknown)",
                str(slot["slot"]),
                slot["state"],
                slot["assignment"],
                str(slot["licence"] or ""),
                f"{slot['workload']}{', healthy' if slot['healthy'] else ''}",
                f"{slot['host']}:{main}" if main else "",
                f"licence {coming['licence']}, {coming['phase']}" if coming else "",
            )
    return table


def _nodes(nodes: list[dict[str, Any]]) -> Table:
    table = Table("licence", "node", "host", "heard", "uptime", "CPU", "memory", "storage", "note", title="Nodes")
    for one in nodes:
        used, has = one["used"], one["capacity"]
        table.add_row(
            str(one["licence"]),
            one["node"],
            one["host"],
            f"{one['seenSecondsAgo']} s ago",
            f"{one['uptimePpm'] // 100 / 100:.2f} %",
            f"{used['cpu_millis']}/{has['cpu_millis']} m",
            f"{used['memory_mb']}/{has['memory_mb']} MB",
            f"{used['storage_mb']}/{has['storage_mb']} MB",
            one["barred"] or ("" if one["linked"] else "not linked"),
        )
    return table
