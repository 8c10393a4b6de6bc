"""The calls that actions are."""

from __future__ import annotations

from typing import Final

from chain.network import Network
from oracle.ground.address import checksummed
from settlement.planning.actions import (
    Action,
    Burn,
    BurnBonds,
    Claim,
    CloseJob,
    Expire,
    Observe,
    Refund,
    Release,
    SendToBurn,
    SendToProtocol,
    Settle,
    SettleRange,
    Swap,
)

ALL: Final = 2**256 - 1
"""As much as the burner swaps at once. Its own bound on what must come out is the price's guard."""


def call_of(network: Network, action: Action) -> tuple[str, str]:
    """(address, 0x data) of the transaction that does it."""
    escrow, placements = network.escrow.functions, network.placements
    match action.what:
        case Settle(epoch, leaf, proof, claims):
            settle = escrow.settleAndClaim if claims else escrow.settle
            function = settle(epoch, leaf.id, leaf.earned, leaf.accounted, list(proof))
        case SettleRange(epoch, call, _):
            function = escrow.settleRange(epoch, call.job, call.tree_index, list(call.leaves), list(call.proof))
        case Claim(assignments):
            function = escrow.claim(list(assignments))
        case Release(assignments):
            function = escrow.releaseHeld(list(assignments))
        case CloseJob(job):
            function = escrow.closeJob(job)
        case Expire((only,)):
            function = placements.functions.closeAssignment(only)
        case Expire(assignments):
            ends = [placements.functions.closeAssignment(one)._encode_transaction_data() for one in assignments]
            function = placements.functions.multicall(ends)
        case Refund(job):
            function = escrow.withdrawRefund(job)
        case SendToBurn(job):
            function = escrow.sendToBurn(job)
        case SendToProtocol(job):
            function = escrow.sendToProtocol(job)
        case BurnBonds(token):
            function = network.bonds.functions.sendToBurn(_address(token))
        case Burn(token):
            function = network.burner.functions.burn(_address(token))
        case Observe(token):
            function = network.swap_burner.functions.observe(_address(token))
        case Swap(token):
            function = network.swap_burner.functions.swapAndBurn(_address(token), ALL, 0)
    return function.address, function._encode_transaction_data()


def _address(token: str) -> str:
    return checksummed(bytes.fromhex(token[2:]))
