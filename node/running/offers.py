"""Standing offers that the operator makes to orchestrators: read from a file, signed, told with each poll."""

from __future__ import annotations

from pathlib import Path

from node.errors import SettingsError
from oracle.ground.errors import InvalidValue
from oracle.signing.signer import Signer
from orchestrator.wire.canonical import decode
from orchestrator.wire.consents import amount
from orchestrator.wire.fields import Fields
from orchestrator.wire.polling import SignedOffer
from orchestrator.wire.typed_data import StandingOffer

LONGEST_FILE = 1 << 16
MOST = 64


def read_offers(path: Path, licence: int) -> tuple[StandingOffer, ...]:
    """The offers in the JSON file {"offers": [{orchestrator, token, minPrice, policy, capacity, nonce, expiry}]}.

    SettingsError, naming file and field, for anything else.
    """
    try:
        fields = Fields(decode(path.read_bytes(), "offers", LONGEST_FILE), "file")
        found = fields.list_of("offers", lambda value, where: _read(value, where, licence), most=MOST)
        fields.done()
    except (OSError, InvalidValue) as error:
        raise SettingsError(f"--offers {path}: {error}") from error
    return found


def sign_offers(offers: tuple[StandingOffer, ...], signer: Signer, chain_id: int, placements: str) -> list[SignedOffer]:
    """Each with the node's signature; errors as of the signer."""
    domain = StandingOffer.domain(chain_id, placements)
    return [SignedOffer(offer, signer.sign_typed(offer, domain)) for offer in offers]


def _read(value: object, where: str, licence: int) -> StandingOffer:
    f = Fields(value, where)
    offer = StandingOffer(
        licence=licence,
        orchestrator=f.address("orchestrator"),
        token=f.address("token"),
        minPrice=amount(f.take("minPrice"), f"{where}.minPrice"),
        policy=f.raw("policy", 32),
        capacity=f.number("capacity", 1, 2**32 - 1),
        nonce=f.number("nonce", 0, 2**64 - 1, 0),
        expiry=f.number("expiry", 0, 2**64 - 1),
    )
    f.done()
    return offer
