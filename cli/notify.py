"""`epochal notify`."""

from __future__ import annotations

import asyncio
import logging
import os
import signal
from pathlib import Path

import click

from cli.chain_options import open_network
from cli.delivery_commands import dead_options, resend, resend_options, show_dead
from delivery.message import State
from notify.service import QUEUE_FILE, Notifier
from notify.settings import NotifySettings, load
from oracle.ground.errors import EpochalError

__all__ = ["notify"]

_settings = click.option(
    "--settings",
    "path",
    type=click.Path(path_type=Path),
    required=True,
    metavar="FILE",
    help="TOML, as deploy/notify.sample.toml.",
)


class NotReached(EpochalError):
    """A test notice reached not everyone."""


@click.group()
def notify() -> None:
    """Tell people what happens to their nodes and jobs, by signed webhooks and e-mail: docs/notifications.md."""


@notify.command()
@_settings
def run(path: Path) -> None:
    """Watch the network and tell subscribers, until Ctrl-C. What is to be told survives a kill; everyone is told at
    least once."""
    notifier = _opened(load(path))
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)s %(message)s")
    try:
        asyncio.run(_until_stopped(notifier))
    finally:
        notifier.close()


@notify.command()
@_settings
def check(path: Path) -> None:
    """Check the settings, the chain and each receiver: everyone gets a test notice. Not while `run` runs."""
    settings = load(path)
    notifier = _opened(settings)
    try:
        told, troubles = asyncio.run(notifier.check())
    finally:
        notifier.close()
    for one in told:
        reached = one.state is State.DELIVERED
        click.echo(f"{one.destination}: {'reached' if reached else 'NOT reached'} ({one.told})")
    for line in troubles:
        click.echo(line)
    if troubles and settings.oracles:
        raise NotReached("not every oracle can be asked; correct what is told above, then check again")
    if any(one.state is not State.DELIVERED for one in told):
        raise NotReached("not every receiver was reached; correct what is told above, then check again")


@notify.command()
@_settings
@dead_options
def dead(path: Path, key: str | None, as_json: bool) -> None:
    """List notices that nobody tries to bring any more, or show all of one with KEY."""
    show_dead(Path(load(path).state) / QUEUE_FILE, key, as_json)


@notify.command("resend")
@_settings
@resend_options
def resend_dead(path: Path, keys: tuple[str, ...], every: bool, seconds: int) -> None:
    """Have dead notices brought again, by the process that runs."""
    resend(Path(load(path).state) / QUEUE_FILE, keys, every, seconds)


def _opened(settings: NotifySettings) -> Notifier:
    return Notifier(open_network(Path(settings.deployment), settings.rpc), settings, os.environ)


async def _until_stopped(notifier: Notifier) -> None:
    stop = asyncio.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
    await notifier.run(stop)
