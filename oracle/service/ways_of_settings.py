"""The intake of a whole oracle, as its settings name it."""

from __future__ import annotations

from collections.abc import Mapping

from oracle.service.collecting import MakeWay
from oracle.service.oracle_settings import OracleSettings
from oracle.service.settings import ChainNetwork, IntakeSettings
from oracle.service.ways import by_probes, from_prometheus, over_mqtt
from oracle.telemetry.probes.prober import ProbeSettings
from oracle.telemetry.ways.prometheus import PrometheusSettings


def intake_settings(settings: OracleSettings, listen: tuple[str, int]) -> IntakeSettings:
    """What the intake inside a whole oracle is told. SettingsError."""
    return IntakeSettings(
        store=settings.store_location,
        network=ChainNetwork(settings.deployment, settings.rpc[0]),
        listen=listen,
        tick=settings.tick,
        trust_forwarded=settings.trust_forwarded,
        max_clock_error=settings.max_clock_error,
        compact_after=settings.compact_after or None,
        retain=settings.retain,
    )


def ways_of(settings: OracleSettings, environment: Mapping[str, str]) -> list[MakeWay]:
    """The ways in besides HTTP. SettingsError."""
    made: list[MakeWay] = []
    if settings.mqtt is not None:
        password = settings.mqtt_password_env
        made.append(over_mqtt(settings.mqtt, settings.mqtt_username, password, settings.mqtt_ca_file, environment))
    if settings.prometheus is not None:
        made.append(
            from_prometheus(
                PrometheusSettings(
                    settings.prometheus,
                    label=settings.prometheus_label,
                    matchers=settings.prometheus_matchers,
                    user=settings.prometheus_user,
                    password_file=settings.prometheus_password_file,
                    token_file=settings.prometheus_token_file,
                )
            )
        )
    if settings.probes is not None:
        allowed, refused = tuple(settings.probe_allow), tuple(settings.probe_refuse)
        made.append(by_probes(settings.probes, ProbeSettings(settings.probe_period, allowed=allowed, refused=refused)))
    return made
