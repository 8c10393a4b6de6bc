"""ABIs of the contracts, as committed: who reads or settles a network needs no compiler.

`make abi` writes them again from the contracts' sources; a test compares the two.
"""

from __future__ import annotations

import json
from functools import cache
from pathlib import Path
from typing import Any

FOLDER = Path(__file__).resolve().parent / "abi"
_ERRORS = "errors"


@cache
def abi(name: str) -> list[dict[str, Any]]:
    """The ABI of the contract `name`."""
    items: list[dict[str, Any]] = json.loads((FOLDER / f"{name}.json").read_text(encoding="utf-8"))
    return items


def errors() -> list[dict[str, Any]]:
    """The custom errors of all contracts and libraries, each once."""
    return abi(_ERRORS)


def compiled() -> dict[str, str]:
    """What `make abi` writes, by file name: the ABI of each contract that can be deployed, and all errors."""
    from chain import compiler  # here alone: who only reads a network has none

    artifacts = compiler.load()
    files = {
        name: artifact.abi
        for name, artifact in artifacts.items()
        if artifact.runtime_size and any(item["type"] == "function" for item in artifact.abi)
    }
    every = [item for artifact in artifacts.values() for item in artifact.abi if item["type"] == "error"]
    unlike = {json.dumps(item, sort_keys=True): item for item in every}
    files[_ERRORS] = [unlike[key] for key in sorted(unlike, key=lambda key: (unlike[key]["name"], key))]
    return {f"{name}.json": _text(items) for name, items in files.items()}


def write() -> None:
    """Bring the folder up to date."""
    FOLDER.mkdir(exist_ok=True)
    wanted = compiled()
    for path in FOLDER.glob("*.json"):
        if path.name not in wanted:
            path.unlink()
    for name, text in wanted.items():
        (FOLDER / name).write_text(text, encoding="utf-8")


def _text(items: list[dict[str, Any]]) -> str:
    """A line for each item: a change shows as what it is."""
    lines = ",\n".join(json.dumps(item, sort_keys=True) for item in items)
    return f"[\n{lines}\n]\n"


if __name__ == "__main__":
    write()
