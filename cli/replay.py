"""`epochal replay`."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import click
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn, TimeRemainingColumn
from rich.table import Table

from cli.replay_text import show_moves
from oracle.ground.policy import PPM, Policy, from_json
from scenario.options import BadOption, Reallocation, ReplayOptions
from scenario.replay import Stopped
from scenario.replay import replay as run

__all__ = ["replay"]

_EPILOG = """\b
Example: the first month of a trace, scored as a whole
  epochal replay trace.csv.xz --genesis 1770508824 --tick 384 --epochs 0:30 --policy policy.json --out month
with policy.json
  {"target_ppm": 990000, "floor_ppm": 950000, "window_epochs": 30, "csp_share_ppm": 800000}

What the files mean: docs/replay.md. A replay that was stopped goes on where it was when the same command is given
again.
"""


class EpochRange(click.ParamType):
    """`A:B`, `A:` or `:B` as (A, B), None where it is left out."""

    name = "A:B"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        """See click.ParamType."""
        if isinstance(value, tuple):
            return value
        parts = str(value).split(":")
        if len(parts) != 2 or not all(part.isascii() and (part or "0").isdigit() and len(part) <= 18 for part in parts):
            self.fail(
                f"{value!r} is no range of epochs; give A:B, the first epoch and the one after the last", param, ctx
            )
        return tuple(int(part) if part else None for part in parts)


def _policy(_: click.Context, __: click.Parameter, path: Path | None) -> Policy:
    """The policy of a JSON file, or the default one."""
    if path is None:
        return Policy()
    try:
        text = path.read_text(encoding="utf-8")
    except UnicodeDecodeError as error:
        raise BadOption(f"{path}: isn't UTF-8 text; write the policy as JSON") from error
    except OSError as error:
        raise BadOption(f"--policy {path}: {error.strerror}; give a JSON file") from error
    return from_json(text, source=str(path))


@click.command(short_help="Replay a trace of availability through committee and contracts.", epilog=_EPILOG)
@click.argument("trace", type=click.Path(path_type=Path))
@click.option("--out", required=True, type=click.Path(path_type=Path), help="Folder for the results; made if missing.")
@click.option(
    "--genesis",
    type=click.IntRange(0, 2**39),
    help="Start of epoch 0, UNIX seconds.  [default: the trace's first second]",
)
@click.option(
    "--epoch-length", type=click.IntRange(1, 2**31), default=86_400, show_default=True, help="Seconds, at least 4."
)
@click.option(
    "--tick", type=click.IntRange(1, 2**31), default=10, show_default=True, help="Seconds; divides the epoch's length."
)
@click.option(
    "--epochs", type=EpochRange(), default=(None, None), metavar="A:B", help="Replay epochs A to B-1.  [default: all]"
)
@click.option("--oracles", type=click.IntRange(4, 100), default=4, show_default=True, help="Size of the committee.")
@click.option(
    "--policy",
    metavar="FILE",
    callback=_policy,
    type=click.Path(path_type=Path),
    help="JSON file with target_ppm, floor_ppm, window_epochs, csp_share_ppm, min_observed_seconds, evidence and, for "
    "--reallocate, outage_seconds, missed_epochs, answer_seconds, cooldown_seconds; the rest keeps its default.",
)
@click.option(
    "--price",
    type=click.IntRange(1, 2**96 - 1),
    default=1_000_000,
    show_default=True,
    help="Of a slot for an epoch, in the token's smallest unit (a millionth of a dollar).",
)
@click.option(
    "--settle-every", type=click.IntRange(1), default=1, show_default=True, help="Epochs between settlements."
)
@click.option(
    "--appeal-epochs",
    type=click.IntRange(0, 10_000),
    default=7,
    show_default=True,
    help="Epochs that withheld money is held at least.",
)
@click.option(
    "--protocol-share-ppm",
    type=click.IntRange(0, PPM),
    default=0,
    show_default=True,
    help="The protocol's share of earned money, burned; millionths.",
)
@click.option(
    "--rpc", metavar="URL", help="An anvil to use, its clock still before the genesis.  [default: one of its own]"
)
@click.option(
    "--telemetry",
    type=click.Choice(["direct", "http"]),
    default="direct",
    show_default=True,
    help="How the trace gets to the oracles: as it is, or by signed heartbeats to real servers.",
)
@click.option(
    "--spares",
    type=click.IntRange(0),
    default=0,
    show_default=True,
    help="How many nodes of the trace, the last ones by name, have no slot of their own.",
)
@click.option("--reallocate", is_flag=True, help="Replace nodes that break the policy's outage_seconds, missed_epochs.")
@click.option(
    "--answer-delay",
    type=click.IntRange(1, 2**31),
    default=60,
    show_default=True,
    help="Seconds from the orchestrator's choice of a node to its assignment; for --reallocate.",
)
@click.option(
    "--reopen-after",
    type=click.IntRange(0, 2**31),
    help="Seconds from a request's deadline to when the CSP reopens its slot, 0: never; for --reallocate.  [default: "
    "an epoch]",
)
@click.option(
    "--compare",
    metavar="DIR",
    type=click.Path(path_type=Path),
    help="Results of the same replay without --reallocate, to compare the money with.",
)
def replay(
    epochs: tuple[int | None, int | None], reallocate: bool, answer_delay: int, reopen_after: int | None, **given: Any
) -> None:
    """Replay TRACE: any availability data in the neutral format, through the same oracles, agreement and contracts as a
    live network, on a local chain whose clock is moved forward.

    TRACE is a CSV (plain, .xz or .gz) with the columns node, start, end, state: whole UNIX seconds, half open, state
    one of up, down, unknown. One job with a slot for each node is funded for the whole time. An assignment opens when
    the trace enrols its node and closes where the trace leaves it uncovered.
    """
    console = Console(stderr=True)
    reopen_after = given["epoch_length"] if reopen_after is None else reopen_after
    reallocation = Reallocation(answer_delay, reopen_after) if reallocate else None
    try:
        with _Bar(console) as bar:
            outcome = run(ReplayOptions(epochs=epochs, reallocation=reallocation, **given), bar)
    except Stopped as stopped:
        click.echo(f"epochal: {stopped}", err=True)
        sys.exit(130)
    shown = Console()
    _show(shown, outcome.summary)
    if "reallocation" in outcome.summary:
        show_moves(shown, outcome.summary["reallocation"])
    shown.print(
        f"Every unit is accounted for. docs/replay.md tells what each file holds.\nResults: {given['out']}/",
        highlight=False,
        markup=False,
    )


class _Bar:
    """A progress bar; a plain line for each tenth where the output is no terminal."""

    def __init__(self, console: Console) -> None:
        self._console = console
        self._progress = Progress(
            TextColumn("{task.description}"),
            BarColumn(),
            MofNCompleteColumn(),
            TimeElapsedColumn(),
            TimeRemainingColumn(),
            console=console,
            disable=not console.is_terminal,
        )
        self._task = self._progress.add_task("reading the trace", total=None)
        self._told = -1

    def __enter__(self) -> _Bar:
        self._progress.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._progress.stop()

    def phase(self, name: str) -> None:
        """See Progress."""
        self._progress.update(self._task, description=name)
        if not self._console.is_terminal:
            self._console.print(name, highlight=False)

    def epoch(self, done: int, of: int) -> None:
        """See Progress."""
        self._progress.update(self._task, description="epochs", completed=done, total=of)
        tenth = 10 * done // of
        if not self._console.is_terminal and tenth > self._told:
            self._told = tenth
            self._console.print(f"epochs {done}/{of}", highlight=False)


def _show(console: Console, summary: dict[str, Any]) -> None:
    size = ", ".join(f"{summary[what]} {what[: -1 if summary[what] == 1 else None]}" for what in ("nodes", "epochs"))
    table = Table(title=size, title_justify="left")
    table.add_column("where the money is")
    table.add_column("smallest units", justify="right")
    table.add_column("share", justify="right")
    deposits = summary["deposits"]
    for name in ("paid", "held", "refunded", "burned", "remaining"):
        share = (summary[name] * 20_000 + deposits) // (2 * deposits)  # hundredths of a percent, to the nearest
        table.add_row(name, f"{summary[name]:,}", f"{share // 100}.{share % 100:02d} %")
    table.add_section()
    table.add_row("deposits", f"{deposits:,}", "100.00 %")
    console.print(table)
