# SPDX-License-Identifier: Apache-2.0
"""The API against its own description, with every check that schemathesis has, and its metrics against promtool."""

from __future__ import annotations

import asyncio
import os
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from urllib.request import urlopen

import pytest

from oracle.ground.clock import EpochClock
from oracle.ground.typed_data import Heartbeat
from oracle.signing.signer import derive
from oracle.telemetry.intake.collector import Collector
from oracle.telemetry.intake.roster import FixedRoster
from oracle.telemetry.store.opening import open_store
from oracle.telemetry.ways.http import HttpLimits, HttpWay
from tests.project import ROOT

CLOCK = EpochClock(genesis=int(time.time()) - 5, length=3600, tick=10)
DOMAIN = Heartbeat.domain(31337, "0x" + "11" * 20)


async def _serve(folder: Path, urls: list[str], served: threading.Event, stop: threading.Event) -> None:
    store = open_store(folder / "store.db", CLOCK, "net")
    roster = FixedRoster({derive("openapi", "node").address: ()})
    collector = Collector(store, CLOCK, derive("openapi", "oracle"), DOMAIN, roster)
    await collector.start()
    # Nobody is turned away here for what he wasted: the checks are all about refusals.
    way = HttpWay(collector, HttpLimits(wasted_per_second=1e6, wasted_burst=1e9))
    urls.append(await way.start())
    served.set()
    await asyncio.to_thread(stop.wait)
    await way.stop()
    await collector.stop()
    store.close()


@pytest.fixture
def url(tmp_path: Path) -> Iterator[str]:
    urls: list[str] = []
    served, stop = threading.Event(), threading.Event()
    thread = threading.Thread(target=lambda: asyncio.run(_serve(tmp_path, urls, served, stop)))
    thread.start()
    assert served.wait(10)
    yield urls[0]
    stop.set()
    thread.join(10)


def test_api__against_its_description__schemathesis_finds_nothing(url: str, tmp_path: Path) -> None:
    command = Path(sys.executable).with_name("schemathesis")
    run = subprocess.run(
        [
            *(command, "run", url + "/v1/openapi.json", "--checks", "all", "--max-examples", "60"),
            *("--no-color", "--seed", "1", "--generation-database", "none"),
        ],
        cwd=tmp_path,
        env={
            **os.environ,
            "PYTHONPATH": str(ROOT),
            "SCHEMATHESIS_HOOKS": "tests.e2e.openapi.hooks",
            "EPOCHAL_URL": url,
        },
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert run.returncode == 0, run.stdout + run.stderr
    assert "7 passed" in run.stdout, run.stdout


def test_metrics__all_of_them__pass_promtool(url: str, promtool: Path) -> None:
    with urlopen(url + "/metrics") as answer:
        text = answer.read()
    checked = subprocess.run([promtool, "check", "metrics"], input=text, capture_output=True, timeout=30)
    assert (checked.returncode, checked.stdout, checked.stderr) == (0, b"", b"")
    assert b'epochal_heartbeats_refused_total{reason="bad_tag"} 0.0' in text  # there before its first event
