"""A statement's movements as CSV: a line for each, with what remains in the escrow."""

from __future__ import annotations

import csv
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

from operations.csp.statement import Statement
from oracle.ground.errors import UserError

COLUMNS: Final = (
    "time_utc", "block", "transaction", "what", "in", "out", "in_escrow", "token", "who", "slot", "generation",
    "licence", "earned_seconds", "why",
)  # fmt: skip
_FORMULA: Final = "=+-@\t\r"


def write(statement: Statement, path: Path) -> None:
    """Write it, whole or not at all. UserError where that can't be."""
    job, token = statement.job, statement.job.token
    remains = 0
    part = path.with_name(path.name + ".part")
    try:
        with part.open("w", newline="", encoding="utf-8") as file:
            lines = csv.writer(file)
            lines.writerow(COLUMNS)
            for one in statement.movements:
                remains -= one.out
                amount = token.show(abs(one.out)).split()[0]
                time = datetime.fromtimestamp(one.time, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
                lines.writerow(
                    [
                        time,
                        one.block,
                        one.transaction,
                        one.what,
                        amount if one.out < 0 else "",
                        amount if one.out >= 0 else "",
                        token.show(remains).split()[0],
                        _safe(job.token.symbol),
                        one.who,
                        *("" if value is None else value for value in (one.slot, one.generation, one.licence)),
                        "" if one.seconds is None else one.seconds,
                        one.why,
                    ]
                )
        part.replace(path)
    except OSError as error:
        raise UserError(f"--csv {path}: {error.strerror}; give a file to write") from error


def _safe(text: str) -> str:
    """A token's symbol is a stranger's text: spreadsheets take some beginnings for formulas."""
    return "'" + text if text.startswith(tuple(_FORMULA)) else text
