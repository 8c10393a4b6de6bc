# SPDX-License-Identifier: Apache-2.0
"""Which placements a node takes by its operator's settings."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from node.running.accepting import LONGEST, Rules, objection
from oracle.ground.policy import Policy
from orchestrator.wire.intent import from_document
from orchestrator.wire.intent_parts import Resources
from orchestrator.wire.polling import Proposal
from orchestrator.wire.terms import terms_hash

TOKEN, OTHER = "0x" + "44" * 20, "0x" + "55" * 20
NOW = 1_800_000_000
DOCUMENT = {
    "version": 1,
    "name": "web",
    "service": "native",
    "pipeline": {"name": "p"},
    "replicas": 1,
    "resources": {"cpu_millis": 500, "memory_mb": 100, "storage_mb": 10},
    "policy": {},
    "command": ["true"],
    "tags": ["gpu"],
}
INTENT = from_document(DOCUMENT)
PROPOSAL = Proposal(1, 0, 1, bytes(32), NOW + 60, 100, TOKEN, INTENT.hash, INTENT.policy)
"""Without its terms: `judged` puts in those of what it tells."""
ROOM = Resources(500, 100, 10)
RULES = Rules({TOKEN: 100}, policies=frozenset([INTENT.policy.hash()]))


def judged(rules: Rules = RULES, room: Resources = ROOM, tags: tuple[str, ...] = ("gpu",), **fields: Any) -> str | None:
    told = replace(PROPOSAL, **fields)
    terms = fields.get("terms") or terms_hash(told.token, told.price, told.policy.hash(), told.intent)
    return objection(rules, replace(told, terms=terms), INTENT, room, tags, NOW)


def test_objection__exactly_what_the_operator_asks_for__none() -> None:
    assert judged() is None
    assert judged(Rules({}, any_price=True), price=0, token=OTHER) is None
    assert judged(expiry=NOW + LONGEST) is None


@pytest.mark.parametrize(
    ("changes", "why"),
    [
        ({"price": 99}, "price is 99"),
        ({"token": OTHER}, "--least-price names none"),
        ({"rules": replace(RULES, policies=frozenset([bytes(32)]))}, "isn't among those of --policy"),
        ({"rules": replace(RULES, services=("car",))}, "'native' isn't run here"),
        ({"expiry": NOW}, "expiry is"),
        ({"expiry": NOW + LONGEST + 1}, "expiry is"),
        ({"intent": bytes(32)}, "isn't the one proposed"),
        ({"policy": Policy(target_ppm=999_999), "rules": Rules({TOKEN: 1})}, "policy isn't the job's"),
        ({"room": Resources(499, 100, 10)}, "499, 100 and 10 are left"),
        ({"room": Resources(500, 99, 10)}, "are left"),
        ({"room": Resources(500, 100, 9)}, "are left"),
        ({"tags": ()}, "no tag 'gpu'"),
        ({"terms": terms_hash(TOKEN, 99, INTENT.policy.hash(), INTENT.hash)}, "aren't those of the token, price"),
        ({"price": 2**96, "terms": bytes(32)}, "aren't those of the token, price"),
    ],
)
def test_objection__one_thing_otherwise__says_which(changes: dict[str, Any], why: str) -> None:
    assert why in (judged(**changes) or "")
