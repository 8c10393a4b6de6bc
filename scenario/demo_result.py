"""What the demonstration ends with: a table, the proof that nothing is missing, and two pictures."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table

from scenario import plots
from scenario.audit import Totals
from settlement.money import Rates, statement

UNIT = 10**6


@dataclass(frozen=True, slots=True)
class NodeResult:
    """One assignment's seconds, its node and what happened to it, and its ticks: 2 up, 1 down, 0 not observed or not
    placed."""

    name: str
    earned: int
    withheld: int
    unmeasured: int
    fate: str
    ticks: Sequence[int]


def show(
    console: Console,
    out: Path,
    nodes: Sequence[NodeResult],
    rates: Rates,
    totals: Totals,
    ticks_per_epoch: int,
    notes: Sequence[str],
) -> None:
    """Print the table and the sum, and draw `uptime.png` and `money.png` into `out`."""
    table = Table(title="\nWho earned what, in seconds and in tokens", title_justify="left", padding=(0, 0, 0, 1))
    table.add_column("node", no_wrap=True)
    for column in ("earned", "withheld", "unmeasured", "paid", "refunded", "burned"):
        table.add_column(column, justify="right", no_wrap=True)
    table.add_column("", no_wrap=True)
    rows: list[list[Any]] = []
    for node in nodes:
        money = statement(rates, node.earned, node.withheld, node.unmeasured)
        rows.append([node.name, money.paid, money.withheld, money.refunded, money.burned])
        seconds = (f"{value} s" for value in (node.earned, node.withheld, node.unmeasured))
        table.add_row(node.name, *seconds, *_shown(money.paid, money.refunded, money.burned), node.fate)
    empty = totals.refunded - sum(row[3] for row in rows)
    rows.append(["", 0, 0, empty, totals.burned - sum(row[4] for row in rows)])
    table.add_row("(empty)", "", "", "", "", *_shown(empty), "", "slots")
    table.add_section()
    table.add_row("all", "", "", "", *_shown(totals.paid, totals.refunded, totals.burned), "")
    console.print(table)
    console.print(
        f"deposit {_exact(totals.deposits)}\n"
        f"      = {_exact(totals.paid)} paid + {_exact(totals.refunded)} refunded + {_exact(totals.burned)} burned\n"
        f"      + {_exact(totals.held)} held + {_exact(totals.remaining)} remaining\n"
        "Every token is accounted for: the balances in the contracts, read one by one, add up to the deposit.",
        highlight=False,
    )
    uptime, where = out / "uptime.png", out / "money.png"
    plots.uptime_by_tick(uptime, {node.name: node.ticks for node in nodes}, ticks_per_epoch, notes)
    plots.money(where, rows, totals)
    console.print(f"Pictures: {uptime} and {where}", highlight=False)


def _shown(*amounts: int) -> list[str]:
    """Amounts in whole tokens and hundredths, rounded down."""
    return [f"{amount // UNIT:,}.{amount % UNIT * 100 // UNIT:02d}" for amount in amounts]


def _exact(amount: int) -> str:
    """An amount with all its decimals."""
    return f"{amount // UNIT:,}.{amount % UNIT:06d}"
