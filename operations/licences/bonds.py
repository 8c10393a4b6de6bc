"""Bonds of licences: bring in, ask back, withdraw."""

from __future__ import annotations

from typing import Final

from chain.network import Network
from operations import paying, tokens
from operations.licences import views
from operations.licences.linking import Linked, NotHolder
from operations.licences.views import Bond, Licence
from operations.plans import Plan, PlannedCall
from operations.tokens import Token
from oracle.ground import times
from oracle.ground.errors import UserError
from oracle.signing.signer import Signer

_LICENCE: Final = 1


class BondWaits(UserError):
    """The bond can't be asked for, or paid, as things stand."""


def subject_of(licence: int) -> int:
    """A licence as the contracts' `Subjects` write it."""
    return _LICENCE << 248 | licence


def depositing(network: Network, signer: Signer, licence: int, wanted: str | None, amount: str) -> Plan:
    """Add to a licence's bond, allowing exactly that. TooFewTokens, InvalidValue, NoLicence."""
    view, token = views.of(network, licence), tokens.find(network, wanted)
    units = _positive(token, amount)
    payment = paying.prepare(network, signer, token, signer.address, network.bonds.address, units, permits=False)
    bond = _bond(network, licence, token)
    function = network.bonds.functions.deposit(subject_of(licence), token.address, units)
    call = PlannedCall.of(f"add {token.show(units)} to the bond of licence {licence}", function)
    facts = [("you pay", f"{token.show(units)}, {payment.told}"), ("bond after it", token.show(bond.balance + units))]
    if view.holder.lower() != signer.address.lower():
        facts.append(("whose it is", f"the licence's: its holder {view.holder} withdraws it, not you"))
    title = f"Bring {token.show(units)} into the bond of licence {licence}"
    return Plan(title, (*payment.calls, call), tuple(facts), moves_money=True)


def requesting(network: Network, holder: str, licence: int, wanted: str | None, amount: str) -> Plan:
    """Ask for a part of a bond; 0 calls a request off. NotHolder, Linked, BondWaits, InvalidValue."""
    view, token = views.of(network, licence), tokens.find(network, wanted)
    _check_holder(view, holder)
    bond = _bond(network, licence, token)
    units = token.parse("AMOUNT", amount)
    functions = network.bonds.functions
    request = functions.requestWithdrawal(subject_of(licence), token.address, units)
    if units == 0:
        if not bond.requested:
            return Plan(f"Nothing of the bond of licence {licence} is requested: there is nothing to do", ())
        call = PlannedCall.of(f"call off the withdrawal from the bond of licence {licence}", request)
        return Plan("Call the withdrawal off", (call,))
    if view.node:
        raise Linked(
            f"licence {licence} is linked to {view.node}, and a bond is asked back after service: `epochal licence "
            f"unlink {licence}` first"
        )
    if units > bond.balance:
        raise BondWaits(f"the bond of licence {licence} is {token.show(bond.balance)}: ask for that or less")
    delay = int(network.chain.call(functions.withdrawalDelay()))
    due = network.chain.block("latest").timestamp + delay
    facts = [
        ("asked for", token.show(units)),
        ("to be withdrawn", f"in {times.show_span(delay)}, about {times.show_time(due)}"),
        ("until then", "don't link the licence: one second of service voids the request"),
    ]
    if bond.requested:
        facts.append(("in place of", f"{token.show(bond.requested)}, requested before; the delay starts again"))
    call = PlannedCall.of(f"request {token.show(units)} of the bond of licence {licence}", request)
    return Plan(f"Ask for {token.show(units)} of the bond of licence {licence}", (call,), tuple(facts))


def withdrawing(network: Network, holder: str, licence: int, wanted: str | None, to: str) -> Plan:
    """Have paid what was asked for. NotHolder, BondWaits; Refused for what the chain alone knows."""
    view, token = views.of(network, licence), tokens.find(network, wanted)
    _check_holder(view, holder)
    bond = _bond(network, licence, token)
    if not bond.requested:
        raise BondWaits(
            f"nothing of the {token.show(bond.balance)} in the bond of licence {licence} was asked for: `epochal "
            f"licence bond request {licence} AMOUNT` first"
        )
    now = network.chain.block("latest").timestamp
    if now < bond.available_at:
        raise BondWaits(
            f"the bond of licence {licence} can be withdrawn from {times.show_time(bond.available_at)} on, in "
            f"{times.show_span(bond.available_at - now)}: run the command again then"
        )
    free = bond.balance - bond.reserved
    pays = min(free, bond.requested)
    if pays <= 0:
        raise BondWaits(
            f"all {token.show(bond.balance)} of the bond of licence {licence} are reserved for withheld time that may "
            f"still be appealed: `epochal licence why {licence}` tells until when; run the command again then"
        )
    facts = [("you get", f"{token.show(pays)} at {to}")]
    if pays < bond.requested:
        facts.append(("stays requested", f"{token.show(bond.requested - pays)}, reserved for what is still judged"))
    function = network.bonds.functions.withdraw(subject_of(licence), token.address, to)
    call = PlannedCall.of(f"withdraw {token.show(pays)} of the bond of licence {licence} to {to}", function)
    return Plan(f"Withdraw {token.show(pays)} to {to}", (call,), tuple(facts), moves_money=True)


def _bond(network: Network, licence: int, token: Token) -> Bond:
    return views.bonds_of(network, licence, [token])[0]


def _check_holder(view: Licence, key: str) -> None:
    if view.holder.lower() != key.lower():
        raise NotHolder(
            f"{key} doesn't hold licence {view.id}, {view.holder} does, and the bond is the licence's: use that key"
        )


def _positive(token: Token, amount: str) -> int:
    units = token.parse("AMOUNT", amount)
    if units == 0:
        raise BondWaits("AMOUNT is 0: give what is to come into the bond")
    return units
