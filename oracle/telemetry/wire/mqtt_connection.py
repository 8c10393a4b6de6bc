"""One connection to an MQTT 5 broker, inside one event loop. It is opened once; after a loss, make another.

A message is acknowledged to the broker when its receiver says so, not when it has arrived. A broker that knows the
client's session keeps what wasn't acknowledged and gives it again to the next connection of that client.
"""

from __future__ import annotations

import asyncio
import contextlib
import socket
import ssl
import threading
from collections.abc import Callable, Sequence
from copy import copy
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any, Final
from urllib.parse import urlsplit

import paho.mqtt.client as paho
from paho.mqtt.enums import CallbackAPIVersion
from paho.mqtt.packettypes import PacketTypes
from paho.mqtt.properties import Properties
from paho.mqtt.reasoncodes import ReasonCode
from paho.mqtt.subscribeoptions import SubscribeOptions

from oracle.ground.errors import EpochalError
from oracle.telemetry.wire.urls import server_url

KEEPALIVE: Final = 30
"""Seconds of silence after which either side asks whether the other is there."""

_PORTS: Final = {"mqtt": 1883, "mqtts": 8883}
_NOBODY_SUBSCRIBES: Final = 0x10
# Copied for each message, since making one takes longer.
_NO_PROPERTIES: Final = Properties(PacketTypes.PUBLISH)  # type: ignore[no-untyped-call]
_READS: Final = 100
"""Reads in a row of what TLS has decrypted already, before others get their turn."""


class MqttError(EpochalError):
    """The broker can't be reached, doesn't let us, or went away."""


@dataclass(frozen=True, slots=True)
class Broker:
    """Where a broker is and how it lets one in. `url`: mqtt://host:port or mqtts://host:port; its path is not read.

    `ca_file` vouches for the broker's certificate; None: the system's authorities. InvalidValue for another URL, or for
    one with a user: it is shown in messages and by `/ready`.
    """

    url: str
    username: str | None = None
    password: str | None = field(default=None, repr=False)
    ca_file: Path | None = None

    def __post_init__(self) -> None:
        server_url(
            "the broker's URL",
            self.url,
            tuple(_PORTS),
            "mqtts://broker.example:8883",
            "--mqtt-username and --mqtt-password-env are for them",
        )


@dataclass(slots=True)  # not frozen: that would double the time of making one, thousands of times a second
class Message:
    """A message that came in. `response_topic` and `correlation` are empty where it asks for no answer.

    `expires_in`: seconds for which the broker would still keep it, None: for ever. `properties`: those of the sender.
    """

    topic: str
    payload: bytes
    response_topic: str
    correlation: bytes
    expires_in: int | None
    properties: list[tuple[str, str]]
    number: int
    quality: int


class MqttConnection:
    """A client's connection. `receive` is called in the event loop with each message.

    `session`: seconds for which the broker keeps the client's subscriptions and messages after the connection's end.
    `at_once`: messages that may be given to us without our acknowledgement. `largest`: bytes of one that is taken.
    """

    def __init__(
        self,
        broker: Broker,
        client_id: str,
        receive: Callable[[Message], None],
        *,
        session: int = 0,
        at_once: int = 100,
        largest: int = 1_000_000,
    ) -> None:
        self._broker = broker
        self._receive = receive
        self._session = session
        self._options = {"SessionExpiryInterval": session, "ReceiveMaximum": at_once, "MaximumPacketSize": largest}
        self._loop = asyncio.get_running_loop()
        self._thread = threading.get_ident()
        self._opened: asyncio.Future[None] = self._loop.create_future()
        self._lost: asyncio.Future[str] = self._loop.create_future()
        self._answers: dict[tuple[str, int], asyncio.Future[list[ReasonCode]]] = {}
        self._alive: asyncio.Task[None] | None = None
        self._client = client = paho.Client(
            CallbackAPIVersion.VERSION2,
            client_id,
            protocol=paho.MQTTv5,
            reconnect_on_failure=False,
            manual_ack=True,
        )
        client.max_inflight_messages = 0
        client.username = broker.username
        client.password = broker.password
        client.on_socket_open = self._on_socket_open
        client.on_socket_close = self._on_socket_close
        client.on_socket_register_write = self._on_want_write
        client.on_socket_unregister_write = self._on_written
        client.on_connect = self._on_connect
        client.on_disconnect = self._on_disconnect
        client.on_message = self._on_message
        client.on_subscribe = partial(self._on_answer, "subscribe")
        client.on_unsubscribe = partial(self._on_answer, "unsubscribe")
        client.on_publish = self._on_publish

    # Opening and ending.

    async def open(self, patience: float = 10.0) -> None:
        """Be let in, within `patience` seconds. MqttError if not; the connection can't be used then."""
        where = urlsplit(self._broker.url)
        if where.scheme == "mqtts":
            self._client.tls_set_context(self._tls())
        properties = _properties(PacketTypes.CONNECT, self._options)
        connect = partial(
            self._client.connect,
            where.hostname or "",
            where.port or _PORTS[where.scheme],
            KEEPALIVE,
            clean_start=not self._session,
            properties=properties,
        )
        self._client.connect_timeout = patience
        connecting = self._in_thread(connect)
        try:
            async with asyncio.timeout(patience):
                # A thread can't be cancelled: what it still opens is closed when it returns.
                await asyncio.shield(connecting)
                await self._opened
        except TimeoutError as error:
            raise MqttError(f"{self.where} lets nobody in within {patience:g} s") from error
        except (OSError, ValueError) as error:
            raise MqttError(f"{self.where} can't be reached ({_plain(error)})") from error
        finally:
            if not self._opened.done() or self._opened.cancelled() or self._opened.exception():
                connecting.add_done_callback(self._abandon)
        self._alive = asyncio.create_task(self._keep_alive())

    @property
    def where(self) -> str:
        """The broker, for messages."""
        return f"broker {self._broker.url}"

    async def lost(self) -> str:
        """Wait for the connection's end; why it ended."""
        return await asyncio.shield(self._lost)

    def on_lost(self, call: Callable[[str], None]) -> None:
        """Call that, with the reason, when the connection has ended."""
        self._lost.add_done_callback(lambda lost: call(lost.result()))

    async def close(self) -> None:
        """Say goodbye, so that the broker forgets the session, and end."""
        if not self._lost.done():
            self._client.disconnect(properties=_properties(PacketTypes.DISCONNECT, {"SessionExpiryInterval": 0}))
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(1):
                    await self.lost()
        self.drop()

    def drop(self, why: str = "closed here") -> None:
        """End at once. The broker keeps the session as after any loss."""
        if self._alive is not None:
            self._alive.cancel()
        if not self._lost.done():
            self._lost.set_result(why)
        if not self._opened.done():
            self._opened.set_exception(MqttError(f"{self.where} closed the connection ({why})"))
            self._opened.exception()  # nobody may be waiting
        for waiting in self._answers.values():
            if not waiting.done():
                waiting.set_exception(MqttError(f"{self.where} is gone ({why})"))
                waiting.exception()
        self._answers.clear()
        sock = self._client.socket()
        if isinstance(sock, socket.socket):
            self._unwatch(sock)
            sock.close()
            with contextlib.suppress(Exception):
                self._client.loop_read()  # the library notices that its socket is gone

    # What is done with it.

    async def subscribe(self, *filters: str, retained: bool = False) -> None:
        """Receive what is published there, at least once; of what is retained there, only if asked. MqttError."""
        handling = SubscribeOptions.RETAIN_SEND_ON_SUBSCRIBE if retained else SubscribeOptions.RETAIN_DO_NOT_SEND
        options = SubscribeOptions(qos=1, retainHandling=handling)
        code, number = self._client.subscribe([(each, options) for each in filters])
        granted = await self._answer("subscribe", code, number)
        refused = [f"{each} ({told})" for each, told in zip(filters, granted, strict=True) if told.is_failure]
        if refused:
            raise MqttError(f"{self.where} doesn't let us subscribe to {', '.join(refused)}; check what it permits us")

    async def unsubscribe(self, *filters: str) -> None:
        """Receive no more of it than what was under way. MqttError."""
        code, number = self._client.unsubscribe(list(filters))
        await self._answer("unsubscribe", code, number)

    def send(self, topic: str, payload: bytes, properties: Properties) -> None:
        """Publish at most once. What can't be sent any more is dropped."""
        if not self._lost.done():
            self._client.publish(topic, payload, 0, properties=properties)

    async def deliver(
        self, topic: str, payload: bytes, *, retain: bool = False, properties: Properties | None = None
    ) -> bool:
        """Publish at least once; False if the broker says that nobody subscribes. MqttError."""
        info = self._client.publish(topic, payload, 1, retain, properties)
        (told,) = await self._answer("publish", info.rc, info.mid)
        if told.is_failure:
            raise MqttError(f"{self.where} refuses what we publish to {topic} ({told}); check what it permits us")
        return told.value != _NOBODY_SUBSCRIBES

    def acknowledge(self, message: Message) -> None:
        """Tell the broker that a message of this very connection needs to be given to nobody any more."""
        if not self._lost.done():
            self._client.ack(message.number, message.quality)

    async def _answer(self, kind: str, code: int, number: int | None) -> list[ReasonCode]:
        if code or number is None or self._lost.done():
            raise MqttError(f"{self.where} is gone")
        waiting = self._answers[kind, number] = self._loop.create_future()
        try:
            return await waiting
        finally:
            self._answers.pop((kind, number), None)

    # The library's callbacks: in the event loop, except while `connect` runs in its thread.

    def _in_thread(self, call: Callable[[], object]) -> asyncio.Future[None]:
        """Call it in a thread that nobody waits for at the process's end: a silent broker may hold it for long."""
        done: asyncio.Future[None] = self._loop.create_future()

        def settle(error: Exception | None) -> None:
            if done.cancelled():
                return
            if error is None:
                done.set_result(None)
            else:
                done.set_exception(error)

        def run() -> None:
            try:
                call()
            except Exception as error:
                self._in_loop(settle, error)
            else:
                self._in_loop(settle, None)

        threading.Thread(target=run, name="epochal-mqtt-connect", daemon=True).start()
        return done

    def _in_loop(self, call: Callable[..., object], *arguments: object) -> None:
        if threading.get_ident() == self._thread:
            call(*arguments)
        else:
            with contextlib.suppress(RuntimeError):  # the loop is closed already
                self._loop.call_soon_threadsafe(call, *arguments)

    def _on_socket_open(self, client: paho.Client, _: Any, sock: Any) -> None:
        # Small packets one after the other must not wait for each other's acknowledgement.
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._in_loop(self._watch, sock)

    def _on_socket_close(self, client: paho.Client, _: Any, sock: Any) -> None:
        self._in_loop(self._unwatch, sock)

    def _on_want_write(self, client: paho.Client, _: Any, sock: Any) -> None:
        self._in_loop(self._watch_writing, sock)

    def _on_written(self, client: paho.Client, _: Any, sock: Any) -> None:
        self._in_loop(self._unwatch_writing, sock)

    def _watch(self, sock: socket.socket) -> None:
        if sock.fileno() >= 0:
            self._loop.add_reader(sock, self._read, sock)

    def _watch_writing(self, sock: socket.socket) -> None:
        if sock.fileno() >= 0:
            self._loop.add_writer(sock, self._write)

    def _unwatch_writing(self, sock: socket.socket) -> None:
        if sock.fileno() >= 0:
            self._loop.remove_writer(sock)

    def _unwatch(self, sock: socket.socket) -> None:
        if sock.fileno() >= 0:
            self._loop.remove_reader(sock)
            self._loop.remove_writer(sock)

    def _read(self, sock: socket.socket) -> None:
        try:
            for _ in range(_READS):
                self._client.loop_read()
                if not isinstance(sock, ssl.SSLSocket) or sock.fileno() < 0 or not sock.pending():
                    return
        except Exception as error:  # the library raises whatever a broker's nonsense makes it stumble over
            self.drop(f"it sends nonsense: {_plain(error)}")
            return
        self._loop.call_soon(self._read, sock)

    def _write(self) -> None:
        self._client.loop_write()

    async def _keep_alive(self) -> None:
        while not self._lost.done():
            await asyncio.sleep(1)
            try:
                self._client.loop_misc()
            except Exception as error:  # without it nobody would notice that the broker has gone
                self.drop(f"the client library failed: {_plain(error)}")

    def _on_connect(self, client: paho.Client, _: Any, flags: Any, reason: ReasonCode, properties: Any) -> None:
        if self._opened.done():
            return
        if reason.is_failure:
            self._opened.set_exception(MqttError(f"{self.where} doesn't let us in ({reason}); check user and password"))
        else:
            self._opened.set_result(None)

    def _on_disconnect(self, client: paho.Client, _: Any, flags: Any, reason: ReasonCode, properties: Any) -> None:
        # In the middle of a callback the library still holds its locks.
        self._in_loop(self._loop.call_soon, self.drop, str(reason))

    def _on_message(self, client: paho.Client, _: Any, raw: paho.MQTTMessage) -> None:
        told = raw.properties
        self._receive(
            Message(
                raw.topic,
                bytes(raw.payload),
                getattr(told, "ResponseTopic", ""),
                getattr(told, "CorrelationData", b""),
                getattr(told, "MessageExpiryInterval", None),
                getattr(told, "UserProperty", []),
                raw.mid,
                raw.qos,
            )
        )

    def _on_publish(self, client: paho.Client, _: Any, number: int, reason: ReasonCode, properties: Any) -> None:
        self._on_answer("publish", client, None, number, [reason], properties)

    def _on_answer(self, kind: str, client: paho.Client, _: Any, number: int, told: Any, properties: Any) -> None:
        waiting = self._answers.get((kind, number))
        if waiting is not None and not waiting.done():
            waiting.set_result(told)

    def _abandon(self, connecting: asyncio.Future[Any]) -> None:
        if not connecting.cancelled():
            connecting.exception()  # told already, or nobody is left to be told
        self.drop("given up")

    def _tls(self) -> ssl.SSLContext:
        try:
            return ssl.create_default_context(cafile=self._broker.ca_file)
        except OSError as error:
            raise MqttError(f"{self._broker.ca_file}: can't be read as certificates ({_plain(error)})") from error


def published(
    *, answer_on: str = "", correlation: bytes = b"", expires_in: int = 0, told: Sequence[tuple[str, str]] = ()
) -> Properties:
    """Properties of a message to publish. `expires_in`: whole seconds for which it is worth keeping; 0: for ever."""
    found = copy(_NO_PROPERTIES)
    if answer_on:
        found.ResponseTopic = answer_on
    if correlation:
        found.CorrelationData = correlation
    if expires_in:
        found.MessageExpiryInterval = expires_in
    if told:
        found.UserProperty = list(told)
    return found


def _properties(kind: int, values: dict[str, int]) -> Properties:
    found = Properties(kind)  # type: ignore[no-untyped-call]
    for name, value in values.items():
        setattr(found, name, value)
    return found


def _plain(error: Exception) -> str:
    return (error.strerror if isinstance(error, OSError) else None) or str(error) or type(error).__name__
