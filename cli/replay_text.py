"""What `epochal replay --reallocate` tells on the screen."""

from __future__ import annotations

from typing import Any

from rich.console import Console
from rich.table import Table


def show_moves(console: Console, told: dict[str, Any]) -> None:
    """The figures of a replay with reallocation, from summary.json."""
    reasons = ", ".join(f"{count} {name.replace('_', ' ')}" for name, count in told["by_reason"].items())
    table = Table(title=f"{told['slots']} slots, {told['spares']} spares", title_justify="left")
    table.add_column("other nodes asked for")
    table.add_column("", justify="right")
    table.add_row("outages of nodes that served", str(told["outages"]))
    table.add_row("requests" + (f" ({reasons})" if reasons else ""), str(told["requests"]))
    table.add_row("healed by the deadline", str(told["healed"]))
    table.add_row("forfeited", str(told["forfeited"]))
    table.add_row("not over at the replay's end", str(told["over"]))
    table.add_row("held back: their slot cooled down", str(told["held_back_by_cooldown"]))
    console.print(table)
    table = Table()
    table.add_column("seconds")
    for name in ("min", "median", "p90", "max", "mean"):
        table.add_column(name, justify="right")
    for what, name in (
        ("outage's start to request", "seconds_to_request"),
        ("request to another node", "seconds_to_answer"),
        ("outage's start to another node", "seconds_to_heal"),
    ):
        if told[name]:
            table.add_row(what, *(f"{value:,}" for value in told[name].values()))
    console.print(table)
    table = Table()
    table.add_column("slot-seconds")
    table.add_column("without", justify="right")
    table.add_column("with reallocation", justify="right")
    before, after = told["slot_seconds"]["without"], told["slot_seconds"]["with"]
    for name in ("up", "down", "unmeasured", "empty", "wanted"):
        table.add_row(name, f"{before[name]:,}", f"{after[name]:,}")
    table.add_row("up, of all but unmeasured", *(f"{one['up_ppm'] / 10_000:.2f} %" for one in (before, after)))
    console.print(table)
    money = told["money"]
    lines = [f"Paid to others than a slot's first node: {money['stand_ins']['paid']:,}"]
    if "without" in money:
        lines.append(
            f"Against the replay without: nodes paid less {money['nodes_paid_less']:,}, paid more "
            f"{money['nodes_paid_more']:,}"
        )
        for name, text in (("earned", "paid"), ("refunded", "refunded to the CSP"), ("burned", "burned")):
            lines.append(f"{text}: {money['without'][name]:,} without, {money['with'][name]:,} with")
    console.print("\n".join(lines), highlight=False, markup=False)
