"""Reads of contracts whose refusals are explained."""

from __future__ import annotations

from typing import Any

from web3.contract.contract import Contract, ContractFunction

from chain.client import Block, RpcError
from chain.errors import decode_revert
from chain.network import Network, named
from operations.refusals import explained


def read(network: Network, function: ContractFunction, label: str = "", block: Block | None = None) -> Any:
    """The decoded result at a block, or the newest; addresses in lower case. Refused, with the cure, by the
    contract.
    """
    try:
        return network.chain.call(function, block)
    except RpcError as error:
        if error.data:
            raise explained(network, decode_revert(label or function.fn_name, error.data)) from error
        raise


def struct(
    network: Network, contract: Contract, function: ContractFunction, label: str = "", block: Block | None = None
) -> Any:
    """As `read` for structs, or a list of them: their fields by name."""
    value = read(network, function, label, block)
    name = function.fn_name
    (item,) = (item for item in contract.abi if item["type"] == "function" and item["name"] == name)
    if item["outputs"][0]["type"].endswith("[]"):
        return [named(contract, name, one) for one in value]
    return named(contract, name, value)
