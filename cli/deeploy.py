"""`epochal deeploy`: jobs on a network that speaks Ratio1's Deeploy HTTP API."""

from __future__ import annotations

import asyncio
import json
import os
from collections.abc import Callable, Coroutine
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from typing import Any

import click

from chain.client import Chain
from oracle.ground.errors import InvalidValue
from oracle.signing.keys import load_key
from orchestrator.deeploy.chain_reading import EscrowChain
from orchestrator.deeploy.client import DeeployClient, Nonces, NoncesInMemory
from orchestrator.deeploy.creation import create as deploy
from orchestrator.deeploy.move import Mover
from orchestrator.deeploy.pipelines import create_pipeline
from orchestrator.deeploy.progress import Move, Progress, Step
from orchestrator.deeploy.records import Records
from orchestrator.deeploy.requests import DeeployRequest, GetApps
from orchestrator.deeploy.settings import DeeploySettings, read_settings
from orchestrator.deeploy.signing import text_to_sign
from orchestrator.wire.intent import parse

__all__ = ["deeploy"]

_FILE = click.Path(path_type=Path)
_OPTIONS = (
    click.option("--settings", type=_FILE, required=True, metavar="FILE", help="TOML; see docs/deeploy.md."),
    click.option("--key-env", metavar="NAME", help="Environment variable with the key of owner or delegate."),
    click.option("--keystore", type=_FILE, metavar="FILE", help="Ethereum keystore file with it."),
    click.option("--password-file", type=_FILE, metavar="FILE", help="File whose first line is its password."),
)
_RECORDS = click.option(
    "--records", type=_FILE, required=True, metavar="FILE", help="Where moves and nonces are written down."
)
_DRY = click.option("--dry-run", is_flag=True, help="Show the signed requests; send nothing.")
_JOB = click.option("--job", type=click.IntRange(min=1), required=True, help="The job's number on chain.")


def _common(command: Callable[..., Any]) -> Callable[..., Any]:
    for option in reversed(_OPTIONS):
        command = option(command)
    return command


@click.group(short_help="Jobs on a network that speaks Ratio1's Deeploy API.")
def deeploy() -> None:
    """Deploy and move jobs by Ratio1's Deeploy HTTP API.

    Written from the API's public description and tried on a server that keeps to it; not tried on the live one.
    """


@deeploy.command(
    epilog="\b\nExample:\n  epochal deeploy move --settings deeploy.toml --records moves.sqlite --key-env CSP_KEY \\\n"
    "      --job 42 --app shop_1234567 --from 0xai_A… --to 0xai_B… --cpu 1 --memory 512m"
)
@_common
@_RECORDS
@_JOB
@click.option("--app", required=True, metavar="ID", help="The app's id, as get_apps shows it.")
@click.option("--from", "old", required=True, metavar="NODE", help="Where the replica runs (0xai_…).")
@click.option("--to", "new", required=True, metavar="NODE", help="Where it shall run.")
@click.option("--cpu", type=float, required=True, help="Cores of each replica.")
@click.option("--memory", required=True, metavar="SIZE", help='Memory of each, like "512m".')
@click.option("--id", "key", metavar="KEY", help="What the move is known by.  [default: job, app and both nodes]")
@_DRY
def move(settings: Path, records: Path, dry_run: bool, key: str | None, **given: Any) -> None:
    """Move one replica while the others run on: scale up on the new node, wait until the chain lists it, then delete on
    the old one. Run it again to go on with a move that was interrupted; one that has ended isn't repeated."""
    told = read_settings(settings)
    cpu = int(given["cpu"]) if given["cpu"].is_integer() else given["cpu"]
    wanted = Move(given["job"], given["app"], given["old"], given["new"], cpu, given["memory"])
    key = key or f"{wanted.job} {wanted.app} {wanted.old} {wanted.new}"
    if dry_run:
        told.addresses().evm(wanted.new)
        asyncio.run(_show(told, given, (wanted.scale_up(), wanted.delete())))
        return
    reached = asyncio.run(_move(told, given, records, key, wanted))
    click.echo(f"{wanted.app} runs on {wanted.new}, as the chain says since block {reached.block}")
    if not reached.old_was_online:
        click.echo(f"{wanted.old} wasn't online: should it come back, delete {wanted.app} there", err=True)


@deeploy.command()
@_common
@_RECORDS
@_JOB
@click.option("--project", required=True, metavar="HASH", help="The job's project.")
@click.option("--node", "nodes", multiple=True, help="Where to run (0xai_…); may be repeated.  [default: any]")
@click.option("--spare", "spares", multiple=True, help="Node that may step in; may be repeated.")
@click.argument("intent", type=_FILE)
@_DRY
def create(settings: Path, records: Path, intent: Path, dry_run: bool, **given: Any) -> None:
    """Deploy the app of a deployment INTENT (JSON) for a job, and wait until the chain lists its nodes. A job that has
    an app gets no second one."""
    told = read_settings(settings)
    try:
        document = parse(intent.read_bytes())
    except OSError as error:
        raise InvalidValue(f"{intent}: can't be read ({error}); check the path and its rights") from error
    runners = told.runner(os.environ)
    if dry_run and runners.token:
        runners = replace(runners, token="(not shown)")  # noqa: S106  # so the hash shown isn't that of the real one
    request = create_pipeline(document, given["job"], given["project"], given["nodes"], given["spares"], runners)
    if dry_run:
        asyncio.run(_show(told, given, (request,)))
        return

    async def run(client: DeeployClient, chain: EscrowChain) -> None:
        made = await deploy(client, chain, request, told.confirming(), told.chain.first_block)
        state = "deployed" if made.new else "was there already"
        click.echo(f"{made.app} {state}; nodes since block {made.listed.block}: {', '.join(sorted(made.listed.nodes))}")

    with _kept(records) as kept:
        asyncio.run(_with(told, given, kept, run))


@deeploy.command()
@_common
@_RECORDS
@click.option("--project", metavar="HASH", help="Of one project only.")
def apps(settings: Path, records: Path, project: str | None, **given: Any) -> None:
    """Show the sender's jobs and what runs for them, as JSON, as the API tells it."""

    async def run(client: DeeployClient, chain: EscrowChain) -> None:
        answer = (await client.ask(GetApps(project))).or_refused("get_apps")
        click.echo(json.dumps(answer.result.get("apps"), indent=2, ensure_ascii=False))

    with _kept(records) as kept:
        asyncio.run(_with(read_settings(settings), given, kept, run))


async def _move(settings: DeeploySettings, given: dict[str, Any], records: Path, key: str, wanted: Move) -> Progress:
    with _kept(records) as kept:
        reached: list[Progress] = []

        async def run(client: DeeployClient, chain: EscrowChain) -> None:
            mover = Mover(client, chain, kept, settings.addresses(), settings.move_limits(), _tell)
            reached.append(await mover.carry_out(key, wanted))

        await _with(settings, given, kept, run)
    return reached[0]


def _tell(key: str, progress: Progress) -> None:
    move = progress.move
    told = {
        Step.PLANNED: f"planned; lists after block {progress.since} count",
        Step.SCALING: f"scaling up to {move.new}, time {progress.scale_ups}",
        Step.SCALED: "scaled up; waiting for the chain",
        Step.CONFIRMED: f"confirmed by the chain in block {progress.block}",
        Step.DELETING: f"deleting on {move.old}",
        Step.DONE: "done",
    }
    click.echo(f"{key}: {told[progress.step]}", err=True)


async def _show(settings: DeeploySettings, given: dict[str, Any], requests: tuple[DeeployRequest, ...]) -> None:
    """Each request as it would be sent now. Its nonce isn't written down: nothing is sent with it."""
    client = _client(settings, given, NoncesInMemory())
    for request in requests:
        signed = await client.signed(request)
        click.echo(f"POST {settings.deeploy.url.rstrip('/')}/{request.endpoint}")
        click.echo(json.dumps({"request": signed}, indent=2, ensure_ascii=False))
        click.echo("\nwhich signs:\n" + text_to_sign(signed, request.request_type, settings.form) + "\n")


async def _with(
    settings: DeeploySettings,
    given: dict[str, Any],
    records: Records,
    run: Callable[[DeeployClient, EscrowChain], Coroutine[Any, Any, None]],
) -> None:
    client = _client(settings, given, records)
    told = settings.chain
    try:
        await run(client, EscrowChain(Chain(told.rpc), told.manager, told.escrow))
    finally:
        await client.close()


def _client(settings: DeeploySettings, given: dict[str, Any], nonces: Nonces) -> DeeployClient:
    signer = load_key(given["key_env"], given["keystore"], given["password_file"], os.environ)
    return DeeployClient(settings.deeploy.url, signer, nonces, settings.form, settings.client_limits())


def _kept(path: Path) -> closing[Records]:
    return closing(Records(path))
