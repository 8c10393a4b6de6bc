"""What a node signs to serve: the acceptance of one placement, or an offer that stands; with its signature."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final

from oracle.ground.typed_data import Acceptance
from orchestrator.wire.fields import Fields, text
from orchestrator.wire.typed_data import StandingOffer

_U32: Final = 2**32 - 1
_U64: Final = 2**64 - 1
_U256: Final = 2**256 - 1


@dataclass(frozen=True, slots=True)
class SignedAcceptance:
    """A node's acceptance of a placement with its 64-byte signature, in the domain of Placements."""

    acceptance: Acceptance
    signature: bytes

    def to_json(self) -> dict[str, Any]:
        """As `read` takes it."""
        a = self.acceptance
        return {
            "job": a.job,
            "slot": a.slot,
            "generation": a.generation,
            "licence": a.licence,
            "terms": "0x" + a.terms.hex(),
            "expiry": a.expiry,
            "signature": "0x" + self.signature.hex(),
        }

    @staticmethod
    def read(value: object, where: str) -> SignedAcceptance:
        """From JSON; InvalidValue."""
        f = Fields(value, where)
        acceptance = Acceptance(
            job=f.number("job", 1, _U64),
            slot=f.number("slot", 0, _U32),
            generation=f.number("generation", 1, _U32),
            licence=f.number("licence", 1, _U256),
            terms=f.raw("terms", 32),
            expiry=f.number("expiry", 0, _U64),
        )
        found = SignedAcceptance(acceptance, f.raw("signature", 64))
        f.done()
        return found


@dataclass(frozen=True, slots=True)
class SignedOffer:
    """A node's standing offer with its 64-byte signature, in the domain of Placements."""

    offer: StandingOffer
    signature: bytes

    def to_json(self) -> dict[str, Any]:
        """As `read` takes it; the least price is a text, as money is everywhere in JSON."""
        o = self.offer
        return {
            "licence": o.licence,
            "orchestrator": o.orchestrator,
            "token": o.token,
            "minPrice": str(o.minPrice),
            "policy": "0x" + o.policy.hex(),
            "capacity": o.capacity,
            "nonce": o.nonce,
            "expiry": o.expiry,
            "signature": "0x" + self.signature.hex(),
        }

    @staticmethod
    def read(value: object, where: str) -> SignedOffer:
        """From JSON; InvalidValue."""
        f = Fields(value, where)
        offer = StandingOffer(
            licence=f.number("licence", 1, _U256),
            orchestrator=f.address("orchestrator"),
            token=f.address("token"),
            minPrice=amount(f.take("minPrice"), f"{where}.minPrice"),
            policy=f.raw("policy", 32),
            capacity=f.number("capacity", 0, _U32),
            nonce=f.number("nonce", 0, _U64),
            expiry=f.number("expiry", 0, _U64),
        )
        found = SignedOffer(offer, f.raw("signature", 64))
        f.done()
        return found


def amount(value: object, where: str) -> int:
    """An amount of a token in its smallest unit: a text of digits, as JSON numbers of others aren't that wide."""
    return int(text(value, where, r"[0-9]{1,78}", "give a text of digits, in the token's smallest unit"))
