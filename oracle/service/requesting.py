"""Asking for other nodes, at work: the machine of `committee.reallocating` with a clock, peers and a journal."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Sequence
from contextlib import AsyncExitStack
from typing import Any, Final

from chain.journal.entry import Entry
from chain.journal.journal import TransactionJournal
from chain.network import Network
from oracle.committee.breach_watch import BreachWatch
from oracle.committee.effects import Effect, Note, Send, SubmitRequests
from oracle.committee.errors import Disagreement
from oracle.committee.messages import Message
from oracle.committee.placing_book import PlacingBook, Terms, placing_log
from oracle.committee.reallocating import Reallocating
from oracle.ground.breaches import Reason
from oracle.ground.reallocations import RequestTree
from oracle.service.agreeing import Agreeing
from oracle.service.attesting import Attesting
from oracle.service.chain_parts import ChainParts
from oracle.service.logs import Event, logger
from oracle.service.metrics import DaemonMetrics, Series
from oracle.service.oracle_settings import OracleSettings
from oracle.service.rehearsal import watch_class

ENTRIES_AT_ONCE: Final = 32
"""Requests in one transaction."""
GAS_BASE: Final = 400_000
GAS_EACH: Final = 220_000
"""Gas limits of a transaction of many: its signatures, and each request. It is no estimate, since one that skips
requests for want of gas goes through as well."""
_NOTES: Final = {
    "batch_proposed": "proposed",
    "batch_signed": "signed",
    "batch_refused": "refused",
    "batch_quorum": "quorum",
}
_EVENTS: Final = {str(each): each for each in Event}


class Requesting:
    """Runs the machine in the core's thread; `Agreeing` gives it the messages of its kinds."""

    def __init__(
        self,
        machine: Reallocating,
        watch: BreachWatch,
        agreeing: Agreeing,
        metrics: DaemonMetrics,
        now: Callable[[], float],
    ) -> None:
        self.machine = machine
        self.attesting: Attesting | None = None
        """Brings requests on chain; without it, others must."""
        self._watch = watch
        self._agreeing = agreeing
        self._metrics = metrics
        self._now = now
        self._told_trouble = ""

    async def tick(self) -> None:
        """What is due now. To be called several times in a slot."""
        now = self._now()
        await self._do(lambda: self.machine.tick(now))
        if self.machine.trouble != self._told_trouble:
            self._told_trouble = self.machine.trouble
            if self._told_trouble:
                logger().warning(Event.WAITING, part="requesting", reason=self._told_trouble)
        seen = [reason for _, reason in list(self.machine.known)]
        counts = {one.name.lower(): float(seen.count(one)) for one in Reason}
        self._metrics.replace(Series.BREACHES, counts)

    async def deliver(self, sender: bytes, message: Message) -> None:
        """A peer's message of the kinds that ask for other nodes. Disagreement to refuse it."""
        now = self._now()
        try:
            await self._do(lambda: self.machine.take(sender, message, now))
        except Disagreement as error:
            logger().info(Event.MESSAGE_REFUSED, peer="0x" + sender.hex(), reason=str(error))
            raise

    async def _do(self, step: Callable[[], list[Effect]]) -> None:
        agreeing = self._agreeing
        effects = await agreeing.in_core(lambda: agreeing.sealed(step()))
        until = self._now() + 2 * self.machine.slot_seconds
        for effect, envelope in effects:
            match effect:
                case Send() if envelope is not None:
                    agreeing.post(effect.to, envelope, until)
                case SubmitRequests():
                    agreeing.go(self._bring(effect))
                case Note():
                    logger().info(_EVENTS[effect.kind], epoch=effect.epoch, text=effect.text)
                    if outcome := _NOTES.get(effect.kind):
                        self._metrics.add(Series.BATCHES, outcome)

    async def _bring(self, wanted: SubmitRequests) -> None:
        assignments = [wanted.requests[place].assignment for place in wanted.places]
        terms = await self._agreeing.in_core(lambda: [self._watch.terms(one) for one in assignments])
        if self.attesting is not None:
            await asyncio.to_thread(self._plan, self.attesting, wanted, terms)

    def _plan(self, attesting: Attesting, wanted: SubmitRequests, terms: Sequence[Terms]) -> None:
        plan(attesting.journal, attesting.network, wanted, terms)
        self._metrics.add(Series.REQUESTS, amount=len(wanted.places))
        attesting.step(time.time())


def requesting_for(
    stack: AsyncExitStack,
    parts: ChainParts,
    agreeing: Agreeing,
    settings: OracleSettings,
    metrics: DaemonMetrics,
    now: Callable[[], float],
) -> Requesting | None:
    """What asks for other nodes, as the daemon's settings have it; None where the network has no such requests. The
    stack closes its file."""
    network, member = parts.network, agreeing.core.member
    if not network.addresses.reallocations:
        return None
    told = placing_log(network, settings.placing_path)
    stack.callback(told.close)
    book, stores = PlacingBook(parts.events, told), (member.store, *member.workers)
    watch = watch_class(settings.rehearsal)(network, book, parts.clock, stores)
    machine = Reallocating(member.signer, network.reallocation_domain, watch, parts.clock)
    made = Requesting(machine, watch, agreeing, metrics, now)
    agreeing.requests = made.deliver
    return made


def plan(journal: TransactionJournal, network: Network, wanted: SubmitRequests, terms: Sequence[Terms]) -> list[Entry]:
    """Plan the transactions that carry out the requests at the effect's places, with the terms of each."""
    batch = wanted.batch
    fields = (batch.committee, batch.epoch, batch.root, batch.expiry)
    tree = RequestTree(wanted.requests)
    entries = [
        (
            tree.requests[place].abi_values(),
            network.chain.w3.to_checksum_address(each.token),
            each.price,
            each.policy.abi_values(),
            each.intent,
            tree.proof(place),
        )
        for place, each in zip(wanted.places, terms, strict=True)
    ]
    calls, planned = network.reallocations.functions, []
    for start in range(0, len(entries), ENTRIES_AT_ONCE):
        some = entries[start : start + ENTRIES_AT_ONCE]
        function: Any
        if len(entries) == 1:
            function, gas = calls.request(fields, wanted.signers, wanted.signatures, some[0]), None
        else:
            function = calls.requestMany(fields, wanted.signers, wanted.signatures, some)
            gas = GAS_BASE + GAS_EACH * len(some)
        key = f"reallocate {batch.epoch} {batch.root.hex()} {batch.expiry} {start}"
        label = f"ask for {len(some)} other node{'s' * (len(some) > 1)} in epoch {batch.epoch}"
        data = function._encode_transaction_data()
        planned.append(journal.plan(key, label, network.addresses.reallocations, data, gas))
        logger().info(Event.TRANSACTION_PLANNED, epoch=batch.epoch, key=key)
    return planned
