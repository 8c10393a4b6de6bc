"""Linking a licence to a node: the node's consent as a file, the link, its end, and handing a licence on."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Final

from chain.network import Network
from operations.licences import files, views
from operations.licences.views import Licence
from operations.plans import Plan, PlannedCall
from oracle.ground import times
from oracle.ground.address import checksummed
from oracle.ground.errors import InvalidValue, UserError
from oracle.ground.typed_data import NodeConsent
from oracle.signing.compact import recover
from oracle.signing.signer import Signer

_FIELDS: Final = ("chain_id", "contract", "licence", "holder", "node", "nonce", "deadline", "signature")
_NODE: Final = "the node's operator"


class NotHolder(UserError):
    """Another key holds the licence."""


class Linked(UserError):
    """The licence's link, or the lack of one, stands in the way."""


@dataclass(frozen=True, slots=True)
class ConsentFile:
    """A node's consent for one network and licence, and its signature (64 bytes, EIP-2098)."""

    chain_id: int
    contract: str
    consent: NodeConsent
    signature: bytes

    def save(self, path: Path) -> None:
        """Write as JSON. Only the holder it names can use it, once. InvalidValue."""
        one = self.consent
        files.save(
            path,
            {
                "chain_id": self.chain_id,
                "contract": self.contract,
                "licence": one.licence,
                "holder": one.holder,
                "node": one.node,
                "nonce": one.nonce,
                "deadline": one.deadline,
                "signature": "0x" + self.signature.hex(),
            },
        )

    @staticmethod
    def load(path: Path) -> ConsentFile:
        """Read what `save` wrote. InvalidValue names what is wrong."""
        told = files.load(path, _FIELDS, "node's consent", "`epochal licence consent` on the node's machine")
        try:
            consent = NodeConsent(
                int(told["licence"]),
                files.address("holder", told["holder"]),
                files.address("node", told["node"]),
                int(told["nonce"]),
                int(told["deadline"]),
            )
            signature = files.raw(told["signature"], 64)
            return ConsentFile(int(told["chain_id"]), str(told["contract"]), consent, signature)
        except (ValueError, TypeError, AttributeError, InvalidValue) as error:
            raise files.unreadable(path, error, _NODE) from error


def consented(network: Network, node: Signer, licence: int, holder: str, deadline: int) -> ConsentFile:
    """A node's signed consent to serve a licence for its present holder. NotHolder, InvalidValue, NoLicence."""
    view = views.of(network, licence)
    if view.holder.lower() != holder.lower():
        raise NotHolder(
            f"licence {licence} is held by {view.holder}, not by {holder}: name the holder with --holder, or check the "
            "licence's number"
        )
    if deadline <= network.chain.block("latest").timestamp:
        raise InvalidValue(f"--until is {times.show_time(deadline)}, which is past: give a later time")
    nonce = int(network.chain.call(network.licences.functions.consentNonce(node.address)))
    consent = NodeConsent(licence, holder, node.address, nonce, deadline)
    signature = node.sign_typed(consent, network.consent_domain)
    return ConsentFile(network.chain.chain_id, network.licences.address, consent, signature)


def linking(network: Network, holder: str, licence: int, file: ConsentFile) -> Plan:
    """Link the licence to the node that consented. Each thing that the contract would refuse, with its cure."""
    view = views.of(network, licence)
    _check_holder(view, holder)
    consent = file.consent
    files.check_place(network, "consent", file.chain_id, file.contract, network.licences.address, "the node")
    _check_consent(network, file, licence, holder)
    if view.node.lower() == consent.node.lower():
        return Plan(f"Licence {licence} is linked to {view.node} already: there is nothing to do", ())
    function = network.licences.functions.link(
        licence, consent.node, consent.deadline, file.signature[:32], file.signature[32:]
    )
    cooldown = int(network.chain.call(network.licences.functions.relinkCooldown()))
    facts = (
        ("node", consent.node),
        ("licence", f"{licence}, {view.kind}"),
        ("next link", f"{times.show_span(cooldown)} after this one at the earliest" if cooldown else "at any time"),
    )
    label = f"link licence {licence} to {consent.node}"
    return Plan(f"Link licence {licence} to a node", (PlannedCall.of(label, function),), facts)


def unlinking(network: Network, caller: str, licence: int) -> Plan:
    """End the link; the holder or the node may. Linked, NotHolder."""
    view = views.of(network, licence)
    if not view.node:
        return Plan(f"Licence {licence} is linked to no node: there is nothing to do", ())
    if caller.lower() not in (view.holder.lower(), view.node.lower()):
        raise NotHolder(
            f"{caller} neither holds licence {licence} nor is its node: use the key of {view.holder} or {view.node}"
        )
    if view.open:
        raise Linked(
            f"licence {licence} has {view.open} open assignment{'s' if view.open > 1 else ''}, so it stays linked: end "
            f"them with `epochal licence leave {licence}`, or have their orchestrators do it, then unlink"
        )
    now = network.chain.block("latest").timestamp
    again = "now" if view.relinkable_at <= now else f"from {times.show_time(view.relinkable_at)} on"
    label = f"unlink licence {licence} from {view.node}"
    facts = (("node", view.node), ("can be linked again", again))
    call = PlannedCall.of(label, network.licences.functions.unlink(licence))
    return Plan(f"Unlink licence {licence}", (call,), facts)


def sending(network: Network, holder: str, licence: int, to: str) -> Plan:
    """Hand an unlinked licence, with its bond, to somebody else. Linked, NotHolder, Refused when it is barred."""
    view = views.of(network, licence)
    _check_holder(view, holder)
    if view.node:
        raise Linked(
            f"licence {licence} is linked to {view.node}, and a linked licence doesn't move: "
            f"`epochal licence unlink {licence}` first"
        )
    bonds = [one for one in views.bonds_of(network, licence, views.bond_tokens(network)) if one.balance]
    facts = [("to", to), ("kind", view.kind)]
    facts += [("its bond goes too", one.token.show(one.balance)) for one in bonds]
    facts.append(("its earlier pay", "stays yours: `epochal licence claim` brings it"))
    function = network.licences.functions.safeTransferFrom(holder, to, licence)
    call = PlannedCall.of(f"send licence {licence} to {to}", function)
    return Plan(f"Send licence {licence} to {to}", (call,), tuple(facts), moves_money=True)


def leaving(network: Network, licence: int, assignments: list[tuple[int, str]]) -> Plan:
    """Close these open assignments of a licence (ids with their names) now; its payee or its node may."""
    calls = tuple(
        PlannedCall.of(f"end assignment {name}", network.placements.functions.closeAssignment(one))
        for one, name in assignments
    )
    if not calls:
        return Plan(f"Licence {licence} has no open assignment: there is nothing to do", ())
    facts = (("what was served", "is paid up to now; the slots are empty from then on"),)
    count = f"{len(calls)} assignment{'s' if len(calls) > 1 else ''}"
    return Plan(f"End {count} of licence {licence}", calls, facts, moves_money=True)


def _check_holder(view: Licence, key: str) -> None:
    if view.holder.lower() != key.lower():
        raise NotHolder(
            f"{key} doesn't hold licence {view.id}, {view.holder} does: use that key, or another licence; "
            f"`epochal licence list --holder {key}` shows yours"
        )


def _check_consent(network: Network, file: ConsentFile, licence: int, holder: str) -> None:
    consent = file.consent
    if consent.licence != licence:
        raise InvalidValue(
            f"the consent is for licence {consent.licence}, not for {licence}: link that one, or have the node run "
            f"`epochal licence consent {licence}`"
        )
    if consent.holder.lower() != holder.lower():
        raise InvalidValue(
            f"the consent is for the holder {consent.holder}, not for {holder}: have the node run `epochal licence "
            f"consent {licence}` again"
        )
    try:
        signed_by = checksummed(recover(consent.digest(network.consent_domain), file.signature))
    except InvalidValue as error:
        raise InvalidValue(f"the consent's signature is none ({error}): have the node sign a new one") from error
    if signed_by.lower() != consent.node.lower():
        raise InvalidValue(
            f"the consent of {consent.node} was signed by {signed_by}: it is another node's, or was changed; have the "
            f"node run `epochal licence consent {licence}` again"
        )
    nonce = int(network.chain.call(network.licences.functions.consentNonce(consent.node)))
    if nonce != consent.nonce:
        raise InvalidValue(
            f"the consent was used already, each serves once: have the node run `epochal licence consent {licence}` "
            "again"
        )
