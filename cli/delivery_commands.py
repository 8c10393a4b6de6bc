"""Commands over a queue of deliveries: what died there, and sending it again."""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import click

from delivery.message import Message, State
from delivery.queue import Queue
from oracle.ground.errors import InvalidValue

RESEND_SECONDS = 86_400
"""For how long a message that is sent again is tried, unless told otherwise."""


def open_queue(path: Path) -> Queue:
    """The queue in a file that is there. InvalidValue."""
    if not path.exists():
        raise InvalidValue(f"{path}: there is no such queue; nothing was delivered from this folder yet")
    return Queue(path)


def show_dead(path: Path, key: str | None, as_json: bool) -> None:
    """Print the dead letters, or all of one message."""
    queue = open_queue(path)
    try:
        if key is not None:
            found = queue.find(key)
            if found is None:
                raise InvalidValue(f"KEY {key}: no message has it; leave it out to list the dead ones")
            click.echo(json.dumps(_whole(found), indent=2))
            return
        dead, counts = queue.listed(State.DEAD), queue.counts()
    finally:
        queue.close()
    if as_json:
        click.echo(json.dumps([_whole(one) for one in dead], indent=2))
        return
    for one in dead:
        times = f"{one.attempts} attempt{'s' * (one.attempts != 1)}"
        click.echo(f"{one.key}\n  {one.label} to {one.destination}, given up {_time(one.settled_at)} after {times}")
        click.echo(f"  the last: {one.told}")
    click.echo(f"{len(dead)} dead; {counts[State.WAITING]} wait, {counts[State.DELIVERED]} were delivered")


def resend(path: Path, keys: tuple[str, ...], every: bool, seconds: int) -> None:
    """Have dead letters sent again by the process that delivers."""
    if bool(keys) == every:
        raise InvalidValue("KEY: name messages, or give --all, not both")
    queue = open_queue(path)
    try:
        wanted = [one.key for one in queue.listed(State.DEAD, most=1_000_000)] if every else list(keys)
        for key in wanted:
            queue.resend(key, time.time() + seconds)
            click.echo(f"{key}: is tried again for {seconds:,} s")
    finally:
        queue.close()
    if not wanted:
        click.echo("none is dead")


def dead_options(command: Callable[..., Any]) -> Callable[..., Any]:
    """[KEY] and --json."""
    command = click.option("--json", "as_json", is_flag=True, help="Print JSON.")(command)
    return click.argument("key", required=False)(command)


def resend_options(command: Callable[..., Any]) -> Callable[..., Any]:
    """[KEY]..., --all and --for."""
    command = click.option(
        "--for",
        "seconds",
        type=click.IntRange(min=1),
        default=RESEND_SECONDS,
        show_default=True,
        help="Seconds for which to try again.",
    )(command)
    command = click.option("--all", "every", is_flag=True, help="All that are dead.")(command)
    return click.argument("keys", nargs=-1, metavar="[KEY]...")(command)


def _whole(one: Message) -> dict[str, object]:
    try:
        body: object = json.loads(one.body) if one.body else None
    except ValueError:
        body = one.body.hex()
    return {
        "key": one.key,
        "label": one.label,
        "channel": one.channel,
        "destination": one.destination,
        "state": one.state.value,
        "attempts": one.attempts,
        "created": int(one.created),
        "deadline": int(one.deadline),
        "told": one.told,
        "body": body,
    }


def _time(at: float) -> str:
    return datetime.fromtimestamp(at, UTC).strftime("%Y-%m-%d %H:%M:%S UTC")
