# SPDX-License-Identifier: Apache-2.0
"""What the telemetry of a node's epoch takes on disk, and what a row for each heartbeat would."""

from __future__ import annotations

import sqlite3
import tempfile
from pathlib import Path

from benchmarks.epoch import TICKS
from benchmarks.intake_process import scratch
from benchmarks.stored_epoch import name_of

SAMPLE = 40
"""Nodes of the baseline: with a row a heartbeat, the whole network's day takes gigabytes."""


def rows_of_heartbeats() -> float:
    """Bytes of a node's epoch in SQLite with a row for each heartbeat, in the order in which they arrive.

    The cheapest form: the tick, the node and its sequence in a table without an id, nothing twice.
    """
    with tempfile.TemporaryDirectory(dir=scratch(), prefix="rows-") as folder:
        path = Path(folder) / "rows.sqlite"
        database = sqlite3.connect(path)
        database.execute("CREATE TABLE node (id INTEGER PRIMARY KEY, address BLOB NOT NULL UNIQUE)")
        database.execute(
            "CREATE TABLE heartbeat (tick INTEGER, node INTEGER, sequence INTEGER NOT NULL, "
            "PRIMARY KEY (tick, node)) WITHOUT ROWID"
        )
        with database:
            database.executemany("INSERT INTO node VALUES (?, ?)", ((i, name_of(i)) for i in range(SAMPLE)))
            database.executemany(
                "INSERT INTO heartbeat VALUES (?, ?, ?)",
                ((tick, 1_000_000 + node, tick) for tick in range(TICKS) for node in range(SAMPLE)),
            )
        database.execute("VACUUM")
        database.close()
        return path.stat().st_size / SAMPLE
