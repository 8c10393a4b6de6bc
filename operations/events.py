"""Events about a licence's assignments, from the chain's logs in pages."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

from eth_utils.abi import event_abi_to_log_topic
from web3.contract.contract import Contract

from chain.client import Block
from chain.event_decoding import EventDecoder
from chain.network import Network

_PAGE: Final = 5_000
_SUBJECTS: Final = 200


@dataclass(frozen=True, slots=True)
class LoggedEvent:
    """An event as a contract told it."""

    name: str
    args: dict[str, Any]
    block: int
    index: int


def events_of(
    network: Network,
    name: str,
    contract: Contract,
    wanted: Sequence[str],
    subjects: Sequence[int] | None,
    block: Block | None = None,
    place: int = 1,
    first: int = 0,
) -> list[LoggedEvent]:
    """Events of these names up to a block, or the newest, whose indexed field at `place` is one of `subjects`; with
    None, all of these names. From the network's first block on, or the block `first` where that is later. In the
    chain's order. RpcError."""
    items: list[Any] = [one for one in contract.abi if one["type"] == "event" and one["name"] in wanted]
    names = ["0x" + event_abi_to_log_topic(one).hex() for one in items]
    if subjects is None:
        return _paged(network, name, contract, [names], block, first)
    found: list[LoggedEvent] = []
    for start in range(0, len(subjects), _SUBJECTS):
        about = [f"0x{one:064x}" for one in subjects[start : start + _SUBJECTS]]
        found += _paged(network, name, contract, [names, *[None] * (place - 1), about], block, first)
    return sorted(found, key=lambda one: (one.block, one.index))


def _paged(
    network: Network, name: str, contract: Contract, topics: list[Any], block: Block | None, first: int
) -> list[LoggedEvent]:
    decoder = EventDecoder({name: (contract.address, contract.abi)})
    last = (block or network.chain.block("latest")).number
    found = []
    for start in range(max(first, network.addresses.first_block), last + 1, _PAGE):
        asked = {
            "address": contract.address,
            "topics": topics,
            "fromBlock": hex(start),
            "toBlock": hex(min(last, start + _PAGE - 1)),
        }
        for raw in network.chain.rpc("eth_getLogs", asked):
            named = decoder.name(raw["address"], raw["topics"])
            if named is not None:
                args = decoder.args(*named, bytes.fromhex("".join(one[2:] for one in raw["topics"])), _data(raw))
                found.append(LoggedEvent(named[1], args, int(raw["blockNumber"], 16), int(raw["logIndex"], 16)))
    return found


def _data(raw: Any) -> bytes:
    return bytes.fromhex(raw["data"][2:])
