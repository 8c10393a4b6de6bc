# SPDX-License-Identifier: Apache-2.0
"""The agent before an oracle that answers anything: its own link may fail, in the one way that is retried."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from node.answers import Acknowledged, Terms
from node.errors import LinkError
from node.oracle_link import ASK_AGAIN, OracleLink
from node.receipt_keeper import ReceiptKeeper
from node.sealing import StaleTerms
from oracle.ground.typed_data import Heartbeat
from oracle.signing.signer import derive
from oracle.telemetry.wire.session import session_public_key
from oracle.telemetry.wire.workloads import Health

DOMAIN = Heartbeat.domain(31337, "0x" + "11" * 20)
ANYTHING = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5) | st.just("0x" + "33" * 32),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=5,
)
GOOD = {
    "oracle": "0x" + "22" * 20,
    "challenge": "0x" + "33" * 32,
    "sessionKey": "0x" + session_public_key(b"\x05" * 32).hex(),
    "chainId": 31337,
    "attestations": "0x" + "11" * 20,
    "genesis": 1000,
    "epochLength": 3600,
    "tick": 10,
    "now": 2000.5,
}
ACCEPTED = {"accepted": 1, "refused": [], "epoch": 0, "tick": 100, "now": 2001, "challenge": "0x" + "44" * 32}
REASONS = st.sampled_from(
    ["stale_challenge", "replayed_sequence", "wrong_oracle", "unknown_node", "unknown_session", "bad_tag", "\x1b[2J"]
)
REFUSALS = st.lists(
    st.fixed_dictionaries({"reason": REASONS | ANYTHING}, optional={"cure": ANYTHING, "last_sequence": ANYTHING}),
    max_size=2,
)
ANSWERS = st.fixed_dictionaries(
    {},
    optional={
        **{key: st.just(value) | ANYTHING for key, value in GOOD.items()},
        "accepted": st.sampled_from([0, 1]) | ANYTHING,
        "refused": REFUSALS | ANYTHING,
        "epoch": st.sampled_from([0, 1, 2**63]) | ANYTHING,
        "tick": st.sampled_from([0, 100, 2**63]) | ANYTHING,
        "fenced": st.just([{"index": 0, "assignments": ["7", "8"]}]) | ANYTHING,
        "session": st.just("0x" + "55" * 8) | ANYTHING,
        "expires": st.just(9000) | ANYTHING,
    },
)
CALLS = st.tuples(st.sampled_from([200, 400, 403, 404, 409, 421, 503]), ANSWERS)


class Answers:
    """A transport whose oracle gives these answers, one after the other."""

    patience = 1.0

    def __init__(self, answers: list[tuple[int, dict[str, Any]]]) -> None:
        self._answers = iter(answers)

    async def terms(self) -> tuple[int, dict[str, Any]]:
        return next(self._answers)

    async def beat(self, wire: bytes) -> tuple[int, dict[str, Any]]:
        return next(self._answers)

    async def open_session(self, wire: bytes) -> tuple[int, dict[str, Any]]:
        return next(self._answers)

    async def receipt(self, node: str, epoch: int) -> tuple[int, dict[str, Any]]:
        return next(self._answers)

    async def close(self) -> None:
        pass


class Liar:
    """A link to an oracle that gives these answers, and who listens to it."""

    def __init__(self, answers: list[tuple[int, dict[str, Any]]], sealed: bool = False) -> None:
        self.lines: list[str] = []
        self.heard: list[Acknowledged] = []
        node = derive("test", "node")
        transport = Answers(answers)
        self.keeper = ReceiptKeeper(transport, node.address, DOMAIN, None, self.lines.append)
        self.link = OracleLink(
            *("http://liar", transport, node, DOMAIN, self.lines.append),
            health=lambda: {7: Health.HEALTHY},
            listeners=(self, self.keeper),
            sealed=sealed,
        )

    def acknowledged(self, terms: Terms, heard: Acknowledged, reported: Mapping[int, Health]) -> None:
        self.heard.append(heard)

    async def one_tick(self) -> str:
        try:
            pause = await self.link.once()
        except LinkError as error:
            return str(error)
        assert 0 <= pause <= 86_400
        return "went on"

    async def one_receipt(self) -> None:
        assert self.link.terms
        await self.keeper._ask(self.link.terms, self.heard[0].epoch)


@settings(max_examples=200, deadline=None)
@given(
    terms=st.just((200, GOOD)) | CALLS,
    beats=st.lists(CALLS, min_size=9, max_size=9),
    sealed=st.booleans(),
)
def test_link__any_answers__goes_on_or_link_error(
    terms: tuple[int, dict[str, Any]], beats: list[tuple[int, dict[str, Any]]], sealed: bool
) -> None:
    liar = Liar([terms, *beats], sealed)
    assert asyncio.run(liar.one_tick())
    assert all(line.isprintable() and len(line) < 400 for line in liar.lines)
    assert liar.link.sent == len(liar.heard) <= 1


@settings(max_examples=100, deadline=None)
@given(receipt=st.tuples(st.sampled_from([200, 404, 429]), st.fixed_dictionaries({}, optional={"receipt": ANYTHING})))
def test_receipt_keeper__any_answer__goes_on(receipt: tuple[int, dict[str, Any]]) -> None:
    liar = Liar([(200, GOOD), (200, ACCEPTED), receipt])

    async def story() -> None:
        assert await liar.one_tick() == "went on"
        await liar.one_receipt()

    asyncio.run(story())
    assert liar.keeper.plan.counts[0].failures == 1


def test_link__good_answers__goes_on() -> None:
    liar = Liar([(200, GOOD), (200, ACCEPTED)])
    assert asyncio.run(liar.one_tick()) == "went on"
    assert (liar.link.sent, liar.link._challenge) == (1, b"\x44" * 32)
    assert liar.heard == [Acknowledged(0, 100, frozenset())]
    assert liar.lines == [f"oracle http://liar: beating every 10 s, accepted by {GOOD['oracle']}"]


def test_link__oracle_claims_the_last_sequence_once__beats_on() -> None:
    for claim in (2**64 - 1, 2**63 + 1, 2**80):
        refused = {"accepted": 0, "refused": [{"reason": "replayed_sequence", "last_sequence": claim}]}
        liar = Liar([(200, GOOD), (409, refused), (200, ACCEPTED)])
        assert asyncio.run(liar.one_tick()) == "went on"
        assert liar.link._sequence < 2**42  # milliseconds
        liar.link._beat_at = 0.0
        assert asyncio.run(liar.one_tick()) == "went on"
        assert liar.link.sent == 1
        assert liar.lines[0].startswith("oracle http://liar: refused: replayed_sequence;")


def test_link__clock_was_set_back__goes_above_the_last_accepted_sequence() -> None:
    refused = {"accepted": 0, "refused": [{"reason": "replayed_sequence", "last_sequence": 2**62}]}
    liar = Liar([(200, GOOD), (409, refused), (200, ACCEPTED)])
    assert asyncio.run(liar.one_tick()) == "went on"
    assert (liar.link.sent, liar.link._sequence) == (1, 2**62 + 1)


def test_link__acknowledges_a_tick_of_another_time__link_error() -> None:
    for wrong in ({"epoch": 1}, {"epoch": 2**63}, {"tick": 102}, {"tick": 360}, {"tick": None}):
        assert asyncio.run(Liar([(200, GOOD), (200, {**ACCEPTED, **wrong})]).one_tick()) != "went on"


def test_link__oracle_restarts_with_another_tick__asked_again_and_nothing_is_said() -> None:
    now = {**GOOD, "tick": 1}
    accepted = {**ACCEPTED, "tick": 1001}
    liar = Liar([(200, GOOD), (200, ACCEPTED), (200, accepted), (200, now), (200, accepted)])

    async def story() -> None:
        await liar.link.once()
        liar.link._beat_at = 0.0
        with pytest.raises(StaleTerms, match="acknowledges tick 1001 of epoch 0"):
            await liar.link.once()
        liar.link.terms = None  # as `run` does then
        await liar.link.once()
        assert (liar.link.sent, liar.link.terms and liar.link.terms.tick) == (2, 1)

    asyncio.run(story())
    assert len(liar.lines) == 1


def test_link__lies_about_its_tick_once__believed_for_minutes() -> None:
    lie = {**GOOD, "tick": 86_400, "epochLength": 86_400 * 365}
    accepted = {**ACCEPTED, "tick": 0}
    liar = Liar([(200, lie), (200, accepted), (200, GOOD), (200, ACCEPTED)])

    async def story() -> None:
        assert 0 < await liar.link.once() <= ASK_AGAIN
        assert liar.link.terms
        assert liar.link.terms.tick == 86_400
        liar.link._ask_at = 0.0  # minutes later
        assert await liar.link.once() == 0.0
        assert liar.link.terms.tick == 10
        assert 0 < await liar.link.once() <= 10
        assert liar.link.sent == 2

    asyncio.run(story())
    assert [count.acknowledged for count in liar.keeper.plan.counts.values()] == [1 << 100]  # by the true ticks


def test_link__no_answer_to_the_question_for_known_terms__beats_on() -> None:
    liar = Liar([(200, GOOD), (200, ACCEPTED), (503, {}), (200, ACCEPTED)])

    async def story() -> None:
        await liar.link.once()
        liar.link._ask_at = 0.0
        assert 0 < await liar.link.once() <= 10
        liar.link._beat_at = 0.0
        await liar.link.once()
        assert liar.link.sent == 2

    asyncio.run(story())


def test_link__tells_a_tick_below_a_second__link_error() -> None:
    assert "shorter than any" in asyncio.run(Liar([(200, {**GOOD, "tick": 0.01})]).one_tick())


def test_link__session_refused__signs_in_the_same_tick() -> None:
    refused = {"accepted": 0, "refused": [{"reason": "unknown_node", "cure": "wait"}]}
    for answer in ((404, {}), (503, {}), (403, refused)):
        liar = Liar([(200, GOOD), answer, (200, ACCEPTED)], sealed=True)
        assert asyncio.run(liar.one_tick()) == "went on"
        assert liar.link.sent == 1
