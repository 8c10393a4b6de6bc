"""The way in over an MQTT 5 broker. Topics and messages: wire/mqtt_topics.py.

Workers of one oracle share its heartbeats: the broker gives each message to one of them. A worker acknowledges a
message when what it says is durable, or when it is worth nothing; until then the broker keeps it, and gives it to the
worker's next connection if this one ends. The node is answered at the same moment.

Openings of sessions go to every worker, since the broker may give a session's heartbeats to any of them.
"""

from __future__ import annotations

import asyncio
import json
import logging
import os
import random
from collections import Counter, deque
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Final

from paho.mqtt.properties import Properties
from prometheus_client.core import Metric

from oracle.telemetry.intake.collector import Collector
from oracle.telemetry.intake.intake import Tally
from oracle.telemetry.intake.metrics import counter
from oracle.telemetry.store.errors import StoreError
from oracle.telemetry.ways import answers
from oracle.telemetry.ways.watched import together, watched
from oracle.telemetry.wire import mqtt_topics
from oracle.telemetry.wire.answers import MAX_BODY, Answer, is_too_large, problem, too_large
from oracle.telemetry.wire.mqtt_connection import Broker, Message, MqttConnection, MqttError, published
from oracle.telemetry.wire.mqtt_topics import MalformedQuestion, Topics

_LOG = logging.getLogger("epochal.telemetry.mqtt")

_FIRST_PAUSE: Final = 0.2
_LONGEST_PAUSE: Final = 15.0
_STEADY_SECONDS: Final = 30.0
"""A connection that lasted so long was a good one: the next one is tried soon."""
_DRAIN_SECONDS: Final = 5.0
_QUIET_SECONDS: Final = 0.05
"""If a broker sends nothing for so long after the subscription's end, it holds nothing more."""
_RETRY_SECONDS: Final = 0.5
_WAITING_QUESTIONS: Final = 1000
_PROPERTIES_SIZE: Final = 2048
_SLICE: Final = 25
"""Messages judged before others get their turn."""


@dataclass(frozen=True, slots=True)
class MqttSettings:
    """How one worker of an oracle stands at its broker.

    broker           where it is and how it lets the oracle in
    worker           the worker's name, unlike those of the oracle's other workers
    secret           32 bytes, the one of the challenges that the workers share. None: this worker is alone, and what
                     the broker holds for it when it dies is lost with it; its nodes send again
    session_seconds  for so long the broker keeps what a dead worker hasn't acknowledged, and what comes for it
    at_once          messages that may wait for their commit
    """

    broker: Broker
    worker: str = "1"
    secret: bytes | None = field(default=None, repr=False)
    session_seconds: int = 30
    at_once: int = 2000


@dataclass(slots=True)
class _Job:
    """A message under way. It is acknowledged on the connection that it came by, or never."""

    connection: MqttConnection
    message: Message
    received: float
    answer: Answer | None = None


class MqttWay:
    """Brings one collector what nodes publish."""

    def __init__(self, collector: Collector, settings: MqttSettings, name: str = "mqtt") -> None:
        self.messages = 0
        """Messages that came in."""
        self.connections = 0
        self.shed: Counter[str] = Counter(dict.fromkeys(("too_large", "overload", "storage", "unanswerable"), 0))
        """Messages that were turned away, and answers that had nowhere to go, by reason."""
        self._collector = collector
        self._settings = settings
        self._way = collector.eyes.way(name)
        intake = collector.intake
        self._topics = Topics.of(intake.domain.chain_id, intake.oracle)
        secret = settings.secret or os.urandom(32)
        group = mqtt_topics.share_group(secret)
        self._client_id = mqtt_topics.worker_client(secret, settings.worker)
        self._shared = tuple(
            mqtt_topics.shared(group, topic) for topic in (self._topics.heartbeats, self._topics.receipts)
        )
        self._connection: MqttConnection | None = None
        self._arrived: deque[_Job] = deque()
        self._marked: list[_Job] = []
        self._questions: asyncio.Queue[_Job] = asyncio.Queue(_WAITING_QUESTIONS)
        self._has_arrived = asyncio.Event()
        self._has_marked = asyncio.Event()
        self._under_way = 0
        self._stopping = False
        self._task: asyncio.Task[None] | None = None
        collector.told_by_ways.append(self._metrics)

    def _metrics(self) -> Iterator[Metric]:
        yield counter("epochal_mqtt_messages", "Messages over MQTT.", self.messages)
        yield counter("epochal_mqtt_connections", "Connections made to the broker.", self.connections)
        turned_away = "Messages turned away unread, and answers that had nowhere to go, by reason."
        yield counter("epochal_mqtt_turned_away", turned_away, self.shed)

    async def start(self) -> None:
        """Begin to connect; the way is in trouble until that has succeeded. No error: a broker may come later."""
        self._stopping = False
        self._way.trouble = f"not connected to broker {self._settings.broker.url} yet"
        # One can't do without the others: where nobody judges, the broker had better give messages to another worker.
        work = together(self._keep_connected(), self._judge(), self._settle(), self._give_receipts())
        self._task = watched(work, self._way, _LOG, self._way.name)

    async def stop(self) -> None:
        """Take no more, finish what is under way, and leave the broker."""
        self._stopping = True
        self._way.trouble = "stopped"
        if self._connection is not None:
            await self._leave(self._connection)
        task, self._task = self._task, None
        if task is not None:
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)

    async def _leave(self, connection: MqttConnection) -> None:
        """End the broker's session once nothing is left in it; in haste the broker keeps it for the next start."""
        try:
            async with asyncio.timeout(_DRAIN_SECONDS):
                await connection.unsubscribe(*self._shared, self._topics.sessions)
                before = -1
                while self._under_way or before != self.messages:
                    before = self.messages
                    await asyncio.sleep(_QUIET_SECONDS)
            await connection.close()
        except (MqttError, TimeoutError) as error:
            _LOG.warning("left %s with messages under way (%s)", connection.where, error or "they take too long")
            connection.drop()

    # The connection.

    async def _keep_connected(self) -> None:
        failures = 0
        while True:
            began = asyncio.get_running_loop().time()
            why = await self._stay_connected()
            if self._stopping:
                return
            self._way.trouble = why
            if asyncio.get_running_loop().time() - began > _STEADY_SECONDS:
                failures = 0
            if not failures:
                _LOG.error("%s; retrying", why)
            failures += 1
            pause = min(_LONGEST_PAUSE, _FIRST_PAUSE * 2 ** min(failures, 16))
            await asyncio.sleep(pause * random.uniform(0.5, 1.0))

    async def _stay_connected(self) -> str:
        """Connect and bring what comes, until it ends; why."""
        settings = self._settings
        connection = MqttConnection(
            settings.broker,
            self._client_id,
            lambda message: self._receive(connection, message),
            session=settings.session_seconds if settings.secret is not None else 0,
            at_once=settings.at_once,
            largest=MAX_BODY + _PROPERTIES_SIZE,
        )
        try:
            await connection.open()
            self._connection = connection
            self.connections += 1
            # Before the heartbeats: a node that finds nobody listening has no use for a challenge.
            await connection.subscribe(*self._shared, self._topics.sessions)
            await self._publish_challenge(connection)
            self._way.trouble = None
            _LOG.info("connected to %s", connection.where)
            turning = asyncio.create_task(self._turn_challenges(connection))
            try:
                why = await connection.lost()
                if "taken over" in why.lower():
                    why += f"; is another worker named {settings.worker!r} too?"
                return f"{connection.where}: the connection has ended ({why})"
            finally:
                turning.cancel()
        except MqttError as error:
            return str(error)
        finally:
            self._connection = None if self._connection is connection else self._connection
            connection.drop()

    async def _turn_challenges(self, connection: MqttConnection) -> None:
        period = self._collector.intake.challenges.period
        while True:
            await asyncio.sleep(period - self._collector.now() % period)
            try:
                await self._publish_challenge(connection)
            except Exception as error:
                if not isinstance(error, MqttError):
                    _LOG.exception("a bug kept the challenge from being published")
                connection.drop(str(error) or type(error).__name__)  # the next connection begins with it
                return

    async def _publish_challenge(self, connection: MqttConnection) -> None:
        intake = self._collector.intake
        # Kept as long as it is good for anything; what is left of its life tells a late subscriber its age.
        life = 2 * intake.challenges.period
        told = [(mqtt_topics.CHALLENGE_LIFE, str(life))]
        body = json.dumps(intake.terms()).encode()
        await connection.deliver(
            self._topics.challenge, body, retain=True, properties=published(expires_in=life, told=told)
        )

    # Messages.

    def _receive(self, connection: MqttConnection, message: Message) -> None:
        self.messages += 1
        job = _Job(connection, message, self._collector.now())
        self._under_way += 1
        topics = self._topics
        if message.topic == topics.receipts:
            try:
                self._questions.put_nowait(job)
            except asyncio.QueueFull:
                self._turn_away(job, "overload", problem(429, "overload", "ask again in a minute"))
        elif message.topic not in (topics.heartbeats, topics.sessions):
            self._finish(job)  # a subscription that an earlier connection left behind
        # The broker keeps to what may be at once, but not with messages that need no acknowledgement.
        elif message.quality == 0 and len(self._arrived) >= self._settings.at_once:
            self._turn_away(job, "overload", problem(503, "overload", "send again later, with QoS 1"))
        else:
            self._arrived.append(job)
            self._has_arrived.set()

    async def _judge(self) -> None:
        while True:
            await self._has_arrived.wait()
            for _ in range(min(_SLICE, len(self._arrived))):
                job = self._arrived.popleft()
                try:
                    if job.message.topic == self._topics.sessions:
                        job.answer = answers.session(self._collector.intake.open_session(job.message.payload))
                        self._finish(job)
                    else:
                        await self._mark(job)
                except StoreError as error:
                    self._turn_away(job, "storage", answers.not_stored(error))
                except Exception:
                    # One message must not end the others, nor come again and again.
                    _LOG.exception("a message could not be judged")
                    self._finish(job)
            if not self._arrived:
                self._has_arrived.clear()
            await asyncio.sleep(0)

    async def _mark(self, job: _Job) -> None:
        body, collector = job.message.payload, self._collector
        if is_too_large(body):
            self._turn_away(job, "too_large", too_large())
            return
        trouble = collector.trouble()
        if trouble:
            self._turn_away(job, "storage", answers.not_stored(trouble))
            return
        tally = Tally()
        for _ in collector.intake.judge(body, tally, self._way, job.received):
            await asyncio.sleep(0)
        job.answer = answers.heartbeats(collector.intake, tally, job.received, collector.now())
        if tally.accepted:
            self._marked.append(job)
            self._has_marked.set()
        else:
            self._finish(job)

    async def _settle(self) -> None:
        """Finish what was marked as soon as it is durable."""
        while True:
            await self._has_marked.wait()
            self._has_marked.clear()
            jobs, self._marked = self._marked, []
            await self._durable(jobs)
            for count, job in enumerate(jobs, 1):
                self._finish(job)
                if count % _SLICE == 0:
                    await asyncio.sleep(0)

    async def _durable(self, jobs: list[_Job]) -> None:
        """Return when the marks are durable. While the store refuses, nodes are told so, and the broker nothing."""
        while True:
            try:
                await self._collector.commits.durable()
                return
            except StoreError as error:
                for job in jobs:
                    if job.answer is not None:
                        job.answer = answers.not_stored(error)
                        self._answer(job)
                        job.answer = None
                await asyncio.sleep(_RETRY_SECONDS)

    async def _give_receipts(self) -> None:
        """One at a time: each costs a signature and a look into the store."""
        while True:
            job = await self._questions.get()
            try:
                job.answer = await self._receipt(job.message.payload)
            except Exception:
                _LOG.exception("a question for a receipt could not be answered")
            self._finish(job)

    async def _receipt(self, question: bytes) -> Answer:
        try:
            node, epoch = mqtt_topics.read_receipt_question(question)
        except MalformedQuestion as error:
            return problem(400, "receipt", str(error))
        try:
            signed = await self._collector.receipt(node, epoch)
        except StoreError as error:
            return answers.not_stored(error)
        return answers.receipt(signed)

    def _turn_away(self, job: _Job, reason: str, answer: Answer) -> None:
        self.shed[reason] += 1
        job.answer = answer
        self._finish(job)

    def _finish(self, job: _Job) -> None:
        """Answer, and have the broker forget the message."""
        self._under_way -= 1
        if job.answer is not None:
            self._answer(job)
        job.connection.acknowledge(job.message)

    def _answer(self, job: _Job) -> None:
        message = job.message
        if job.answer is None or not message.response_topic:
            return
        if not self._topics.may_answer_on(message.response_topic):
            self.shed["unanswerable"] += 1
            return
        status, told = job.answer
        job.connection.send(message.response_topic, json.dumps(told).encode(), _answered(status, message.correlation))


def _answered(status: int, correlation: bytes) -> Properties:
    return published(correlation=correlation, told=[(mqtt_topics.STATUS, str(status))])
