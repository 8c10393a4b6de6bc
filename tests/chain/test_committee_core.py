# SPDX-License-Identifier: Apache-2.0
"""What one oracle's core makes of messages that honest members don't send, on a real chain."""

from __future__ import annotations

import pytest

from oracle.committee.core import Core
from oracle.committee.effects import Alarm, FetchAppeal, FetchObservation
from oracle.committee.errors import Disagreement
from oracle.committee.messages import Have, Message, Ref
from oracle.committee.observation import commitment
from oracle.committee.schedule import Schedule
from tests.chain.town import CLOCK, SIGNERS, Town

pytestmark = pytest.mark.chain
LIAR = bytes.fromhex(SIGNERS[0].address[2:])


@pytest.fixture
def core(town: Town) -> Core:
    """The second oracle's, in the round of epoch 0."""
    town.see(0)
    town.end(0)
    timing = town.network.timing
    made = Core(town.members[1], Schedule(CLOCK, timing.settle_delay, timing.agreement_span))
    made.tick(made.schedule.begin(0))
    assert made.round is not None
    return made


def have(core: Core, *contents: bytes, appeals: int = 0) -> Message:
    """The liar says that it has observations with these contents, which nobody else has, and appeals."""
    domain = core.member.domain
    refs = []
    for content in contents:
        typed = commitment(0, 1, content)
        refs.append(Ref(0, typed.contentHash, SIGNERS[0].sign_typed(typed, domain)))
    return Message(0, 1, 0, Have(tuple(refs), tuple(bytes([0, 0]) * 15 + n.to_bytes(2, "big") for n in range(appeals))))


def test_core__two_signatures_for_one_epoch__are_proof_without_their_contents(core: Core) -> None:
    now = core.schedule.begin(0)
    core.take(LIAR, have(core, b"one"), now)
    core.take(LIAR, have(core, b"another"), now)
    alarms = [one for one in core.tick(now) if isinstance(one, Alarm)]
    assert [one.kind for one in alarms] == ["equivocation"]
    (proof,) = core.member.pool.equivocations
    assert (proof.author, proof.first.epoch) == (LIAR, 0)
    assert proof.first.content_hash != proof.second.content_hash
    # It outlives the process.
    assert [value for _, value in core.member.store.states("equivocation:", "equivocation;")]


def test_core__contents_that_nobody_has__are_asked_for_a_few_at_a_time(core: Core) -> None:
    now = core.schedule.begin(0)
    asked = core.take(LIAR, have(core, *(bytes([n]) for n in range(4)), appeals=200), now)
    assert sum(isinstance(one, FetchObservation | FetchAppeal) for one in asked) <= 8
    with pytest.raises(Disagreement, match="more than there can be"):
        core.take(LIAR, have(core, *(bytes([n]) for n in range(5))), now)
