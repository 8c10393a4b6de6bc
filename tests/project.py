# SPDX-License-Identifier: Apache-2.0
"""The repository as its own tests see it: which files belong to it and what they import."""

from __future__ import annotations

import ast
import subprocess
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import NamedTuple

import pytest

ROOT = Path(__file__).resolve().parents[1]


class Import(NamedTuple):
    """`name` is all that an import statement says: `from a import b` is "a.b"."""

    name: str
    file: Path
    line: int

    def __str__(self) -> str:
        return f"{self.file.relative_to(ROOT)}:{self.line} imports {self.name}"


@cache
def files() -> tuple[Path, ...]:
    """Tracked files, and those that the next `git add` would track."""
    # A checkout that another user owns (containers do that) is still the one we are asked about.
    command = [
        "git",
        "-c",
        f"safe.directory={ROOT}",
        "ls-files",
        "-z",
        "--cached",
        "--others",
        "--exclude-standard",
    ]
    result = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    if result.returncode:
        pytest.skip("needs a git checkout")
    found = (ROOT / name for name in result.stdout.split("\0") if name)
    return tuple(sorted(path for path in found if path.is_file()))


def python_files(*folders: str) -> tuple[Path, ...]:
    """All Python files, or those of some folders."""
    return tuple(
        path for path in files() if path.suffix == ".py" and (not folders or path.relative_to(ROOT).parts[0] in folders)
    )


@cache
def syntax(path: Path) -> ast.Module:
    return ast.parse(path.read_text(encoding="utf-8"), filename=str(path))


def imports(path: Path) -> Iterator[Import]:
    for node in ast.walk(syntax(path)):
        if isinstance(node, ast.Import):
            for alias in node.names:
                yield Import(alias.name, path, node.lineno)
        elif isinstance(node, ast.ImportFrom):
            origin = ".".join(part for part in (_package(path, node.level), node.module) if part)
            for alias in node.names:
                yield Import(f"{origin}.{alias.name}", path, node.lineno)


def module_name(path: Path) -> str:
    parts = path.relative_to(ROOT).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


def _package(path: Path, level: int) -> str:
    """What the dots of a relative import stand for."""
    if not level:
        return ""
    parts = path.relative_to(ROOT).parent.parts
    return ".".join(parts[: len(parts) - level + 1])
