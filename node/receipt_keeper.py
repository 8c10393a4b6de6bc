"""Asks one oracle for its receipts, holds them against what it acknowledged, and keeps them."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Callable, Mapping

from node.answers import Acknowledged, Terms, hexadecimal_text, read_refusal
from node.errors import LinkError
from node.receipt_plan import ReceiptPlan
from node.receipts import ReceiptFolder, WrongReceipt, read_receipt
from node.transport import Transport
from oracle.ground.typed_data import Domain
from oracle.telemetry.wire.workloads import Health

LAST_WORD = 2.0
"""Seconds that the receipts of a stopping agent may take."""
MOST_WORKERS = 4
"""Questions about one epoch in that time, while something is lacking."""
_SHOWN = 10


class ReceiptKeeper:
    """The receipts of one oracle for one node. `tell` gets each line; `folder` None: checked and not kept."""

    def __init__(
        self,
        transport: Transport,
        node: str,
        domain: Domain,
        folder: ReceiptFolder | None,
        tell: Callable[[str], None],
    ) -> None:
        self.plan = ReceiptPlan()
        self._transport = transport
        self._node = node.lower()
        self._domain = domain
        self._folder = folder
        self._tell = tell
        self._terms: Terms | None = None

    def acknowledged(self, terms: Terms, heard: Acknowledged, reported: Mapping[int, Health]) -> None:
        """The oracle took a heartbeat; see `oracle_link.Listener`."""
        known = self._terms
        if known is None or (known.oracle, known.rhythm) != (terms.oracle, terms.rhythm):
            self.plan = ReceiptPlan()
            self._resume(terms)
        self._terms = terms
        self.plan.acknowledged(terms, heard.epoch, heard.tick, terms.now())

    async def run(self) -> None:
        """Ask for what is due until cancelled. Failures of the oracle and of the disk are said, never raised."""
        while True:
            terms = self._terms
            # Well within a tick, so that the plan's times hold; in seconds, a receipt is never urgent.
            await asyncio.sleep(min(5.0, max(0.1, (terms.tick if terms else 1.0) / 2)) * random.uniform(0.5, 1.0))
            if terms is None:
                continue
            epoch = self.plan.next_due(terms, terms.now())
            if epoch is not None:
                await self._ask(terms, epoch)

    async def last_word(self) -> None:
        """Ask for the receipts of all epochs under way once more: the agent stops."""
        if self._folder is None or self._terms is None:
            return
        for epoch, count in list(self.plan.counts.items()):
            for _ in range(MOST_WORKERS):
                if epoch in self.plan.counts and count.acknowledged & ~count.held:
                    await self._ask(self._terms, epoch)

    async def _ask(self, terms: Terms, epoch: int) -> None:
        plan = self.plan  # another oracle at this URL gets a plan of its own meanwhile
        count = plan.counts[epoch]
        expected = count.acknowledged  # what is acknowledged while the receipt is on its way may not be in it
        try:
            raw = await self._fetch(epoch)
            if raw is None and not count.held:
                raise LinkError("it has none")
            # None: a worker to which nothing of this node came, where others gave receipts.
            bits = read_receipt(raw, terms.oracle, self._node, epoch, self._domain).bits if raw is not None else 0
        except (LinkError, WrongReceipt) as error:
            if isinstance(error, WrongReceipt):
                self._tell(f"RECEIPT of epoch {epoch} IS WRONG: {error}")
            if not plan.failed(terms, epoch, terms.now()):
                if count.held:
                    self._close(plan, terms, epoch, count.acknowledged & ~count.held)
                    return
                seen = count.acknowledged.bit_count()
                self._tell(f"NO RECEIPT for epoch {epoch}, in which it acknowledged {seen:,} ticks: {error}")
                plan.forget(epoch)
            return
        if raw is not None:
            await self._keep(raw, terms.oracle, epoch)
        lacking = plan.received(terms, epoch, bits, expected, terms.now())
        if lacking is not None:
            self._close(plan, terms, epoch, lacking)

    async def _fetch(self, epoch: int) -> bytes | None:
        """The receipt as it travels, or None if whoever answered has none. LinkError."""
        status, answer = await self._transport.receipt(self._node, epoch)
        if status == 404:
            return None
        if status != 200:
            raise LinkError(f"it refuses: {read_refusal(status, answer).cure}")
        return hexadecimal_text(answer.get("receipt"), "receipt")

    def _close(self, plan: ReceiptPlan, terms: Terms, epoch: int, lacking: int) -> None:
        """The last word on an epoch, of which no receipt holds the `lacking` ticks."""
        count = plan.counts[epoch]
        if lacking:
            self._tell(
                f"RECEIPT LACKS {lacking.bit_count():,} of {count.acknowledged.bit_count():,} ticks "
                f"that it acknowledged in epoch {epoch}: {_ticks(lacking)}"
            )
        seen = count.held.bit_count()
        self._tell(f"epoch {epoch}: oracle {terms.oracle} saw {seen:,} of {terms.ticks_per_epoch:,} ticks")
        plan.forget(epoch)

    async def _keep(self, raw: bytes, oracle: str, epoch: int) -> None:
        if self._folder is None:
            return
        try:
            await asyncio.to_thread(self._folder.keep, raw, oracle, epoch)
        except OSError as error:
            self._tell(f"the receipt of epoch {epoch} could not be kept: {error}")

    def _resume(self, terms: Terms) -> None:
        """Take up what was kept of this epoch and the one before by the process before."""
        if self._folder is None:
            return
        present = terms.epoch_at(terms.now())
        for epoch in range(max(0, present - 1), present + 1):
            held = self._folder.bits(terms.oracle, epoch)
            if held:
                self.plan.resume(terms, epoch, held, terms.now())


def _ticks(mask: int) -> str:
    """The first few ticks of a mask."""
    found: list[int] = []
    while mask and len(found) <= _SHOWN:
        lowest = mask & -mask
        found.append(lowest.bit_length() - 1)
        mask ^= lowest
    return ", ".join(map(str, found[:_SHOWN])) + (" …" if len(found) > _SHOWN else "")
