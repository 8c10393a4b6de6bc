"""Attempts as JSON, for the store."""

from __future__ import annotations

import json
from dataclasses import asdict

from orchestrator.placing.attempt import Attempt, Phase
from orchestrator.wire.intent_parts import Resources
from orchestrator.wire.polling import SignedOffer


def dump(attempt: Attempt) -> str:
    """One line that `load` reads back."""
    plain = {
        name: getattr(attempt, name)
        for name in ("job", "slot", "generation", "licence", "node", "number", "since", "expiry", "asked", "closes")
    }
    plain["phase"] = attempt.phase.value
    plain["resources"] = asdict(attempt.resources)
    plain["signature"] = attempt.signature.hex()
    plain["offer"] = attempt.offer.to_json() if attempt.offer else None
    return json.dumps(plain)


def load(text: str) -> Attempt:
    """The attempt that `dump` wrote."""
    plain = json.loads(text)
    plain["phase"] = Phase(plain["phase"])
    plain["resources"] = Resources(**plain["resources"])
    plain["signature"] = bytes.fromhex(plain["signature"])
    plain["offer"] = SignedOffer.read(plain["offer"], "offer") if plain["offer"] else None
    return Attempt(**plain)
