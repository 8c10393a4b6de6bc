# SPDX-License-Identifier: Apache-2.0
"""`python -m benchmarks.gas` measures gas on an anvil of its own, prints the table, and writes docs/gas.md and
benchmarks/gas.json, against which `tests/chain/test_gas_table.py` holds later changes."""

from __future__ import annotations

import json
from pathlib import Path

from rich.console import Console
from rich.table import Table

from benchmarks.gas_measures import Figures, all_figures
from benchmarks.gas_table import HEADINGS, OVER, markdown, table
from benchmarks.gas_world import stepped_chain
from chain.compiler import ROOT

FIGURES = Path(__file__).with_name("gas.json")
PAGE = ROOT / "docs" / "gas.md"


def main() -> None:
    """Measure, print, write."""
    with stepped_chain() as sender:
        figures = all_figures(sender)
    FIGURES.write_text(json.dumps(figures, indent=2) + "\n", encoding="utf-8")
    PAGE.write_text(markdown(figures), encoding="utf-8")
    _print(figures)


def _print(figures: Figures) -> None:
    shown = Table(title="Gas", title_justify="left")
    for i, heading in enumerate(HEADINGS):
        shown.add_column(heading, justify="right" if 0 < i < 5 else "left")
    for line in table(figures):
        shown.add_row(*line, style="red" if OVER in line else None)
    console = Console()
    if not console.is_terminal:  # a pipe has no width
        console = Console(width=200)
    console.print(shown)
    console.print(f"written: {PAGE.relative_to(ROOT)}, {FIGURES.relative_to(ROOT)}")


if __name__ == "__main__":
    main()
