"""What is to be sent, in order and in human words, and what came of it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

from web3.contract.contract import ContractFunction
from web3.types import TxReceipt

from oracle.ground import amounts


@dataclass(frozen=True, slots=True)
class PlannedCall:
    """One transaction: what it does, in words, and the call (0x-hex). It carries no coin."""

    label: str
    to: str
    data: str

    @staticmethod
    def of(label: str, function: ContractFunction) -> PlannedCall:
        """A call of a contract's function."""
        return PlannedCall(label, function.address, function._encode_transaction_data())


@dataclass(frozen=True, slots=True)
class Plan:
    """Transactions of one key, to be sent one after the other, each when the one before it succeeded.

    title        what it is for, as one would finish "this is to ..."
    facts        what whoever confirms must know, by name, in human words
    moves_money  whether tokens leave somebody's hands, or something can't be taken back: it is asked for
    """

    title: str
    calls: tuple[PlannedCall, ...]
    facts: tuple[tuple[str, str], ...] = ()
    moves_money: bool = False


@dataclass(frozen=True, slots=True)
class Tried:
    """What a call did when it was tried, and not sent. `gas` is None where no node told; `data` is what it returned."""

    label: str
    gas: int | None
    data: bytes = b""


@dataclass(frozen=True, slots=True)
class Cost:
    """Gas of all calls, and what it costs now and at most, in wei."""

    gas: int
    now: int
    most: int

    def __str__(self) -> str:
        return f"about {self.gas:,} gas: {amounts.ether(self.now)} now, at most {amounts.ether(self.most)}"


@dataclass(frozen=True, slots=True)
class Outcome:
    """What came of a plan. With a dry run there are no receipts; `resumed` tells that an earlier run began it."""

    plan: Plan
    tried: tuple[Tried, ...] = ()
    cost: Cost | None = None
    receipts: tuple[TxReceipt, ...] = ()
    dry_run: bool = False
    resumed: bool = False

    def as_json(self) -> Mapping[str, Any]:
        """What every command with --json tells."""
        sent = [
            {
                "label": call.label,
                "transaction": receipt["transactionHash"].to_0x_hex(),
                "block": receipt["blockNumber"],
                "gas_used": receipt["gasUsed"],
                "spent_wei": str(receipt["gasUsed"] * receipt["effectiveGasPrice"]),
            }
            for call, receipt in zip(self.plan.calls, self.receipts, strict=False)
        ]
        told: dict[str, Any] = {
            "title": self.plan.title,
            "dry_run": self.dry_run,
            "resumed": self.resumed,
            "facts": dict(self.plan.facts),
            "sent": sent,
        }
        if self.dry_run:
            told["tried"] = [{"label": one.label, "gas": one.gas} for one in self.tried]
        if self.cost is not None:
            told["cost"] = {name: str(value) if name != "gas" else value for name, value in asdict(self.cost).items()}
        return told
