"""Whatever is planned ends in exactly one settled transaction, whenever the process dies and whatever the chain does.

Nothing is done before it is written down: a transaction is signed with a nonce, kept, and only then sent. All attempts
at one entry have one nonce, of which a chain takes one. So it is always safe to send again.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

from chain.client import Chain
from chain.journal.entry import Entry, JournalStatus, State
from chain.journal.fees import FeeLimits
from chain.journal.node import Node
from chain.journal.pursuit import Pursuit
from chain.journal.records import Records
from chain.journal.signing import CANCEL_GAS
from oracle.ground.address import checksummed, raw_address
from oracle.ground.errors import InvalidValue
from oracle.signing.signer import Signer


class TransactionJournal:
    """The transactions of one key on one chain, in the file at `path`. The key's nonces are the journal's alone.

    `checkpoint` is called with the name of each step of the way, for tests that end the process there: planned,
    estimated, signed, persisted, sent, recorded, receipt, mined, finalized, settled, and replacing, replaced, reorged,
    freed. JournalUnusable for the file of another chain or key, JournalBusy while another process holds it. `plan`,
    `cancel` and the queries may be called while `step` runs in another thread.
    """

    def __init__(
        self,
        path: Path,
        chain: Chain,
        wallet_signer: Signer,
        limits: FeeLimits,
        checkpoint: Callable[[str], None] = lambda _: None,
    ) -> None:
        self.address = wallet_signer.address
        self.limits = limits
        self._signer = wallet_signer
        self._node = Node(chain, self.address)
        self._checkpoint = checkpoint
        # The genesis tells local chains apart, which share an id.
        about = {"chain": f"{chain.chain_id} of genesis {chain.block(0).hash}", "key": self.address}
        self._records = Records(path, about)
        self._turn = threading.Lock()
        self._status = JournalStatus(self._records.counts(), foreign_nonces=self._records.foreign_nonces())

    def plan(self, key: str, label: str, to: str, data: str, gas: int | None = None) -> Entry:
        """Write down what is wanted: a call of `to` (0x address) with `data` (0x hex), without value.

        The first plan under a key stands, and is returned for each later one. `gas` is the limit; without it, it is
        estimated. InvalidValue for what can't be a transaction.
        """
        try:
            data = "0x" + bytes.fromhex(data.removeprefix("0x")).hex()
        except ValueError as error:
            raise InvalidValue(f"{label}: the data is no hex: give 0x and two digits a byte") from error
        if gas is not None and gas < CANCEL_GAS:
            raise InvalidValue(f"{label}: gas is {gas}: give at least {CANCEL_GAS}")
        entry = self._records.add(key, label, checksummed(raw_address(to)), data, gas)
        self._checkpoint("planned")
        return entry

    def again(self, key: str) -> Entry | None:
        """Plan once more what was refused, or dropped before it was sent; None for anything else."""
        entry = self._records.find(key)
        if entry is None or entry.nonce is not None or entry.state not in (State.REFUSED, State.DROPPED):
            return None
        planned = replace(entry, state=State.PLANNED, reason="")
        return planned if self._records.put(planned, entry.state) else None

    def cancel(self, key: str) -> bool:
        """Drop what is no longer wanted; False if it is signed or settled already: it may be on its way."""
        entry = self._records.find(key)
        if entry is None or entry.state is not State.PLANNED:
            return False
        return self._records.put(replace(entry, state=State.DROPPED, reason="no longer wanted"), State.PLANNED)

    def entry(self, key: str) -> Entry | None:
        """The entry of a key."""
        return self._records.find(key)

    def pending(self) -> list[Entry]:
        """What isn't settled, in the order of nonces and then of planning."""
        return self._records.open()

    def balance(self) -> int:
        """What the key has for gas, in wei. RpcError."""
        return self._node.look(()).balance

    @property
    def status(self) -> JournalStatus:
        """As of the last step."""
        return self._status

    def close(self) -> None:
        """Let another process have the file."""
        with self._turn:
            self._records.close()

    def __enter__(self) -> TransactionJournal:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def step(self, now: float) -> list[Entry]:
        """Do what is due at `now` (UNIX seconds), and return the entries that changed. To be called every few seconds.

        RpcError when the chain doesn't tell where things stand: nothing is lost, call again.
        """
        with self._turn:
            pursuit = Pursuit(self._records, self._node, self._signer, self.limits, self._checkpoint, now)
            pursuit.run()
            self._status = self._told(pursuit)
            return list(pursuit.changed.values())

    def _told(self, pursuit: Pursuit) -> JournalStatus:
        balance, foreign = pursuit.look.balance, self._records.foreign_nonces()
        low = balance < self.limits.min_balance_wei
        troubles = [f"{one.label} ({one.key}): {one.reason}" for one in self._records.open() if one.reason]
        troubles += filter(None, (pursuit.gap, pursuit.look.trouble))
        if low:
            troubles.append(f"{self.address} has {balance} wei, less than {self.limits.min_balance_wei}: fill it")
        if foreign:
            troubles.append(f"{foreign} nonces of {self.address} were used by others: nothing else may use this key")
        return JournalStatus(
            self._records.counts(), pursuit.stuck, pursuit.above_ceiling, balance, low, foreign, tuple(troubles)
        )
