# SPDX-License-Identifier: Apache-2.0
"""`python -m benchmarks.load_mqtt`: heartbeats that one process of an oracle takes in over a real broker, durably.

Each message is published with QoS 1 and answered when its marks are durable; only answered ones count. Broker, oracle
and load share the machine, so the processor time of the oracle's process is told too: it bounds what it could do alone.
"""

from __future__ import annotations

import asyncio
import json
import multiprocessing
import resource
import sys
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any, Final

from benchmarks.fleet import Fleet, Terms, sealed
from benchmarks.load import LoadFailed
from oracle.ground.clock import EpochClock
from oracle.ground.typed_data import Heartbeat
from oracle.service.garbage import collect_garbage_seldom
from oracle.signing.signer import derive
from oracle.telemetry.intake.collector import Collector
from oracle.telemetry.intake.roster import FixedRoster
from oracle.telemetry.store.opening import open_store
from oracle.telemetry.ways.mqtt import MqttSettings, MqttWay
from oracle.telemetry.wire.mqtt_connection import Broker, Message, MqttConnection, published
from oracle.telemetry.wire.mqtt_topics import STATUS, Topics
from tests.services import mosquitto

CHAIN: Final = 31_337
CONTRACT: Final = "0x" + "11" * 20
ORACLE: Final = derive("load", "oracle")
NODES: Final = 4_000
ROUNDS: Final = 4
BATCH: Final = 500
UNDER_WAY: Final = 1_000
"""Messages without an answer at a time."""
PATIENCE: Final = 60.0


@dataclass(frozen=True, slots=True)
class Measured:
    """`seconds` on the wall and `cpu` of the oracle's process for that many messages and heartbeats."""

    what: str
    messages: int
    beats: int
    seconds: float
    cpu: float

    def __str__(self) -> str:
        rate, alone = self.beats / self.seconds, self.beats / self.cpu
        return (
            f"{self.what:<28} {self.messages / self.seconds:>9,.0f} messages/s {rate:>10,.0f} heartbeats/s"
            f"   oracle's CPU {1e6 * self.cpu / self.messages:>8,.0f} µs/message, {alone:>10,.0f} heartbeats/s"
        )


def measure(folder: Path, nodes: int = NODES, say: Any = print) -> list[Measured]:
    """All figures, with files in `folder`. LoadFailed if a heartbeat isn't accepted."""
    context = multiprocessing.get_context("spawn")
    with Fleet(nodes) as fleet, mosquitto(folder) as broker:
        ours, theirs = context.Pipe()
        process = context.Process(target=_oracle, args=(theirs, broker.url, str(folder / "o.sqlite"), fleet.addresses))
        process.start()
        try:
            if not ours.poll(PATIENCE) or ours.recv() != "ready":
                raise LoadFailed("the oracle doesn't get ready")
            return asyncio.run(_measure(broker.url, fleet, ours, say))
        finally:
            process.kill()
            process.join()


async def _measure(url: str, fleet: Fleet, oracle: Connection, say: Any) -> list[Measured]:
    load = _Load(url)
    await load.open()
    terms = Terms.of(await load.terms)
    found = []

    async def run(what: str, topic: str, bodies: Sequence[bytes], beats: int) -> None:
        before = _cpu(oracle)
        began = time.perf_counter()
        await load.bring(topic, bodies, beats if topic == load.topics.heartbeats else 0)
        seconds = time.perf_counter() - began
        found.append(Measured(what, len(bodies), beats, seconds, _cpu(oracle) - before))
        say(found[-1])

    signed = [raw for number in range(ROUNDS) for raw in fleet.sign(terms, 1 + number)]
    await run("signed, one in a message", load.topics.heartbeats, signed, len(signed))
    signed = fleet.sign(terms, 10)
    await run("signed, 100 in a message", load.topics.heartbeats, _joined(signed, 100), len(signed))
    openings = fleet.open(terms)
    await run("opening a session", load.topics.sessions, [raw for raw, _ in openings], len(openings))
    sessions = [opened for _, opened in openings]
    beats = [raw for number in range(ROUNDS) for raw in sealed(terms, sessions, 20 + number)]
    await run("sealed, one in a message", load.topics.heartbeats, beats, len(beats))
    beats = [raw for number in range(2) for raw in sealed(terms, sessions, 30 + number)]
    await run(f"sealed, {BATCH} in a message", load.topics.heartbeats, _joined(beats, BATCH), len(beats))
    await load.close()
    return found


def _joined(beats: Sequence[bytes], size: int) -> list[bytes]:
    return [b"".join(beats[start : start + size]) for start in range(0, len(beats), size)]


class _Load:
    """A client that publishes and counts answers."""

    def __init__(self, url: str) -> None:
        self.topics = Topics.of(CHAIN, ORACLE.address)
        self.terms: asyncio.Future[dict[str, Any]] = asyncio.get_running_loop().create_future()
        self._connection = MqttConnection(Broker(url), "load", self._receive, largest=2**24)
        self._room = asyncio.Semaphore(UNDER_WAY)
        self._accepted = 0
        self._answers = 0
        self._strange = ""

    async def open(self) -> None:
        await self._connection.open()
        await self._connection.subscribe(self.topics.answers("load"), self.topics.challenge, retained=True)

    async def close(self) -> None:
        await self._connection.close()

    async def bring(self, topic: str, bodies: Sequence[bytes], beats: int) -> None:
        """Publish all, and return when all are answered. LoadFailed unless that many heartbeats were accepted."""
        self._accepted = self._answers = 0
        asked = published(answer_on=self.topics.answers("load"))
        publishing: set[asyncio.Task[bool]] = set()
        async with asyncio.timeout(PATIENCE):
            for body in bodies:
                await self._room.acquire()
                task = asyncio.create_task(self._connection.deliver(topic, body, properties=asked))
                publishing.add(task)
                task.add_done_callback(publishing.discard)
            while self._answers < len(bodies):
                await asyncio.sleep(0.001)
        if self._accepted != beats:
            raise LoadFailed(f"{self._accepted} of {beats} heartbeats were accepted; {self._strange}")

    def _receive(self, message: Message) -> None:
        if message.topic == self.topics.challenge:
            if not self.terms.done():
                self.terms.set_result(json.loads(message.payload))
            return
        if dict(message.properties).get(STATUS) != "200":
            self._strange = self._strange or message.payload.decode()[:300]
        self._accepted += json.loads(message.payload).get("accepted", 0)
        self._answers += 1
        self._room.release()


def _cpu(oracle: Connection) -> float:
    oracle.send("cpu")
    return float(oracle.recv())


def _oracle(pipe: Connection, url: str, path: str, addresses: list[str]) -> None:
    """The oracle's process: says "ready", then the processor seconds it has used whenever it is asked."""
    asyncio.run(_serve(pipe, url, path, addresses))


async def _serve(pipe: Connection, url: str, path: str, addresses: list[str]) -> None:
    # A tick in which each node may beat a dozen times, as often as anybody may.
    clock = EpochClock(genesis=int(time.time()) - 5, length=36_000, tick=600)
    store = open_store(path, clock, "load")
    domain = Heartbeat.domain(CHAIN, CONTRACT)
    collector = Collector(store, clock, ORACLE, domain, FixedRoster(dict.fromkeys(addresses, ())))
    await collector.start()
    await MqttWay(collector, MqttSettings(Broker(url))).start()
    while collector.eyes.way("mqtt").trouble:
        await asyncio.sleep(0.01)
    collect_garbage_seldom()
    pipe.send("ready")
    asked = asyncio.Event()
    asyncio.get_running_loop().add_reader(pipe.fileno(), asked.set)
    while True:
        await asked.wait()
        asked.clear()
        while pipe.poll():
            pipe.recv()
            used = resource.getrusage(resource.RUSAGE_SELF)
            pipe.send(used.ru_utime + used.ru_stime)


def main(arguments: Sequence[str]) -> int:
    """Print the figures; the argument is the number of nodes."""
    with tempfile.TemporaryDirectory(prefix="epochal-load-") as folder:
        measure(Path(folder), int(arguments[0]) if arguments else NODES)
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
