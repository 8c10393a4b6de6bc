# SPDX-License-Identifier: Apache-2.0
"""What becomes of a Prometheus server's answers, without a server."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from oracle.ground.clock import EpochClock
from oracle.ground.darkness import EDGE_TICKS
from oracle.ground.errors import InvalidValue
from oracle.telemetry.intake.roster import FixedRoster
from oracle.telemetry.store.records import Kind
from oracle.telemetry.ways import prometheus
from oracle.telemetry.ways.prometheus import PrometheusError, PrometheusPull, PrometheusSettings

GENESIS = 1_700_000_003
CLOCK = EpochClock(genesis=GENESIS, length=1000, tick=10)
NODES = [f"0x{number:040x}" for number in range(1, 11)]
HELD_BACK = EDGE_TICKS + 1
ONE_SAMPLE = (
    b'{"status": "success", "data": {"resultType": "matrix", "result": [{"metric": {"node": "%s"}, '
    b'"values": [[AT, "1"]]}]}}'
) % NODES[0].encode()


class Store:
    def __init__(self) -> None:
        self.up: dict[tuple[int, int], int] = {}
        self.seen: dict[tuple[int, int], int] = {}
        self.state: dict[str, bytes] = {}

    def track(self, kind: Kind, name: bytes) -> int:
        assert kind is Kind.PULLED  # a node's own heartbeats, and so its receipts, are another line
        return int.from_bytes(name, "big")

    def see(self, track: int, epoch: int, bits: int) -> None:
        self.seen[track, epoch] = self.seen.get((track, epoch), 0) | bits

    def mark_bits(self, track: int, epoch: int, bits: int) -> None:
        self.up[track, epoch] = self.up.get((track, epoch), 0) | bits

    def get_state(self, key: str) -> bytes | None:
        return self.state.get(key)

    def put_state(self, key: str, value: bytes) -> None:
        self.state[key] = value


class World:
    """A collector and a Prometheus server in one: `value(node, tick)` is the sample, None for none."""

    def __init__(self, value: Callable[[str, int], str | None]) -> None:
        self.store = Store()
        self.clock = CLOCK
        self.roster = FixedRoster(dict.fromkeys(NODES, ()))
        self.commits = SimpleNamespace(durable=lambda: asyncio.sleep(0))
        self.told_by_ways: list[object] = []
        self.tick = 0
        self.value = value
        self.queries: list[dict[str, str]] = []
        self.series: Callable[[str], str] = str
        self.date: str | None = None
        self.answer: bytes | None = None

    def now(self) -> float:
        return GENESIS + self.tick * 10.0

    def post(self, url: str, data: dict[str, str], **options: Any) -> World:
        self.queries.append(data)
        end = round(float(data["time"]) * 1000)
        begin = end - int(data["query"].rpartition("[")[2].removesuffix("ms]"))
        self.body = (
            self.answer
            or json.dumps(
                {
                    "status": "success",
                    "data": {
                        "resultType": "matrix",
                        "result": [
                            {"metric": {"node": self.series(node)}, "values": self.values(node, begin, end)}
                            for node in NODES
                        ],
                    },
                }
            ).encode()
        )
        self.headers = {"Date": self.date} if self.date else {}
        self.status = 200
        return self

    def values(self, node: str, begin: int, end: int) -> list[tuple[float, str]]:
        found = []
        for tick in range(-5, self.tick + 20):  # Prometheus 2 includes both ends of a range
            at, value = (GENESIS + tick * 10) * 1000 + 1, self.value(node, tick)
            if begin <= at <= end and value is not None:
                found.append((at / 1000, value))
        return found

    async def __aenter__(self) -> World:
        self.content = SimpleNamespace(iter_any=self.chunks)
        return self

    async def __aexit__(self, *args: object) -> None:
        return None

    async def chunks(self) -> Any:
        yield self.body


def pull(world: World, *ticks: int, delay: float = 0, **options: Any) -> PrometheusPull:
    """A puller that was asked to pull at each of these ticks."""
    settings = PrometheusSettings("http://prometheus:9090", delay=delay, **options)
    puller = PrometheusPull(world, settings)  # type: ignore[arg-type]

    async def run() -> None:
        puller._restore()
        for tick in ticks:
            world.tick = tick
            while await puller._pull(world):  # type: ignore[arg-type]
                pass

    asyncio.run(run())
    return puller


def span(start: int, stop: int) -> int:
    return (1 << stop) - (1 << start)


def test_pull__ones_zeros_and_silence__are_up_down_and_unseen() -> None:
    values = {1: "1", 2: "0"}
    world = World(lambda node, tick: values.get(int(node, 16) if tick % 3 else 0, "1" if int(node, 16) > 2 else None))
    pull(world, 30)
    all_ticks = span(0, 30 - HELD_BACK)
    thirds = sum(1 << tick for tick in range(0, 26, 3))
    assert world.store.up == {(1, 0): all_ticks & ~thirds} | {(n, 0): all_ticks for n in range(3, 11)}
    assert world.store.seen == {(n, 0): all_ticks & ~thirds for n in (1, 2)} | {(n, 0): all_ticks for n in range(3, 11)}


def test_pull__again_and_again__every_tick_once_and_across_epochs() -> None:
    world = World(lambda node, tick: "1")
    puller = pull(world, 10, 17, 60, 118, 230)
    assert [world.store.seen[1, epoch] for epoch in (0, 1, 2)] == [span(0, 100), span(0, 100), span(0, 30 - HELD_BACK)]
    assert puller.samples == 10 * (230 - HELD_BACK)
    assert all(float(query["time"]) < GENESIS + 2300 for query in world.queries)


def test_pull__restarted__goes_on_where_it_ended_and_remembers_its_reference() -> None:
    # Silent from tick 50 on, but for one node: the second run knows only from the first that this is dark.
    world = World(lambda node, tick: "1" if tick < 50 or node == NODES[0] else "0")
    pull(world, 60)
    world.queries.clear()
    pull(world, 90)
    (query,) = world.queries
    assert query["query"] == f'up{{node!=""}}[{(90 - 60 + 2 * HELD_BACK) * 10_000}ms]'
    assert world.store.seen[1, 0] == span(0, 90 - HELD_BACK)
    assert world.store.seen[2, 0] == span(0, 50)


def test_pull__nearly_all_silent__only_those_heard_are_seen() -> None:
    world = World(lambda node, tick: "1" if not 20 <= tick < 30 or node == NODES[0] else "0")
    puller = pull(world, *range(10, 61))  # each pull sees a little more of it
    assert world.store.seen[1, 0] == world.store.up[1, 0] == span(0, 60 - HELD_BACK)
    assert world.store.seen[2, 0] == world.store.up[2, 0]
    assert world.store.seen[2, 0] & span(20, 30) == 0
    assert puller.dark_ticks == 12  # with its edges


def test_pull__long_outage__asks_as_far_back_as_it_may_in_bounded_queries(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(prometheus, "LONGEST_QUERY", 40)
    world = World(lambda node, tick: "1")
    pull(world, 20, 500, catch_up=2000)
    spans = [int(query["query"].rpartition("[")[2].removesuffix("ms]")) for query in world.queries]
    assert max(spans) <= (40 + HELD_BACK) * 10_000
    assert world.store.seen[1, 0] == span(0, 20 - HELD_BACK)
    assert (1, 1) not in world.store.seen
    assert world.store.seen[1, 3] == span(0, 100)
    assert world.store.seen[1, 4] == span(0, 100 - HELD_BACK)


def test_pull__answer_too_large__asks_for_less(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(prometheus, "LARGEST_ANSWER", 10_000)
    world = World(lambda node, tick: "1")
    pull(world, 90)
    assert world.store.seen[1, 0] == span(0, 90 - HELD_BACK)
    monkeypatch.setattr(prometheus, "LARGEST_ANSWER", 100)
    with pytest.raises(PrometheusError, match="matchers"):
        pull(World(lambda node, tick: "1"), 90)


def test_pull__labels_of_nobody__are_counted_and_left() -> None:
    world = World(lambda node, tick: "1")
    world.series = lambda node: "localhost:9100" if node == NODES[0] else node.upper().replace("0X", "0x")
    puller = pull(world, 30)
    assert puller.unknown == 1
    assert set(world.store.seen) == {(n, 0) for n in range(2, 11)}


def test_pull__strange_values__count_for_nothing() -> None:
    world = World(lambda node, tick: "NaN")
    puller = pull(world, 30)
    assert world.store.seen == {}
    assert puller.strange > 0


@pytest.mark.parametrize(
    "answer",
    [
        b"<html>",
        b"[]",
        b"{}",
        b'{"status": "success", "data": {"resultType": "vector", "result": []}}',
        b'{"status": "error", "error": "query timed out"}',
        b'{"status": "success", "data": {"resultType": "matrix", "result": [{"metric": {}, "values": []}]}}',
        pytest.param(b"[" * 100_000, id="deep"),
        pytest.param(ONE_SAMPLE.replace(b"AT", b"1e999"), id="never"),
        pytest.param(ONE_SAMPLE.replace(b"AT", b"NaN"), id="no time"),
        pytest.param(ONE_SAMPLE.replace(b"AT", b'"12"'), id="words"),
    ],
)
def test_pull__other_answers__are_errors_with_a_cure(answer: bytes) -> None:
    world = World(lambda node, tick: "1")
    world.answer = answer
    with pytest.raises(PrometheusError, match=r"http://prometheus:9090/api/v1/query answers"):
        pull(world, 30)


@pytest.mark.parametrize(
    "date", ["yesterday", "Mon, 01 Jan 2024 00:00:00 +99999999999999999999", "Mon, 01 Jan 10000 00:00:00 GMT"]
)
def test_pull__date_that_is_none__is_not_looked_at(date: str) -> None:
    world = World(lambda node, tick: "1")
    world.date = date
    pull(world, 30)
    assert world.store.seen[1, 0] == span(0, 30 - HELD_BACK)


def test_pull__servers_clock_is_wrong__nothing_is_taken() -> None:
    world = World(lambda node, tick: "1")
    world.date = "Tue, 14 Nov 2023 23:00:00 GMT"  # the oracle's is 22:18
    with pytest.raises(PrometheusError, match="NTP"):
        pull(world, 30)
    assert world.store.seen == {}


@pytest.mark.parametrize(
    "options",
    [
        {"url": "prometheus:9090"},
        {"url": "http://me:secret@prometheus"},
        {"url": "http://me:secret@prometheus:99999"},
        {"url": "http://prometheus:99999"},
        {"url": "http://[::1"},
        {"url": "http://prometheus?token=secret"},
        {"label": 'node="x"} or up{'},
        {"user": "me"},
        {"user": "me", "password_file": Path("p"), "token_file": Path("t")},
        {"timeout": 0},
    ],
)
def test_settings__that_cannot_be__are_refused(options: dict[str, Any]) -> None:
    with pytest.raises(InvalidValue, match="Prometheus") as refused:
        PrometheusSettings(**{"url": "http://p", **options})
    assert "secret" not in str(refused.value)
