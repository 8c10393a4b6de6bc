# SPDX-License-Identifier: Apache-2.0
"""What a fresh clone must hold: locks without addresses, no path of anyone's machine, licence lines."""

from __future__ import annotations

import os
import re

import pytest

from tests.project import ROOT, files

LOCKS = ("requirements.lock", "package-lock.json")

# Put together from pieces, so that this file isn't found by its own search.
IN_LOCKS = ('"resol' + 'ved"', "index" + "-url", "find" + "-links")
HOSTS = ("registry." + "npmjs", "registry." + "yarnpkg", "files.python" + "hosted", "pypi" + ".org")
MACHINE_PATHS = re.compile("(?<![A-Za-z0-9_.*~-])/(?:" + "|".join(["wo" + "rk", "ro" + "ot", "Us" + "ers"]) + ")/")


def lines_with(pattern: re.Pattern[str], names: tuple[str, ...] | None = None) -> list[str]:
    found = []
    for path in files():
        name = path.relative_to(ROOT).as_posix()
        if names is None or name in names:
            text = path.read_bytes().decode("utf-8", errors="ignore")
            found += [f"{name}:{n}" for n, line in enumerate(text.splitlines(), 1) if pattern.search(line)]
    return found


def any_of(needles: tuple[str, ...]) -> re.Pattern[str]:
    return re.compile("|".join(map(re.escape, needles)))


@pytest.mark.parametrize("name", LOCKS)
def test_lock__in_the_tree__exists(name: str) -> None:
    assert (ROOT / name).stat().st_size > 0


def test_locks__text__holds_no_address() -> None:
    assert not lines_with(any_of(IN_LOCKS), LOCKS), "run make lock: it writes locks without addresses"


def test_files__text__names_no_registry() -> None:
    assert not lines_with(any_of(HOSTS))


def test_files__text__names_no_path_of_a_machine() -> None:
    assert not lines_with(MACHINE_PATHS)


def test_solidity__first_line__is_the_licence() -> None:
    licence = "// SPDX-License-Identifier: Apache-2.0"
    bare = [
        path.relative_to(ROOT).as_posix()
        for path in files()
        if path.suffix == ".sol" and path.read_text(encoding="utf-8").partition("\n")[0].strip() != licence
    ]
    assert not bare, f"line 1 must be {licence!r} in {bare}"


@pytest.mark.parametrize(
    "name",
    [
        ".ci/run",
        "scripts/epochal",
        "scripts/image-requirements",
        "scripts/prerequisites",
        "scripts/services",
        "scripts/solc",
    ],
)
def test_command__in_the_tree__can_be_run(name: str) -> None:
    assert os.access(ROOT / name, os.X_OK)
