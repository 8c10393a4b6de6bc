"""Which proposed placements this node takes, by its operator's own settings. Pure."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass

from orchestrator.wire.intent import Intent
from orchestrator.wire.intent_parts import Resources
from orchestrator.wire.polling import Proposal
from orchestrator.wire.terms import terms_hash

LONGEST = 86_400
"""Seconds for which an acceptance may bind this node."""


@dataclass(frozen=True, slots=True)
class Rules:
    """What the operator takes.

    prices     token (lower case) -> least price of a slot for one epoch, in its smallest unit; no others are taken
    any_price  takes every token at every price
    policies   hashes of the only policies it takes; None: any
    services   kinds of service it runs
    """

    prices: Mapping[str, int]
    any_price: bool = False
    policies: frozenset[bytes] | None = None
    services: Collection[str] = ("car", "war", "native")


def objection(
    rules: Rules, proposal: Proposal, intent: Intent, room: Resources, tags: Collection[str], now: int
) -> str | None:
    """Why this proposal isn't taken, as a sentence for both sides; None: it is.

    `room` is what this node has left, `now` UNIX seconds. The intent is the one that the proposal names.
    """
    least = rules.prices.get(proposal.token)
    if not rules.any_price:
        if least is None:
            return f"token {proposal.token} isn't taken: --least-price names none for it"
        if proposal.price < least:
            return f"price is {proposal.price}, the least for {proposal.token} is {least}"
    # What is signed is the terms' hash: it has to stand for what this node was told.
    if proposal.price >= 2**96 or proposal.terms != terms_hash(
        proposal.token, proposal.price, proposal.policy.hash(), proposal.intent
    ):
        return f"terms 0x{proposal.terms.hex()} aren't those of the token, price, policy and intent told"
    if rules.policies is not None and proposal.policy.hash() not in rules.policies:
        return f"policy 0x{proposal.policy.hash().hex()} isn't among those of --policy"
    if not now < proposal.expiry <= now + LONGEST:
        return f"expiry is {proposal.expiry}, it is {now}: an acceptance is given for up to {LONGEST} s"
    if intent.hash != proposal.intent:
        return f"intent 0x{intent.hash.hex()} isn't the one proposed, 0x{proposal.intent.hex()}"
    if intent.policy != proposal.policy:
        return "the intent's policy isn't the job's"
    if intent.service not in rules.services:
        return f"service {intent.service!r} isn't run here"
    if not intent.resources.memory_mb:
        return "intent.resources.memory_mb is 0: no process runs without memory"
    if not intent.resources.fits(room):
        asked = intent.resources
        return (
            f"it asks for {asked.cpu_millis} millicores, {asked.memory_mb} MB of memory and {asked.storage_mb} MB of "
            f"storage; {room.cpu_millis}, {room.memory_mb} and {room.storage_mb} are left"
        )
    if missing := sorted(set(intent.tags) - set(tags)):
        return f"this node has no tag {missing[0]!r}"
    return None
