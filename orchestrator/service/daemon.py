"""`epochal orchestrator run`: the whole orchestrator."""

from __future__ import annotations

import asyncio
import logging
import signal
import time
from collections.abc import Callable
from contextlib import AsyncExitStack
from typing import Any, Final

from chain.client import RpcError
from chain.journal import TransactionJournal
from chain.network import Network
from oracle.ground.typed_data import Acceptance
from oracle.signing.signer import Signer
from orchestrator.service.asking import Asking
from orchestrator.service.chain_watch import ChainWatch
from orchestrator.service.desk import Desk
from orchestrator.service.errors import NotReady
from orchestrator.service.sending import Assignments
from orchestrator.service.server import Server
from orchestrator.service.settings import JOURNAL, STORE, OrchestratorSettings
from orchestrator.service.store import Store
from orchestrator.wire.typed_data import NodePoll

_LOG: Final = logging.getLogger("epochal.orchestrator")
_STEP_SECONDS: Final = 1.0
_STALE_LOOKS: Final = 10
"""Looks at the chain that may fail before /health says so."""


def run_orchestrator(
    settings: OrchestratorSettings,
    network: Network,
    signer: Signer,
    checkpoint: Callable[[str], None] = lambda _: None,
) -> int:
    """Run until SIGTERM or SIGINT; returns the exit code.

    UserError for what the folder holds and an address that can't be listened on; JournalBusy while another process uses
    the same folder. `checkpoint` as of `Desk` and `TransactionJournal`.
    """
    return asyncio.run(_Daemon(settings, network, signer, checkpoint).run())


class _Daemon:
    """The orchestrator while it runs. The chain is read and written in one worker thread, turn by turn."""

    def __init__(
        self, settings: OrchestratorSettings, network: Network, signer: Signer, checkpoint: Callable[[str], None]
    ) -> None:
        self.settings = settings
        self.network = network
        self.signer = signer
        self.checkpoint = checkpoint
        self.stopping = asyncio.Event()
        self.hurry = asyncio.Event()
        self.looked_at = 0.0
        self.trouble = "the chain wasn't read yet"

    async def run(self) -> int:
        """All of it."""
        loop = asyncio.get_running_loop()
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, self._stop)
        async with AsyncExitStack() as stack:
            self._open(stack)
            server = Server(self.asking, self.domain, self.hurry.set, self._health)
            stack.push_async_callback(server.stop)
            url = await server.start(*self.settings.address())
            _LOG.info("orchestrator %s listens on %s", self.signer.address, url)
            while not self.stopping.is_set():
                await asyncio.to_thread(self._turn)
                await self._pause()
            _LOG.info("stopping")
        return 0

    def _open(self, stack: AsyncExitStack) -> None:
        network, chain = self.network, self.network.chain
        self.settings.data.mkdir(parents=True, exist_ok=True)
        fees, folder = self.settings.fees(), self.settings.data
        journal = TransactionJournal(folder / JOURNAL, chain, self.signer, fees, self.checkpoint)
        stack.callback(journal.close)
        contract = network.addresses.placements
        about = {"chain": str(chain.chain_id), "Placements": contract.lower(), "key": self.signer.address}
        store = Store(folder / STORE, about)
        stack.callback(store.close)
        self.outbox = Assignments(network, journal)
        self.domain = NodePoll.domain(chain.chain_id, contract)
        desk = Desk(
            store,
            self.outbox,
            self.signer.address,
            Acceptance.domain(chain.chain_id, contract),
            self.settings.rules(),
            self.settings.poll_seconds,
            self.checkpoint,
        )
        self.desk = desk
        self.asking = Asking(desk, ChainWatch(network, self.signer.address), self.checkpoint)

    def _turn(self) -> None:
        """Read the chain when it is time to, do what follows, send what is planned."""
        now = time.time()
        try:
            if now - self.looked_at >= self.settings.look_seconds:
                self.asking.look(int(now))
                self.looked_at = now
            else:
                self.desk.advance(int(now))
            if self.outbox.step(now):
                self.looked_at = 0.0  # something changed: look at once
            self._say("")
        except (RpcError, NotReady) as error:
            self._say(str(error))

    def _say(self, trouble: str) -> None:
        if trouble != self.trouble:
            _LOG.log(logging.WARNING if trouble else logging.INFO, "%s", trouble or "the chain is read")
        self.trouble = trouble

    async def _pause(self) -> None:
        try:
            await asyncio.wait_for(self.hurry.wait(), _STEP_SECONDS)
        except TimeoutError:
            return
        finally:
            self.hurry.clear()

    def _stop(self) -> None:
        self.stopping.set()
        self.hurry.set()

    def _health(self) -> dict[str, Any]:
        snapshot = self.desk.snapshot
        late = time.time() - self.looked_at > _STALE_LOOKS * self.settings.look_seconds and bool(self.trouble)
        return {
            "ok": snapshot is not None and not late,
            "orchestrator": self.signer.address,
            "chainId": self.domain.chain_id,
            "placements": self.domain.contract,
            "block": snapshot.block.number if snapshot else None,
            "blockTime": snapshot.block.timestamp if snapshot else None,
            "jobs": len(snapshot.jobs) if snapshot else 0,
            "nodes": len(self.desk.store.nodes),
            "trouble": self.trouble,
            "transactions": list(self.outbox.troubles),
        }
