"""`epochal oracle run`: the whole oracle."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import click

from oracle.ground.errors import UserError
from oracle.service.daemon import RunOptions, run_oracle
from oracle.service.patient import Patient

__all__ = ["run"]

EXIT_MISCONFIGURED = 78


@click.command(
    short_help="Run an oracle: collect, agree with its peers, report.",
    epilog="\b\nExamples:\n"
    "  epochal oracle settings > oracle.toml     # then edit it\n"
    "  epochal oracle doctor --config oracle.toml\n"
    "  epochal oracle run --config oracle.toml",
)
@click.option(
    "--config",
    type=click.Path(path_type=Path),
    help="The oracle's settings, TOML; variables EPOCHAL_ORACLE_* stand above it.  [default: these variables alone]",
)
@click.option("--watch", is_flag=True, help="Sign and submit nothing, but collect, and check every report on chain.")
@click.option("--epoch", type=click.IntRange(min=0), help="End once this epoch has its outcome: 0 attested, else 1.")
def run(config: Path | None, watch: bool, epoch: int | None) -> None:
    """Run an oracle until Ctrl-C or SIGTERM. It may be killed at any moment and goes on where it was.

    The log goes to standard error, one event a line; /live, /ready and /metrics are on `health_listen`. Exit status:
    0 stopped, or the epoch asked for was attested; 1 it failed, or was not attested; 78 the settings are wrong.
    """
    try:
        status = run_oracle(Patient(config, os.environ, watching=watch), RunOptions(watch, epoch))
    except UserError as error:
        # A supervisor should not start it again with the same settings.
        click.echo(f"epochal: {error}", err=True)
        status = EXIT_MISCONFIGURED
    sys.exit(status)
