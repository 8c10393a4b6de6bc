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
from oracle.service.oracle_settings import load
from tests.project import ROOT

DEPLOY = ROOT / "deploy"
UNITS = sorted((DEPLOY / "systemd").glob("*.service"))
SERVICE = sorted((ROOT / "oracle" / "service").glob("[a-z]*.py"))
IMAGES = sorted((DEPLOY / "docker").glob("*.Dockerfile"))
GROUPS: dict[str, click.Group] = {"node": node, "oracle": oracle}
# Units whose command has its options in a file -> the command, and that file.
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


def test_units__there__are_known() -> None:
    assert {unit.stem for unit in UNITS} == {*COMMANDS, "epochal-oracle"}


@pytest.mark.parametrize("unit", [unit for unit in UNITS if unit.stem in COMMANDS], ids=lambda path: path.stem)
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


def test_unit_of_the_oracle__its_settings__are_whole_with_the_sample(tmp_path: Path) -> None:
    text = (DEPLOY / "systemd" / "epochal-oracle.service").read_text(encoding="utf-8")
    start = re.search(r"^ExecStart=\S+/epochal oracle run --config (\S+)$", text, flags=re.MULTILINE)
    assert start is not None
    assert "config" in {parameter.name for parameter in oracle.commands["run"].params}
    given = dict(word.split("=", 1) for line in re.findall(r"^Environment=(.*)$", text, re.M) for word in line.split())
    shipped = (DEPLOY / "systemd" / "epochal-oracle.env").read_text(encoding="utf-8")
    given |= dict(re.findall(r"^(\w+)=(.*)$", shipped, flags=re.MULTILINE))
    folders = {"%d": str(tmp_path / "credentials"), "%S": str(tmp_path / "state")}
    environment = {name: re.sub("%[dS]", lambda found: folders[found[0]], value) for name, value in given.items()}
    settings = load(DEPLOY / "oracle.sample.toml", environment)
    loaded = re.findall(r"^LoadCredential=(\S+?):", text, flags=re.MULTILINE)
    files = (settings.keystore, settings.password_file, settings.gas_keystore, settings.gas_password_file)
    assert [path and path.relative_to(tmp_path / "credentials").as_posix() for path in files] == loaded
    assert settings.state == tmp_path / "state" / "epochal-oracle"


@pytest.mark.parametrize("name", ["epochal-oracle", "epochal-oracle-intake"])
def test_unit__of_who_asks_for_the_clock__lets_it_ask(name: str) -> None:
    """Without this the first look at the clock's state would be the process's end: a refused call kills."""
    text = (DEPLOY / "systemd" / f"{name}.service").read_text(encoding="utf-8")
    calls = re.findall(r"^SystemCallFilter=(.*)$", text, flags=re.MULTILINE)
    assert {"@system-service", "adjtimex", "clock_adjtime"} <= {word for line in calls for word in line.split()}
    assert "ProtectClock=yes" not in text
    assert "\nCapabilityBoundingSet=\n" in text


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
    assert arguments[:2] == ["python", "-m"]
    assert arguments[2] in image_requirements().IMAGES[image.stem]
    if arguments[2] == "cli.main":
        assert arguments[4] in GROUPS[arguments[3]].commands


def test_requirements__of_the_images__are_those_of_the_lock() -> None:
    command = [sys.executable, str(ROOT / "scripts" / "image-requirements"), "--check"]
    checked = subprocess.run(command, capture_output=True, text=True, check=False)
    assert checked.returncode == 0, checked.stdout


def test_requirements__of_the_node__are_without_the_chain() -> None:
    text = image_requirements().requirements_of("node")
    assert not re.search(r"^(web3|eth-ape|py-solc-x|numpy|psycopg)==", text, flags=re.MULTILINE)


def test_requirements__of_the_oracle__are_without_a_compiler() -> None:
    text = image_requirements().requirements_of("oracle")
    assert "web3==" in text
    assert not re.search(r"^(eth-ape|py-solc-x|matplotlib)==", text, flags=re.MULTILINE)
    assert "node" not in {word for line in instructions(DEPLOY / "docker" / "oracle.Dockerfile") for word in line}


def test_oracle__its_modules__load_without_a_compiler() -> None:
    """What the list of packages leaves out isn't loaded on the way."""
    names = ["cli.oracle", *(path.relative_to(ROOT).as_posix()[:-3].replace("/", ".") for path in SERVICE)]
    code = f"import sys; sys.modules['solcx'] = None\nfor name in {names}: __import__(name)\n"
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
