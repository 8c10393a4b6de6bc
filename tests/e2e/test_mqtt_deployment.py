# SPDX-License-Identifier: Apache-2.0
"""The broker of deploy/mosquitto, with TLS and passwords: what it lets a node do, and what it doesn't."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable
from pathlib import Path

import pytest
import trustme

from node.errors import LinkError
from node.mqtt_transport import MqttTransport
from node.settings import BrokerAccess
from oracle.telemetry.intake.collector import Collector
from oracle.telemetry.intake.roster import FixedRoster
from oracle.telemetry.store.opening import open_store
from oracle.telemetry.ways.mqtt import MqttSettings, MqttWay
from oracle.telemetry.wire import heartbeat
from oracle.telemetry.wire.mqtt_connection import Broker, Message, MqttConnection, MqttError
from tests import services
from tests.e2e.mqtt_worker import CHAIN_ID, DOMAIN, LABEL, ORACLE, SECRET, clock, node
from tests.e2e.test_mqtt import TOPICS
from tests.project import ROOT

USERS = {"oracle": "oracle's password", "alice": "hers", "bob": "his"}


def deployed(folder: Path) -> str:
    """The example's configuration with its paths in `folder` and its port as {port}; makes the files it names."""
    authority = trustme.CA()
    certificate = authority.issue_cert("localhost")
    (folder / "certs").mkdir()
    authority.cert_pem.write_to_path(str(folder / "ca.crt"))
    certificate.private_key_and_cert_chain_pem.write_to_path(str(folder / "certs/broker.crt"))
    certificate.private_key_pem.write_to_path(str(folder / "certs/broker.key"))
    (folder / "passwords").write_text(services.mosquitto_passwords(USERS))
    (folder / "passwords").chmod(0o600)
    (folder / "acl").write_text((ROOT / "deploy/mosquitto/acl").read_text())
    text = (ROOT / "deploy/mosquitto/mosquitto.conf").read_text()
    for place in ("/etc/mosquitto", "/var/lib/mosquitto"):
        assert place in text
        text = text.replace(place, str(folder))
    assert "\nlistener 8883\n" in text
    return text.replace("\nlistener 8883\n", "\nlistener {port} 127.0.0.1\n")


def access(folder: Path, user: str, password: str | None = None) -> BrokerAccess:
    return BrokerAccess(user, USERS[user] if password is None else password, folder / "ca.crt")


def beat(collector: Collector, number: int, sequence: int) -> bytes:
    challenge = collector.intake.challenges.current(time.time())
    return heartbeat.sign(node(number), DOMAIN, ORACLE.address, sequence, challenge)


def behind_the_broker(
    folder: Path, story: Callable[[services.Broker, Collector, Callable[..., MqttTransport]], Awaitable[None]]
) -> None:
    """Run `story` with the broker, an oracle that has logged in to it, and what makes transports by user name."""

    async def run(broker: services.Broker) -> None:
        store = open_store(folder / "store.db", clock(int(time.time()) - 5), LABEL)
        roster = FixedRoster({node(0).address: (), node(1).address: ()})
        collector = Collector(store, clock(int(time.time()) - 5), ORACLE, DOMAIN, roster, secret=SECRET)
        where = Broker(broker.url, "oracle", USERS["oracle"], folder / "ca.crt")
        way = MqttWay(collector, MqttSettings(where, secret=SECRET))
        made: list[MqttTransport] = []

        def transport(user: str, let_in: BrokerAccess | None = None) -> MqttTransport:
            url = f"{broker.url}/{ORACLE.address}"
            made.append(MqttTransport(url, CHAIN_ID, let_in or access(folder, user)))
            return made[-1]

        await collector.start()
        await way.start()
        try:
            async with asyncio.timeout(20):
                while collector.eyes.way("mqtt").trouble:
                    await asyncio.sleep(0.02)
            await story(broker, collector, transport)
        finally:
            for each in made:
                await each.close()
            await way.stop()
            await collector.stop()
            store.close()

    with services.mosquitto(folder, config=deployed(folder), tls=True) as broker:
        asyncio.run(run(broker))


def test_deployed_broker__nodes__beat_over_tls_and_see_only_their_own_answers(tmp_path: Path) -> None:
    async def story(broker: services.Broker, collector: Collector, transport: Callable[..., MqttTransport]) -> None:
        seen: list[Message] = []
        spy = MqttConnection(Broker(broker.url, "bob", USERS["bob"], tmp_path / "ca.crt"), "spy", seen.append)
        await spy.open()
        await spy.subscribe("#", f"{TOPICS.base}/answers/#", "$SYS/#", retained=True)
        alice, bob = transport("alice"), transport("bob")
        assert (await alice.terms())[0] == 200
        status, answer = await alice.beat(beat(collector, 0, 1))
        assert (status, answer["accepted"]) == (200, 1)
        status, answer = await bob.beat(beat(collector, 1, 1))
        assert (status, answer["accepted"]) == (200, 1)
        assert (await alice.receipt(node(0).address, answer["epoch"]))[0] == 200
        for topic in (TOPICS.challenge, TOPICS.answers("alice", "x"), "other"):
            with pytest.raises(MqttError, match=f"refuses what we publish to {topic} .*Not authorized"):
                await spy.deliver(topic, b"{}", retain=True)
        await asyncio.sleep(0.2)
        await spy.close()
        assert {each.topic for each in seen} == {TOPICS.challenge, bob._answers_topic}

    behind_the_broker(tmp_path, story)


def test_deployed_broker__strangers__told_why_they_are_not_let_in(tmp_path: Path) -> None:
    async def story(broker: services.Broker, collector: Collector, transport: Callable[..., MqttTransport]) -> None:
        strangers = {
            "doesn't let us in .*check user and password": access(tmp_path, "alice", "guessed"),
            "doesn't let us in .*check user": BrokerAccess(ca_file=tmp_path / "ca.crt"),
            "can't be reached .*certificate": BrokerAccess("alice", USERS["alice"]),
        }
        for why, let_in in strangers.items():
            with pytest.raises(LinkError, match=why):
                await transport("alice", let_in).beat(beat(collector, 0, 1))
        too_large = transport("alice")
        with pytest.raises(LinkError):
            await too_large.beat(bytes(300_000))
        assert (await too_large.beat(beat(collector, 0, 1)))[0] == 200

    behind_the_broker(tmp_path, story)
