# SPDX-License-Identifier: Apache-2.0
"""Imports run one way. The table is the one of docs/architecture.md; change both or neither."""

from __future__ import annotations

import ast
import re
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.project import ROOT, Import, imports, module_name, python_files

GROUND = "oracle.ground"
SIGNING = "oracle.signing"
TELEMETRY = "oracle.telemetry"
COMMITTEE = "oracle.committee"
WIRE = "oracle.telemetry.wire"
SERVICE = "oracle.service"
PEERS = "oracle.peers"
PLACING = "orchestrator.placing"
ORDERS = "orchestrator.wire"

# Room -> what it may import besides itself; a name stands for everything inside it too.
WALLS: dict[str, set[str]] = {
    "cli": {
        "delivery",
        "scenario",
        "node",
        "notify",
        "operations",
        "orchestrator",
        "settlement",
        SERVICE,
        PEERS,
        COMMITTEE,
        TELEMETRY,
        SIGNING,
        "chain",
        GROUND,
    },
    "scenario": {"node", "orchestrator", "settlement", "delivery", COMMITTEE, TELEMETRY, SIGNING, "chain", GROUND},
    "node": {ORDERS, GROUND, SIGNING, WIRE},
    "operations": {"settlement", ORDERS, "chain", GROUND, SIGNING},
    "orchestrator": {"chain", GROUND, SIGNING},
    PLACING: {ORDERS, GROUND},
    ORDERS: {GROUND, SIGNING},
    "notify": {"settlement", "delivery", "chain", WIRE, SIGNING, GROUND},
    "settlement": {"chain", "delivery", GROUND},
    "delivery": {GROUND},
    SERVICE: {"chain", PEERS, COMMITTEE, TELEMETRY, SIGNING, GROUND},
    PEERS: {COMMITTEE, WIRE, SIGNING, GROUND},
    COMMITTEE: {"chain", TELEMETRY, SIGNING, GROUND},
    TELEMETRY: {GROUND, SIGNING},
    WIRE: {GROUND, SIGNING},
    SIGNING: {GROUND},
    "chain": {GROUND, SIGNING},
    GROUND: set(),
}
PACKAGES = sorted({room.partition(".")[0] for room in WALLS})
OUTSIDE = {"benchmarks", "docs", "scripts", "tests"}  # may import any room; no room may import them

# The ground is pure: no I/O, no clock, no randomness; keccak is the only thing it lacks.
GROUND_THIRD_PARTY = {"sha3"}
IMPURE = set(
    """
    asyncio concurrent fcntl ftplib glob http io logging multiprocessing os pathlib pickle random secrets
    select selectors shelve shutil signal socket socketserver sqlite3 ssl subprocess sys tempfile
    threading time urllib uuid
    """.split()
)


def room_of(module: str) -> str | None:
    """The innermost room that a dotted name lies in."""
    inside = [room for room in WALLS if module == room or module.startswith(room + ".")]
    return max(inside, key=len, default=None)


def is_inside(name: str, rooms: set[str]) -> bool:
    return any(name == room or name.startswith(room + ".") for room in rooms)


def own_imports(room: str) -> Iterator[Import]:
    for path in python_files(*PACKAGES):
        if room_of(module_name(path)) == room:
            yield from imports(path)


def ground_files() -> list[Path]:
    return [path for path in python_files("oracle") if room_of(module_name(path)) == GROUND]


@pytest.mark.parametrize("room", sorted(WALLS))
def test_room__imports__stay_behind_its_wall(room: str) -> None:
    allowed = WALLS[room] | {room}
    breaches = [
        str(each)
        for each in own_imports(room)
        if each.name.partition(".")[0] in {*PACKAGES, *OUTSIDE} and not is_inside(each.name, allowed)
    ]
    assert not breaches, (
        f"{room} may import {', '.join(sorted(WALLS[room])) or 'no other room'}, but:\n  " + "\n  ".join(breaches)
    )


def test_module__in_a_package__lies_in_a_room() -> None:
    homeless = [
        path.relative_to(ROOT).as_posix()
        for path in python_files(*PACKAGES)
        if room_of(module_name(path)) is None and path.name != "__init__.py"
    ]
    assert not homeless, f"no room holds {homeless}; the rooms are {sorted(WALLS)}"


def test_folder__with_python__is_a_room_or_known() -> None:
    folders = {path.relative_to(ROOT).parts[0] for path in python_files()}
    unknown = folders - set(PACKAGES) - OUTSIDE
    assert not unknown, f"docs/architecture.md doesn't know {sorted(unknown)}"


def test_architecture__table__names_every_room() -> None:
    text = (ROOT / "docs" / "architecture.md").read_text(encoding="utf-8")
    rows = re.findall(r"^\| `([a-z/]+)/` \|", text, flags=re.MULTILINE)
    solidity = {path.name for path in (ROOT / "contracts").iterdir() if path.is_dir()}
    rooms = {row.replace("/", ".") for row in rows} - OUTSIDE - solidity - {"contracts"}
    assert rooms == set(WALLS)


def test_ground__imports__are_pure() -> None:
    breaches = [str(each) for path in ground_files() for each in imports(path) if not is_pure(each.name)]
    assert not breaches, "the ground does no I/O and asks no clock, but:\n  " + "\n  ".join(breaches)


def is_pure(name: str) -> bool:
    top = name.partition(".")[0]
    if top in sys.stdlib_module_names:
        return top not in IMPURE
    return top in GROUND_THIRD_PARTY or is_inside(name, {GROUND})


def test_ground__numbers__are_integers() -> None:
    breaches = [
        f"{path.relative_to(ROOT)}:{node.lineno}: {ast.unparse(node)}"
        for path in ground_files()
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        if is_floating(node)
    ]
    assert not breaches, "money and time are int, but:\n  " + "\n  ".join(breaches)


def is_floating(node: ast.AST) -> bool:
    if isinstance(node, ast.Constant):
        return isinstance(node.value, float)
    if isinstance(node, ast.BinOp):
        return isinstance(node.op, ast.Div)
    return isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == "float"
