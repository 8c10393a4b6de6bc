"""Messages on their way to peers: a short queue for each, tried again until it is no use any more."""

from __future__ import annotations

import asyncio
import logging
import random
import time
from collections import Counter, OrderedDict
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Final

from oracle.committee.messages import Envelope, Kind
from oracle.peers.client import PeerClient
from oracle.peers.errors import PeerError, PeerRefused, PeerUnreachable, WrongAnswer

_LOG = logging.getLogger("epochal.peers")
OUTCOMES: Final = ("delivered", "replaced", "dropped", "expired", "refused", "failed_attempt")
"""What becomes of messages; "failed_attempt" counts each try that a further one may follow."""

_Slot = tuple[int, int, int, int, bytes]
_STAND_BESIDE = (Kind.VOTE, Kind.REFUSAL, Kind.ENDORSEMENT, Kind.OBJECTION)


@dataclass(frozen=True, slots=True)
class OutboxLimits:
    """messages   that wait for one peer; the oldest goes when there are more
    first, longest   seconds between two attempts: they double from the first to the longest, less a random part
    """

    messages: int = 64
    first: float = 0.1
    longest: float = 2.0


@dataclass(slots=True)
class Peer:
    """How it goes with one peer. `reachable` is None until the first attempt."""

    reachable: bool | None = None
    last_error: str = ""
    outcomes: Counter[str] = field(default_factory=lambda: Counter(dict.fromkeys(OUTCOMES, 0)))
    sent_bytes: int = 0
    queued: int = 0


@dataclass(slots=True)
class _Waiting:
    envelope: bytes
    until: float


class Outbox:
    """Brings envelopes to peers, each peer at its own pace: one that is slow or gone delays no other."""

    def __init__(
        self,
        client: PeerClient,
        urls: Callable[[bytes], str | None],
        limits: OutboxLimits | None = None,
        clock: Callable[[], float] = time.time,
    ) -> None:
        """`urls` tells where a peer (20 bytes) is at present, None while nobody knows; `clock` is that of `until`."""
        self.peers: dict[bytes, Peer] = {}
        self._client = client
        self._urls = urls
        self._limits = limits or OutboxLimits()
        self._clock = clock
        self._queues: dict[bytes, OrderedDict[_Slot, _Waiting]] = {}
        self._workers: dict[bytes, asyncio.Task[None]] = {}
        self._random = random.Random()

    def post(self, to: bytes, envelope: bytes, until: float) -> None:
        """Bring an envelope to a peer, trying until `until`. To be called in the event loop; returns at once.

        It replaces one of the same kind, epoch, committee and turn that still waits: the newer one says all the older
        one did. Votes and refusals of different proposals stand beside each other, and so do endorsements of different
        batches and objections to them.
        """
        slot = _slot(Envelope.open(envelope))
        peer, queue = self._peer(to), self._queues.setdefault(to, OrderedDict())
        if queue.pop(slot, None) is not None:
            peer.outcomes["replaced"] += 1
        queue[slot] = _Waiting(envelope, until)
        if len(queue) > self._limits.messages:
            queue.popitem(last=False)
            peer.outcomes["dropped"] += 1
        peer.queued = len(queue)
        if to not in self._workers:
            self._workers[to] = asyncio.get_running_loop().create_task(self._work(to))

    async def idle(self) -> None:
        """Wait until nothing is on its way."""
        while self._workers:
            await asyncio.wait(self._workers.values())

    async def close(self) -> None:
        """Give up what is on its way."""
        workers = list(self._workers.values())
        self._queues.clear()
        for one in workers:
            one.cancel()
        await asyncio.gather(*workers, return_exceptions=True)

    def _peer(self, to: bytes) -> Peer:
        return self.peers.setdefault(to, Peer())

    async def _work(self, to: bytes) -> None:
        """Empty a peer's queue, oldest first. Ends when it is empty."""
        peer, queue = self._peer(to), self._queues[to]
        failures = 0
        try:
            while queue:
                slot, waiting = next(iter(queue.items()))
                outcome = await self._attempt(to, peer, waiting)
                if outcome == "failed_attempt":
                    failures += 1
                    peer.outcomes[outcome] += 1
                    if peer.reachable and queue.get(slot) is waiting:
                        queue.move_to_end(slot)  # it is this message that isn't taken yet: let others by
                    await asyncio.sleep(self._pause(failures, waiting.until))
                    continue
                failures = 0
                peer.outcomes[outcome] += 1
                # Another may have taken its place, or room been made, while it was under way.
                if queue.get(slot) is waiting:
                    del queue[slot]
                peer.queued = len(queue)
        finally:
            self._workers.pop(to, None)

    async def _attempt(self, to: bytes, peer: Peer, waiting: _Waiting) -> str:
        left = waiting.until - self._clock()
        if left <= 0:
            return "expired"
        url = self._urls(to)
        try:
            if url is None:
                raise PeerUnreachable(f"0x{to.hex()} has announced no endpoint")
            try:
                async with asyncio.timeout(left):
                    await self._client.push(url, waiting.envelope)
            except TimeoutError as error:
                raise PeerUnreachable(f"{url}: no answer in time") from error
        except PeerRefused as error:
            peer.reachable, peer.last_error = True, str(error)
            if not error.is_final:
                return "failed_attempt"
            _LOG.warning("a peer refused a message: %s", error)
            return "refused"
        except PeerError as error:
            if peer.reachable is not False:
                _LOG.warning("a peer can't be reached: %s", error)
            peer.reachable, peer.last_error = isinstance(error, WrongAnswer), str(error)
            return "failed_attempt"
        peer.reachable, peer.last_error = True, ""
        peer.sent_bytes += len(waiting.envelope)
        return "delivered"

    def _pause(self, failures: int, until: float) -> float:
        pause = min(self._limits.longest, self._limits.first * 2 ** min(failures - 1, 20))
        # Never beyond the end, so that what has expired makes room at once.
        return max(0.0, min(pause * self._random.uniform(0.5, 1.0), until - self._clock()))


def _slot(opened: Envelope) -> _Slot:
    about = opened.payload[:32] if opened.kind in _STAND_BESIDE else b""
    return opened.kind, opened.epoch, opened.committee, opened.turn, about
