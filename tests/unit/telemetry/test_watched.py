# SPDX-License-Identifier: Apache-2.0
"""A way in that a bug ends says so, instead of counting as one that could see."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest

from oracle.ground.clock import EpochClock
from oracle.ground.typed_data import Heartbeat
from oracle.signing.signer import derive
from oracle.telemetry.intake.collector import Collector
from oracle.telemetry.intake.roster import FixedRoster
from oracle.telemetry.probes.prober import Prober
from oracle.telemetry.store.opening import open_store
from oracle.telemetry.ways.mqtt import MqttSettings, MqttWay
from oracle.telemetry.ways.prometheus import PrometheusPull, PrometheusSettings
from oracle.telemetry.ways.watched import STOPPED, together, watched
from oracle.telemetry.wire import mqtt_connection
from oracle.telemetry.wire.mqtt_connection import Broker

CLOCK = EpochClock(genesis=1000, length=60, tick=10)


async def bug(*_: object) -> Any:
    await asyncio.sleep(0)
    raise ZeroDivisionError("a bug")


def with_collector(folder: Path, story: Callable[[Collector], Awaitable[None]], now: float = 1005.0) -> None:
    async def run() -> None:
        store = open_store(folder / "store.db", CLOCK, "net")
        domain = Heartbeat.domain(31337, "0x" + "11" * 20)
        collector = Collector(store, CLOCK, derive("test", "oracle"), domain, FixedRoster({}), now=lambda: now)
        await story(collector)
        store.close()

    asyncio.run(run())


async def told(trouble: Callable[[], str | None]) -> None:
    async with asyncio.timeout(5):
        while trouble() != STOPPED:
            await asyncio.sleep(0.01)


def test_watched__cancelled_or_over__is_no_trouble(caplog: pytest.LogCaptureFixture) -> None:
    class Whose:
        trouble: str | None = None

    async def run() -> None:
        whose = Whose()
        task = watched(asyncio.sleep(60), whose, logging.getLogger("test"), "it")
        await asyncio.sleep(0)
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
        await watched(asyncio.sleep(0), whose, logging.getLogger("test"), "it")
        assert whose.trouble is None
        assert not caplog.records
        await asyncio.gather(watched(bug(), whose, logging.getLogger("test"), "it"), return_exceptions=True)
        assert whose.trouble == STOPPED

    asyncio.run(run())
    assert "it has stopped after a bug" in caplog.text
    assert "a bug" in caplog.text


def test_together__one_ends_by_a_bug__the_others_end_too() -> None:
    async def run() -> None:
        async with asyncio.timeout(5):
            await together(asyncio.sleep(60), bug())

    with pytest.raises(ExceptionGroup) as group:
        asyncio.run(run())
    assert group.group_contains(ZeroDivisionError)


@pytest.mark.parametrize("which", ["_keep_connected", "_judge", "_settle", "_give_receipts"])
def test_mqtt__any_of_its_tasks_ends__stays_in_trouble(
    which: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def silent(*_: object) -> None:
        await asyncio.sleep(60)

    monkeypatch.setattr(mqtt_connection.MqttConnection, "open", silent)
    monkeypatch.setattr(MqttWay, which, bug)

    async def story(collector: Collector) -> None:
        way = MqttWay(collector, MqttSettings(Broker("mqtt://127.0.0.1")))
        await way.start()
        found = collector.eyes.way("mqtt")
        await told(lambda: found.trouble)
        await asyncio.sleep(0.05)
        assert found.trouble == STOPPED
        await way.stop()

    with_collector(tmp_path, story)


def test_prometheus__puller_ends__is_in_trouble(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(PrometheusPull, "_pull", bug)

    async def story(collector: Collector) -> None:
        puller = PrometheusPull(collector, PrometheusSettings("http://127.0.0.1:9"))
        await puller.start()
        await told(lambda: puller.trouble)
        await puller.stop()

    with_collector(tmp_path, story)


def test_prober__ends__is_in_trouble(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Prober, "_run", bug)

    async def story(collector: Collector) -> None:
        prober = Prober(collector, dict)
        await prober.start()
        await told(lambda: prober.trouble)
        await prober.stop()

    with_collector(tmp_path, story)


def test_prober__targets_that_no_store_can_name__are_left_and_the_others_probed(tmp_path: Path) -> None:
    async def story(collector: Collector) -> None:
        named = {-1: "tcp://192.0.2.1:1", 2**128: "tcp://192.0.2.1:1", 7: "tcp://192.0.2.1:1", 8: 5}
        prober = Prober(collector, lambda: named)  # type: ignore[arg-type,return-value]
        assert set(prober._known_targets()) == {7}
        assert set(prober.invalid) == {-1, 2**128, 8}

    with_collector(tmp_path, story)
