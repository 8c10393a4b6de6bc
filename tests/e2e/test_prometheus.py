# SPDX-License-Identifier: Apache-2.0
"""A real Prometheus server scrapes exporters that come and go, and goes itself."""

from __future__ import annotations

import asyncio
import contextlib
import threading
import time
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from urllib.error import HTTPError
from urllib.parse import urlencode
from urllib.request import urlopen

from oracle.ground.clock import EpochClock
from oracle.ground.typed_data import Heartbeat
from oracle.signing.signer import derive
from oracle.telemetry.intake.collector import Collector
from oracle.telemetry.intake.roster import FixedRoster
from oracle.telemetry.store.opening import open_store
from oracle.telemetry.store.records import EpochRecord, Kind
from oracle.telemetry.ways.prometheus import PrometheusPull, PrometheusSettings
from tests.services import prometheus

STEADY, FAILING, STRANGER = (f"0x{number:040x}" for number in (1, 2, 3))

CONFIG = """\
global: {{scrape_interval: 500ms, scrape_timeout: 400ms}}
scrape_configs:
  - job_name: nodes
    static_configs:
      - {{targets: ["127.0.0.1:{steady}"], labels: {{node: "{STEADY}"}}}}
      - {{targets: ["127.0.0.1:{failing}"], labels: {{node: "{FAILING}"}}}}
      - {{targets: ["127.0.0.1:{steady}"], labels: {{node: "{STRANGER}"}}}}
  - job_name: others
    static_configs:
      - {{targets: ["127.0.0.1:{steady}"], labels: {{node: "{FAILING}"}}}}
"""


class Metrics(BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        self.send_response(200)
        self.send_header("Content-Type", "text/plain; version=0.0.4")
        self.end_headers()
        self.wfile.write(b"answers 1\n")

    def log_request(self, code: object = "-", size: object = "-") -> None:
        """Says nothing."""


@contextlib.contextmanager
def exporter() -> Iterator[ThreadingHTTPServer]:
    server = ThreadingHTTPServer(("127.0.0.1", 0), Metrics)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05})
    thread.start()
    try:
        yield server
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


def test_pull__exporter_stops_then_prometheus_stops__ticks_are_down_then_unseen(tmp_path: Path) -> None:
    clock = EpochClock(genesis=int(time.time()), length=600, tick=1)
    store = open_store(tmp_path / "store.sqlite", clock, "31337:test")
    domain = Heartbeat.domain(31337, "0x" + "11" * 20)
    roster = FixedRoster({STEADY: (), FAILING: ()})
    collector = Collector(store, clock, derive("test", "oracle"), domain, roster)

    def tick() -> int:
        return int(time.time()) - clock.genesis

    async def until(found: int) -> None:
        while tick() < found:
            await asyncio.sleep(0.02)

    async def scraped(port: int) -> int:
        """The next tick after Prometheus has begun to scrape, which takes it some seconds."""
        query = urlencode({"query": 'sum(count_over_time(up{job="nodes"}[1s])) > 2'})
        while True:
            with contextlib.suppress(HTTPError):  # 503 while it starts
                url = f"http://127.0.0.1:{port}/api/v1/query?{query}"
                with await asyncio.to_thread(urlopen, url, timeout=5) as answer:
                    if b'"value"' in answer.read():
                        return tick() + 1
            await asyncio.sleep(0.1)

    async def run() -> tuple[dict[str, int], PrometheusPull]:
        at: dict[str, int] = {}
        await collector.start()
        with exporter() as steady, contextlib.ExitStack() as failing_runs:
            failing = failing_runs.enter_context(exporter())
            config = CONFIG.format(
                steady=steady.server_port,
                failing=failing.server_port,
                STEADY=STEADY,
                FAILING=FAILING,
                STRANGER=STRANGER,
            )
            with prometheus(tmp_path, config) as server:
                settings = PrometheusSettings(
                    f"http://127.0.0.1:{server.port}", matchers='job="nodes"', pull_seconds=0.3, delay=1.0, timeout=2.0
                )
                puller = PrometheusPull(collector, settings)
                await puller.start()
                at["begin"] = await scraped(server.port)
                await until(at["begin"] + 3)
                failing_runs.close()
                at["failed"] = tick()
                await until(at["failed"] + 4)
                at["stopped"] = tick()
                server.stop()
                await until(at["stopped"] + 4)
                assert puller.trouble is not None
                assert "can't be asked" in puller.trouble
                server.start()
                at["back"] = await scraped(server.port)
                await until(at["back"] + 9)
                trouble = puller.trouble
                assert collector.intake.receipt(STEADY, 0) is None  # it is no heartbeat of the node's
                await puller.stop()
                assert trouble is None
        at["end"] = at["back"] + 2
        await collector.stop()
        return at, puller

    at, puller = asyncio.run(run())
    record: EpochRecord = store.read(0)
    store.close()
    steady, failing, stranger = (
        record.line(Kind.PULLED, bytes.fromhex(node[2:])) for node in (STEADY, FAILING, STRANGER)
    )
    assert stranger.seen == 0
    assert puller.unknown == 1
    assert steady.up == steady.seen
    assert ticks(steady.up, at["begin"], at["stopped"])
    assert ticks(failing.up, at["begin"], at["failed"])
    # Down, and seen to be: Prometheus went on asking.
    assert ticks(failing.seen, at["begin"], at["stopped"])
    assert not failing.up >> (at["failed"] + 1)
    # Nobody asked.
    assert not steady.seen >> (at["stopped"] + 1) & 0b11
    assert not failing.seen >> (at["stopped"] + 1) & 0b11
    assert ticks(steady.up, at["back"], at["end"])
    assert ticks(failing.seen, at["back"], at["end"])


def ticks(bits: int, start: int, stop: int) -> bool:
    """Whether all these ticks are set."""
    wanted = (1 << stop) - (1 << start)
    return bits & wanted == wanted
