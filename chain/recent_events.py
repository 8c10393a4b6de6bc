"""Events up to the newest block: finalized ones from the log, later ones read anew each time."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from web3.contract.contract import Contract

from chain.client import Block
from chain.event_decoding import EventDecoder
from chain.events import ChainUnsettled, EventLog, Mark
from chain.network import Network

_PAGE: Final = 2_000
_MOST: Final = 50_000
"""Blocks that aren't finalized and are looked at, at most: a chain whose finality stopped long ago has more."""


@dataclass(frozen=True, slots=True)
class Told:
    """An event of the present chain. `final`: its block is finalized; others may vanish, and come again elsewhere."""

    block: int
    log_index: int
    contract: str
    name: str
    args: dict[str, Any]
    final: bool


class RecentEvents:
    """What contracts told up to the newest block, as the chain is now.

    Finalized events come once from an EventLog, in a file or in memory; what is above is asked for at each look, so
    that what a reorganisation took away isn't there at the next.
    """

    def __init__(self, path: Path | None, network: Network, contracts: Mapping[str, Contract]) -> None:
        self.network = network
        self._log = EventLog(path, network.chain, contracts, network.addresses.first_block)
        self._decoder = EventDecoder({name: (one.address, one.abi) for name, one in contracts.items()})
        self._first = network.addresses.first_block
        self._fresh: list[Told] = []
        self._kept: dict[tuple[str, ...], tuple[Mark, list[Told]]] = {}

    def close(self) -> None:
        """Close the log's file."""
        self._log.close()

    def look(self) -> Block:
        """Read up to the newest block, which is returned. RpcError, ChainUnsettled: try again."""
        self._log.advance()
        chain, head = self.network.chain, self._log.head
        newest = chain.block("latest")
        first = max(head.number + 1 if head else self._first, newest.number + 1 - _MOST)
        fresh: list[Told] = []
        for start in range(first, newest.number + 1, _PAGE):
            last = min(newest.number, start + _PAGE - 1)
            asked = {"fromBlock": hex(start), "toBlock": hex(last), **self._decoder.filter}
            fresh += self._told(chain.rpc("eth_getLogs", asked))
        if chain.block(newest.number) != newest:
            raise ChainUnsettled(f"block {newest.number} at {chain.where} changed while it was read; try again")
        self._fresh = sorted(fresh, key=lambda one: (one.block, one.log_index))
        return newest

    def events(self, names: Sequence[str]) -> list[Told]:
        """The events of these names as of the last look, in the chain's order."""
        asked = tuple(sorted(names))
        mark, kept = self._kept.get(asked, (Mark(), []))
        news = self._log.news(asked, mark)
        kept = [] if news.anew else kept
        kept += [Told(one.block, one.log_index, one.contract, one.name, one.args, True) for one in news.events]
        self._kept[asked] = news.mark, kept
        return kept + [one for one in self._fresh if one.name in asked]

    def _told(self, logs: Sequence[Any]) -> list[Told]:
        found = []
        for log in logs:
            named = self._decoder.name(log["address"], log["topics"])
            if named and not log.get("removed"):
                topics = bytes.fromhex("".join(topic[2:] for topic in log["topics"]))
                args = self._decoder.args(*named, topics, bytes.fromhex(log["data"][2:]))
                found.append(Told(int(log["blockNumber"], 16), int(log["logIndex"], 16), *named, args, False))
        return found
