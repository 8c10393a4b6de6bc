"""What this node runs, on disk: written whole or not at all, so that an agent killed at any moment goes on with it.

RUNS/lock          held by the agent that uses this folder
RUNS/state.json    what should run, and what became of it
RUNS/<job>-<slot>-<generation>/   one workload's folder
"""

from __future__ import annotations

import fcntl
import json
import os
import secrets
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from node.errors import SettingsError
from oracle.ground.ids import parse_assignment, show_assignment

VERSION = 1


@dataclass(frozen=True, slots=True)
class Record:
    """One workload.

    intent, peers    as the orchestrator ordered them
    ports            it was given, by name
    made             name of the folder of the version that ran last; "": none
    made_of, commit  hex of the intent's hash that it is of, and the commit
    restarts, started   its `restart.History`
    verdict, reason  "failed" or "stopped" if it ended for good, "fenced" if the oracles say it is another node's
    """

    intent: Mapping[str, Any]
    peers: tuple[str, ...] = ()
    ports: Mapping[str, int] = field(default_factory=dict)
    made: str = ""
    made_of: str = ""
    commit: str = ""
    restarts: int = 0
    started: int = 0
    verdict: str = ""
    reason: str = ""


class RunsFolder:
    """The folder of one agent's workloads. SettingsError if it can't be used or another agent uses it."""

    def __init__(self, path: Path) -> None:
        self.path = path.absolute()
        try:
            self.path.mkdir(parents=True, exist_ok=True)
            self._lock = (self.path / "lock").open("a")
        except OSError as error:
            raise SettingsError(f"--runs {path}: can't be used ({error}); name a folder of this agent's") from error
        try:
            fcntl.flock(self._lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            raise SettingsError(f"--runs {path}: another agent uses it: give each agent a folder of its own") from error
        try:
            self.mark, self._records = self._read()
        except (OSError, ValueError, KeyError, TypeError) as error:
            raise SettingsError(
                f"--runs {path}: state.json can't be read ({error!r}): move it away; running workloads begin anew"
            ) from error
        self._write()

    @property
    def records(self) -> dict[int, Record]:
        """Assignment -> record."""
        return dict(self._records)

    def get(self, assignment: int) -> Record:
        """The record of an assignment that is there."""
        return self._records[assignment]

    def put(self, assignment: int, record: Record) -> None:
        """Keep it; on disk when this returns. OSError if the disk fails."""
        if self._records.get(assignment) != record:
            self._records[assignment] = record
            self._write()

    def change(self, assignment: int, **fields: Any) -> None:
        """Some fields of a record anew; nothing if there is no such record any more."""
        if assignment in self._records:
            self.put(assignment, replace(self._records[assignment], **fields))

    def drop(self, assignment: int) -> None:
        """Forget it."""
        if self._records.pop(assignment, None) is not None:
            self._write()

    def folder(self, assignment: int) -> Path:
        """Where this workload lies."""
        return self.path / show_assignment(assignment).replace("/", "-")

    def close(self) -> None:
        """Let another agent use it."""
        self._lock.close()

    def _read(self) -> tuple[str, dict[int, Record]]:
        place = self.path / "state.json"
        if not place.exists():
            return secrets.token_hex(16), {}
        held = json.loads(place.read_text(encoding="utf-8"))
        if held["version"] != VERSION:
            raise ValueError(f"it has version {held['version']}, this agent reads {VERSION}")
        records = {
            parse_assignment(name): Record(**{**given, "peers": tuple(given["peers"])})
            for name, given in held["workloads"].items()
        }
        return str(held["mark"]), records

    def _write(self) -> None:
        names = Record.__dataclass_fields__
        held = {
            "version": VERSION,
            "mark": self.mark,
            "workloads": {
                show_assignment(assignment): {name: getattr(record, name) for name in names}
                for assignment, record in sorted(self._records.items())
            },
        }
        part = self.path / "state.json.part"
        with part.open("w", encoding="utf-8") as file:
            json.dump(held, file, indent=1)
            file.flush()
            os.fsync(file.fileno())
        part.replace(self.path / "state.json")
        descriptor = os.open(self.path, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)
