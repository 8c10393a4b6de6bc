"""`epochal oracle announce`: tell the other oracles, on chain, where this one is reached."""

from __future__ import annotations

import os
import time
from pathlib import Path
from typing import Any

import click

from chain.client import Chain
from chain.journal import FeeLimits
from chain.network import Addresses, Network
from oracle.service.announcing import announce_endpoint
from oracle.service.errors import SettingsError
from oracle.service.patient import Patient
from oracle.signing.keys import load_key

__all__ = ["announce"]

_FILE = click.Path(path_type=Path)
_WITHOUT = ("network", "rpc", "key_env", "keystore", "password_file")


@click.command(
    short_help="Write on chain where the other oracles reach this one.",
    epilog="\b\nExamples:\n"
    "  epochal oracle announce --config oracle.toml\n"
    "  epochal oracle announce --config oracle.toml --gas-key-env PURSE     while the oracle runs\n"
    "  epochal oracle announce --endpoint https://oracle-1.example --network addresses.json \\\n"
    "      --rpc http://127.0.0.1:8545 --key-env ORACLE_KEY --gas-key-env PURSE",
)
@click.option("--config", type=_FILE, help="The oracle's settings; with it only the next two groups may be given.")
@click.option("--endpoint", metavar="URL", help="Where it is reached.  [default: endpoint of the settings]")
@click.option("--gas-key-env", metavar="NAME", help="Environment variable with the key that pays instead.")
@click.option("--gas-keystore", type=_FILE, help="Ethereum keystore file with it.")
@click.option("--gas-password-file", type=_FILE, help="File whose first line is that keystore's password.")
@click.option("--network", type=_FILE, help="JSON file of the network's addresses, as its deployment wrote it.")
@click.option("--rpc", metavar="URL", help="The network's chain.")
@click.option("--key-env", metavar="NAME", help="Environment variable with the oracle's private key (0x, 64 digits).")
@click.option("--keystore", type=_FILE, help="Ethereum keystore file with the oracle's key.")
@click.option("--password-file", type=_FILE, help="File whose first line is the keystore's password.")
def announce(config: Path | None, endpoint: str | None, **given: Any) -> None:
    """Write on chain where the other oracles reach this one, and wait until it is in a block.

    The oracle's key signs, the key for gas pays. Nothing is sent when the same endpoint stands already.
    """
    pays = given["gas_key_env"], given["gas_keystore"], given["gas_password_file"]
    journal, limits = None, None
    if config is not None or given["network"] is None:
        extra = [name for name in _WITHOUT if given[name] is not None]
        if extra:
            raise SettingsError(f"--{extra[0].replace('_', '-')}: leave it out; the settings tell it")
        patient = Patient(config, os.environ)
        told = patient.settings
        network, signer = patient.network, patient.key
        endpoint = endpoint or told.endpoint
        if not any(pays):
            journal, payer = told.transactions_path, patient.gas_key
            journal.parent.mkdir(parents=True, exist_ok=True)
        else:
            payer = load_key(*pays, os.environ)
        limits = FeeLimits(told.max_fee_gwei, max(1, told.max_priority_gwei), told.stuck_seconds)
    else:
        if given["rpc"] is None:
            raise SettingsError("--network and --rpc belong together: give both, or --config")
        network = Network(Chain(given["rpc"]), _addresses(given["network"]))
        signer = load_key(given["key_env"], given["keystore"], given["password_file"], os.environ)
        payer = load_key(*pays, os.environ)
    if endpoint is None:
        raise SettingsError("--endpoint is missing: give the URL under which other oracles reach this one")
    done = announce_endpoint(network, signer, payer, endpoint, journal, limits, time.time, _say)
    if done.transaction:
        click.echo(f"{signer.address} is reached at {done.endpoint}: {done.transaction}, {done.spent:,} wei for gas")
    else:
        click.echo(f"{signer.address} is reached at {done.endpoint} already: nothing was sent")


def _say(text: str) -> None:
    click.echo(text, err=True)


def _addresses(path: Path) -> Addresses:
    try:
        return Addresses.load(path)
    except (ValueError, TypeError) as error:
        raise SettingsError(f"--network {path}: is no file of a network's addresses ({error})") from error
