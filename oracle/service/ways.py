"""The ways in that an intake has besides HTTP, as its options name them."""

from __future__ import annotations

import json
import logging
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from oracle.ground.errors import EpochalError, InvalidValue
from oracle.ground.ids import parse_assignment
from oracle.service.collecting import MakeWay
from oracle.service.errors import SettingsError
from oracle.telemetry.probes.addresses import AddressRule
from oracle.telemetry.probes.prober import Prober, ProbeSettings
from oracle.telemetry.ways.mqtt import MqttSettings, MqttWay
from oracle.telemetry.ways.prometheus import PrometheusPull, PrometheusSettings
from oracle.telemetry.wire.mqtt_connection import Broker

_LOG = logging.getLogger("epochal.service")


def over_mqtt(
    url: str, username: str | None, password_env: str | None, ca_file: Path | None, environment: Mapping[str, str]
) -> MakeWay:
    """The way in over the broker at `url`. SettingsError for what can't be."""
    if (username is None) != (password_env is None):
        raise SettingsError("--mqtt-username and --mqtt-password-env belong together: give both or neither")
    password = None
    if password_env is not None:
        password = environment.get(password_env)
        if not password:
            raise SettingsError(f"--mqtt-password-env {password_env}: the variable is not set: put the password in it")
    try:
        broker = Broker(url, username, password, ca_file)
    except InvalidValue as error:
        raise SettingsError(f"--mqtt: {error}") from error
    return lambda collector, settings: MqttWay(
        collector, MqttSettings(broker, settings.worker or "1", settings.secret), settings.way("mqtt")
    )


def from_prometheus(settings: PrometheusSettings) -> MakeWay:
    """The way in from a Prometheus server."""
    return lambda collector, _: PrometheusPull(collector, settings)


def by_probes(targets: Path, settings: ProbeSettings) -> MakeWay:
    """The oracle's own probes of the workloads that a JSON file names; the file is read again when it changes.

    SettingsError for a file or for networks that can't be.
    """
    try:
        AddressRule(settings.allowed, settings.refused)
    except InvalidValue as error:
        raise SettingsError(f"--probe-allow or --probe-refuse: {error}") from error
    read = _Targets(targets)
    read()
    return lambda collector, _: Prober(collector, read, settings)


class _Targets:
    """A file's targets, as it is now. SettingsError at first; later a broken file leaves them as they were."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._stamp: tuple[int, int, int] | None = None
        self._targets: dict[int, str] | None = None
        self._trouble = ""

    def __call__(self) -> Mapping[int, str]:
        trouble = ""
        try:
            found = self._path.stat()
            stamp = (found.st_ino, found.st_mtime_ns, found.st_size)
            if stamp != self._stamp:
                self._targets = _read_targets(self._path)
                self._stamp = stamp
        except (OSError, SettingsError) as error:
            trouble = f"--probes {self._path}: {error}"
            self._stamp = None
            if self._targets is None:
                raise SettingsError(f"{trouble}; give a JSON object of assignment to URL") from None
        if trouble and trouble != self._trouble:
            _LOG.warning("%s; going on with %d targets", trouble, len(self._targets or ()))
        self._trouble = trouble
        return self._targets or {}


def _read_targets(path: Path) -> dict[int, str]:
    try:
        read: Any = json.loads(path.read_text(encoding="utf-8"))
        targets = {parse_assignment(assignment): url for assignment, url in read.items()}
    except (ValueError, AttributeError, RecursionError, EpochalError) as error:
        raise SettingsError(f"can't be read ({error})") from error
    wrong = next((url for url in targets.values() if not isinstance(url, str)), None)
    if wrong is not None:
        raise SettingsError(f"{wrong!r} is no URL")
    return targets
