"""Options of commands that read a network for anyone: where its chain is, and who serves evidence."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, Final

import click

from chain.client import Chain
from chain.network import Addresses, Network
from oracle.service.errors import SettingsError

TICK: Final = 10
"""Seconds, where a network says nothing else; the default of the oracles' settings too."""


def chain_options(required: bool) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    """--network, --rpc, --oracle and --tick."""
    options = (
        click.option(
            "--network",
            "addresses",
            type=click.Path(path_type=Path),
            required=required,
            metavar="FILE",
            help="JSON file of the network's addresses, as its deployment wrote it.",
        ),
        click.option(
            "--rpc",
            "rpcs",
            multiple=True,
            required=required,
            metavar="URL",
            help="The network's chain; of two or more, two must say the same.",
        ),
        click.option(
            "--oracle",
            "oracles",
            multiple=True,
            metavar="URL",
            help="An oracle to fetch evidence from; may be repeated.  [default: those in the chain's directory]",
        ),
        click.option(
            "--tick",
            type=click.IntRange(min=1),
            default=TICK,
            show_default=True,
            help="The network's, in seconds; those of `epochal network` have 1.",
        ),
    )

    def add(command: Callable[..., Any]) -> Callable[..., Any]:
        for option in reversed(options):
            command = option(command)
        return command

    return add


def open_network(path: Path, rpcs: Sequence[str]) -> Network:
    """The network of an addresses file. SettingsError, ChainUnavailable, WrongDeployment."""
    try:
        addresses = Addresses.load(path)
    except OSError as error:
        raise SettingsError(f"--network {path}: {error.strerror}; give the file that the deployment wrote") from error
    except (ValueError, TypeError) as error:
        raise SettingsError(f"--network {path}: is no file of a network's addresses ({error})") from error
    return Network(Chain(list(rpcs)), addresses)
