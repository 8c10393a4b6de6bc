# SPDX-License-Identifier: Apache-2.0
"""The compose file, as far as it can be checked without a container engine."""

from __future__ import annotations

import re
import subprocess
from pathlib import Path
from typing import Any

import click
import yaml

from cli.node import node
from oracle.service.oracle_settings import load
from scenario.compose import NODES, ORACLES, Place
from scenario.network.options import TICK
from tests.project import ROOT

FOLDER = ROOT / "deploy" / "compose"
COMPOSE: dict[str, Any] = yaml.safe_load((FOLDER / "compose.yaml").read_text(encoding="utf-8"))
SERVICES: dict[str, dict[str, Any]] = COMPOSE["services"]


def test_compose__oracles__have_settings_that_load() -> None:
    place = Place()
    seen = set()
    for number in range(1, ORACLES + 1):
        settings = load(None, SERVICES[f"oracle-{number}"]["environment"])
        assert settings.endpoint == place.peers(number)
        assert settings.tick == TICK
        assert settings.store_location == "/data/oracle.sqlite"
        seen |= {settings.keystore, settings.gas_keystore}
    assert len(seen) == 2 * ORACLES


def test_compose__nodes__run_the_agent_with_its_options() -> None:
    for number in range(1, NODES + 1):
        shell = SERVICES[f"node-{number}"]["entrypoint"]
        words = re.sub(r'"\$\$\(.*?\)"', "0x" + "11" * 20, shell[2]).split()
        assert words[:6] == ["exec", "python", "-m", "cli.main", "node", "run"]
        context = node.commands["run"].make_context("run", words[6:], resilient_parsing=False)
        assert isinstance(context, click.Context)
        assert words.count("--oracle") == ORACLES


def test_compose__what_it_names__is_there() -> None:
    volumes = set(COMPOSE["volumes"])
    for service in SERVICES.values():
        if "build" in service:
            assert (FOLDER / service["build"]["context"]).resolve() == ROOT
            assert (ROOT / service["build"]["dockerfile"]).is_file()
        for mount in service.get("volumes", ()):
            source = mount.split(":")[0]
            assert source in volumes if not source.startswith(".") else (FOLDER / source).is_file()
        assert set(service.get("depends_on", ())) <= set(SERVICES)


def test_compose__prometheus__reads_its_file(promtool: Path, tmp_path: Path) -> None:
    (tmp_path / "prometheus.yml").write_bytes((FOLDER / "prometheus.yml").read_bytes())
    rules = "epochal-oracle.rules.yml"
    (tmp_path / rules).write_bytes((ROOT / "deploy" / "prometheus" / rules).read_bytes())
    command = [str(promtool), "check", "config", "prometheus.yml"]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    (scraped,) = yaml.safe_load((FOLDER / "prometheus.yml").read_text())["scrape_configs"]
    assert {target.split(":")[0] for target in scraped["static_configs"][0]["targets"]} <= set(SERVICES)
