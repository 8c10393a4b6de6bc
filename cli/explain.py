"""`epochal explain`."""

from __future__ import annotations

import json
import sys
import time
from pathlib import Path

import click

from oracle.ground.errors import InvalidValue
from oracle.ground.ids import parse_assignment
from oracle.ground.policy import Policy, from_json
from oracle.service.explaining import explain_node
from oracle.telemetry.strip import as_dict
from oracle.telemetry.strip_text import text

__all__ = ["explain"]


class _Explain(click.Command):
    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        given = list(args)  # the parser consumes them
        try:
            return super().parse_args(ctx, args)
        except click.NoSuchOption as error:
            if error.option_name.lstrip("-").isdigit():  # `explain NODE -1`
                raise _no_epoch(next(one for one in given if one.startswith(error.option_name))) from error
            raise


class _Epoch(click.ParamType):
    name = "epoch"

    def convert(self, value: str | int, param: click.Parameter | None, ctx: click.Context | None) -> int:
        if isinstance(value, int):
            return value
        if not (value.isascii() and value.isdigit() and len(value) <= 18):
            raise _no_epoch(value)
        return int(value)


def _no_epoch(value: str) -> InvalidValue:
    return InvalidValue(
        f"EPOCH is {value!r}: give a whole number, 0 or more, or leave it out for the newest that is over"
    )


def _assignment(given: str) -> int:
    try:
        return parse_assignment(given)
    except InvalidValue as error:
        raise InvalidValue(f"--assignment: {error}") from error


def _policy(path: Path) -> Policy:
    try:
        given = path.read_text(encoding="utf-8")
    except UnicodeDecodeError as error:
        raise InvalidValue(f"--policy {path}: isn't UTF-8 text; write the policy as JSON") from error
    except OSError as error:
        raise InvalidValue(f"--policy {path}: {error.strerror}; give a JSON file") from error
    return from_json(given, source=f"--policy {path}")


@click.command(
    cls=_Explain,
    short_help="Show a node's ticks of an epoch, and why it lost those it lost.",
    epilog="\b\nExample:\n  epochal explain 0x… 12 --store oracle.sqlite --assignment 7/0/1 --policy policy.json",
)
@click.argument("node", metavar="NODE")
@click.argument("epoch", metavar="[EPOCH]", type=_Epoch(), required=False)
@click.option(
    "--store",
    "stores",
    multiple=True,
    required=True,
    metavar="PATH|postgresql://...",
    help="An oracle's store; repeat it for each of its intakes. It may be in use.",
)
@click.option(
    "--assignment",
    "assignments",
    multiple=True,
    metavar="ID",
    help="Decimal id or job/slot/generation; those that the agent reported on lately are shown anyway.",
)
@click.option(
    "--policy",
    "policy_file",
    type=click.Path(path_type=Path),
    metavar="FILE",
    help="A job's policy, JSON: tell too what it makes of the track that it names.",
)
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
@click.option("--ascii/--blocks", "ascii_only", default=None, help="Characters of the strip.  [default: what fits]")
def explain(
    node: str,
    epoch: int | None,
    stores: tuple[str, ...],
    assignments: tuple[str, ...],
    policy_file: Path | None,
    as_json: bool,
    ascii_only: bool | None,
) -> None:
    """Show what one oracle saw of NODE (its 0x address) in EPOCH: a share of up-time for each kind of evidence, a strip
    of ticks, each lost span with its reason, and totals that add up to the epoch. Left out, EPOCH is the newest one
    that is over."""
    wanted = [_assignment(one) for one in assignments]
    policy = _policy(policy_file) if policy_file else None
    told = explain_node(stores, node, epoch, wanted, time.time(), policy)
    if as_json:
        click.echo(json.dumps(as_dict(told), indent=2))
        return
    if ascii_only is None:
        ascii_only = "utf" not in (sys.stdout.encoding or "").lower() or not sys.stdout.isatty()
    click.echo(text(told, blocks=not ascii_only), nl=False)
