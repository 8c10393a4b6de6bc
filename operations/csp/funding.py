"""Test tokens of local networks."""

from __future__ import annotations

from chain import bindings
from chain.deployment.run import LOCAL_CHAINS
from chain.network import Network
from operations import tokens
from operations.plans import Plan, PlannedCall
from oracle.ground.errors import UserError


class NoTestMoney(UserError):
    """The chain's tokens are worth something."""


def minting(network: Network, to: str, amount: str) -> Plan:
    """Mint an amount (human units) of a LocalToken. NoTestMoney elsewhere than on local chains."""
    if network.chain.chain_id not in LOCAL_CHAINS:
        raise NoTestMoney(
            f"chain {network.chain.chain_id} isn't local, so nobody can make its tokens: have some sent to {to}"
        )
    token = tokens.find(network, None)
    units = token.parse("AMOUNT", amount)
    contract = network.chain.contract(token.address, bindings.abi("LocalToken"))
    label = f"mint {token.show(units)} for {to}"
    return Plan(f"Mint {token.show(units)}", (PlannedCall.of(label, contract.functions.mint(to, units)),))
