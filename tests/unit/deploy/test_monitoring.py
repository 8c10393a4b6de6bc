# SPDX-License-Identifier: Apache-2.0
"""Alerts, their tests, their runbooks, and the dashboard: each stands on metrics that exist."""

from __future__ import annotations

import json
import re
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml

from oracle.service.metrics import HISTOGRAM, NAMESPACE, DaemonMetrics, Series
from tests.project import ROOT

FOLDER = ROOT / "deploy" / "prometheus"
RULES: list[dict[str, Any]] = yaml.safe_load((FOLDER / "epochal-oracle.rules.yml").read_text())["groups"][0]["rules"]
TESTS: dict[str, Any] = yaml.safe_load((FOLDER / "epochal-oracle.tests.yml").read_text())
DASHBOARD = json.loads((ROOT / "deploy" / "grafana" / "epochal-oracle.json").read_text())


def known_metrics() -> set[str]:
    histogram = {f"{NAMESPACE}_{HISTOGRAM}_{part}" for part in ("bucket", "sum", "count")}
    told = (ROOT / "docs" / "telemetry.md").read_text() + (ROOT / "oracle/telemetry/intake/metrics.py").read_text()
    intake = set(re.findall(r"epochal_[a-z_]+", told))
    return {series.metric for series in Series} | histogram | intake | {f"{name}_total" for name in intake}


def metrics_in(text: str) -> set[str]:
    return set(re.findall(r"\bepochal_[a-z_]+", text))


def test_alerts__promtool__fires_each_when_it_should(promtool: Path) -> None:
    for arguments in (["check", "rules", "epochal-oracle.rules.yml"], ["test", "rules", "epochal-oracle.tests.yml"]):
        done = subprocess.run([str(promtool), *arguments], cwd=FOLDER, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stdout + done.stderr


def test_alerts__each__is_tested_silent_and_firing() -> None:
    for rule in RULES:
        (tested,) = (one for one in TESTS["tests"] if one["name"] == rule["alert"])
        silent, firing = tested["alert_rule_test"]
        assert (silent["alertname"], silent["exp_alerts"]) == (rule["alert"], [])
        assert firing["alertname"] == rule["alert"]
        assert len(firing["exp_alerts"]) == 1
    assert len(TESTS["tests"]) == len(RULES)


def test_alerts__each__has_its_runbook() -> None:
    text = (ROOT / "docs" / "runbooks.md").read_text()
    sections = re.findall(r"^## (\w+)$", text, flags=re.MULTILINE)
    assert sorted(sections) == sorted(rule["alert"] for rule in RULES)
    assert [rule["annotations"]["runbook"] for rule in RULES] == [
        f"docs/runbooks.md#{rule['alert'].lower()}" for rule in RULES
    ]
    anchors = set(re.findall(r"\(#(\w+)\)", text))
    assert anchors <= {section.lower() for section in sections}


@pytest.mark.parametrize("where", ["rules", "dashboard"])
def test_monitoring__its_metrics__exist(where: str) -> None:
    expressions = (
        [rule["expr"] for rule in RULES]
        if where == "rules"
        else [target["expr"] for panel in DASHBOARD["panels"] for target in panel["targets"]]
    )
    assert {name for each in expressions for name in metrics_in(each)} <= known_metrics()


def test_metrics__before_anything_happened__are_all_there() -> None:
    text = DaemonMetrics().exposition().decode()
    for series in Series:
        assert f"# TYPE {series.metric} {series.kind}\n" in text
        lines = [line for line in text.splitlines() if re.match(rf"{series.metric}[ {{]", line)]
        assert len(lines) == (len(series.values) if series.label else 1)
    assert f'{NAMESPACE}_{HISTOGRAM}_count{{phase="agreeing"}} 0.0' in text


def test_metrics__a_misspelt_label__is_refused() -> None:
    metrics = DaemonMetrics()
    metrics.add(Series.ROUNDS, "attested")
    metrics.replace(Series.PEER_REACHABLE, {"0xaa": 1})
    assert metrics.value(Series.ROUNDS, "attested") == 1
    with pytest.raises(AssertionError, match="outcome"):
        metrics.add(Series.ROUNDS, "atested")
    with pytest.raises(AssertionError):
        metrics.set(Series.PEER_REACHABLE, 1)
