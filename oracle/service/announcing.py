"""Bringing an oracle's endpoint to the chain: signed by the oracle's key, paid for by another."""

from __future__ import annotations

import tempfile
import time
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

from web3.contract.contract import ContractFunction

from chain.client import RpcError
from chain.directory import announcing, check_endpoint, listed, next_sequence
from chain.journal import Entry, FeeLimits, JournalBusy, State, TransactionJournal
from chain.network import Network
from chain.transactions import NotMined
from oracle.ground.errors import EpochalError
from oracle.service.errors import SettingsError
from oracle.signing.signer import Signer

_PATIENCE = 300.0
_PAUSE = 1.0
_QUIET = 5.0
"""Seconds after which somebody who looks on wants to know what it waits for."""
_USUAL_GAS = 150_000
_ETHER = 10**18


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
    tell: Callable[[str], None] = lambda _: None,
) -> Announced:
    """List `endpoint` for the signer and wait until that is in a block; nothing is sent when it stands already.

    journal: that of the payer's key, if it has one; else the key must not be in use elsewhere meanwhile.
    tell: is told what it waits for, once it takes long. InvalidValue for what is no endpoint; SettingsError while an
    oracle runs on that journal; NotAnnounced, also where the payer has too little; NotMined.
    """
    oracle, wanted = bytes.fromhex(signer.address[2:]), check_endpoint(endpoint)
    if listed(network, oracle, network.chain.block("latest")).endpoint == wanted.encode():
        return Announced(wanted)
    sequence = next_sequence(network, oracle, int(clock()))
    call = announcing(network, signer, wanted, sequence)
    _check_balance(network, payer.address, call)
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
        mined = _followed(transactions, key, clock, tell)
    return Announced(wanted, mined.hash, mined.spent)


def _check_balance(network: Network, payer: str, call: ContractFunction) -> None:
    """NotAnnounced for a payer who can't pay: the journal would wait for ether until patience ends."""
    chain = network.chain
    balance, price = (int(chain.rpc(*asked), 16) for asked in (("eth_getBalance", payer, "latest"), ("eth_gasPrice",)))
    transaction = {"from": payer, "to": call.address, "data": call._encode_transaction_data()}
    try:
        gas = int(chain.rpc("eth_estimateGas", transaction), 16)
    except RpcError:
        gas = _USUAL_GAS  # the journal tells of what can't be estimated
    cost = gas * price
    if balance < max(cost, 1):
        raise NotAnnounced(
            f"{payer} has {_ether(balance)} ether; announcing costs about {_ether(_rounded(cost))}: send it some"
        )


def _rounded(wei: int) -> int:
    """Up to a millionth of an ether."""
    return -(-wei // 10**12) * 10**12


def _ether(wei: int) -> str:
    """Ether in decimals, without rounding and without zeros at the end."""
    whole, rest = divmod(wei, _ETHER)
    return f"{whole}.{rest:018}".rstrip("0").rstrip(".")


def _followed(
    transactions: TransactionJournal, key: str, clock: Callable[[], float], tell: Callable[[str], None]
) -> Entry:
    begun = time.monotonic()
    until, told = begun + _PATIENCE, ""
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
        waits = f"waiting for a block with it ({entry.reason or 'it is sent'})"
        if time.monotonic() > begun + _QUIET and waits != told:
            tell(waits)
            told = waits
        time.sleep(_PAUSE)
