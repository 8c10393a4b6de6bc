"""The agent before an oracle that answers anything: its own link may fail, in the one way that is retried."""

from __future__ import annotations

import asyncio
from typing import Any, cast

import aiohttp
from hypothesis import given, settings
from hypothesis import strategies as st

from node.oracle_link import LinkError, OracleLink
from oracle.ground.typed_data import Heartbeat
from oracle.signing.signer import derive

DOMAIN = Heartbeat.domain(31337, "0x" + "11" * 20)
ANYTHING = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5) | st.just("0x" + "33" * 32),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=5,
)
GOOD = {"oracle": "0x" + "22" * 20, "challenge": "0x" + "33" * 32, "genesis": 1000, "tick": 10, "now": 2000.5}
REASONS = st.sampled_from(
    ["stale_challenge", "replayed_sequence", "wrong_oracle", "unknown_node", "\x1b[2J", "storage"]
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
    },
)
CALLS = st.tuples(st.sampled_from([200, 400, 403, 409, 421, 503]), ANSWERS)


class Liar(OracleLink):
    """A link whose oracle gives these answers, the first to its question for the terms."""

    def __init__(self, answers: list[tuple[int, dict[str, Any]]]) -> None:
        self.lines: list[str] = []
        super().__init__(
            "http://liar", derive("test", "node"), DOMAIN, cast(aiohttp.ClientSession, None), self.lines.append
        )
        self._answers = iter(answers)

    async def _call(self, method: str, path: str, body: bytes | None = None) -> tuple[int, dict[str, Any]]:
        return next(self._answers)

    async def one_tick(self) -> str:
        try:
            self._terms = await self._ask_terms()
            self._challenge = self._terms.challenge
            await self._beat(self._terms)
            pause = self._until_next(self._terms)
        except LinkError as error:
            return str(error)
        assert 0 <= pause <= 86_400
        return "went on"


@settings(max_examples=150, deadline=None)
@given(terms=st.just((200, GOOD)) | CALLS, beats=st.lists(CALLS, min_size=3, max_size=3))
def test_link__any_answers__goes_on_or_link_error(
    terms: tuple[int, dict[str, Any]], beats: list[tuple[int, dict[str, Any]]]
) -> None:
    link = Liar([terms, *beats])
    outcome = asyncio.run(link.one_tick())
    assert outcome
    assert all(line.isprintable() and len(line) < 400 for line in link.lines)


def test_link__good_answers__goes_on() -> None:
    link = Liar([(200, GOOD), (200, {"accepted": 1, "refused": [], "challenge": "0x" + "44" * 32, "now": 2001})])
    assert asyncio.run(link.one_tick()) == "went on"
    assert (link.sent, link._challenge) == (1, b"\x44" * 32)
    assert link.lines == [f"oracle http://liar: beating every 10 s, accepted by {GOOD['oracle']}"]


def test_link__oracle_claims_the_last_sequence__only_that_link_fails() -> None:
    claim = {"accepted": 0, "refused": [{"reason": "replayed_sequence", "last_sequence": 2**64 - 1}]}
    assert "the last there is" in asyncio.run(Liar([(200, GOOD), (409, claim)]).one_tick())
