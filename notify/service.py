"""Watching a network and telling those who subscribed."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Final

from chain.client import RpcError
from chain.endpoints import EndpointsDisagree
from chain.events import ChainUnsettled
from chain.network import Network
from delivery.errors import QueueFull
from delivery.http import HttpTransport, NotReachable, Request
from delivery.message import Draft, Message
from delivery.queue import Queue
from delivery.rules import Backoff
from delivery.sender import Sender, Transport
from notify.mail import MailTransport
from notify.notice import About, Kind, Notice
from notify.reading import ChainReader
from notify.rules import recipients
from notify.settings import NotifySettings
from notify.signing import headers
from notify.watching import Watcher

WEBHOOK: Final = "webhook"
MAIL: Final = "mail"
QUEUE_FILE: Final = "notices.sqlite"
_TRANSIENT: Final = (RpcError, ChainUnsettled, EndpointsDisagree)
_LOG = logging.getLogger(__name__)


class Notifier:
    """Finds notices and has each brought, at least once, to everyone who subscribed to it.

    The queue is the memory of what was told: it lies in the settings' `state` folder, which is made. SettingsError for
    secrets that aren't there.
    """

    def __init__(
        self, network: Network, settings: NotifySettings, environment: Mapping[str, str], backoff: Backoff | None = None
    ) -> None:
        self._settings = settings
        self._backoff = backoff or Backoff(first=2.0, longest=900.0)
        self._secrets = settings.secrets(environment)
        self._server = settings.mail_server(environment)
        self._name = f"{network.addresses.attestations.lower()} on chain {network.chain.chain_id}"
        folder = Path(settings.state)
        folder.mkdir(parents=True, exist_ok=True)
        self._reader = ChainReader(network, folder, settings.oldest_seconds)
        self._watcher = Watcher(network, settings, self._reader)
        self.queue = Queue(folder / QUEUE_FILE)

    def close(self) -> None:
        """Close the files."""
        self.queue.close()
        self._reader.close()

    async def run(self, stop: asyncio.Event) -> None:
        """Watch and tell until `stop` is set. SenderRunning when another process does from this folder."""
        sender = self._sender()
        tasks = [asyncio.create_task(one) for one in (sender.run(stop), self._watch(stop), self._listen(stop))]
        try:
            await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
        finally:
            stop.set()
            await sender.close()
            await asyncio.gather(*tasks)

    async def check(self) -> tuple[list[Message], list[str]]:
        """Send everyone a test notice, once; returns what became of each, and what is wrong with the oracles named.
        RpcError."""
        troubles = await self._watcher.troubles()
        sender, now = self._sender(), int(time.time())
        notice = Notice(
            f"test:{now}",
            Kind.TEST,
            now,
            About(),
            "this is a test",
            "Somebody ran `epochal notify check`.",
            "nothing.",
            "Nothing. If you read this, notices reach you.",
        )
        names = [*self._settings.webhooks, *self._settings.mail]
        try:
            keys = [key for name in names if (key := self._put(notice, name, now)) is not None]
            await sender.once()
        finally:
            await sender.close()
        self.queue.withdraw(keys, "a test is tried once")
        return [one for key in keys if (one := self.queue.find(key)) is not None], troubles

    def tell(self, notices: Iterable[Notice]) -> int:
        """Put notices into the queue for those who hear them; returns how many weren't there yet."""
        now, added = time.time(), 0
        interests = self._settings.interests
        for notice in notices:
            for name in recipients(notice, interests):
                added += self._put(notice, name, now) is not None
        return added

    async def _watch(self, stop: asyncio.Event) -> None:
        while not stop.is_set():
            try:
                notices = await asyncio.to_thread(self._watcher.of_chain)
                await asyncio.to_thread(self.tell, notices)
            except _TRANSIENT as error:
                _LOG.warning("the chain can't be read now: %s", error)
            except QueueFull as error:
                _LOG.error("%s", error)
            await _pause(stop, self._settings.poll_seconds)

    async def _listen(self, stop: asyncio.Event) -> None:
        # The first look at the chain tells whom to ask about.
        await _pause(stop, min(self._settings.poll_seconds, self._settings.presence_seconds))
        while not stop.is_set():
            try:
                await asyncio.to_thread(self.tell, await self._watcher.of_heartbeats())
            except _TRANSIENT as error:
                _LOG.warning("the chain can't be read now: %s", error)
            except QueueFull as error:
                _LOG.error("%s", error)
            await _pause(stop, self._settings.presence_seconds)

    def _put(self, notice: Notice, name: str, now: float) -> str | None:
        key = f"{notice.id}@{name}"
        channel = WEBHOOK if name in self._settings.webhooks else MAIL
        deadline = now + self._settings.give_up_seconds
        draft = Draft(key, channel, name, notice.kind.value, notice.body(self._name), deadline)
        return key if self.queue.put(draft) else None

    def _sender(self) -> Sender:
        transports: dict[str, Transport] = {WEBHOOK: HttpTransport(self._prepare)}
        if self._server is not None:
            addresses = {name: one.to for name, one in self._settings.mail.items()}
            transports[MAIL] = MailTransport(self._server, addresses)
        return Sender(self.queue, transports, self._backoff)

    def _prepare(self, message: Message, now: float) -> Request:
        hook = self._settings.webhooks.get(message.destination)
        if hook is None:
            raise NotReachable(f"no webhook is named {message.destination}; put it under [webhooks]")
        return Request(hook.url, headers(self._secrets[message.destination], message.key, int(now), message.body))


async def _pause(stop: asyncio.Event, seconds: float) -> None:
    try:
        async with asyncio.timeout(seconds):
            await stop.wait()
    except TimeoutError:
        return
