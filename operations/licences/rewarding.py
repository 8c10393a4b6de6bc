"""What licences get of the network's token for being available: booked, settled from a report, and claimed."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from web3.logs import DISCARD
from web3.types import TxReceipt

from chain.network import Network
from operations import reading, tokens
from operations.licences import standing, views
from operations.licences.claiming import NothingToClaim, PaymentsWait
from operations.licences.linking import NotHolder
from operations.licences.views import Licence
from operations.plans import Plan, PlannedCall
from operations.report_leaves import FoundLeaf
from operations.tokens import Token
from oracle.ground import times

_KIND: Final = {"standard": 1, "master": 2, "genesis": 3}
_CLAIM: Final = 140_000
"""Gas of one licence's claim, at most."""


@dataclass(frozen=True, slots=True)
class Reward:
    """A licence's reward: seconds are cumulative and booked, `through` is UNIX seconds, amounts in smallest units."""

    licence: int
    kind: str
    through: int
    accounted: int
    earned: int
    claimed: int
    claimable: int
    starts_at: int

    def text(self, token: Token) -> str:
        """One line for a person."""
        if not self.starts_at:
            return f"licence {self.licence}: {self.kind} licences get no reward on this network"
        booked = f"booked up to {times.show_time(self.through)}" if self.through else "nothing booked yet"
        return (
            f"licence {self.licence}: {self.earned} of {self.accounted} s earned, {booked}; "
            f"{token.show(self.claimable)} to claim"
        )


def token_of(network: Network) -> Token:
    """What rewards are paid in."""
    return tokens.read(network, network.chain.call(network.rewards.functions.token()))


def rewards_of(network: Network, licences: Sequence[Licence]) -> list[Reward]:
    """These licences' rewards. RpcError."""
    functions = network.rewards.functions
    booked = reading.struct(
        network, network.rewards, functions.availabilitiesOf([one.id for one in licences]), "rewards"
    )
    return [
        Reward(
            one.id,
            one.kind,
            told["through"],
            told["accounted"],
            told["earned"],
            told["claimed"],
            int(network.chain.call(functions.claimable(one.id))),
            int(network.chain.call(functions.startsAt(_KIND[one.kind]))),
        )
        for one, told in zip(licences, booked, strict=True)
    ]


def claiming(
    network: Network,
    key: str,
    licences: Sequence[int],
    leaves: Mapping[int, FoundLeaf],
    to: str | None,
    max_gas: int,
) -> Plan:
    """Settle what leaves are at hand of these licences (none: all of the key's), and claim their rewards.

    NothingToClaim, PaymentsWait, NotHolder.
    """
    found = [views.of(network, one) for one in licences] if licences else views.held_by(network, key)
    if not found:
        raise NothingToClaim(f"{key} holds no licence: name one, or use the holder's key")
    functions = network.rewards.functions
    settles = [
        PlannedCall.of(
            f"settle the reward of licence {one.id} by the report of epoch {one.epoch}",
            functions.settle(one.epoch, one.id, one.earned, one.accounted, list(one.proof)),
        )
        for one in (leaves[view.id] for view in found if view.id in leaves)
        if one.earned > _booked(network, one.id)
    ]
    settled = {view.id for view in found if view.id in leaves and settles}
    if to is not None and (foreign := [one for one in found if one.holder.lower() != key.lower()]):
        raise NotHolder(
            f"{key} doesn't hold licence {foreign[0].id}, {foreign[0].holder} does: without --to its reward goes there"
        )
    due = [one for one in rewards_of(network, found) if one.claimable or one.licence in settled]
    if not due:
        raise NothingToClaim(
            "no reward is due: a report must carry the licence's seconds and be settled first; give --oracle to have "
            "the newest final report looked up"
        )
    frozen = [one.licence for one in due if _frozen(network, one.licence)]
    ids = [one.licence for one in due if one.licence not in frozen]
    if not ids:
        raise PaymentsWait(
            f"licence {frozen[0]} is frozen: its reward waits; look at `epochal licence status {frozen[0]}`, and run "
            "the command again when that is over"
        )
    token = token_of(network)
    size = max(1, (max_gas - 21_000) // _CLAIM)
    claims = []
    for start in range(0, len(ids), size):
        page = ids[start : start + size]
        function = functions.claim(page) if to is None else functions.claimTo(page, to)
        claims.append(PlannedCall.of(f"claim the rewards of {len(page)} licences", function))
    facts = [("due", f"{token.show(sum(one.claimable for one in due if one.licence in ids))} as booked now")]
    if settles:
        facts.append(("settles", f"{len(settles)} licences by the newest final report, which may add to it"))
    if frozen:
        facts.append(("waits", f"licence {', '.join(map(str, frozen))}, frozen"))
    facts.append(("to", to or "each licence's holder; genesis licences' to their wallets"))
    foreign_to = to is not None and to.lower() != key.lower()
    return Plan("Claim the rewards of licences", (*settles, *claims), tuple(facts), moves_money=foreign_to)


def paid(network: Network, receipts: Sequence[TxReceipt]) -> int:
    """What these transactions minted, in the token's smallest unit."""
    event = network.rewards.events.RewardPaid()
    return sum(int(one["args"]["amount"]) for each in receipts for one in event.process_receipt(each, errors=DISCARD))


def as_json(one: Reward) -> dict[str, Any]:
    """A reward; the amount as text."""
    return {
        "licence": one.licence,
        "kind": one.kind,
        "through": one.through,
        "accounted": one.accounted,
        "earned": one.earned,
        "claimed": one.claimed,
        "claimable": str(one.claimable),
        "starts_at": one.starts_at,
    }


def _booked(network: Network, licence: int) -> int:
    call = network.rewards.functions.availabilityOf(licence)
    return int(reading.struct(network, network.rewards, call, f"licence {licence}")["earned"])


def _frozen(network: Network, licence: int) -> bool:
    return standing.frozen_until(network, licence, "0x" + "00" * 20) > 0
