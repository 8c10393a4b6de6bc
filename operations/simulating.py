"""Trying calls without sending them: each in the state that those before it leave, where the node can do that."""

from __future__ import annotations

import time
from collections.abc import Sequence
from typing import Any, Final

from chain.client import Chain, RpcError
from chain.errors import decode_revert
from chain.journal.fees import FeeLimits, first_offer, going_rate
from chain.journal.node import Node
from operations.plans import Cost, PlannedCall, Tried

_USUAL_GAS: Final = 400_000
_MARGIN: Final = 25_000
"""Gas: what the journal adds to an estimate, beside a quarter of it."""


def try_calls(chain: Chain, sender: str, calls: Sequence[PlannedCall]) -> tuple[Tried, ...]:
    """What each call would do, one after the other, at the newest block. ContractReverted for the first that fails.

    A node without `eth_simulateV1` tries the first alone: what may depend on it has no gas told.
    """
    if not calls:
        return ()
    try:
        answer = chain.rpc("eth_simulateV1", _asked(chain, sender, calls), "latest")
    except RpcError as error:
        if error.code is None:  # no answer, rather than that it can't
            raise
        return _one_by_one(chain, sender, calls)
    tried = []
    for call, result in zip(calls, answer[0]["calls"], strict=True):
        if int(result["status"], 16) != 1:
            raise decode_revert(call.label, _revert_data(result))
        tried.append(Tried(call.label, int(result["gasUsed"], 16), bytes.fromhex(result["returnData"][2:])))
    return tuple(tried)


def cost_of(chain: Chain, sender: str, tried: Sequence[Tried], limits: FeeLimits) -> Cost:
    """What gas costs now, and at most if the price doubles, limited by the ceiling; wei."""
    market = Node(chain, sender).market()
    gas = sum(one.gas or _USUAL_GAS for one in tried)
    limit = sum((one.gas or _USUAL_GAS) * 5 // 4 + _MARGIN for one in tried)
    offer = first_offer(market, limits)
    return Cost(gas, gas * going_rate(market, limits), limit * (offer.max_fee if offer else limits.ceiling))


def _asked(chain: Chain, sender: str, calls: Sequence[PlannedCall]) -> dict[str, Any]:
    one = [{"from": sender, "to": call.to, "data": call.data} for call in calls]
    # As the next block will see it: nodes take the newest one's time, which on a quiet chain is long past.
    now = max(chain.block("latest").timestamp + 1, int(time.time()))
    return {"blockStateCalls": [{"blockOverrides": {"time": hex(now)}, "calls": one}], "validation": False}


def _revert_data(result: dict[str, Any]) -> str:
    error = result.get("error") or {}
    data = error.get("data")
    return data if isinstance(data, str) and data.startswith("0x") else str(result.get("returnData", "0x"))


def _one_by_one(chain: Chain, sender: str, calls: Sequence[PlannedCall]) -> tuple[Tried, ...]:
    tried = []
    for place, call in enumerate(calls):
        request = {"from": sender, "to": call.to, "data": call.data}
        try:
            gas = int(chain.rpc("eth_estimateGas", request, "pending"), 16)
            tried.append(Tried(call.label, gas, bytes.fromhex(chain.rpc("eth_call", request, "pending")[2:])))
        except RpcError as error:
            if place and error.reverted:
                tried.append(Tried(call.label, None))
            elif error.data or error.reverted:
                raise decode_revert(call.label, error.data) from error
            else:
                raise
    return tuple(tried)
