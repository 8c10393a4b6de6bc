"""Brings requests for another node to the orchestrators of their jobs. What the chain says wins over what HTTP says."""

from __future__ import annotations

import asyncio
import logging
import threading
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from chain.client import RpcError
from chain.endpoints import EndpointsDisagree
from chain.events import ChainUnsettled
from chain.network import Network
from delivery.http import HttpTransport, NotReachable, Request
from delivery.message import Draft, Message, State
from delivery.queue import Queue
from delivery.rules import Backoff
from delivery.sender import Sender
from oracle.ground.address import raw_address
from oracle.ground.errors import InvalidValue
from settlement.reallocations.reading import Requests
from settlement.reallocations.requests import PATH, Standing, body_of, is_wanted, judge

CHANNEL: Final = "orchestrator"
QUEUE_FILE: Final = "deliveries.sqlite"
EVENTS_FILE: Final = "requests.sqlite"
TRANSIENT: Final = (RpcError, ChainUnsettled, EndpointsDisagree)
"""Errors of the chain after which one looks again."""
_BACKOFF: Final = Backoff(first=1.0, factor=2.0, longest=60.0)
_REOPENED_SECONDS: Final = 86_400
"""For how long an orchestrator is told of a slot that its CSP reopened, which has no deadline."""
_LOG = logging.getLogger(__name__)


def parse_orchestrators(given: Sequence[str]) -> dict[str, str]:
    """Base URLs by lower-case address, from "0xADDR=URL" texts. InvalidValue with the cure."""
    found: dict[str, str] = {}
    for one in given:
        address, equals, url = one.partition("=")
        if not equals:
            raise InvalidValue(f"--orchestrator is {one!r}: give ADDRESS=URL, such as 0x…=http://127.0.0.1:8800")
        found |= orchestrators_of({address.strip(): url.strip()}, "--orchestrator")
    return found


def orchestrators_of(given: Mapping[str, str], where: str) -> dict[str, str]:
    """The same, from a table of addresses and URLs; `where` begins messages."""
    found: dict[str, str] = {}
    for address, url in given.items():
        try:
            key = "0x" + raw_address(address).hex()
        except InvalidValue as error:
            raise InvalidValue(f"{where}: {error}") from error
        if not url.startswith(("http://", "https://")) or not url.isprintable() or len(url) > 500 or " " in url:
            raise InvalidValue(f"{where}: {address} is at {url[:80]!r}; give a URL such as http://127.0.0.1:8800")
        found[key] = url.rstrip("/")
    return found


@dataclass(frozen=True, slots=True)
class Brought:
    """What one look came to: requests on the chain, deliveries put into the queue and taken out of it."""

    requests: list[Standing]
    added: int
    withdrawn: int


class Bringer:
    """Keeps a queue of deliveries in step with the chain, and sends them.

    `folder` holds the queue and the finalized events; SenderRunning (from `run` and `step`) when another process
    delivers from it. Orchestrators are base URLs by lower-case address; those of others aren't told of anything.
    """

    def __init__(self, network: Network, orchestrators: Mapping[str, str], folder: Path) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self._network = network
        self._urls = dict(orchestrators)
        self._requests = Requests(network, folder / EVENTS_FILE)
        self.queue = Queue(folder / QUEUE_FILE)
        self._unknown: set[str] = set()
        self._stepping = threading.Lock()

    def close(self) -> None:
        """Close the files."""
        self.queue.close()
        self._requests.close()

    def look(self) -> Brought:
        """Put into the queue what orchestrators must hear of, and take out what they needn't: what another node
        answered, what is forfeited, and what a reorganisation took away. RpcError, ChainUnsettled: look again later."""
        newest, standings = self._requests.look()
        wanted = {one.request.key: one for one in standings if is_wanted(one, newest.timestamp)}
        waiting = self.queue.keys(State.WAITING)
        gone = waiting - set(wanted)
        of_chain = {one.request.key: one for one in standings}
        withdrawn = 0
        for key in sorted(gone):
            why = f"the chain says: {of_chain[key].state}" if key in of_chain else "the chain doesn't know it any more"
            withdrawn += self.queue.withdraw([key], why)
        added = sum(self._put(one, newest.timestamp) for key, one in sorted(wanted.items()) if key not in waiting)
        return Brought(standings, added, withdrawn)

    def step(self) -> Brought:
        """Look, then try what is due: what a keeper does every few seconds. Safe in several threads."""
        with self._stepping:
            brought = self.look()
            asyncio.run(self._send_once())
            return brought

    async def run(self, stop: asyncio.Event, every: float = 2.0) -> None:
        """Look every so many seconds and send all the time, until `stop` is set. A look that fails is made again."""
        sender = self._sender()
        sending = asyncio.create_task(sender.run(stop))
        try:
            while not stop.is_set() and not sending.done():
                await self._try_to_look()
                waiting = asyncio.create_task(stop.wait())
                await asyncio.wait({waiting, sending}, timeout=every, return_when=asyncio.FIRST_COMPLETED)
                waiting.cancel()
        finally:
            stop.set()
            try:
                await sending
            finally:
                await sender.close()

    async def _try_to_look(self) -> None:
        try:
            await asyncio.to_thread(self.look)
        except TRANSIENT as error:
            _LOG.warning("the chain can't be read now: %s", error)

    async def _send_once(self) -> None:
        sender = self._sender()
        try:
            await sender.once()
        finally:
            await sender.close()

    def _sender(self) -> Sender:
        return Sender(self.queue, {CHANNEL: HttpTransport(self._prepare, judge)}, _BACKOFF)

    def _put(self, standing: Standing, now: int) -> bool:
        one, orchestrator = standing.request, standing.orchestrator
        if orchestrator not in self._urls:
            if orchestrator not in self._unknown:
                self._unknown.add(orchestrator)
                _LOG.warning(
                    "job %d's orchestrator %s isn't told that slot %d needs another node: nothing says where it is; "
                    "give --orchestrator %s=URL, unless somebody else tells it",
                    *(one.job, orchestrator, one.slot, orchestrator),
                )
            return False
        body = body_of(one, self._network.chain.chain_id, self._network.addresses.reallocations)
        label = f"job {one.job} slot {one.slot}"
        deadline = min(standing.deadline, now + _REOPENED_SECONDS) if standing.deadline > one.deadline else one.deadline
        if self.queue.put(Draft(one.key, CHANNEL, orchestrator, label, body, deadline)):
            return True
        known = self.queue.find(one.key)
        if known is None or known.state is not State.DEAD or known.deadline > now:
            return False
        self.queue.resend(one.key, deadline)  # its CSP reopened the slot
        return True

    def _prepare(self, message: Message, _: float) -> Request:
        url = self._urls.get(message.destination)
        if url is None:
            raise NotReachable(f"nothing says where {message.destination} is; give --orchestrator ADDRESS=URL")
        return Request(url + PATH, {})
