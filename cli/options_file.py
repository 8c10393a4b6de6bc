"""A command's options from a TOML file, for daemons with many of them."""

from __future__ import annotations

import tomllib
from pathlib import Path
from typing import Any

import click

from oracle.ground.errors import UserError


def options_from(context: click.Context, option: click.Parameter, path: Path | None) -> None:
    """Callback of an eager option: what the file gives stands below the command line and environment variables.

    A setting is named as its option, with `_` for `-`; an option that may be repeated takes a list too. UserError names
    file, setting and cure.
    """
    if path is None:
        return
    flag = f"{option.opts[-1]} {path}"
    try:
        found = tomllib.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise UserError(f"{flag}: {error.strerror}; give a file of settings") from error
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise UserError(f"{flag}: is no TOML ({error}); correct that line") from error
    known = {_name(one): one for one in context.command.params if one is not option}
    # Also by the name that the command itself has for it: `rpcs` for --rpc.
    others = {str(one.name): one for one in known.values()}
    defaults: dict[str, Any] = {}
    for name, value in found.items():
        one = known.get(name) or others.get(name)
        if one is None:
            raise UserError(f"{flag}: {name} is no setting; those are {', '.join(sorted(known))}")
        if str(one.name) in defaults:
            raise UserError(f"{flag}: {name} is given twice, also by its other name; give it once")
        repeats = isinstance(one, click.Option) and one.multiple
        if isinstance(value, dict) or (isinstance(value, list) and not repeats):
            raise UserError(f"{flag}: {name} is {value!r}; give one value")
        defaults[str(one.name)] = [value] if repeats and not isinstance(value, list) else value
    context.default_map = {**(context.default_map or {}), **defaults}


def _name(one: click.Parameter) -> str:
    return one.opts[-1].removeprefix("--").replace("-", "_")
