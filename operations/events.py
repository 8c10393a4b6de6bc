"""Events of the contracts, from the chain's logs in pages."""

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
    transaction: str


def events_of(
    network: Network,
    name: str,
    contract: Contract,
    wanted: Sequence[str],
    subjects: Sequence[int] | None,
    block: Block | None = None,
    place: int = 1,
    first: int = 0,
    once: bool = False,
) -> list[LoggedEvent]:
    """Events of these names up to a block, or the newest, whose indexed field at `place` is one of `subjects`; with
    None, all of these names. From the network's first block on, or the block `first` where that is later. In the
    chain's order. once: each subject has one such event, so no older page is read when all were told. RpcError."""
    items: list[Any] = [one for one in contract.abi if one["type"] == "event" and one["name"] in wanted]
    names = ["0x" + event_abi_to_log_topic(one).hex() for one in items]
    found: list[LoggedEvent] = []
    if subjects is None:
        found = _paged(network, name, contract, [names], block, first, 0)
    else:
        for start in range(0, len(subjects), _SUBJECTS):
            about = [f"0x{one:064x}" for one in subjects[start : start + _SUBJECTS]]
            topics = [names, *[None] * (place - 1), about]
            found += _paged(network, name, contract, topics, block, first, len(about) if once else 0)
    return sorted(found, key=lambda one: (one.block, one.index))


def _paged(
    network: Network, name: str, contract: Contract, topics: list[Any], block: Block | None, first: int, enough: int
) -> list[LoggedEvent]:
    """The newest page first; up to the one with which there are `enough`, or all where that is 0."""
    decoder = EventDecoder({name: (contract.address, contract.abi)})
    last = (block or network.chain.block("latest")).number
    found = []
    for start in reversed(range(max(first, network.addresses.first_block), last + 1, _PAGE)):
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
                block_number, index = int(raw["blockNumber"], 16), int(raw["logIndex"], 16)
                found.append(LoggedEvent(named[1], args, block_number, index, raw["transactionHash"]))
        if enough and len(found) >= enough:
            break
    return found


def _data(raw: Any) -> bytes:
    return bytes.fromhex(raw["data"][2:])
