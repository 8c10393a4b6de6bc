"""`epochal oracle settings` and `epochal oracle doctor`: what an operator asks before the oracle runs."""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path

import click

from oracle.service.doctor import as_json, as_text, examine, exit_code
from oracle.service.keygen import make_key
from oracle.service.patient import Patient
from oracle.service.settings_docs import sample_file, settings_page, signals_page

__all__ = ["doctor", "keygen", "settings"]

_FILE = click.Path(path_type=Path)


@click.command(short_help="Show all settings of `epochal oracle run`.")
@click.option("--sample", "page", flag_value="sample", default=True, help="As a file to begin with.  [default]")
@click.option("--table", "page", flag_value="table", help="As a page, with what each may be.")
@click.option("--signals", "page", flag_value="signals", help="Events of the log and metrics instead.")
def settings(page: str) -> None:
    """Print settings of `epochal oracle run`. `epochal oracle settings > oracle.toml` makes a file to begin with."""
    pages = {"sample": sample_file, "table": settings_page, "signals": signals_page}
    click.echo(pages[page](), nl=False)


@click.command(short_help="Make a key in an encrypted file.")
@click.argument("name", type=_FILE)
def keygen(name: Path) -> None:
    """Make a new key: NAME.json is its encrypted key file, NAME.password has the password. Prints the key's address.

    An oracle needs two: one that signs, one that pays for transactions. Nothing is ever overwritten.
    """
    click.echo(make_key(name.with_name(f"{name.name}.json"), name.with_name(f"{name.name}.password")))


@click.command(short_help="Check whether an oracle can run, and change nothing.")
@click.option("--config", type=_FILE, help="The oracle's settings.  [default: environment variables alone]")
@click.option("--json", "as_object", is_flag=True, help="Print one JSON object.")
def doctor(config: Path | None, as_object: bool) -> None:
    """Check settings, keys, chain, contracts, membership, gas, clock, stores, disk and peers of an oracle.

    It may run beside the oracle. Exit status: 0 nothing is wrong; 1 something is; 78 the settings are wrong, and the
    oracle wouldn't start.
    """
    found = examine(Patient(config, os.environ))
    click.echo(json.dumps(as_json(found), indent=2) if as_object else as_text(found))
    sys.exit(exit_code(found))
