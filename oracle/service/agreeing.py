"""The core at work: told the time and what peers bring, and what it wants done is done. One thread runs the core."""

from __future__ import annotations

import asyncio
import json
import random
from collections.abc import Awaitable, Callable, Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import AsyncExitStack
from typing import Any, Final, TypeVar

from oracle.committee.appeal import Appeal
from oracle.committee.appeal_box import BoxFull
from oracle.committee.core import Core
from oracle.committee.effects import (
    Alarm,
    Effect,
    Ended,
    FetchAppeal,
    FetchEvidence,
    FetchObservation,
    Note,
    Outcome,
    Send,
    Submit,
)
from oracle.committee.errors import Disagreement
from oracle.committee.messages import Message
from oracle.committee.reallocation_messages import ReallocationBody
from oracle.committee.round import TRANSIENT
from oracle.ground.errors import EpochalError
from oracle.peers.client import PeerClient
from oracle.peers.errors import NotNow, PeerError, Unsigned
from oracle.peers.outbox import Outbox, Peer
from oracle.service.epoch_diary import EpochDiary
from oracle.service.logs import Event, logger
from oracle.service.metrics import DaemonMetrics, Series
from oracle.service.peer_book import PeerBook
from oracle.telemetry.store.bitmaps import BitmapStore

OUTCOMES: Final = "outcomes"
"""Key of the store's state under which the last epochs' outcomes stand."""
_ALARMS: Final = {
    "disagreement": (Event.DISAGREEMENT, Series.DISAGREEMENTS),
    "wrong_report": (Event.WRONG_REPORT, Series.WRONG_REPORTS),
    "equivocation": (Event.EQUIVOCATION, Series.EQUIVOCATIONS),
}
_NOTES: Final = {str(each): each for each in Event}
_T = TypeVar("_T")


class Stopping(EpochalError):
    """Nothing more is begun: the oracle is about to end."""


class Agreeing:
    """Runs a core. It is the peers' server's desk, see `oracle.peers.desk.Desk`."""

    def __init__(
        self,
        core: Core,
        book: PeerBook,
        client: PeerClient,
        outbox: Outbox,
        metrics: DaemonMetrics,
        now: Callable[[], float],
        submit: Callable[[Submit], object],
        on_chain: Callable[[int], object],
    ) -> None:
        """`submit` brings a report on chain, `on_chain` is told the epoch of one that is there: both in a thread."""
        self.core = core
        self.book = book
        self.diary = EpochDiary(core.schedule, metrics)
        self.ended = asyncio.Event()
        """Set whenever an epoch has its outcome."""
        self.executor = ThreadPoolExecutor(1, "core")
        self._client = client
        self._outbox = outbox
        self._metrics = metrics
        self._now = now
        self._submit = submit
        self._on_chain = on_chain
        self._tasks: set[asyncio.Task[None]] = set()
        self._random = random.Random()
        self._told_waiting = ""
        self._stopping = False
        self.trouble = ""
        """Why the agreement doesn't go on, in a line; "" while all is as it should be."""
        self.refused_requests: Mapping[str, int] = {}
        """What the peers' server turned away, by reason."""
        self._generation: int | None = None
        self.requests: Callable[[bytes, Message], Awaitable[None]] | None = None
        """Takes messages of the kinds that ask for other nodes; without it they are passed over."""

    @property
    def _store(self) -> BitmapStore:
        return self.core.member.store

    # Time.

    async def start(self, stack: AsyncExitStack) -> None:
        """Be stopped with the stack, before what this stands on."""
        stack.push_async_callback(self.stop)

    async def tick(self) -> None:
        """What is due now. To be called several times in each part of a round."""
        now = self._now()
        await self._do(lambda: self.core.tick(now))
        waiting = self.core.waiting
        self.trouble = waiting if self.core.failing else ""
        if waiting != self._told_waiting:
            logger().debug(Event.WAITING, reason=waiting)
            self._told_waiting = waiting
        self._measure()

    async def in_core(self, step: Callable[[], _T]) -> _T:
        """Run something in the core's thread, which has the chain and the store to itself. Stopping, at the end."""
        if self._stopping:
            raise Stopping("the oracle is stopping")
        return await asyncio.get_running_loop().run_in_executor(self.executor, step)

    async def stop(self) -> None:
        """Give up what is under way, but let the core end what it is at; nothing durable is lost by that."""
        self._stopping = True
        for task in list(self._tasks):
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        await asyncio.to_thread(self.executor.shutdown)

    # The desk.

    async def is_member(self, address: bytes) -> bool:
        """See Desk."""
        return self.book.is_member(address)

    async def deliver(self, sender: bytes, message: Message) -> None:
        """See Desk."""
        self._metrics.add(Series.MESSAGES_RECEIVED, message.body.KIND.name.lower())
        if isinstance(message.body, ReallocationBody):
            if self.requests is not None:
                await self.requests(sender, message)
            return
        now = self._now()
        try:
            await self._do(lambda: self.core.take(sender, message, now))
        except Disagreement as error:
            logger().info(Event.MESSAGE_REFUSED, peer="0x" + sender.hex(), reason=str(error))
            raise

    async def observation(self, epoch: int, content_hash: bytes) -> bytes | None:
        """See Desk."""
        found = self.core.member.pool.content(epoch, content_hash)
        return found.content + found.signature if found else None

    async def appeal(self, key: bytes) -> bytes | None:
        """See Desk."""
        found = self.core.member.appeals.get(key)
        return found.encode() if found else None

    async def evidence(self, key: bytes) -> bytes | None:
        """See Desk."""
        return await asyncio.to_thread(self.core.member.evidence_by_hash, key)

    async def evidence_size(self, key: bytes) -> int | None:
        """See Desk."""
        return await asyncio.to_thread(self.core.member.evidence_size, key)

    def is_current(self, epoch: int) -> bool:
        """See Desk."""
        round_ = self.core.round
        return epoch >= (round_.epoch if round_ is not None else self.core.last_final + 1)

    async def hand_in(self, appeal: bytes) -> str:
        """See Desk."""
        now = self._now()
        try:
            read = await asyncio.to_thread(Appeal.decode, appeal)
            if not await self.in_core(lambda: self.core.member.is_signed(read)):
                raise Unsigned("its first receipt is signed by no oracle of that epoch's committee")
            await self._do(lambda: self.core.take_appeal(read, now))
        except BoxFull as error:
            raise NotNow(str(error)) from error
        except TRANSIENT as error:
            raise NotNow(f"it can't be judged now: {error}") from error
        except EpochalError as error:
            self._metrics.add(Series.APPEALS, "refused")
            logger().info(Event.APPEAL_REFUSED, reason=str(error))
            raise
        self._metrics.add(Series.APPEALS, "taken")
        logger().info(Event.APPEAL_RECEIVED, node="0x" + read.node.hex(), epoch=read.epoch)
        return "0x" + read.hash.hex()

    async def reports(self) -> list[dict[str, Any]]:
        """See Desk."""
        return [
            {"epoch": one.epoch, "outcome": one.kind, "detail": one.detail, "times": self.diary.times(one.epoch)}
            for one in self.core.outcomes
        ]

    async def equivocations(self) -> list[dict[str, Any]]:
        """See Desk."""
        found = await self.in_core(lambda: list(self.core.member.pool.equivocations))
        return [one.as_json() for one in found]

    # What the core wants done.

    async def _do(self, step: Callable[[], list[Effect]]) -> None:
        began = self._now()
        effects = await self.in_core(lambda: self.sealed(step()))
        for effect, envelope in effects:
            try:
                await self._carry_out(effect, envelope, began)
            except Stopping:
                raise
            except EpochalError as error:
                # The others are carried out all the same.
                logger().error(Event.NOTE, part="agreeing", text=f"{type(effect).__name__} failed: {error}")

    async def _carry_out(self, effect: Effect, envelope: bytes | None, began: float) -> None:
        until = self._now() + 2 * self.core.schedule.part
        match effect:
            case Send() if envelope is not None:
                self.post(effect.to, envelope, until)
            case FetchObservation():
                self.go(self._fetch_observation(effect))
            case FetchAppeal():
                self.go(self._fetch_appeal(effect))
            case FetchEvidence():
                self.go(self._fetch_evidence(effect))
            case Submit():
                self.go(self._bring(effect))
            case Ended():
                await self._end(effect.outcome)
            case Alarm():
                event, series = _ALARMS[effect.kind]
                logger().error(event, epoch=effect.epoch, text=effect.text)
                self._metrics.add(series)
            case Note():
                # The step that begins a round goes on to look at the whole network: that is its next phase.
                self.diary.note(effect.kind, effect.epoch, began if effect.kind == "round_begun" else self._now())
                logger().info(_NOTES[effect.kind], epoch=effect.epoch, text=effect.text)

    def post(self, to: Iterable[bytes], envelope: bytes, until: float) -> None:
        """Have an envelope brought to peers, until that time at most."""
        for peer in to:
            self._outbox.post(peer, envelope, until)

    def sealed(self, effects: list[Effect]) -> list[tuple[Effect, bytes | None]]:
        """Each effect, a message with its envelope: signing may ask another machine, so it is done in the thread.

        A message that can't be signed now is left out: what it says is said again in the next turn.
        """
        return [(one, self._envelope(one.message) if isinstance(one, Send) else None) for one in effects]

    def _envelope(self, message: Message) -> bytes | None:
        member = self.core.member
        try:
            return message.seal(member.signer, member.domain)
        except EpochalError as error:
            logger().warning(Event.NOTE, part="agreeing", text=f"a message isn't sent, it can't be signed: {error}")
            return None

    def go(self, work: Any) -> None:
        """Have a coroutine run on its own, until it is done or the oracle stops."""
        task = asyncio.get_running_loop().create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._done)

    def _done(self, task: asyncio.Task[None]) -> None:
        self._tasks.discard(task)
        if not task.cancelled() and (error := task.exception()) is not None:
            self._metrics.add(Series.BUGS)
            logger().error(Event.BUG, exc_info=error)

    async def _fetch_observation(self, wanted: FetchObservation) -> None:
        ref = wanted.ref
        try:
            content = await self._client.observation(self._url(wanted.peer), ref.epoch, ref.content_hash)
            await self._do(lambda: self.core.take_content(ref, content, self._now()))
        except EpochalError as error:
            self._failed(wanted.peer, "observation", error)
        await self._do(lambda: self.core.answered(wanted.peer, ref.content_hash))

    async def _fetch_appeal(self, wanted: FetchAppeal) -> None:
        try:
            raw = await self._client.appeal(self._url(wanted.peer), wanted.hash)
            appeal = await asyncio.to_thread(Appeal.decode, raw)
            await self._do(lambda: self.core.take_appeal(appeal, self._now()))
        except EpochalError as error:
            self._failed(wanted.peer, "appeal", error)
        await self._do(lambda: self.core.answered(wanted.peer, wanted.hash))

    def _failed(self, peer: bytes, what: str, error: EpochalError) -> None:
        logger().info(Event.OBSERVATION_REFUSED, peer="0x" + peer.hex(), what=what, reason=str(error))

    async def _fetch_evidence(self, wanted: FetchEvidence) -> None:
        report = wanted.report
        peers = self.book.others(self.core.member.address)
        self._random.shuffle(peers)
        reasons: list[str] = []
        # Two at a time: one that sends slowly, to hold us up, holds up nobody.
        waiting, asked = list(peers), set[asyncio.Task[bytes]]()
        try:
            while waiting or asked:
                while waiting and len(asked) < 2:
                    asked.add(asyncio.create_task(self._client.evidence(self._url(waiting.pop()), report.evidence)))
                done, asked = await asyncio.wait(asked, return_when=asyncio.FIRST_COMPLETED)
                for task in done:
                    error = task.exception()
                    if error is None:
                        evidence = task.result()
                        await self._do(lambda got=evidence: self.core.take_evidence(report, got, self._now()))  # type: ignore[misc]
                        return
                    if not isinstance(error, PeerError):
                        raise error
                    reasons.append(str(error))
        finally:
            for task in asked:
                task.cancel()
        self._metrics.add(Series.EVIDENCE_MISSING)
        logger().warning(Event.EVIDENCE_MISSING, epoch=report.epoch, reason="; ".join(reasons) or "no peer is known")

    async def _bring(self, wanted: Submit) -> None:
        self.diary.note("submitted", wanted.report.epoch, self._now())
        await asyncio.to_thread(self._submit, wanted)

    async def _end(self, outcome: Outcome) -> None:
        told = [[one.epoch, one.kind, one.detail] for one in self.core.outcomes]
        await self.in_core(lambda: self._store.put_state(OUTCOMES, json.dumps(told).encode()))
        self.diary.note(outcome.kind, outcome.epoch, self._now())
        self._metrics.add(Series.ROUNDS, outcome.kind)
        if outcome.kind == "attested":
            logger().info(Event.ATTESTED, epoch=outcome.epoch, text=outcome.detail)
            await asyncio.to_thread(self._on_chain, outcome.epoch)
        else:
            event = Event.EPOCH_FAILED if outcome.kind == "failed" else Event.REPORT_DROPPED
            logger().warning(event, epoch=outcome.epoch, reason=outcome.detail)
        self.ended.set()

    def _url(self, peer: bytes) -> str:
        url = self.book.url(peer)
        if url is None:
            raise PeerError(f"0x{peer.hex()} has announced no endpoint")
        return url

    @property
    def client(self) -> PeerClient:
        """What asks peers."""
        return self._client

    @property
    def peers(self) -> Mapping[bytes, Peer]:
        """How it goes with each peer."""
        return self._outbox.peers

    def measure_events(self) -> None:
        """What the log of events tells."""
        events = self.core.member.reader.events
        head, generation = events.head, events.generation
        if head is not None:
            self._metrics.set(Series.EVENT_LOG_BLOCK, head.number)
            self._metrics.set(Series.FINALIZED_TIME, head.timestamp)
        if self._generation is not None and generation > self._generation:
            self._metrics.add(Series.REORGS, amount=generation - self._generation)
            logger().error(Event.REORG, generation=generation)
        self._generation = generation

    def _measure(self) -> None:
        core, metrics = self.core, self._metrics
        metrics.set(Series.EPOCH_DUE, core.schedule.due(self._now()))
        round_ = core.round
        if round_ is not None:
            pool = core.member.pool
            metrics.set(Series.OBSERVATIONS_RECEIVED, len(pool.of(round_.epoch, round_.committee.version)))
            metrics.set(Series.VOTES_RECEIVED, max((len(one) for one in round_.votes.values()), default=0))
        for direction, name in (("out", "sent"), ("in", "received")):
            metrics.set(Series.PEER_BYTES, self._client.bytes[direction], name)
        peers = {("0x" + each.hex()): one for each, one in self._outbox.peers.items()}
        metrics.replace(Series.PEER_REACHABLE, {each: float(bool(one.reachable)) for each, one in peers.items()})
        metrics.set(Series.PEERS_REACHABLE, sum(bool(one.reachable) for one in peers.values()))
        metrics.replace(Series.MESSAGES_REFUSED, {each: float(count) for each, count in self.refused_requests.items()})
        metrics.set(Series.LAST_FINAL_EPOCH, core.last_final)
        if self.diary.times(core.last_final).get("attested"):
            self.diary.note("final", core.last_final, self._now())


def kept_outcomes(store: BitmapStore) -> list[Outcome]:
    """The outcomes that an earlier run of this oracle kept."""
    raw = store.get_state(OUTCOMES)
    return [Outcome(epoch, kind, detail) for epoch, kind, detail in json.loads(raw)] if raw else []
