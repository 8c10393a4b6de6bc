# SPDX-License-Identifier: Apache-2.0
"""Units and images: what can be checked of them without systemd running and without a container engine."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
from importlib.machinery import SourceFileLoader
from importlib.util import module_from_spec, spec_from_loader
from pathlib import Path, PurePosixPath
from types import ModuleType

import click
import pytest

from cli.node import node
from cli.oracle import oracle
from tests.project import ROOT

DEPLOY = ROOT / "deploy"
UNITS = sorted((DEPLOY / "systemd").glob("*.service"))
IMAGES = sorted((DEPLOY / "docker").glob("*.Dockerfile"))
GROUPS: dict[str, click.Group] = {"node": node, "oracle": oracle}
# Unit -> its command, and the file of options that is shipped for it.
COMMANDS = {
    "epochal-node": ("node run", "epochal-node.env"),
    "epochal-gateway": ("node gateway", "epochal-gateway.env"),
    "epochal-oracle-intake": ("oracle intake", "epochal-oracle-intake.env"),
}


def image_requirements() -> ModuleType:
    loader = SourceFileLoader("image_requirements", str(ROOT / "scripts" / "image-requirements"))
    spec = spec_from_loader(loader.name, loader)
    assert spec is not None
    module = module_from_spec(spec)
    loader.exec_module(module)
    return module


def options(command: str) -> dict[str, click.Parameter]:
    group, name = command.split()
    return {option: parameter for parameter in GROUPS[group].commands[name].params for option in parameter.opts}


def instructions(image: Path) -> list[list[str]]:
    """The words of each instruction."""
    text = re.sub(r"\\\n", " ", image.read_text(encoding="utf-8"))
    return [line.split() for line in text.splitlines() if line and not line.startswith("#")]


def copied(image: Path) -> list[tuple[Path, PurePosixPath]]:
    """(file or folder of the project, where it lands below the work folder) for all that is copied from the project."""
    found = []
    for words in instructions(image):
        if words[0] == "COPY" and not words[1].startswith("--from="):
            target = PurePosixPath(words[-1])
            for word in words[1:-1]:
                source = ROOT / word
                found.append((source, target if source.is_dir() else target / source.name))
    return found


@pytest.mark.parametrize("unit", UNITS, ids=lambda path: path.stem)
def test_unit__its_command__has_these_options(unit: Path) -> None:
    command, shipped = COMMANDS[unit.stem]
    text = re.sub(r"\\\n", " ", unit.read_text(encoding="utf-8"))
    start = re.search(r"^ExecStart=\S+/epochal (.*)$", text, flags=re.MULTILINE)
    assert start is not None
    assert start[1].startswith(command + " ")
    known = options(command)
    variables = (DEPLOY / "systemd" / shipped).read_text(encoding="utf-8")
    variable = re.search(r'^(EPOCHAL_\w+)="(.*)"$', variables, flags=re.MULTILINE)
    assert variable is not None
    assert start[1].endswith(f" ${variable[1]}")
    words = (start[1].removesuffix(f" ${variable[1]}") + " " + variable[2]).split()
    given = [word for word in words if word.startswith("--")]
    assert set(given) <= set(known)
    missing = {name for name, parameter in known.items() if parameter.required} - set(given)
    assert not missing
    # What the agent is started with passes its own reading of the command line.
    GROUPS[command.split()[0]].commands[command.split()[1]].make_context("epochal", words[2:])


@pytest.mark.parametrize("unit", UNITS, ids=lambda path: path.stem)
def test_unit__systemd__accepts_it(unit: Path, tmp_path: Path) -> None:
    if shutil.which("systemd-analyze") is None:
        pytest.skip("needs systemd-analyze")
    # The program isn't installed here; any other shows whether the rest is right.
    text = unit.read_text(encoding="utf-8").replace("/opt/epochal/.venv/bin/epochal", "/bin/true")
    (tmp_path / unit.name).write_text(text, encoding="utf-8")
    command = ["systemd-analyze", "verify", "--man=no", str(tmp_path / unit.name)]
    verified = subprocess.run(command, capture_output=True, text=True, check=False)
    about_it = [line for line in (verified.stdout + verified.stderr).splitlines() if unit.name in line]
    assert not about_it


@pytest.mark.parametrize("image", IMAGES, ids=lambda path: path.stem)
def test_image__copies__what_is_there_and_not_ignored(image: Path) -> None:
    patterns = (ROOT / ".dockerignore").read_text(encoding="utf-8").split("\n")
    kept = [pattern[1:] for pattern in patterns if pattern.startswith("!")]
    for source, _ in copied(image):
        assert source.exists()
        name = source.relative_to(ROOT).as_posix()
        assert any(name == pattern or name.startswith(pattern + "/") for pattern in kept), name


@pytest.mark.parametrize("image", IMAGES, ids=lambda path: path.stem)
def test_image__program__is_copied_whole(image: Path) -> None:
    places = copied(image)
    for file in image_requirements().files_of(image.stem):
        lands = {
            target / file.relative_to(source).as_posix() if source.is_dir() else target
            for source, target in places
            if source in (file, *file.parents)
        }
        name = file.relative_to(ROOT).as_posix()
        assert PurePosixPath(name) in lands, f"{image.name} doesn't copy {name} to its place"


@pytest.mark.parametrize("image", IMAGES, ids=lambda path: path.stem)
def test_image__runs__unprivileged_with_hashes_and_a_real_command(image: Path) -> None:
    words = instructions(image)
    assert [line for line in words if line[0] == "USER"][-1] == ["USER", "65532:65532"]
    text = image.read_text(encoding="utf-8")
    assert "--require-hashes" in text
    entry = re.findall(r"^(?:ENTRYPOINT|CMD) \[(.*)\]$", text, flags=re.MULTILINE)
    arguments = [word.strip(' "') for line in entry for word in line.split(",")]
    assert arguments[:3] == ["python", "-m", "cli.main"]
    assert arguments[4] in GROUPS[arguments[3]].commands


def test_requirements__of_the_images__are_those_of_the_lock() -> None:
    command = [sys.executable, str(ROOT / "scripts" / "image-requirements"), "--check"]
    checked = subprocess.run(command, capture_output=True, text=True, check=False)
    assert checked.returncode == 0, checked.stdout


def test_requirements__of_the_node__are_without_the_chain() -> None:
    text = image_requirements().requirements_of("node")
    assert not re.search(r"^(web3|eth-ape|py-solc-x|numpy|psycopg)==", text, flags=re.MULTILINE)
