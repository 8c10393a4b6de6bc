# SPDX-License-Identifier: Apache-2.0
"""A daemon's options from a file: below the command line, and refused by name."""

from __future__ import annotations

from pathlib import Path

import click
import pytest
from click.testing import CliRunner

from cli.options_file import options_from
from oracle.ground.errors import UserError


@click.command()
@click.option("--config", type=click.Path(path_type=Path), is_eager=True, expose_value=False, callback=options_from)
@click.option("--rpc", "rpcs", multiple=True, required=True)
@click.option("--poll-seconds", type=int, default=5)
@click.option("--quiet", is_flag=True)
def told(rpcs: tuple[str, ...], poll_seconds: int, quiet: bool) -> None:
    click.echo(f"{rpcs} {poll_seconds} {quiet}")


def run(folder: Path, text: str | bytes, *more: str) -> str:
    path = folder / "told.toml"
    path.write_bytes(text.encode() if isinstance(text, str) else text)
    done = CliRunner().invoke(told, ["--config", str(path), *more], catch_exceptions=False)
    assert done.exit_code == 0, done.output
    return done.output.strip()


def test_file__gives_what_the_command_line_doesn_t(tmp_path: Path) -> None:
    assert run(tmp_path, 'rpc = ["a", "b"]\npoll_seconds = 7\nquiet = true') == "('a', 'b') 7 True"
    assert run(tmp_path, 'rpcs = "a"\npoll_seconds = 7', "--poll-seconds", "9") == "('a',) 9 False"
    assert run(tmp_path, 'rpc = "a"', "--rpc", "c") == "('c',) 5 False"


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("poll_second = 7", "poll_second is no setting; those are poll_seconds, quiet, rpc"),
        ("config = 7", "config is no setting"),
        ('rpc = "a"\nrpcs = "b"', "rpcs is given twice"),
        ("poll_seconds = [7]", r"poll_seconds is \[7\]; give one value"),
        ("[poll_seconds]\nx = 1", "poll_seconds is .*; give one value"),
        ("poll_seconds = ", "is no TOML"),
        (b"\xff = 1", "is no TOML"),
    ],
)
def test_file__that_can_t_be__is_refused_by_name(tmp_path: Path, text: str | bytes, why: str) -> None:
    with pytest.raises(UserError, match=rf"^--config .*told\.toml: {why}"):
        run(tmp_path, text)


def test_file__not_there__is_refused(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"none\.toml: No such file or directory; give a file of settings"):
        CliRunner().invoke(told, ["--config", str(tmp_path / "none.toml")], catch_exceptions=False)
