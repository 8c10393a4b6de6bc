"""Operations that were begun and whose end nobody was told yet: a file that outlives the process."""

from __future__ import annotations

import json
import os
import secrets
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from operations.plans import Plan, PlannedCall
from oracle.ground.errors import UserError


class RecordsUnusable(UserError):
    """The file of unfinished operations can't be read or written."""


@dataclass(frozen=True, slots=True)
class Unfinished:
    """An operation as it was confirmed. `id` names its transactions in the journal, `begun` is in UNIX seconds."""

    id: str
    begun: int
    plan: Plan


class UnfinishedOperations:
    """Those of one key on one chain, by what was asked for. To be used by one process at a time."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._open = self._read()

    def find(self, asked: str) -> Unfinished | None:
        """The one that was begun for the same wish."""
        raw = self._open.get(asked)
        if raw is None:
            return None
        plan = raw["plan"]
        calls = tuple(PlannedCall(**one) for one in plan["calls"])
        facts = tuple((name, value) for name, value in plan["facts"])
        return Unfinished(raw["id"], raw["begun"], Plan(plan["title"], calls, facts, plan["moves_money"]))

    def others(self, asked: str) -> list[str]:
        """Ids of all others."""
        return [raw["id"] for key, raw in self._open.items() if key != asked]

    def begin(self, asked: str, plan: Plan, now: int) -> Unfinished:
        """Write down that it is begun, before anything of it is."""
        begun = Unfinished(secrets.token_hex(8), now, plan)
        self._open[asked] = asdict(begun)
        self._write()
        return begun

    def end(self, asked: str) -> None:
        """Forget it: its end was told."""
        if self._open.pop(asked, None) is not None:
            self._write()

    def _read(self) -> dict[str, Any]:
        try:
            told: dict[str, Any] = json.loads(self._path.read_text(encoding="utf-8"))
        except FileNotFoundError:
            return {}
        except OSError as error:
            raise RecordsUnusable(f"{self._path}: {error.strerror}; give another folder with --state") from error
        except ValueError as error:
            raise RecordsUnusable(
                f"{self._path}: is no file of unfinished operations ({error}); look on the chain at what was done, "
                "then delete it"
            ) from error
        return told

    def _write(self) -> None:
        part = self._path.with_suffix(".part")
        try:
            with part.open("w", encoding="utf-8") as file:
                json.dump(self._open, file, indent=1)
                file.flush()
                os.fsync(file.fileno())
            part.replace(self._path)
        except OSError as error:
            raise RecordsUnusable(f"{self._path}: {error.strerror}; give another folder with --state") from error
