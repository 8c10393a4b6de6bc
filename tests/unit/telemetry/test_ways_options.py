# SPDX-License-Identifier: Apache-2.0
"""The options of the ways in besides HTTP: what is refused before anything is opened."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest

from oracle.ground.errors import InvalidValue
from oracle.ground.ids import pack
from oracle.service.errors import SettingsError
from oracle.service.ways import _Targets, by_probes, over_mqtt
from oracle.telemetry.probes.prober import ProbeSettings
from oracle.telemetry.wire.mqtt_connection import Broker


@pytest.mark.parametrize(
    "url", ["mqtt://me:hunter2@broker", "mqtts://hunter2@broker", "mqtt://me:hunter2@broker:99999", "me:hunter2@broker"]
)
def test_over_mqtt__user_in_the_url__refused_and_not_shown(url: str) -> None:
    with pytest.raises(SettingsError, match="take them out; --mqtt-username and --mqtt-password-env") as refused:
        over_mqtt(url, None, None, None, {})
    assert "hunter2" not in str(refused.value)
    with pytest.raises(InvalidValue):
        Broker(url)


@pytest.mark.parametrize(
    "url", ["http://broker", "mqtt://", "mqtt://broker:99999", "mqtt://broker:0", "mqtt://[::1", "broker", "mqtt://a b"]
)
def test_over_mqtt__no_brokers_url__refused(url: str) -> None:
    with pytest.raises(SettingsError, match=r"--mqtt: the broker's URL is .*: write it like mqtts://"):
        over_mqtt(url, None, None, None, {})


@pytest.mark.parametrize("assignment", ["-1", str(2**128), "seven"])
def test_by_probes__id_that_is_none__refused(assignment: str, tmp_path: Path) -> None:
    targets = tmp_path / "targets.json"
    targets.write_text(json.dumps({assignment: "tcp://example.org:1"}))
    with pytest.raises(SettingsError, match=r"--probes .*: can't be read .*give a JSON object"):
        by_probes(targets, ProbeSettings())


@pytest.mark.parametrize("networks", [{"allowed": ("10.0.0.1/8",)}, {"refused": ("here",)}])
def test_by_probes__network_that_is_none__refused(networks: dict[str, tuple[str, ...]], tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match="--probe-allow or --probe-refuse: network is"):
        by_probes(tmp_path / "targets.json", ProbeSettings(**networks))


def test_targets__file_breaks_later__stays_as_it_was_and_is_told_once(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    path = tmp_path / "targets.json"
    path.write_text('{"7": "tcp://example.org:1"}')
    targets = _Targets(path)
    assert targets() == {7: "tcp://example.org:1"}
    path.write_text('{"-1": "tcp://example.org:1"}')
    for _ in range(3):
        assert targets() == {7: "tcp://example.org:1"}
    assert len(caplog.records) == 1
    path.write_text('{"8": "tcp://example.org:22"}')
    os.utime(path, ns=(1, 1))
    assert targets() == {8: "tcp://example.org:22"}


def test_targets__assignments_in_either_form__are_the_same(tmp_path: Path) -> None:
    targets = tmp_path / "targets.json"
    targets.write_text(json.dumps({"7/0/1": "tcp://example.org:1", str(pack(9, 2, 1)): "tcp://example.org:2"}))
    assert _Targets(targets)() == {pack(7, 0, 1): "tcp://example.org:1", pack(9, 2, 1): "tcp://example.org:2"}
