"""From a plan to mined transactions, exactly once: shown, tried, confirmed, sent through a journal, waited for.

What was confirmed is written down before anything of it is sent. A command that is run again after it was broken off,
at whatever point, finds what was begun for the same wish and goes on with it: it pays neither twice nor otherwise than
was confirmed. Only when its end was told is it forgotten; the same command is then a new wish.
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

from web3.types import TxReceipt

from chain.errors import ContractReverted
from chain.journal.entry import Entry, State
from chain.journal.fees import FeeLimits
from chain.journal.journal import TransactionJournal
from chain.network import Network
from operations.plans import Cost, Outcome, Plan, Tried
from operations.refusals import Refused, explained
from operations.simulating import cost_of, try_calls
from operations.unfinished import Unfinished, UnfinishedOperations
from oracle.ground import amounts, times
from oracle.ground.errors import EpochalError, UserError
from oracle.ground.keccak import keccak256
from oracle.signing.signer import Signer

_SHORTEST_WAIT: Final = 0.03
_LONGEST_WAIT: Final = 0.5
"""Seconds between looks at the chain: few at first, for chains that mine at once, then ever more."""


class NotConfirmed(UserError):
    """Nobody said yes, so nothing was sent."""


class NoGasMoney(UserError):
    """The key has too little of the chain's coin to pay for gas."""


class KeyInUse(UserError):
    """Other transactions of the key are waiting, which these would replace or wait behind."""


class NotMinedYet(EpochalError):
    """It was sent, or waits to be, and isn't in a block. Running the command again goes on with it."""


class Failed(EpochalError):
    """A transaction was mined and reverted: gas was spent, nothing else happened."""


def _say_nothing(_: str) -> None:
    """For callers who show nothing."""


@dataclass(frozen=True, slots=True)
class Manner:
    """How operations are carried out.

    state        folder of journals and of what is unfinished; made when it is missing
    dry_run      try and tell, send nothing
    confirm      asked with a question before money moves; NotConfirmed unless it says yes. None: nobody asks
    say          shows a line to a person
    patience     seconds to wait for a transaction to be mined
    """

    state: Path
    dry_run: bool = False
    confirm: Callable[[str], bool] | None = None
    say: Callable[[str], None] = _say_nothing
    limits: FeeLimits = field(default_factory=FeeLimits)
    patience: float = 600.0
    checkpoint: Callable[[str], None] = _say_nothing
    """As for `TransactionJournal`; besides: confirmed, begun, done, told."""


class Sending:
    """One key's operations on one network."""

    def __init__(self, network: Network, signer: Signer, manner: Manner) -> None:
        self.network = network
        self.signer = signer
        self.address = signer.address
        self.dry_run = manner.dry_run
        self._chain = network.chain
        self._manner = manner

    def run(self, wish: Mapping[str, Any], build: Callable[[], Plan], tell: Callable[[Outcome], None]) -> Outcome:
        """Carry out what `build` plans, and have the outcome told.

        `wish` says what the user asked for, as JSON values, without anything that differs between two runs of the same
        command line (no clock, no chain state): by it an unfinished run is recognised, and gone on with, in which case
        `build` isn't called. `tell` shows the outcome; when it returns, the wish is fulfilled and forgotten. A plan
        without calls is told as it is. Errors: Refused, NotConfirmed, NoGasMoney, KeyInUse, NotMinedYet, Failed,
        RpcError, JournalBusy while another command uses the key.
        """
        asked = keccak256(json.dumps(wish, sort_keys=True).encode()).hex()
        if self._manner.dry_run:
            # Nothing is opened: a dry run needs no folder, and disturbs no command that is at work.
            outcome = self._rehearse(build())
            tell(outcome)
            return outcome
        name = self._files()
        with TransactionJournal(
            name.with_suffix(".journal"), self._chain, self.signer, self._manner.limits, self._manner.checkpoint
        ) as journal:
            records = UnfinishedOperations(name.with_suffix(".json"))
            self._tidy(journal, records, asked)
            begun = records.find(asked)
            if begun is not None:
                self._manner.say(f"going on with what was begun {times.show_time(begun.begun)}: {begun.plan.title}")
                try:
                    outcome = self._carry_out(journal, records, asked, begun, (), None, True)
                except Refused as error:  # nothing of this step was sent: too late for it, say
                    self._manner.say(f"that can't be done any more ({error}); beginning anew")
                    outcome = self._start(journal, records, asked, build())
            else:
                outcome = self._start(journal, records, asked, build())
            self._manner.checkpoint("done")
            tell(outcome)
            self._manner.checkpoint("told")
            records.end(asked)
            return outcome

    def _rehearse(self, plan: Plan) -> Outcome:
        tried, cost = self._try(plan)
        self._show(plan, tried, cost)
        if plan.calls:
            self._manner.say("dry run: nothing was sent")
        return Outcome(plan, tried, cost, dry_run=True)

    def _start(self, journal: TransactionJournal, records: UnfinishedOperations, asked: str, plan: Plan) -> Outcome:
        if not plan.calls:
            self._show(plan, (), None)
            return Outcome(plan)
        tried, cost = self._try(plan)
        self._show(plan, tried, cost)
        self._check_key(cost)
        if plan.moves_money and self._manner.confirm is not None and not self._manner.confirm(f"{plan.title}?"):
            raise NotConfirmed(f"{plan.title}: not confirmed, nothing was sent")
        self._manner.checkpoint("confirmed")
        begun = records.begin(asked, plan, int(time.time()))
        self._manner.checkpoint("begun")
        return self._carry_out(journal, records, asked, begun, tried, cost, False)

    def _try(self, plan: Plan) -> tuple[tuple[Tried, ...], Cost | None]:
        try:
            tried = try_calls(self._chain, self.address, plan.calls)
        except ContractReverted as error:
            raise explained(self.network, error) from error
        return tried, cost_of(self._chain, self.address, tried, self._manner.limits) if tried else None

    def _show(self, plan: Plan, tried: tuple[Tried, ...], cost: Cost | None) -> None:
        say = self._manner.say
        say(f"{plan.title}, with the key {self.address} on chain {self._chain.chain_id}:" if plan.calls else plan.title)
        width = max((len(name) for name, _ in plan.facts), default=0)
        for name, value in plan.facts:
            say(f"  {name.ljust(width)}  {value}")
        for place, one in enumerate(tried, 1):
            gas = f"{one.gas:,} gas" if one.gas is not None else "gas is known when the one before it is mined"
            say(f"  {place}. {one.label}  ({gas})")
        if cost is not None:
            say(f"  gas: {cost}")

    def _check_key(self, cost: Cost | None) -> None:
        counts = [
            int(one, 16)
            for one in self._chain.batch(
                [("eth_getTransactionCount", [self.address, tag]) for tag in ("latest", "pending")]
            )
        ]
        if counts[1] > counts[0]:
            raise KeyInUse(
                f"{counts[1] - counts[0]} transactions of {self.address} that this command doesn't know are waiting to "
                "be mined; wait for them, or replace them where they were sent, then run the command again"
            )
        balance = int(self._chain.rpc("eth_getBalance", self.address, "latest"), 16)
        if cost is not None and balance < cost.most:
            raise NoGasMoney(
                f"{self.address} has {amounts.ether(balance)} and needs up to {amounts.ether(cost.most)} for gas; send "
                f"it some of chain {self._chain.chain_id}'s coin, then run the command again"
            )

    def _tidy(self, journal: TransactionJournal, records: UnfinishedOperations, asked: str) -> None:
        """Drop what other operations left unsigned: nobody asked for that today. What is signed may be on its way."""
        kept = records.find(asked)
        for entry in journal.pending():
            if kept is None or not entry.key.startswith(kept.id):
                if journal.cancel(entry.key):
                    self._manner.say(f"dropped, since it was never sent: {entry.label}")
                elif entry.state is not State.MINED:
                    self._manner.say(f"still under way from an earlier command: {entry.label}")

    def _carry_out(
        self,
        journal: TransactionJournal,
        records: UnfinishedOperations,
        asked: str,
        begun: Unfinished,
        tried: tuple[Tried, ...],
        cost: Cost | None,
        resumed: bool,
    ) -> Outcome:
        receipts: list[TxReceipt] = []
        for place, call in enumerate(begun.plan.calls):
            key = f"{begun.id}/{place}"
            known = journal.entry(key)
            if known is None or known.state is State.DROPPED:
                if known is not None:
                    journal.again(key)
                journal.plan(key, call.label, call.to, call.data)
            entry = self._mined(journal, key)
            if entry.state in (State.REFUSED, State.DROPPED) or entry.reverted:
                records.end(asked)
                raise self._explained(begun, place, entry)
            receipt = self._chain.w3.eth.get_transaction_receipt(entry.hash)  # type: ignore[arg-type]
            receipts.append(receipt)
            self._manner.say(f"done in block {entry.block}: {call.label}  ({entry.hash})")
        return Outcome(begun.plan, tried, cost, tuple(receipts), resumed=resumed)

    def _mined(self, journal: TransactionJournal, key: str) -> Entry:
        """The entry once it is in a block, or will never be. NotMinedYet."""
        deadline = time.monotonic() + self._manner.patience
        told, wait = "", _SHORTEST_WAIT
        while True:
            journal.step(time.time())
            entry = journal.entry(key)
            assert entry is not None
            if entry.state is State.MINED or entry.state.settled:
                return entry
            if entry.reason and entry.reason != told:
                told = entry.reason
                self._manner.say(f"waiting: {told}")
            if time.monotonic() >= deadline:
                why = f" ({told})" if told else ""
                raise NotMinedYet(
                    f"{entry.label}: not mined within {self._manner.patience:.0f} s{why}; run the same command again, "
                    "it goes on with this transaction and sends no other"
                )
            time.sleep(wait)
            wait = min(1.5 * wait, _LONGEST_WAIT)

    def _explained(self, begun: Unfinished, place: int, entry: Entry) -> EpochalError:
        """Why a transaction won't do what it should: what it says when it is tried now, or what the journal kept."""
        call = begun.plan.calls[place]
        before = f"{place} of {len(begun.plan.calls)} transactions were done before; " if place else ""
        try:
            try_calls(self._chain, self.address, [call])
        except ContractReverted as error:
            refused = explained(self.network, error)
            if not entry.reverted:
                return refused
            return Failed(
                f"{before}{refused}; the transaction {entry.hash} was mined and did nothing, its gas is spent"
            )
        done = f"the transaction {entry.hash} did nothing, its gas is spent" if entry.reverted else "nothing was sent"
        return Failed(f"{before}{call.label}: {entry.reason or 'dropped'}; {done}; run the command again")

    def _files(self) -> Path:
        """The files' common stem: by chain, its genesis (local chains share their id), and key."""
        genesis = self._chain.block(0).hash[2:10]
        try:
            self._manner.state.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise UserError(f"--state {self._manner.state}: {error.strerror}; give a folder to write to") from error
        return self._manner.state / f"{self._chain.chain_id}-{genesis}-{self.address.lower()}"
