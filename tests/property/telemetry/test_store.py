# SPDX-License-Identifier: Apache-2.0
"""The store in SQLite against a model, with crashes that leave its files as they are at that moment."""

from __future__ import annotations

import contextlib
import shutil
import tempfile
from pathlib import Path

from hypothesis import settings

from oracle.telemetry.store.errors import StoreError
from tests.store_model import StoreMachine


class SqliteMachine(StoreMachine):
    def begin(self) -> None:
        self.folder = Path(tempfile.mkdtemp(prefix="epochal-store-"))
        self.number = 0
        self.place = str(self.folder / "0.db")

    def crash(self) -> None:
        self.number += 1
        moved = str(self.folder / f"{self.number}.db")
        for suffix in ("", "-wal"):
            if Path(self.place + suffix).exists():
                shutil.copy(self.place + suffix, moved + suffix)
        with contextlib.suppress(StoreError):
            self.store.close()
        self.place = moved

    def teardown(self) -> None:
        super().teardown()
        if self.store is not None:
            shutil.rmtree(self.folder)


TestSqliteStore = SqliteMachine.TestCase
TestSqliteStore.settings = settings(max_examples=60, stateful_step_count=40, deadline=None)
