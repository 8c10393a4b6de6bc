"""A node's way to an oracle behind an MQTT 5 broker. Topics and messages: oracle/telemetry/wire/mqtt_topics.py.

The connection is opened when it is first needed and again when it was lost; what was asked over a lost one ends in
LinkError, and the link asks again.
"""

from __future__ import annotations

import asyncio
import itertools
import os
from urllib.parse import urlsplit

from node.errors import LinkError, SettingsError
from node.settings import BrokerAccess
from node.transport import FIRST_PATIENCE, LONGEST_RECEIPT, json_object
from oracle.telemetry.wire import mqtt_topics
from oracle.telemetry.wire.answers import Answer
from oracle.telemetry.wire.mqtt_connection import Broker, Message, MqttConnection, MqttError, published
from oracle.telemetry.wire.mqtt_topics import Topics

LONGEST_LIFE = 7 * 86_400


class MqttTransport:
    """The way to the oracle named by the path of `url`: mqtt://host:port/0x…, mqtts with TLS. See `Transport`.

    Answers come on a topic below answers/USERNAME, so that a broker can keep them from others; without a user name
    below answers/anonymous. SettingsError if the file of certificates can't be used.
    """

    def __init__(self, url: str, chain_id: int, access: BrokerAccess) -> None:
        self.patience = FIRST_PATIENCE
        where = urlsplit(url)
        self._broker = Broker(f"{where.scheme}://{where.netloc}", access.username, access.password, access.ca_file)
        if access.ca_file is not None and not access.ca_file.is_file():
            raise SettingsError(f"--mqtt-ca-file {access.ca_file}: there is no such file; name the authorities' one")
        self._topics = Topics.of(chain_id, where.path.strip("/"))
        self._own = os.urandom(8).hex()
        self._answers_topic = self._topics.answers(_level(access.username or "anonymous"), self._own)
        self._connection: MqttConnection | None = None
        self._opening = asyncio.Lock()
        self._numbers = itertools.count()
        self._waiting: dict[bytes, asyncio.Future[Message]] = {}
        self._terms: tuple[float, Message] | None = None
        self._has_terms = asyncio.Event()

    async def terms(self) -> Answer:
        """The challenge that the oracle published last; `now` in it is what the oracle's clock says by now."""
        try:
            async with asyncio.timeout(self.patience):
                await self._open()
                await self._has_terms.wait()
        except TimeoutError as error:
            raise LinkError(
                f"{self._broker.url} has no challenge of this oracle; check its address and that it is connected"
            ) from error
        except MqttError as error:
            raise LinkError(str(error)) from error
        assert self._terms is not None
        arrived, message = self._terms
        answer = json_object(200, message.payload)
        published_at = answer.get("now")
        if isinstance(published_at, int | float) and not isinstance(published_at, bool):
            answer["now"] = published_at + _age(message) + asyncio.get_running_loop().time() - arrived
        return 200, answer

    async def beat(self, wire: bytes) -> Answer:
        """See `Transport`."""
        return await self._ask(self._topics.heartbeats, wire)

    async def open_session(self, wire: bytes) -> Answer:
        """See `Transport`."""
        return await self._ask(self._topics.sessions, wire)

    async def receipt(self, node: str, epoch: int) -> Answer:
        """See `Transport`."""
        return await self._ask(self._topics.receipts, mqtt_topics.receipt_question(node, epoch))

    async def close(self) -> None:
        """See `Transport`."""
        connection, self._connection = self._connection, None
        if connection is not None:
            await connection.close()
        self._fail("the link was closed")

    async def _ask(self, topic: str, payload: bytes) -> Answer:
        correlation = next(self._numbers).to_bytes(8, "big") + os.urandom(8)
        waiting: asyncio.Future[Message] = asyncio.get_running_loop().create_future()
        self._waiting[correlation] = waiting
        try:
            async with asyncio.timeout(self.patience):
                connection = await self._open()
                asked = published(
                    answer_on=self._answers_topic, correlation=correlation, expires_in=max(1, round(self.patience))
                )
                if not await connection.deliver(topic, payload, properties=asked):
                    raise LinkError(f"no oracle of that address listens at {self._broker.url}")
                message = await waiting
        except TimeoutError as error:
            raise LinkError(f"no answer within {self.patience:g} s") from error
        except MqttError as error:
            raise LinkError(str(error)) from error
        finally:
            self._waiting.pop(correlation, None)
            if not waiting.cancel() and not waiting.cancelled():
                waiting.exception()
        status = dict(message.properties).get(mqtt_topics.STATUS, "")
        if not (status.isascii() and status.isdigit() and len(status) == 3):
            raise LinkError("its answer tells no status; is this an oracle's broker?")
        return int(status), json_object(int(status), message.payload)

    async def _open(self) -> MqttConnection:
        """The connection, subscribed. MqttError."""
        async with self._opening:
            if self._connection is None:
                self._has_terms.clear()
                connection = MqttConnection(
                    self._broker,
                    f"epochal-node-{self._own}",
                    lambda message: self._receive(connection, message),
                    largest=LONGEST_RECEIPT + 4096,
                )
                try:
                    await connection.open(self.patience)
                    await connection.subscribe(self._answers_topic, self._topics.challenge, retained=True)
                except BaseException:
                    connection.drop()
                    raise
                self._connection = connection
                connection.on_lost(self._let_go)
            return self._connection

    def _let_go(self, why: str) -> None:
        self._connection = None
        self._fail(f"{self._broker.url} is gone ({why})")

    def _fail(self, why: str) -> None:
        for waiting in self._waiting.values():
            if not waiting.done():
                waiting.set_exception(LinkError(why))

    def _receive(self, connection: MqttConnection, message: Message) -> None:
        connection.acknowledge(message)
        if message.topic == self._topics.challenge:
            self._terms = asyncio.get_running_loop().time(), message
            self._has_terms.set()
            return
        waiting = self._waiting.get(message.correlation)
        if waiting is not None and not waiting.done():
            waiting.set_result(message)


def _age(message: Message) -> int:
    """Seconds since the challenge was published, by the broker's count."""
    life = dict(message.properties).get(mqtt_topics.CHALLENGE_LIFE, "")
    if message.expires_in is None or not (life.isascii() and life.isdigit() and len(life) < 8):
        return 0
    return min(max(0, int(life) - message.expires_in), LONGEST_LIFE)


def _level(name: str) -> str:
    """A user's name as one level of a topic."""
    return "".join("_" if c in "+#/" or not c.isprintable() else c for c in name)[:100]
