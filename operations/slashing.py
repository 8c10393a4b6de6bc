"""What a status costs an oracle: its bond, once the appeal is over. Anyone may slash it then."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

from web3.logs import DISCARD
from web3.types import TxReceipt

from chain.network import Network
from operations import reading, tokens
from operations.licences import views
from operations.licences.standing import Standing, of_oracle, oracle_subject
from operations.plans import Plan, PlannedCall
from operations.tokens import Token
from oracle.ground import times
from oracle.ground.errors import EpochalError, UserError

_FOREVER: Final = 2**40 - 1


class NothingToSlash(UserError):
    """Nothing stands against these oracles that costs a bond, or they have none."""


class SlashingWaits(EpochalError):
    """An appeal may still change that the bond is slashed."""


@dataclass(frozen=True, slots=True)
class Exposed:
    """What stands against an oracle, and its bonds in the network's tokens, smallest units, where there is any.

    slashable_from  when its bond may be slashed unless an appeal changes that, UNIX seconds; 0: it may be now;
                    2^40 - 1: nothing that stands now makes it so
    """

    member: str
    standings: tuple[Standing, ...]
    slashable_from: int
    bonds: tuple[tuple[Token, int], ...]

    def lines(self, now: int) -> list[str]:
        """For a person; `now` in UNIX seconds."""
        if not self.standings:
            return ["  nothing stands against it"]
        said = [f"  {line}" for one in self.standings for line in one.lines(now)]
        bond = " and ".join(token.show(units) for token, units in self.bonds)
        if not bond:
            said.append("  it has no bond to slash")
        elif self.slashable_from == 0:
            said.append(f"  its bond of {bond} can be slashed: `epochal equivocation slash {self.member}`")
        elif self.slashable_from < _FOREVER:
            when = times.show_time(self.slashable_from)
            said.append(f"  its bond of {bond} can be slashed from {when} on, unless an appeal is granted before")
        return said

    def as_json(self) -> dict[str, Any]:
        """All fields; slashable_from is null where nothing that stands makes it so."""
        return {
            "standings": [one.as_json() for one in self.standings],
            "slashable": self.slashable_from == 0,
            "slashable_from": None if self.slashable_from == _FOREVER else self.slashable_from,
            "bonds": [{"token": token.address, "units": str(units)} for token, units in self.bonds],
        }


def exposed(network: Network, member: str, known: Sequence[Token] = ()) -> Exposed:
    """An oracle, by its member's address, as it stands; bonds in these tokens, or in those of the network. RpcError."""
    subject, standings = oracle_subject(member), of_oracle(network, member)
    if network.chain.call(network.trust.functions.slashable(subject)):
        since = 0
    else:
        since = min((one.final_from for one in standings if one.status != views.STATUSES[1]), default=_FOREVER)
    functions, bonds = network.bonds.functions, []
    for token in known or views.bond_tokens(network):
        bond = reading.struct(network, network.bonds, functions.bondOf(subject, token.address), f"bond of {member}")
        if bond["balance"]:
            bonds.append((token, int(bond["balance"])))
    return Exposed(member, tuple(standings), since, tuple(bonds))


def slashing(network: Network, members: Sequence[str], wanted: Sequence[str]) -> Plan:
    """Slash all bonds of these oracles in these tokens (addresses or symbols), or in those of the network.

    NothingToSlash, SlashingWaits, InvalidValue.
    """
    known = [tokens.find(network, one) for one in wanted]
    calls, facts = [], []
    for member in dict.fromkeys(members):
        one = exposed(network, member, known)
        if one.slashable_from:
            raise _not_yet(one)
        facts += [(member, f"loses its whole bond, {token.show(units)}, to be burned") for token, units in one.bonds]
        calls += [
            PlannedCall.of(
                f"slash {token.show(units)} of {member}",
                network.bonds.functions.slash(oracle_subject(member), token.address),
            )
            for token, units in one.bonds
        ]
    if not calls:
        raise NothingToSlash(
            f"{', '.join(members)}: no bond is left to slash in the tokens that were looked at; --token names another"
        )
    return Plan("Slash bonds of oracles", tuple(calls), tuple(facts), moves_money=True)


def _not_yet(one: Exposed) -> EpochalError:
    """Why the bond can't be slashed now."""
    if one.slashable_from < _FOREVER:
        return SlashingWaits(
            f"the bond of {one.member} can be slashed from {times.show_time(one.slashable_from)} on, unless an appeal "
            "is granted before: run the command again then"
        )
    if any(each.status == views.STATUSES[3] for each in one.standings):
        return SlashingWaits(
            f"the blacklisting of {one.member} is under appeal: run the command again when that is rejected"
        )
    return NothingToSlash(
        f"neither a proven equivocation nor a blacklisting stands against {one.member}: give the member's address, not "
        "its key's; `epochal equivocation show` lists what oracles tell"
    )


def slashed(network: Network, receipts: Sequence[TxReceipt]) -> list[tuple[int, str, int]]:
    """Subject, token and smallest units of what these transactions slashed."""
    event = network.bonds.events.BondSlashed()
    found = [one["args"] for each in receipts for one in event.process_receipt(each, errors=DISCARD)]
    return [(one["subject"], one["token"], int(one["amount"])) for one in found]
