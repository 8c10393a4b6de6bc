# SPDX-License-Identifier: Apache-2.0
"""What the code imports and what pyproject.toml declares are the same set."""

from __future__ import annotations

import re
import sys
import tomllib
from collections import defaultdict
from functools import cache
from importlib.metadata import packages_distributions

from tests.project import ROOT, Import, imports, python_files

ROOMS = frozenset(file.parent.name for file in ROOT.glob("*/__init__.py")) - {"tests", "benchmarks"}

# Declared and never imported: used through a command or through configuration.
PLUGINS = {
    "eth-ape",  # the `ape` command: make compile, make test-ape
    "ape-solidity",  # ape-config.yaml
    "ape-foundry",  # ape-config.yaml
}

# Imported, and not declared: `make fuzz` installs atheris, since it has packages for few platforms; z3 is in the
# environment that `make symbolic` makes for itself.
ON_DEMAND = frozenset({"atheris", "z3"})


def normal(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()


@cache
def declared() -> tuple[frozenset[str], frozenset[str]]:
    """What the program needs, and what only its development needs."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    return names(project["dependencies"]), names(project["optional-dependencies"]["dev"])


def names(requirements: list[str]) -> frozenset[str]:
    return frozenset(normal(re.split(r"[^A-Za-z0-9._-]", each, maxsplit=1)[0]) for each in requirements)


@cache
def third_party() -> dict[str, list[Import]]:
    """Top-level module -> where it is imported, for all that is neither ours nor Python's."""
    ours = {path.relative_to(ROOT).parts[0].removesuffix(".py") for path in python_files()}
    found: dict[str, list[Import]] = defaultdict(list)
    for path in python_files():
        for each in imports(path):
            top = each.name.partition(".")[0]
            if top not in ours and top not in sys.stdlib_module_names:
                found[top].append(each)
    return found


@cache
def distributions() -> dict[str, set[str]]:
    return {module: {normal(name) for name in found} for module, found in packages_distributions().items()}


def undeclared(allowed: frozenset[str], uses: dict[str, list[Import]]) -> list[str]:
    return [
        f"{places[0]}, which {sorted(distributions().get(module, {module}))} provides"
        for module, places in sorted(uses.items())
        if places and not distributions().get(module, set()) & allowed
    ]


def test_imports__of_the_program__are_declared() -> None:
    runtime, _ = declared()
    uses = {
        module: [each for each in places if each.file.relative_to(ROOT).parts[0] in ROOMS]
        for module, places in third_party().items()
    }
    missing = undeclared(runtime, uses)
    assert not missing, "[project] dependencies lacks:\n  " + "\n  ".join(missing)


def test_imports__of_tests_and_benchmarks__are_declared() -> None:
    runtime, dev = declared()
    uses = {module: places for module, places in third_party().items() if module not in ON_DEMAND}
    missing = undeclared(runtime | dev, uses)
    assert not missing, "pyproject.toml lacks:\n  " + "\n  ".join(missing)


def test_dependency__declared__is_used() -> None:
    runtime, _ = declared()
    used = {name for module in third_party() for name in distributions().get(module, ())}
    unused = runtime - used - PLUGINS
    assert not unused, f"declared in pyproject.toml, imported nowhere: {sorted(unused)}"


def test_plugins__list__names_only_declared_ones() -> None:
    runtime, _ = declared()
    assert runtime >= PLUGINS


def test_lock__holds__every_declared_name() -> None:
    runtime, dev = declared()
    lock = (ROOT / "requirements.lock").read_text(encoding="utf-8")
    locked = {normal(name) for name in re.findall(r"^([A-Za-z0-9._-]+)==", lock, flags=re.MULTILINE)}
    assert runtime | dev <= locked, f"run make lock: {sorted((runtime | dev) - locked)}"
