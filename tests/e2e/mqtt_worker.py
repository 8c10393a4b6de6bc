# SPDX-License-Identifier: Apache-2.0
"""One worker process of an oracle behind a broker, for tests: its commits are slow, so that a kill finds work undone.

    python -m tests.e2e.mqtt_worker BROKER NAME STORE GENESIS NODES

Says "ready" when it is subscribed; SIGTERM ends it in good order.
"""

from __future__ import annotations

import asyncio
import signal
import sys
import time

from oracle.ground.clock import EpochClock
from oracle.ground.typed_data import Heartbeat
from oracle.signing.signer import LocalSigner, derive
from oracle.telemetry.intake.collector import Collector
from oracle.telemetry.intake.roster import FixedRoster
from oracle.telemetry.store.bitmaps import Batch, BitmapStore
from oracle.telemetry.store.opening import open_store
from oracle.telemetry.ways.mqtt import MqttSettings, MqttWay
from oracle.telemetry.wire.mqtt_connection import Broker

CHAIN_ID = 31337
DOMAIN = Heartbeat.domain(CHAIN_ID, "0x" + "11" * 20)
LABEL = "net"
ORACLE = derive("test", "oracle")
SECRET = bytes(range(32))
SLOW_COMMIT = 0.1


def clock(genesis: int) -> EpochClock:
    return EpochClock(genesis=genesis, length=36_000, tick=10)


def node(number: int) -> LocalSigner:
    return derive("test", f"node {number}")


async def work(url: str, name: str, path: str, genesis: int, nodes: int) -> None:
    stopped = asyncio.Event()
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, stopped.set)
    store = open_store(path, clock(genesis), LABEL)
    slow(store)
    roster = FixedRoster({node(number).address: () for number in range(nodes)})
    collector = Collector(store, clock(genesis), ORACLE, DOMAIN, roster, secret=SECRET)
    await collector.start()
    way = MqttWay(collector, MqttSettings(Broker(url), name, SECRET), f"mqtt@{name}")
    await way.start()
    while collector.eyes.way(f"mqtt@{name}").trouble:
        await asyncio.sleep(0.01)
    print("ready", flush=True)
    await stopped.wait()
    await way.stop()
    await collector.stop()
    store.close()
    print(sum(collector.intake.accepted.values()), flush=True)


def slow(store: BitmapStore) -> None:
    write = store.write

    def write_slowly(batch: Batch) -> None:
        time.sleep(SLOW_COMMIT)
        write(batch)

    store.write = write_slowly  # type: ignore[method-assign]


if __name__ == "__main__":
    asyncio.run(work(sys.argv[1], sys.argv[2], sys.argv[3], int(sys.argv[4]), int(sys.argv[5])))
