"""Where a replay stands, so that it can be stopped at any moment and go on.

A checkpoint is one JSON file, and for a chain of the replay's own a dump of its state beside it, which carries the
epoch in its name. The JSON is written last, so a crash leaves the last whole checkpoint.
"""

from __future__ import annotations

import json
import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from oracle.ground.errors import UserError


class CannotResume(UserError):
    """What is in the output folder doesn't fit what was asked."""


def write_whole(path: Path, text: str) -> None:
    """Write a file whole or not at all."""
    part = path.with_name(path.name + ".part")
    part.write_text(text, encoding="utf-8", newline="\n")
    part.replace(path)


def _options_of(path: Path) -> dict[str, Any]:
    """The options in a file that a replay wrote; CannotResume when it isn't one."""
    try:
        return dict(json.loads(path.read_text(encoding="utf-8"))["options"])
    except (ValueError, KeyError, TypeError) as error:
        raise CannotResume(f"{path}: was not written by a replay; give an empty or new --out") from error


@dataclass(frozen=True, slots=True)
class Checkpoint:
    """A checkpoint: what the replay needs to know beside the chain and the oracles' stores."""

    state: dict[str, Any]
    chain_dump: str | None


class Workspace:
    """The hidden folder in a replay's output folder that holds checkpoints, stores and the epochs' rows."""

    def __init__(self, out: Path) -> None:
        self.out = out
        self.root = out / ".replay"

    @property
    def rows(self) -> Path:
        """Folder of the rows of each epoch."""
        return self.root / "rows"

    def store(self, oracle: int) -> Path:
        """An oracle's store."""
        return self.root / f"oracle-{oracle}.sqlite"

    @property
    def finished(self) -> bool:
        """Whether a replay ended in this output folder."""
        return (self.out / "summary.json").exists()

    def prepare(self) -> None:
        """Make the folders of a new replay."""
        if self.root.exists():
            shutil.rmtree(self.root)
        self.rows.mkdir(parents=True)
        for name in ("reports", "evidence"):
            folder = self.out / name
            folder.mkdir(exist_ok=True)
            for left in folder.glob("*.json"):
                left.unlink()  # of a replay that was killed before its first checkpoint

    def load(self, fingerprint: dict[str, Any]) -> Checkpoint | None:
        """The last checkpoint of the same replay; None when there is none. CannotResume when it is of another."""
        path = self.root / "checkpoint.json"
        if self.out.exists() and not self.out.is_dir():
            raise CannotResume(f"{self.out}: is a file; give a folder as --out")
        if self.finished:
            self._same(_options_of(self.out / "summary.json"), fingerprint)
            raise CannotResume(f"{self.out}: this replay is complete; look at its files, or give another --out")
        if not path.exists():
            taken = [one.name for one in self.out.iterdir()] if self.out.exists() else []
            if taken and not self.root.exists():
                raise CannotResume(f"{self.out}: holds other files ({sorted(taken)[0]}, …); give an empty or new --out")
            return None
        self._same(_options_of(path), fingerprint)
        state = json.loads(path.read_text(encoding="utf-8"))
        dump = self.root / state["chain_dump"] if state["chain_dump"] else None
        return Checkpoint(state, dump.read_text() if dump else None)

    def save(self, state: dict[str, Any], chain_dump: str | None) -> None:
        """Replace the checkpoint."""
        name = f"chain-{state['next_epoch']}.hex" if chain_dump is not None else None
        if name is not None and chain_dump is not None:
            write_whole(self.root / name, chain_dump)
        write_whole(self.root / "checkpoint.json", json.dumps({**state, "chain_dump": name}))
        for old in self.root.glob("chain-*.hex"):
            if old.name != name:
                old.unlink()

    def clear(self) -> None:
        """Remove the workspace of a replay that is complete."""
        shutil.rmtree(self.root)

    def _same(self, held: dict[str, Any], wanted: dict[str, Any]) -> None:
        for key in wanted | held:
            value = wanted.get(key)
            if held.get(key) != value:
                if isinstance(value, dict) and isinstance(held.get(key), dict):
                    self._same(held[key], value)
                raise CannotResume(
                    f"{self.out}: holds a replay with {key} {held.get(key)}, not {value}; use the same options to "
                    "go on, or give another --out"
                )
