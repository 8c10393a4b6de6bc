"""What the chain says of licences that are rewarded for being available."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Final

from eth_utils.abi import function_signature_to_4byte_selector

from chain.client import Block
from chain.network import Network
from chain.words import StructList, uint_list
from oracle.committee.conflicts import conflicts
from oracle.ground.address import raw_address
from oracle.ground.availability import Deed
from oracle.ground.uptime import Uptime

# Of the contracts' kinds of licences: standard, master, genesis.
_KINDS: Final = (1, 2, 3)
_PAGE: Final = 200
_AT_ONCE: Final = 16
_AVAILABILITIES_OF: Final = function_signature_to_4byte_selector("availabilitiesOf(uint256[])")
_NOBODY: Final = bytes(20)


class DeedReader:
    """Reads the licences of one network. `starts`: from when on each kind is rewarded; a kind without isn't in."""

    def __init__(self, network: Network) -> None:
        """RpcError."""
        self._network = network
        chain = network.chain
        self.starts: dict[int, int] = {}
        if network.addresses.rewards:
            told = {kind: chain.fact(network.rewards.functions.startsAt(kind)) for kind in _KINDS}
            self.starts = {kind: since for kind, since in told.items() if since}
        if self.starts:
            fields = ("id", "kind", "holder", "node", "linkedSeconds", "relinkableAt")
            self._views = StructList(network.lens.abi, "licencesFrom", fields)
            self._booked = StructList(network.rewards.abi, "availabilitiesOf", ("earned", "accounted"))
            self._cooldown: int = chain.fact(network.licences.functions.relinkCooldown())

    def read(self, end: int, anchor: Block, operators: Mapping[bytes, Iterable[bytes]]) -> list[Deed]:
        """Every licence of a kind that is rewarded, in an anchor's state. RpcError.

        end: of the reported epoch, UNIX seconds. operators: by signer, the member's own address and its operator's.
        """
        chain, lens = self._network.chain, self._network.lens
        count = chain.call(self._network.licences.functions.totalMinted(), anchor)
        ask = [lens.functions.licencesFrom(first, _PAGE) for first in range(1, count + 1, _PAGE)]
        told = self._pages(lens.address, [one._encode_transaction_data() for one in ask], anchor)
        # What never was linked has no leaf.
        rewarded = [one for page in told for one in self._views.decode(page) if one[1] in self.starts and one[5]]
        numbers = [one[0] for one in rewarded]
        held = conflicts(operators, ((one[0], _NOBODY, raw_address(one[2])) for one in rewarded))
        deeds: list[Deed] = []
        for one, booked in zip(rewarded, self._settled(numbers, anchor), strict=True):
            number, kind, _, node, seconds, relinkable = one
            linked_at = relinkable - self._cooldown
            counts = int(node, 16) != 0 and linked_at < end
            since = max(linked_at, self.starts[kind])
            linked = max(0, seconds - (anchor.timestamp - end)) if counts else seconds
            linked_to = raw_address(node) if counts else None
            deeds.append(Deed(number, linked_to, since, linked, booked, held.get(number, frozenset())))
        return deeds

    def _settled(self, licences: Sequence[int], anchor: Block) -> list[Uptime]:
        asked = [
            uint_list(_AVAILABILITIES_OF, licences[start : start + _PAGE]) for start in range(0, len(licences), _PAGE)
        ]
        told = self._pages(self._network.addresses.rewards, asked, anchor)
        return [Uptime(earned, accounted) for page in told for earned, accounted in self._booked.decode(page)]

    def _pages(self, to: str, asked: Sequence[str], anchor: Block) -> Iterator[bytes]:
        """What calls return, asked for some at once."""
        at = {"blockHash": anchor.hash}
        for start in range(0, len(asked), _AT_ONCE):
            part = [("eth_call", [{"to": to, "data": data}, at]) for data in asked[start : start + _AT_ONCE]]
            yield from (bytes.fromhex(raw[2:]) for raw in self._network.chain.batch(part))
