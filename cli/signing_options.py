"""Options of commands that send transactions: where the network is, whose key signs, and how it is gone about."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, Final

import click

from chain.journal.fees import FeeLimits
from chain.network import Network
from cli.chain_options import open_network
from operations.plans import Outcome
from operations.sending import Manner, NotConfirmed, Sending
from oracle.signing.keys import load_key
from oracle.signing.signer import Signer

_FILE = click.Path(path_type=Path)
_NAMES: Final = "addresses rpcs key_env keystore password_file dry_run yes as_json state max_fee_gwei patience".split()

_NETWORK = (
    click.option(
        "--network",
        "addresses",
        type=_FILE,
        required=True,
        envvar="EPOCHAL_NETWORK",
        show_envvar=True,
        metavar="FILE",
        help="JSON file of the network's addresses, as its deployment wrote it.",
    ),
    click.option(
        "--rpc",
        "rpcs",
        multiple=True,
        required=True,
        envvar="EPOCHAL_RPC",
        show_envvar=True,
        metavar="URL",
        help="The network's chain; of two or more, two must say the same.",
    ),
)
_JSON = (click.option("--json", "as_json", is_flag=True, help="Tell the outcome as JSON on standard output."),)
_SIGNING = (
    click.option("--key-env", metavar="NAME", help="Environment variable with the private key."),
    click.option("--keystore", type=_FILE, metavar="FILE", help="Ethereum keystore file with it."),
    click.option("--password-file", type=_FILE, metavar="FILE", help="File whose first line is its password."),
    click.option("--dry-run", is_flag=True, help="Try all, tell what it would do and cost; send nothing."),
    click.option("--yes", is_flag=True, help="Don't ask before money moves."),
    click.option(
        "--state",
        type=_FILE,
        metavar="DIR",
        envvar="EPOCHAL_STATE",
        help="Where transactions are written down.  [default: epochal in the user's state folder]",
    ),
    click.option(
        "--max-fee-gwei", type=click.IntRange(min=1), default=200, show_default=True, help="Above it, wait to send."
    ),
    click.option(
        "--patience", type=click.FloatRange(min=1), default=600, show_default=True, help="Seconds to wait for a block."
    ),
)


def reading_options(command: Callable[..., Any]) -> Callable[..., Any]:
    """--network, --rpc and --json, for commands that only look. `open_reading` takes their values."""
    return _added(command, (*_NETWORK, *_JSON))


def signing_options(command: Callable[..., Any]) -> Callable[..., Any]:
    """Those and the key's, --dry-run, --yes, --state, --max-fee-gwei, --patience. `open_sending` takes their values."""
    return _added(command, (*_NETWORK, *_SIGNING, *_JSON))


def open_reading(given: dict[str, Any]) -> Network:
    """The network that was asked for; takes the shared options out of `given`, and leaves `as_json`."""
    return open_network(given.pop("addresses"), given.pop("rpcs"))


def open_sending(given: dict[str, Any]) -> tuple[Network, Sending]:
    """The network, and who sends; takes the shared options out of `given`, and leaves `as_json`.

    With --json, what a person is shown goes to standard error. A `signer` in `given` stands for the options' key.
    """
    taken = {name: given.pop(name) for name in _NAMES if name != "as_json" and name in given}
    signer: Signer | None = given.pop("signer", None)
    key = signer or load_key(taken["key_env"], taken["keystore"], taken["password_file"], os.environ)
    network = open_network(taken["addresses"], taken["rpcs"])
    manner = Manner(
        state=taken["state"] or state_folder(os.environ),
        dry_run=taken["dry_run"],
        confirm=None if taken["yes"] else ask,
        say=lambda line: click.echo(line, err=given.get("as_json", False)),
        limits=FeeLimits(max_fee_gwei=taken["max_fee_gwei"], max_priority_gwei=min(2, taken["max_fee_gwei"])),
        patience=taken["patience"],
    )
    return network, Sending(network, key, manner)


def ask(question: str) -> bool:
    """Ask the person at the terminal. NotConfirmed where nobody is there."""
    if not sys.stdin.isatty():
        raise NotConfirmed(f"{question} Nobody is here to ask: look with --dry-run, then give --yes; nothing was sent")
    return click.confirm(question, err=True)


def tell(outcome: Outcome, as_json: bool, lines: list[str], **more: Any) -> None:
    """The outcome for a person (`lines`, unless it was a dry run), or as JSON with the fields `more`."""
    if as_json:
        show_json({**outcome.as_json(), **more})
    elif not outcome.dry_run:
        for line in lines:
            click.echo(line)


def show_json(value: Mapping[str, Any] | list[Any]) -> None:
    """One JSON document on standard output. Amounts in it are texts of smallest units, beside human ones."""
    click.echo(json.dumps(value, indent=2, ensure_ascii=False))


def state_folder(environment: Mapping[str, str]) -> Path:
    """Where this user's programs keep their state."""
    told = environment.get("XDG_STATE_HOME")
    return (Path(told) if told else Path.home() / ".local" / "state") / "epochal"


def _added(command: Callable[..., Any], options: tuple[Callable[..., Any], ...]) -> Callable[..., Any]:
    for option in reversed(options):
        command = option(command)
    return command
