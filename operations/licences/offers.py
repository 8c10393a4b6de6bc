"""Standing offers: what a node takes on from one orchestrator without being asked each time.

The node's agent signs the offers in its file and tells them with each poll, so a file needs no key; an orchestrator
that isn't polled gets a signed one.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Final

from chain.network import Network
from operations.csp.intents import load_intent
from operations.licences import files, views
from operations.licences.linking import Linked, NotHolder
from operations.plans import Plan, PlannedCall
from oracle.ground import times
from oracle.ground.errors import InvalidValue
from oracle.ground.policy import Policy, from_json
from oracle.signing.signer import Signer
from orchestrator.wire.polling import SignedOffer
from orchestrator.wire.typed_data import StandingOffer

_UNSIGNED: Final = bytes(64)


@dataclass(frozen=True, slots=True)
class Standing:
    """An offer, and in a few words whether it counts."""

    offer: StandingOffer
    state: str


def current(network: Network, offer: StandingOffer) -> StandingOffer:
    """The offer under the licence's present nonce. Linked, InvalidValue, NoLicence."""
    view = views.of(network, offer.licence)
    if not view.node:
        raise Linked(
            f"licence {view.id} is linked to no node, so nobody can offer for it: `epochal licence link` first"
        )
    if offer.expiry <= network.chain.block("latest").timestamp:
        raise InvalidValue(f"--until is {times.show_time(offer.expiry)}, which is past: give a later time")
    return replace(offer, nonce=int(network.chain.call(network.placements.functions.offerNonce(view.id))))


def sign(network: Network, node: Signer, offer: StandingOffer) -> SignedOffer:
    """The offer signed by its licence's node. NotHolder for another key."""
    view = views.of(network, offer.licence)
    if view.node.lower() != node.address.lower():
        raise NotHolder(f"{node.address} isn't the node of licence {view.id}, {view.node} is: use the node's key")
    return SignedOffer(offer, node.sign_typed(offer, network.acceptance_domain))


def add(path: Path, offer: StandingOffer) -> int:
    """Write the offer into a file for `epochal node run --offers`, in place of one to the same orchestrator for the
    same token and policy; returns how many it holds then. InvalidValue."""
    held = load(path, offer.licence) if path.exists() else []
    key = (offer.orchestrator.lower(), offer.token.lower(), offer.policy)
    kept = [one for one in held if (one.orchestrator.lower(), one.token.lower(), one.policy) != key]
    files.save(path, {"offers": [_fields(one) for one in (*kept, offer)]})
    return len(kept) + 1


def load(path: Path, licence: int) -> list[StandingOffer]:
    """The offers of a licence in such a file, or the one in a signed file. InvalidValue."""
    try:
        told = json.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise InvalidValue(
            f"{path}: {error.strerror}; give the file that `epochal licence offer make` wrote"
        ) from error
    except ValueError as error:
        raise InvalidValue(f"{path}: is no JSON ({error}); make the offer again") from error
    if isinstance(told, dict) and isinstance(told.get("offers"), list):
        each = [_whole(one, licence) for one in told["offers"]]
        return [SignedOffer.read(one, f"{path}: offers[{place}]").offer for place, one in enumerate(each)]
    return [SignedOffer.read(told, str(path)).offer]


def standing(network: Network, offers: Sequence[StandingOffer]) -> list[Standing]:
    """Whether these offers count now. NoLicence, RpcError."""
    now, found = network.chain.block("latest").timestamp, []
    for one in offers:
        view = views.of(network, one.licence)
        nonce = int(network.chain.call(network.placements.functions.offerNonce(one.licence)))
        state = "counts"
        if nonce != one.nonce:
            state = "was revoked: make another"
        elif now > one.expiry:
            state = "is over: make another"
        elif not view.node:
            state = "waits: the licence is linked to no node"
        elif view.open >= one.capacity:
            state = f"waits: {view.open} of {one.capacity} assignments are open"
        found.append(Standing(one, state))
    return found


def revoking(network: Network, key: str, licence: int) -> Plan:
    """Void all offers of a licence that were made until now; what was accepted stays. NotHolder."""
    view = views.of(network, licence)
    if key.lower() not in (view.holder.lower(), view.node.lower()):
        who = f"{view.holder} or {view.node}" if view.node else view.holder
        raise NotHolder(f"{key} neither holds licence {licence} nor is its node: use the key of {who}")
    function = network.placements.functions.revokeOffers(licence)
    facts = (("what runs", f"{view.open} open assignments stay; offers made later count again"),)
    call = PlannedCall.of(f"void all standing offers of licence {licence}", function)
    return Plan(f"Void all standing offers of licence {licence}", (call,), facts)


def policy_hash(text: str) -> bytes:
    """The hash of a JSON file with a policy or an intent, or that is given as 0x and 64 hex digits. InvalidValue."""
    if text.startswith("0x"):
        try:
            return files.raw(text, 32)
        except ValueError as error:
            raise InvalidValue(f"--policy is {text!r}: give a file, or 0x and 64 hex digits") from error
    path = Path(text)
    try:
        content = path.read_text(encoding="utf-8")
    except OSError as error:
        raise InvalidValue(f"--policy {path}: {error.strerror}; give a JSON file with the policy") from error
    return _policy(content, path).hash()


def _policy(content: str, path: Path) -> Policy:
    try:
        told = json.loads(content)
    except ValueError as error:
        raise InvalidValue(f"--policy {path}: is no JSON ({error}); write the policy as a JSON object") from error
    if isinstance(told, dict) and "policy" in told:
        return load_intent(path).policy
    return from_json(content, source=f"--policy {path}")


def _fields(offer: StandingOffer) -> dict[str, Any]:
    told = SignedOffer(offer, _UNSIGNED).to_json()
    return {name: value for name, value in told.items() if name not in ("licence", "signature")}


def _whole(fields: Any, licence: int) -> Any:
    """A file's offer as a signed one is read, so that both are checked alike."""
    if not isinstance(fields, dict):
        return fields
    return {"licence": licence, "signature": "0x" + _UNSIGNED.hex(), **fields}
