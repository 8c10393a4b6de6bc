"""What the journal asks of a node, and what the node's answers mean."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from chain.client import Block, Chain, RpcError
from chain.errors import ContractReverted, decode_revert
from chain.journal.entry import Entry
from chain.journal.fees import Market
from chain.transactions import GAS_CAP

_BLOCKS = 10
"""Recent blocks whose tips tell the usual one."""

_FRESH_SLOT = 25_000
"""Gas of a storage slot written first. Which of several calls is the first to write one, their order decides."""

_HERE_ALREADY = re.compile(r"already known|known transaction|already imported|already in (?:mem)?pool", re.I)
_NONCE_USED = re.compile(r"nonce (?:is )?too low|nonce.{0,20}already used|old nonce", re.I)
_REVERT_DATA = re.compile(r"0x(?:[0-9a-fA-F]{2})*")


@dataclass(frozen=True, slots=True)
class Mined:
    """A transaction in a block; `spent` in wei."""

    hash: str
    block: int
    block_hash: str
    reverted: bool
    spent: int


@dataclass(frozen=True, slots=True)
class Look:
    """The view of as many endpoints as must agree: what one of them alone says moves nothing.

    used        nonces used at the newest block: the next one's number
    used_final  nonces used at `finalized`
    balance     wei at the newest block
    mined       by hash, of the transactions asked for, those in a block
    unclear     those of which too few endpoints say that they are in a block, and too few that they aren't
    trouble     what endpoints can't both be right in; "" for nothing
    """

    finalized: Block
    used: int
    used_final: int
    balance: int
    mined: dict[str, Mined]
    unclear: frozenset[str] = frozenset()
    trouble: str = ""


@dataclass(frozen=True, slots=True)
class _View:
    """What one endpoint says; `receipts` in the order of the hashes."""

    used_final: int
    used: int
    balance: int
    receipts: tuple[Mined | None, ...]


class Node:
    """A chain as one account sees it. All raise RpcError for no answer."""

    def __init__(self, chain: Chain, address: str) -> None:
        self.chain = chain
        self._address = address

    def look(self, hashes: Sequence[str]) -> Look:
        """The account, and those transactions."""
        finalized = self.chain.finalized()
        # All in one request, so that one endpoint answers: one that knows the nonces of the finalized block knows the
        # receipts up to it too. Of two requests, a missing receipt would prove nothing.
        asked: list[tuple[str, list[Any]]] = [
            ("eth_getTransactionCount", [self._address, {"blockHash": finalized.hash}]),
            ("eth_getTransactionCount", [self._address, "latest"]),
            ("eth_getBalance", [self._address, "latest"]),
            *(("eth_getTransactionReceipt", [one]) for one in hashes),
        ]
        views: list[_View] = []
        for used_final, used, balance, *receipts in self.chain.views(asked):
            mined = tuple(raw and _mined(one, raw) for one, raw in zip(hashes, receipts, strict=True))
            views.append(_View(int(used_final, 16), int(used, 16), int(balance, 16), mined))
            if views.count(views[-1]) >= self.chain.agree:
                break
        return _combined(finalized, hashes, views, self.chain.agree)

    def settled(self, mined: Mined, finalized: Block) -> bool:
        """Whether its block is finalized."""
        return mined.block <= finalized.number and self.chain.block(mined.block).hash == mined.block_hash

    def replaced_block(self, number: int, block_hash: str) -> bool:
        """Whether the chain has another block there now."""
        raw = self.chain.rpc("eth_getBlockByNumber", hex(number), False)
        return raw is not None and raw["hash"] != block_hash

    def knows(self, transaction: str) -> bool:
        """Whether the node has it, in its pool or a block."""
        return self.chain.rpc("eth_getTransactionByHash", transaction) is not None

    def market(self) -> Market:
        """What gas costs now."""
        history = self.chain.rpc("eth_feeHistory", hex(_BLOCKS), "latest", [50])
        tips = sorted(int(row[0], 16) for row in history.get("reward") or [] if row)
        return Market(int(history["baseFeePerGas"][-1], 16), tips[len(tips) // 2] if tips else 0)

    def estimate(self, entry: Entry, block: str) -> int:
        """The gas limit for a call, a quarter and a storage slot above what it takes at `block`; ContractReverted."""
        request = {"from": self._address, "to": entry.to, "data": entry.data}
        try:
            used = int(self.chain.rpc("eth_estimateGas", request, block), 16)
        except RpcError as error:
            if (data := _revert_data(error)) is not None:
                raise decode_revert(entry.label, data) from error
            raise
        return min(GAS_CAP, used * 5 // 4 + _FRESH_SLOT)

    def send(self, raw: str) -> str | None:
        """Hand a transaction in: None when the node has it now, or had it; else why not, in its words."""
        try:
            self.chain.rpc("eth_sendRawTransaction", raw)
        except RpcError as error:
            # A nonce already used: an attempt was mined meanwhile, or somebody else's was. The next look tells.
            if not _HERE_ALREADY.search(str(error)) and not _NONCE_USED.search(str(error)):
                return str(error)
        return None

    def why_reverted(self, entry: Entry, mined: Mined) -> ContractReverted:
        """What a mined transaction reverted with, as far as the node can tell."""
        try:
            trace = self.chain.rpc("debug_traceTransaction", mined.hash, {"tracer": "callTracer"})
            output = _hex_or_none(trace.get("output"))
            if output in (None, "0x") and trace.get("error"):
                return ContractReverted(entry.label, {}, f"{entry.label}: {trace['error']}")
            return decode_revert(entry.label, output or "0x")
        except RpcError:
            pass  # not every node traces: called again in the block before, it mostly reverts alike
        request = {"from": self._address, "to": entry.to, "data": entry.data}
        try:
            self.chain.rpc("eth_call", request, hex(max(0, mined.block - 1)))
        except RpcError as error:
            return decode_revert(entry.label, _revert_data(error) or "0x")
        return decode_revert(entry.label, "0x")


def _combined(finalized: Block, hashes: Sequence[str], views: Sequence[_View], agree: int) -> Look:
    mined, unclear = {}, set()
    for place, one in enumerate(hashes):
        said = Counter(view.receipts[place] for view in views)
        best = max((receipt for receipt in said if receipt is not None), key=lambda each: said[each], default=None)
        if best is not None and said[best] >= agree:
            mined[one] = best
        elif said[None] < agree:
            unclear.add(one)

    def reached(values: Iterable[int]) -> int:
        return sorted(values, reverse=True)[agree - 1]

    finals = sorted({view.used_final for view in views})
    trouble = f"RPC endpoints say different things of the nonces used at block {finalized.number}: {finals}"
    return Look(
        finalized,
        used=reached(view.used for view in views),
        used_final=reached(view.used_final for view in views),
        balance=reached(view.balance for view in views),
        mined=mined,
        unclear=frozenset(unclear),
        trouble=trouble if len(finals) > 1 else "",
    )


def _mined(transaction: str, receipt: dict[str, Any]) -> Mined:
    return Mined(
        hash=transaction,
        block=int(receipt["blockNumber"], 16),
        block_hash=receipt["blockHash"],
        reverted=int(receipt["status"], 16) == 0,
        spent=int(receipt["gasUsed"], 16) * int(receipt["effectiveGasPrice"], 16),
    )


def _revert_data(error: RpcError) -> str | None:
    """The data of a revert, "0x" for none; None when the error is no revert."""
    if (data := _hex_or_none(error.data)) and data != "0x":
        return data
    return "0x" if "revert" in str(error).lower() else None


def _hex_or_none(text: object) -> str | None:
    return text if isinstance(text, str) and _REVERT_DATA.fullmatch(text) else None
