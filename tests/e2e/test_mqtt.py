# SPDX-License-Identifier: Apache-2.0
"""Telemetry over a real broker: what is answered is durable, whoever dies."""

from __future__ import annotations

import asyncio
import json
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from node.errors import LinkError
from node.mqtt_transport import MqttTransport
from node.oracle_link import OracleLink
from node.settings import BrokerAccess
from oracle.ground.address import raw_address
from oracle.telemetry.intake.collector import Collector
from oracle.telemetry.intake.roster import FixedRoster
from oracle.telemetry.store.errors import StoreError
from oracle.telemetry.store.opening import open_store
from oracle.telemetry.store.records import EpochRecord, Kind, merged
from oracle.telemetry.ways.mqtt import MqttSettings, MqttWay
from oracle.telemetry.wire import heartbeat, receipt, session
from oracle.telemetry.wire.answers import MAX_BODY
from oracle.telemetry.wire.mqtt_connection import Broker, Message, MqttConnection, published
from oracle.telemetry.wire.mqtt_topics import STATUS, Topics, shared
from tests import services
from tests.e2e import mqtt_worker
from tests.e2e.mqtt_worker import CHAIN_ID, DOMAIN, LABEL, ORACLE, SECRET, node
from tests.project import ROOT

TOPICS = Topics.of(CHAIN_ID, ORACLE.address)
NODE = node(0)


@dataclass
class Oracle:
    """A running oracle behind a broker, and a node's way to it."""

    collector: Collector
    way: MqttWay
    broker: services.Broker
    transport: MqttTransport

    def beat(self, sequence: int) -> bytes:
        challenge = self.collector.intake.challenges.current(time.time())
        return heartbeat.sign(NODE, DOMAIN, ORACLE.address, sequence, challenge)

    def up(self) -> int:
        epoch = self.collector.clock.epoch_at(int(time.time()))
        return self.collector.store.read(epoch).line(Kind.LIVENESS, raw_address(NODE.address)).up

    @property
    def trouble(self) -> str | None:
        return self.collector.eyes.way("mqtt").trouble

    async def until(self, condition: Callable[[], bool]) -> None:
        async with asyncio.timeout(20):
            while not condition():
                await asyncio.sleep(0.02)


Story = Callable[[Oracle], Awaitable[None]]


def with_oracle(folder: Path, story: Story) -> None:
    """Run `story` against an oracle behind a broker of its own."""
    with services.mosquitto(folder) as broker:
        asyncio.run(_with_oracle(folder, broker, story))


async def _with_oracle(folder: Path, broker: services.Broker, story: Story) -> None:
    clock = mqtt_worker.clock(int(time.time()) - 5)
    store = open_store(folder / "store.db", clock, LABEL)
    collector = Collector(store, clock, ORACLE, DOMAIN, FixedRoster({NODE.address: ()}), secret=SECRET)
    way = MqttWay(collector, MqttSettings(Broker(broker.url), "1", SECRET))
    transport = MqttTransport(f"{broker.url}/{ORACLE.address}", CHAIN_ID, BrokerAccess())
    oracle = Oracle(collector, way, broker, transport)
    await collector.start()
    await way.start()
    try:
        await oracle.until(lambda: oracle.trouble is None)
        await story(oracle)
    finally:
        await transport.close()
        await way.stop()
        await collector.stop()
        store.close()


@asynccontextmanager
async def client(broker: Broker, receive: Callable[[Message], None] = lambda _: None) -> AsyncIterator[MqttConnection]:
    connection = MqttConnection(broker, "", receive)
    await connection.open()
    try:
        yield connection
    finally:
        await connection.close()


def reasons(answer: dict[str, Any]) -> list[str]:
    return [refused["reason"] for refused in answer["refused"]]


def test_beat__over_a_broker__durable_before_the_answer(tmp_path: Path) -> None:
    async def story(oracle: Oracle) -> None:
        status, terms = await oracle.transport.terms()
        assert (status, terms["oracle"], terms["chainId"]) == (200, ORACLE.address.lower(), CHAIN_ID)
        assert abs(terms["now"] - time.time()) < 3
        status, answer = await oracle.transport.beat(oracle.beat(7))
        assert (status, answer["accepted"], answer["refused"]) == (200, 1, [])
        assert not oracle.collector.store.take()
        assert oracle.up() == 1 << answer["tick"]
        status, answer = await oracle.transport.beat(oracle.beat(7))
        assert (status, reasons(answer), answer["refused"][0]["last_sequence"]) == (409, ["replayed_sequence"], 7)
        status, answer = await oracle.transport.receipt(NODE.address, answer_epoch(oracle))
        issued = receipt.decode(bytes.fromhex(answer["receipt"][2:]))
        assert (status, issued.bits, receipt.signed_by(issued, DOMAIN)) == (200, oracle.up(), ORACLE.address.lower())
        status, _ = await oracle.transport.receipt(node(1).address, 0)
        assert status == 404

    with_oracle(tmp_path, story)


def answer_epoch(oracle: Oracle) -> int:
    return oracle.collector.clock.epoch_at(int(time.time()))


def test_session__opened_over_a_broker__its_sealed_heartbeats_count(tmp_path: Path) -> None:
    async def story(oracle: Oracle) -> None:
        _, terms = await oracle.transport.terms()
        challenge, key = (bytes.fromhex(terms[name][2:]) for name in ("challenge", "sessionKey"))
        opening, opened = session.open_session(NODE, DOMAIN, ORACLE.address, challenge, key, bytes(31) + b"\x07")
        status, answer = await oracle.transport.open_session(opening)
        assert (status, answer["session"]) == (200, "0x" + opened.id.hex())
        status, answer = await oracle.transport.beat(session.seal(opened, challenge, 1))
        assert (status, answer["accepted"]) == (200, 1)

    with_oracle(tmp_path, story)


def test_link__sealed_over_two_workers__either_knows_its_session(tmp_path: Path) -> None:
    async def story(oracle: Oracle) -> None:
        other_store = open_store(tmp_path / "other.db", oracle.collector.clock, LABEL)
        roster = FixedRoster({NODE.address: ()})
        other = Collector(other_store, oracle.collector.clock, ORACLE, DOMAIN, roster, secret=SECRET)
        way = MqttWay(other, MqttSettings(Broker(oracle.broker.url), "2", SECRET))
        await other.start()
        await way.start()
        await oracle.until(lambda: other.eyes.way("mqtt").trouble is None)
        said: list[str] = []
        link = OracleLink(oracle.broker.url, oracle.transport, NODE, DOMAIN, said.append, sealed=True)
        for _ in range(8):
            link._beat_at = 0.0  # at once, instead of a tick later
            await link.once()
        assert link.sent == 8, said
        for each in (oracle.collector, other):
            assert each.intake.accepted["sealed"] >= 3
            assert len(each.intake.sessions) == 1
        await way.stop()
        await other.stop()
        other_store.close()

    with_oracle(tmp_path, story)


def test_messages__garbage_oversized_and_strange__counted_and_the_way_goes_on(tmp_path: Path) -> None:
    async def story(oracle: Oracle) -> None:
        got: list[Message] = []
        intake = oracle.collector.intake
        async with client(Broker(oracle.broker.url), got.append) as connection:
            await connection.subscribe("#")
            mine = published(answer_on=TOPICS.answers("x"), correlation=b"c")
            for body in (b"", b"\x02", b"\xff" * 5000, bytes(126)):
                await connection.deliver(TOPICS.heartbeats, body, properties=mine)
            await connection.deliver(TOPICS.heartbeats, bytes(MAX_BODY + 1), properties=mine)
            await connection.deliver(TOPICS.heartbeats, bytes(MAX_BODY * 2), properties=mine)
            await connection.deliver(TOPICS.sessions, b"\x03", properties=mine)
            await connection.deliver(TOPICS.receipts, b"who?", properties=mine)
            await connection.deliver(TOPICS.receipts, raw_address(NODE.address) + b"\xff" * 8, properties=mine)
            # Nobody makes the oracle publish elsewhere.
            for elsewhere in (TOPICS.challenge, "other/topic", TOPICS.base + "/answers", TOPICS.answers("y" * 400)):
                await connection.deliver(TOPICS.heartbeats, b"\x02", properties=published(answer_on=elsewhere))
            status, _ = await oracle.transport.beat(oracle.beat(1))
            assert status == 200
            await oracle.until(lambda: len(told(got)) == 8)
        assert sorted(told(got)) == ["400"] * 7 + ["413"]
        assert oracle.way.shed["unanswerable"] == 4
        assert oracle.way.shed["too_large"] == 1
        assert intake.refused["malformed"] + intake.refused["version"] == 8
        others = {each.topic for each in got} - {TOPICS.heartbeats, TOPICS.sessions, TOPICS.receipts}
        assert others <= {TOPICS.answers("x"), oracle.transport._answers_topic}

    with_oracle(tmp_path, story)


def told(got: list[Message]) -> list[str]:
    return [dict(each.properties)[STATUS] for each in got if each.topic == TOPICS.answers("x")]


def test_way__broker_killed_and_back__in_trouble_then_serves_again(tmp_path: Path) -> None:
    async def story(oracle: Oracle) -> None:
        assert (await oracle.transport.beat(oracle.beat(1)))[0] == 200
        oracle.broker.kill()
        await oracle.until(lambda: oracle.trouble is not None)
        assert oracle.broker.url in (oracle.trouble or "")
        with pytest.raises(LinkError, match="can't be reached"):
            await oracle.transport.beat(oracle.beat(2))
        await asyncio.to_thread(oracle.broker.start)
        await oracle.until(lambda: oracle.trouble is None)
        assert (await oracle.transport.terms())[0] == 200
        assert (await oracle.transport.beat(oracle.beat(3)))[0] == 200

    with_oracle(tmp_path, story)


def test_beat__nobody_listens_or_store_fails__told_at_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    async def story(oracle: Oracle) -> None:
        def full(_: object) -> None:
            raise StoreError("the disk is full")

        with monkeypatch.context() as patch:
            patch.setattr(oracle.collector.store, "write", full)
            status, answer = await oracle.transport.beat(oracle.beat(1))
            assert (status, reasons(answer)) == (503, ["storage"])
        await oracle.until(lambda: oracle.collector.trouble() is None)
        assert (await oracle.transport.beat(oracle.beat(2)))[0] == 200
        await oracle.way.stop()
        with pytest.raises(LinkError, match="no oracle of that address listens"):
            await oracle.transport.beat(oracle.beat(3))

    with_oracle(tmp_path, story)


def test_heartbeats__a_guessed_group__takes_none_away(tmp_path: Path) -> None:
    async def story(oracle: Oracle) -> None:
        async with client(Broker(oracle.broker.url)) as thief:
            for group in ("intake", "epochal", "oracle"):
                await thief.subscribe(shared(group, TOPICS.heartbeats))
            for sequence in range(1, 7):
                assert (await oracle.transport.beat(oracle.beat(sequence)))[0] == 200

    with_oracle(tmp_path, story)


# Two worker processes, one of them killed under load.

NODES = 400
KILL_AFTER = 120


def test_workers__one_killed_under_load__no_acknowledged_heartbeat_is_lost(tmp_path: Path) -> None:
    genesis = int(time.time()) - 5
    with services.mosquitto(tmp_path) as broker, workers(tmp_path, broker, genesis) as running:
        accepted, answered = asyncio.run(load(broker, running))
        counts = [running.stop(name) for name in ("1", "2")]
    records = []
    for name in ("1", "2"):
        store = open_store(tmp_path / f"{name}.db", mqtt_worker.clock(genesis), LABEL)
        records.append(store.read(0))
        store.close()
    assert min(counts) > NODES // 10, "they don't share the load"
    assert len(accepted) == NODES
    assert heard(merged(records)) >= accepted | answered


def heard(record: EpochRecord) -> set[int]:
    names = {raw_address(node(number).address): number for number in range(NODES)}
    return {names[name] for name, line in record.lines[Kind.LIVENESS].items() if line.up}


@dataclass
class Workers:
    folder: Path
    url: str
    genesis: int
    running: dict[str, subprocess.Popen[str]]

    def start(self, name: str) -> None:
        command = [sys.executable, "-m", "tests.e2e.mqtt_worker", self.url, name, str(self.folder / f"{name}.db")]
        self.running[name] = subprocess.Popen(
            [*command, str(self.genesis), str(NODES)], cwd=ROOT, stdout=subprocess.PIPE, text=True
        )

    def wait_ready(self, name: str) -> None:
        out = self.running[name].stdout
        assert out is not None
        assert out.readline() == "ready\n"

    def stop(self, name: str) -> int:
        """How many heartbeats it accepted since its start."""
        self.running[name].terminate()
        said, _ = self.running[name].communicate(timeout=30)
        return int(said.split()[-1])


@contextmanager
def workers(folder: Path, broker: services.Broker, genesis: int) -> Any:
    running = Workers(folder, broker.url, genesis, {})
    try:
        for name in ("1", "2"):
            running.start(name)
        for name in ("1", "2"):
            running.wait_ready(name)
        yield running
    finally:
        for each in running.running.values():
            each.kill()
            each.communicate()


async def load(broker: services.Broker, running: Workers) -> tuple[set[int], set[int]]:
    """Nodes whose heartbeat the broker took, and those that were answered with an acceptance."""
    taken: set[int] = set()
    answered: set[int] = set()
    terms: asyncio.Future[dict[str, Any]] = asyncio.get_running_loop().create_future()

    def receive(message: Message) -> None:
        if message.topic == TOPICS.challenge:
            if not terms.done():
                terms.set_result(json.loads(message.payload))
        elif json.loads(message.payload)["accepted"]:
            answered.add(int.from_bytes(message.correlation, "big"))

    async with client(Broker(broker.url), receive) as connection:
        await connection.subscribe(TOPICS.challenge, TOPICS.answers("load"), retained=True)
        challenge = bytes.fromhex((await terms)["challenge"][2:])

        async def beat(number: int) -> None:
            raw = heartbeat.sign(node(number), DOMAIN, ORACLE.address, 1, challenge)
            mine = published(answer_on=TOPICS.answers("load"), correlation=number.to_bytes(4, "big"))
            await connection.deliver(TOPICS.heartbeats, raw, properties=mine)
            taken.add(number)

        for start in range(0, NODES, 20):
            await asyncio.gather(*(beat(number) for number in range(start, start + 20)))
            await asyncio.sleep(0.02)
            if start == KILL_AFTER:
                running.running["1"].kill()
                running.running["1"].wait()
                running.start("1")
        await asyncio.to_thread(running.wait_ready, "1")
        deadline = time.monotonic() + 20
        while len(answered) < NODES - 2 * KILL_AFTER and time.monotonic() < deadline:
            await asyncio.sleep(0.05)
        await asyncio.sleep(0.5)
    return taken, answered
