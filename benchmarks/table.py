# SPDX-License-Identifier: Apache-2.0
"""A table of figures beside their gates and baselines: on the terminal, and in the documents."""

from __future__ import annotations

import resource
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from rich.console import Console
from rich.table import Table

OK, OVER = "ok", "OVER"
HEADINGS: Final = ("what", "measured", "gate", "", "baseline, from the same run", "ratio")
_RIGHT: Final = (1, 2, 5)


@dataclass(frozen=True, slots=True)
class Line:
    """A line of the table; the gates are the design's."""

    what: str
    measured: str
    gate: str = ""
    holds: bool = True
    baseline: str = ""
    ratio: float = 0

    def cells(self) -> tuple[str, ...]:
        verdict = (OK if self.holds else OVER) if self.gate else ""
        times = f"{self.ratio:,.0f} x" if self.ratio >= 10 else f"{self.ratio:,.1f} x"
        return self.what, self.measured, self.gate, verdict, self.baseline, times if self.ratio else ""


def markdown(lines: Sequence[Line]) -> str:
    """The table as a document has it."""
    rows = "\n".join("| " + " | ".join(line.cells()) + " |" for line in lines)
    return f"| {' | '.join(HEADINGS)} |\n|---|---:|---:|---|---|---:|\n{rows}\n"


def show(title: str, lines: Sequence[Line]) -> None:
    """The table on the terminal; what misses its gate in red."""
    shown = Table(title=title, title_justify="left")
    for i, heading in enumerate(HEADINGS):
        shown.add_column(heading, justify="right" if i in _RIGHT else "left")
    for line in lines:
        shown.add_row(*line.cells(), style=None if line.holds else "red")
    console = Console()
    if not console.is_terminal:  # a pipe has no width
        console = Console(width=200)
    console.print(shown)


def ms(seconds: float) -> str:
    return f"{seconds * 1_000:,.0f} ms" if seconds >= 0.01 else f"{seconds * 1_000:,.2f} ms"


def mb(size: float) -> str:
    return f"{size / 1_000_000:,.0f} MB"


def per_second(rate: float) -> str:
    return f"{rate:,.0f} /s"


def peak_bytes() -> int:
    """The most memory that this process ever had."""
    unit = 1 if sys.platform == "darwin" else 1_024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit
