"""Licences as they stand: kind, holder, node, what is open, bond, and what stands against them."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Final

from chain.client import Block
from chain.network import Network
from operations import reading, tokens
from operations.tokens import Token
from oracle.ground import times
from oracle.ground.address import checksummed, raw_address
from oracle.ground.errors import UserError

KINDS: Final = ("none", "standard", "master", "genesis")
STATUSES: Final = ("", "frozen", "suspended", "blacklisted")
_ZERO: Final = "0x" + "00" * 20
_PAGE: Final = 200


class NoLicence(UserError):
    """There is no such licence, or none was named and the key holds none."""


@dataclass(frozen=True, slots=True)
class Bond:
    """A licence's bond in one token; amounts in its smallest unit."""

    token: Token
    balance: int
    reserved: int
    requested: int
    available_at: int
    requester: str
    liable: int

    def text(self, now: int) -> str:
        """For a person."""
        show = self.token.show
        said = f"{show(self.balance)}, {show(self.reserved)} of it reserved for what is still judged"
        if self.liable > self.balance:
            said += f", and {show(self.liable - self.balance)} more that it lacks, of what is added"
        if self.requested:
            when = f"from {times.show_time(self.available_at)} on" if now < self.available_at else "now"
            said += f"; {show(self.requested)} requested by {self.requester}, to be withdrawn {when}"
        return said


@dataclass(frozen=True, slots=True)
class Licence:
    """A licence; node is "" where it is linked to none. status and node_status: 0 nothing, 1 to 3 as in STATUSES."""

    id: int
    kind: str
    holder: str
    node: str
    open: int
    linked_seconds: int
    relinkable_at: int
    status: int
    node_status: int

    @property
    def standing(self) -> str:
        """What stands against it, in words."""
        said = [f"licence {STATUSES[self.status]}"] if self.status else []
        said += [f"node {STATUSES[self.node_status]}"] if self.node_status else []
        return ", ".join(said) or "nothing"

    def line(self) -> str:
        """One line for a list."""
        linked = f"node {self.node}, {self.open} open assignments" if self.node else "linked to no node"
        against = f"; {self.standing}" if self.status or self.node_status else ""
        return f"licence {self.id}: {self.kind}, holder {self.holder}, {linked}{against}"

    def lines(self, now: int, bonds: Sequence[Bond]) -> list[tuple[str, str]]:
        """All there is to know of it, by name."""
        linked = self.node or "none; `epochal licence link` links one"
        relink = "now" if self.relinkable_at <= now else f"from {times.show_time(self.relinkable_at)} on"
        return [
            ("licence", f"{self.id}, {self.kind}"),
            ("holder", self.holder),
            ("node", linked),
            ("linked for", f"{times.show_span(self.linked_seconds)} in all; another link can be made {relink}"),
            ("open assignments", str(self.open)),
            (
                "stands against it",
                self.standing + ("; see `epochal licence status`" if self.standing != "nothing" else ""),
            ),
            *(("bond", one.text(now)) for one in bonds),
        ]

    def as_json(self) -> dict[str, Any]:
        """All fields."""
        return {
            "licence": self.id,
            "kind": self.kind,
            "holder": self.holder,
            "node": self.node,
            "open_assignments": self.open,
            "linked_seconds": self.linked_seconds,
            "relinkable_at": self.relinkable_at,
            "status": STATUSES[self.status] or "none",
            "node_status": STATUSES[self.node_status] or "none",
        }


def of(network: Network, licence: int, block: Block | None = None) -> Licence:
    """A licence by number. NoLicence."""
    found = reading.struct(network, network.lens, network.lens.functions.licencesFrom(licence, 1), "licences", block)
    if licence < 1 or not found:
        count = int(network.chain.call(network.licences.functions.totalMinted()))
        raise NoLicence(
            f"there is no licence {licence} on this network, which has {count}: check the number and the network; "
            "`epochal licence list` shows them"
        )
    return _licence(found[0])


def every(network: Network) -> Iterator[Licence]:
    """All licences, in their order."""
    count = int(network.chain.call(network.licences.functions.totalMinted()))
    for first in range(1, count + 1, _PAGE):
        call = network.lens.functions.licencesFrom(first, _PAGE)
        for one in reading.struct(network, network.lens, call, "licences"):
            yield _licence(one)


def held_by(network: Network, holder: str) -> list[Licence]:
    """The licences that somebody holds now."""
    return [one for one in every(network) if one.holder.lower() == holder.lower()]


def bonds_of(network: Network, licence: int, known: Sequence[Token]) -> list[Bond]:
    """The licence's bonds in these tokens."""
    call = network.lens.functions.bondsOf(licence, [one.address for one in known])
    found = reading.struct(network, network.lens, call, f"bonds of licence {licence}")
    return [
        Bond(
            token,
            one["balance"],
            one["reserved"],
            one["requested"],
            one["availableAt"],
            checksummed(raw_address(one["requester"])),
            one["liable"],
        )
        for token, one in zip(known, found, strict=True)
    ]


def bond_tokens(network: Network) -> list[Token]:
    """The tokens that the network's list names; the network's first even when it is off the list now."""
    known = tokens.allowed(network)
    first = tokens.find(network, None)
    return known if any(one.address == first.address for one in known) else [first, *known]


def _licence(view: dict[str, Any]) -> Licence:
    return Licence(
        view["id"],
        KINDS[view["kind"]],
        checksummed(raw_address(view["holder"])),
        "" if view["node"] == _ZERO else checksummed(raw_address(view["node"])),
        view["open"],
        view["linkedSeconds"],
        view["relinkableAt"],
        view["status"],
        view["nodeStatus"],
    )
