"""A licence that was sent to somebody: whether it is there, what came with it, and what it needs."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from chain.network import Network
from operations.licences import views
from operations.licences.views import Bond, Licence
from oracle.ground import times


@dataclass(frozen=True, slots=True)
class Received:
    """A licence as its new holder finds it at a block's time."""

    licence: Licence
    holder: str
    bonds: tuple[Bond, ...]
    now: int

    @property
    def here(self) -> bool:
        """Whether it is the holder's."""
        return self.licence.holder.lower() == self.holder.lower()

    def lines(self) -> list[str]:
        """For a person."""
        one = self.licence
        if not self.here:
            why = f", and linked to {one.node}: a linked licence doesn't move, its holder unlinks it first" * bool(
                one.node
            )
            return [
                f"licence {one.id} isn't {self.holder}'s: {one.holder} holds it{why}",
                "ask its holder to send it, and run this again when the transaction is mined",
            ]
        out = [f"licence {one.id} is {self.holder}'s, a {one.kind} one; nothing needs to be accepted"]
        for bond in self.bonds:
            out.append(f"its bond came with it: {bond.token.show(bond.balance)}")
            if bond.requested and bond.requester.lower() != self.holder.lower():
                out.append(f"  the withdrawal that {bond.requester} requested of it pays them nothing any more")
        out.append("what it served before is paid to who held it then; your pay begins with its next assignment")
        if one.status:
            out.append(f"it is {one.standing}: see `epochal licence status {one.id}` before anything else")
        if one.relinkable_at > self.now:
            out.append(f"next: from {times.show_time(one.relinkable_at)} on, {self._link()}")
        elif one.node:
            out.append(f"it serves node {one.node}")
        else:
            out.append(f"next: {self._link()}")
        return out

    def as_json(self) -> dict[str, Any]:
        """All there is; amounts as texts of smallest units."""
        bonds = [{"token": one.token.address, "balance": str(one.balance)} for one in self.bonds]
        return {**self.licence.as_json(), "here": self.here, "bonds": bonds}

    def _link(self) -> str:
        return f"link a node: `epochal licence link {self.licence.id}`"


def look(network: Network, licence: int, holder: str) -> Received:
    """The licence as it stands. NoLicence, RpcError."""
    view = views.of(network, licence)
    bonds = views.bonds_of(network, licence, views.bond_tokens(network))
    now = network.chain.block("latest").timestamp
    return Received(view, holder, tuple(one for one in bonds if one.balance), now)
