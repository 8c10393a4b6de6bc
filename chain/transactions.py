"""Sending transactions: signed here, followed until they are mined, reverts told by name."""

from __future__ import annotations

import time
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

from eth_account import Account
from web3.contract.contract import ContractFunction
from web3.types import TxReceipt

from chain.client import Chain, RpcError
from chain.errors import decode_revert
from oracle.ground.errors import EpochalError

# No transaction on a public chain may use more gas (EIP-7825).
GAS_CAP = 2**24
_IN_ORDER = 25


class NotMined(EpochalError):
    """A transaction wasn't mined in time."""


class Wallet:
    """A key that pays for gas, and its next nonce on one chain."""

    def __init__(self, chain: Chain, private_key: bytes) -> None:
        self._account = Account.from_key(private_key)
        self.address: str = self._account.address
        self.nonce: int = chain.w3.eth.get_transaction_count(self._account.address, "pending")

    def sign(self, transaction: dict[str, Any]) -> str:
        """The signed transaction, raw, as hex."""
        return self._account.sign_transaction(transaction).raw_transaction.to_0x_hex()


@dataclass(frozen=True, slots=True)
class Call:
    """A transaction to send: what it does (`label`, for people and tables), who pays, and its data."""

    label: str
    wallet: Wallet
    to: str | None
    data: str
    gas: int | None = None

    @staticmethod
    def of(label: str, wallet: Wallet, function: ContractFunction, gas: int | None = None) -> Call:
        """A call of a contract's function; `gas` is its limit, estimated when left out."""
        return Call(label, wallet, function.address, function._encode_transaction_data(), gas)


class Sender(Protocol):
    """Whoever gets calls mined: in real time, or on a chain whose clock is moved by hand."""

    chain: Chain
    gas: GasLog

    def send(self, calls: Sequence[Call]) -> list[TxReceipt]:
        """Receipts of the calls in their order; raises ContractReverted for the first that failed."""
        ...


@dataclass
class GasLog:
    """Gas used by what was sent, by label."""

    used: dict[str, list[int]] = field(default_factory=lambda: defaultdict(list))

    def note(self, label: str, receipt: TxReceipt) -> None:
        """Add a receipt."""
        self.used[label].append(receipt["gasUsed"])

    def summary(self) -> dict[str, dict[str, int]]:
        """By label: how many, and their least, mean (rounded down) and greatest gas."""
        return {
            label: {"count": len(gas), "min": min(gas), "mean": sum(gas) // len(gas), "max": max(gas)}
            for label, gas in sorted(self.used.items())
        }


def signed(chain: Chain, call: Call, fee: int, gas: int) -> str:
    """The raw transaction of a call; takes the wallet's next nonce."""
    transaction: dict[str, Any] = {
        "type": 2,
        "chainId": chain.chain_id,
        "nonce": call.wallet.nonce,
        "maxFeePerGas": fee,
        "maxPriorityFeePerGas": 0 if fee == 0 else min(fee, 10**9),
        "gas": gas,
        "value": 0,
        "data": call.data,
    }
    if call.to is not None:
        transaction["to"] = call.to
    raw = call.wallet.sign(transaction)
    call.wallet.nonce += 1
    return raw


def checked(chain: Chain, call: Call, receipt: TxReceipt) -> TxReceipt:
    """The receipt, or the revert as an exception of the custom error's name."""
    if receipt["status"] == 1:
        return receipt
    try:
        trace = chain.rpc("debug_traceTransaction", receipt["transactionHash"].to_0x_hex(), {"tracer": "callTracer"})
        data = trace.get("output", "0x")
    except RpcError:
        data = "0x"  # not every node traces: the failure is told all the same
    raise decode_revert(call.label, data)


class LiveSender:
    """Sends to a chain that makes its own blocks."""

    def __init__(self, chain: Chain, patience: float = 60.0) -> None:
        self.chain = chain
        self.gas = GasLog()
        self._patience = patience

    def send(self, calls: Sequence[Call]) -> list[TxReceipt]:
        """See Sender. A call that would revert raises before anything of it is sent."""
        sent = []
        for call in calls:
            gas = call.gas if call.gas is not None else self._estimate(call)
            fee = 2 * int(self.chain.rpc("eth_gasPrice"), 16)
            nonce = call.wallet.nonce
            raw = signed(self.chain, call, fee, gas)
            try:
                sent.append(self.chain.rpc("eth_sendRawTransaction", raw))
            except BaseException:
                call.wallet.nonce = nonce  # it wasn't taken: the next transaction fills the gap, or replaces it
                raise
        receipts = []
        for call, transaction in zip(calls, sent, strict=True):
            receipt = checked(self.chain, call, self._receipt(call, transaction))
            self.gas.note(call.label, receipt)
            receipts.append(receipt)
        return receipts

    def _estimate(self, call: Call) -> int:
        request = {"from": call.wallet.address, "data": call.data}
        if call.to is not None:
            request["to"] = call.to
        try:
            estimate = int(self.chain.rpc("eth_estimateGas", request, "pending"), 16)
        except RpcError as error:
            if error.data:
                raise decode_revert(call.label, error.data) from error
            raise
        return min(GAS_CAP, estimate * 5 // 4)

    def _receipt(self, call: Call, transaction: str) -> TxReceipt:
        deadline = time.monotonic() + self._patience
        while time.monotonic() < deadline:
            found = self.chain.w3.provider.make_request("eth_getTransactionReceipt", [transaction])  # type: ignore[arg-type]
            if found.get("result") is not None:
                return self.chain.w3.eth.get_transaction_receipt(transaction)  # type: ignore[arg-type]
            time.sleep(0.02)
        raise NotMined(f"{call.label}: not mined within {self._patience:.0f} s ({transaction}); is the chain alive?")


class SteppedSender:
    """Sends to an anvil whose blocks and clock are moved by hand (`--no-mining`, no base fee): all calls of one `send`
    are in one block, in their order, at a time of the caller's choosing."""

    def __init__(self, chain: Chain) -> None:
        self.chain = chain
        self.gas = GasLog()
        self.now = chain.block("latest").timestamp
        self._next: int | None = None

    def at(self, time: int) -> SteppedSender:
        """The next block's time (UNIX seconds), after the last one's."""
        if time <= self.now:
            raise EpochalError(f"block time {time} isn't after the last block's, {self.now}")
        self._next = time
        return self

    def send(self, calls: Sequence[Call]) -> list[TxReceipt]:
        """See Sender: mines one block (empty without calls), a second after the last unless `at` named its time."""
        time = self._next if self._next is not None else self.now + 1
        self._next = None
        raws = [signed(self.chain, call, 0, call.gas or GAS_CAP - 1) for call in calls]
        hashes: list[str] = []
        # anvil works on the requests of one batch at once, and only those of a small one begin in their order.
        for start in range(0, len(raws), _IN_ORDER):
            hashes += self.chain.batch([("eth_sendRawTransaction", [raw]) for raw in raws[start : start + _IN_ORDER]])
        self.chain.rpc("evm_setNextBlockTimestamp", time)
        self.chain.rpc("evm_mine")
        self.now = time
        receipts = []
        for call, mined in zip(calls, self._receipts(hashes), strict=True):
            receipt = checked(self.chain, call, mined)
            self.gas.note(call.label, receipt)
            receipts.append(receipt)
        return receipts

    def _receipts(self, hashes: Sequence[str]) -> list[TxReceipt]:
        receipts: list[TxReceipt] = []
        for start in range(0, len(hashes), 500):
            with self.chain.w3.batch_requests() as batch:
                for transaction in hashes[start : start + 500]:
                    batch.add(self.chain.w3.eth.get_transaction_receipt(transaction))  # type: ignore[arg-type]
                receipts += batch.execute()  # type: ignore[arg-type]
        return receipts
