# SPDX-License-Identifier: Apache-2.0
"""The figures of a replay with reallocation, as docs/replay.md shows them.

    python -m benchmarks.reallocation RESULT

RESULT is the folder of a finished `epochal replay … --reallocate --compare …`. Writes benchmarks/reallocation.json and
the table in docs/replay.md.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
PAGE, FIGURES = ROOT / "docs" / "replay.md", ROOT / "benchmarks" / "reallocation.json"
BEGIN, END = "<!-- figures of reallocation -->\n", "<!-- end of figures -->\n"
_UNIT = 10**6


def table(told: dict[str, Any]) -> str:
    """The rows of the page, from what summary.json has of reallocation."""
    before, after = (told["slot_seconds"][name] for name in ("without", "with"))
    money = told["money"]
    rows = [("", "without", "with reallocation"), ("---", "---", "---")]
    rows += [
        (f"slot-seconds {name}", f"{before[name]:,}", f"{after[name]:,}")
        for name in ("up", "down", "empty", "unmeasured", "wanted")
    ]
    rows.append(("up, of all but unmeasured", *(f"{one['up_ppm'] / 10_000:.2f} %" for one in (before, after))))
    for name, text in (("earned", "paid to nodes"), ("refunded", "refunded to the CSP"), ("burned", "burned")):
        amounts = (money[side][name] / _UNIT for side in ("without", "with"))
        rows.append((f"{text}, tokens", *(f"{one:,.2f}" for one in amounts)))
    lines = ["| " + " | ".join(row) + " |" for row in rows]
    spreads = [("", "least", "median", "90 %", "most", "mean"), ("---",) * 6]
    for name, text in (
        ("seconds_to_request", "outage's start to request, s"),
        ("seconds_to_answer", "request to another node, s"),
        ("seconds_to_heal", "outage's start to another node, s"),
    ):
        spreads.append((text, *(f"{told[name][key]:,}" for key in ("min", "median", "p90", "max", "mean"))))
    words = (
        f"{told['outages']} outages of nodes that served; {told['requests']} asked for another node, "
        f"{told['healed']} of them were healed by the deadline, {told['forfeited']} forfeited "
        f"({told['answered_after_reopening']} answered after the CSP reopened the slot), "
        f"{told['held_back_by_cooldown']} held back by a cooldown. {told['declined']} times the node chosen was down "
        f"when it should have accepted. {money['stand_ins']['paid'] / _UNIT:,.2f} tokens were paid to others than a "
        f"slot's first node. Against the replay without, some nodes were paid "
        f"{money['nodes_paid_less'] / _UNIT:,.2f} less and others {money['nodes_paid_more'] / _UNIT:,.2f} "
        f"more. The spares were up {told['spares_up_ppm'] / 10_000:.2f} % of their observed time."
    )
    lines += ["", *("| " + " | ".join(row) + " |" for row in spreads), "", words]
    return "\n".join(lines) + "\n"


def main(folder: Path) -> None:
    """Take the figures over."""
    summary = json.loads((folder / "summary.json").read_text(encoding="utf-8"))
    if "without" not in summary.get("reallocation", {}).get("money", {}):
        sys.exit(f"{folder}: holds no replay with --reallocate --compare")
    kept = {"options": summary["options"], "reallocation": summary["reallocation"]}
    FIGURES.write_text(json.dumps(kept, indent=2) + "\n", encoding="utf-8")
    page = PAGE.read_text(encoding="utf-8")
    head, rest = page.split(BEGIN)
    PAGE.write_text(head + BEGIN + table(summary["reallocation"]) + END + rest.split(END)[1], encoding="utf-8")


if __name__ == "__main__":
    if len(sys.argv) != 2:
        sys.exit("usage: python -m benchmarks.reallocation RESULT")
    main(Path(sys.argv[1]))
