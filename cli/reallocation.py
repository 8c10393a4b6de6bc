"""`epochal reallocation`."""

from __future__ import annotations

import asyncio
import json
import logging
import signal
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import click

from cli.chain_options import open_network
from cli.delivery_commands import dead_options, resend, resend_options, show_dead
from delivery.message import Message
from delivery.queue import Queue
from oracle.ground.ids import show_assignment
from settlement.reallocations.bringing import EVENTS_FILE, QUEUE_FILE, Bringer, parse_orchestrators
from settlement.reallocations.reading import Requests
from settlement.reallocations.requests import NEVER, REASONS, Stage, Standing, stage_of

__all__ = ["reallocation"]

_network = click.option(
    "--network",
    "addresses",
    type=click.Path(path_type=Path),
    required=True,
    metavar="FILE",
    help="JSON file of the network's addresses, as its deployment wrote it.",
)
_rpc = click.option(
    "--rpc", "rpcs", multiple=True, required=True, metavar="URL", help="The network's chain; may be repeated."
)
_state = click.option(
    "--state",
    type=click.Path(path_type=Path, file_okay=False),
    default=Path("reallocation-state"),
    show_default=True,
    metavar="FOLDER",
    help="Where deliveries are kept; `epochal keeper run` has one of its own.",
)


@click.group()
def reallocation() -> None:
    """Requests for another node: where each stands, and bringing them to the orchestrators of their jobs.

    The committee of oracles asks the chain for another node where one breaks its job's policy. Whoever runs
    `deliver`, or a keeper, tells the job's orchestrator, at least once. What the chain says counts, not what an
    orchestrator answers.
    """


@reallocation.command("list")
@_network
@_rpc
@_state
@click.option("--job", type=click.IntRange(min=1), help="Of one job alone.")
@click.option("--open", "open_only", is_flag=True, help="Those alone that can still be answered.")
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
def list_requests(
    addresses: Path, rpcs: tuple[str, ...], state: Path, job: int | None, open_only: bool, as_json: bool
) -> None:
    """List the requests on the chain, oldest first, and how far each has come.

    requested, delivered (its orchestrator answered, but didn't see it on its chain yet), acknowledged, answered,
    forfeited. Delivered and acknowledged are known only where --state is the folder of who delivers.
    """
    network = open_network(addresses, rpcs)
    requests = Requests(network, state / EVENTS_FILE if state.is_dir() else None)
    try:
        _, standings = requests.look()
    finally:
        requests.close()
    chosen = [one for one in standings if job in (None, one.request.job)]
    told = _with_stages(chosen, state)
    if open_only:
        told = [one for one in told if one[1] not in (Stage.ANSWERED, Stage.FORFEITED)]
    if as_json:
        click.echo(json.dumps([_as_dict(*one) for one in told], indent=2))
        return
    for standing, stage, message in told:
        _show(standing, stage, message)
    click.echo(f"{len(told)} request{'s' * (len(told) != 1)}")


@reallocation.command("deliver")
@_network
@_rpc
@_state
@click.option(
    "--orchestrator",
    "orchestrators",
    multiple=True,
    required=True,
    metavar="ADDRESS=URL",
    help="An orchestrator and where it listens; may be repeated. Of others' jobs nothing is delivered.",
)
@click.option("--once", is_flag=True, help="Look and try once, then end.")
@click.option("--every", type=click.FloatRange(min=0.1), default=2.0, show_default=True, help="Seconds between looks.")
def deliver(
    addresses: Path, rpcs: tuple[str, ...], state: Path, orchestrators: tuple[str, ...], once: bool, every: float
) -> None:
    """Bring requests to orchestrators until Ctrl-C. Deliveries survive a kill; several may run, each with its own
    --state: an orchestrator knows repeats by the request's id."""
    urls = parse_orchestrators(orchestrators)
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)s %(message)s")
    bringer = Bringer(open_network(addresses, rpcs), urls, state)
    try:
        if once:
            brought = bringer.step()
            click.echo(f"{len(brought.requests)} requests; {brought.added} put, {brought.withdrawn} withdrawn")
        else:
            asyncio.run(_until_stopped(bringer, every))
    finally:
        bringer.close()


@reallocation.command("dead")
@_state
@dead_options
def dead(state: Path, key: str | None, as_json: bool) -> None:
    """List deliveries that nobody tries any more, or show all of one with KEY."""
    show_dead(state / QUEUE_FILE, key, as_json)


@reallocation.command("resend")
@_state
@resend_options
def resend_dead(state: Path, keys: tuple[str, ...], every: bool, seconds: int) -> None:
    """Have dead deliveries tried again, by the process that delivers from --state. One that the chain answered or that
    is forfeited is withdrawn by that process at once."""
    resend(state / QUEUE_FILE, keys, every, seconds)


async def _until_stopped(bringer: Bringer, every: float) -> None:
    stop = asyncio.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
    await bringer.run(stop, every)


def _with_stages(standings: list[Standing], state: Path) -> list[tuple[Standing, Stage, Message | None]]:
    path = state / QUEUE_FILE
    queue = Queue(path) if path.exists() else None
    try:
        found = []
        for one in standings:
            message = queue.find(one.request.key) if queue else None
            found.append((one, stage_of(one, message), message))
        return found
    finally:
        if queue:
            queue.close()


def _show(standing: Standing, stage: Stage, message: Message | None) -> None:
    one = standing.request
    until = "reopened by the CSP" if standing.deadline >= NEVER else f"until {_time(standing.deadline)}"
    by = f" by {show_assignment(standing.answer)}" if standing.answer else ""
    click.echo(f"{one.key}  {stage}{by}")
    click.echo(
        f"  assignment {show_assignment(one.assignment)} closed as of {_time(one.as_of)}: "
        f"{REASONS.get(one.reason, one.reason)}; to be answered {until}{'' if one.final else '; not finalized yet'}"
    )
    if message is not None:
        told = f": {message.told}" if message.told else ""
        click.echo(f"  delivery: {message.state} after {message.attempts} attempts{told}")


def _as_dict(standing: Standing, stage: Stage, message: Message | None) -> dict[str, Any]:
    one = standing.request
    told: dict[str, Any] = {
        "id": one.key,
        "stage": stage.value,
        "assignment": show_assignment(one.assignment),
        "job": one.job,
        "slot": one.slot,
        "reason": one.reason,
        "asOf": one.as_of,
        "deadline": standing.deadline,
        "block": one.block,
        "final": one.final,
        "answer": show_assignment(standing.answer) if standing.answer else None,
    }
    if message is not None:
        told["delivery"] = {"state": message.state.value, "attempts": message.attempts, "told": message.told}
    return told


def _time(at: int) -> str:
    return datetime.fromtimestamp(at, UTC).strftime("%Y-%m-%d %H:%M:%S UTC")
