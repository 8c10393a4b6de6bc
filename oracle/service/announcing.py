"""Bringing an oracle's endpoint to the chain: signed by the oracle's key, paid for by another."""

from __future__ import annotations

import tempfile
import time
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

from chain.directory import announcing, check_endpoint, listed, next_sequence
from chain.journal import Entry, FeeLimits, JournalBusy, State, TransactionJournal
from chain.network import Network
from chain.transactions import NotMined
from oracle.ground.errors import EpochalError
from oracle.service.errors import SettingsError
from oracle.signing.signer import Signer

_PATIENCE = 300.0
_PAUSE = 1.0


class NotAnnounced(EpochalError):
    """The chain didn't take the announcement; what stood before still stands."""


@dataclass(frozen=True, slots=True)
class Announced:
    """What stands now. `transaction` is its hash, "" when the endpoint stood before; `spent` is wei for gas."""

    endpoint: str
    transaction: str = ""
    spent: int = 0


def announce_endpoint(
    network: Network,
    signer: Signer,
    payer: Signer,
    endpoint: str,
    journal: Path | None = None,
    limits: FeeLimits | None = None,
    clock: Callable[[], float] = time.time,
) -> Announced:
    """List `endpoint` for the signer and wait until that is in a block; nothing is sent when it stands already.

    journal: that of the payer's key, if it has one; else the key must not be in use elsewhere meanwhile.
    InvalidValue for what is no endpoint; SettingsError while an oracle runs on that journal; NotAnnounced; NotMined.
    """
    oracle, wanted = bytes.fromhex(signer.address[2:]), check_endpoint(endpoint)
    if listed(network, oracle, network.chain.block("latest")).endpoint == wanted.encode():
        return Announced(wanted)
    sequence = next_sequence(network, oracle, int(clock()))
    call = announcing(network, signer, wanted, sequence)
    with ExitStack() as stack:
        path = journal or Path(stack.enter_context(tempfile.TemporaryDirectory())) / "transactions.sqlite"
        try:
            transactions = TransactionJournal(path, network.chain, payer, limits or FeeLimits())
        except JournalBusy as error:
            raise SettingsError(
                f"{path}: the oracle that pays with this key runs; stop it meanwhile, or pay with another key by "
                "--gas-key-env"
            ) from error
        stack.callback(transactions.close)
        key = f"announce:{sequence}"
        transactions.plan(key, f"announce {wanted}", call.address, call._encode_transaction_data())
        mined = _followed(transactions, key, clock)
    return Announced(wanted, mined.hash, mined.spent)


def _followed(transactions: TransactionJournal, key: str, clock: Callable[[], float]) -> Entry:
    until = time.monotonic() + _PATIENCE
    while True:
        transactions.step(clock())
        entry = transactions.entry(key)
        assert entry is not None
        if entry.reverted or entry.state in (State.REFUSED, State.FAILED, State.DROPPED):
            raise NotAnnounced(f"{entry.label}: {entry.reason}")
        if entry.state in (State.MINED, State.FINAL):
            return entry
        if time.monotonic() > until:
            raise NotMined(
                f"{entry.label}: {entry.reason or 'not in a block'} after {_PATIENCE:.0f} s; try again later"
            )
        time.sleep(_PAUSE)
