# SPDX-License-Identifier: Apache-2.0
"""Leaves of licences and oracles against what the contracts take: nothing that is told is void, nothing ever falls."""

from __future__ import annotations

from dataclasses import dataclass

from hypothesis import given, settings
from hypothesis import strategies as st

from oracle.ground.availability import Deed, attend
from oracle.ground.clock import EpochClock
from oracle.ground.duty import Post, serve
from oracle.ground.uptime import ZERO, Uptime

CLOCK = EpochClock(genesis=1_000, length=60)
EPOCHS = 8
SIGNER = b"\xaa" * 20
SECONDS = st.integers(0, 70)
SEEN = st.tuples(SECONDS, SECONDS).map(lambda pair: Uptime(min(pair), max(pair)))
SPANS = st.lists(st.integers(CLOCK.genesis, CLOCK.end(EPOCHS)), max_size=8, unique=True).map(sorted)
"""Times of linking and unlinking, or of joining and leaving, in turn."""


@dataclass
class Chain:
    """What `LicenceRewards` and `OraclePay` book of a leaf; their bounds are the same."""

    through: int
    earned: int = 0
    accounted: int = 0

    def settle(self, leaf: Uptime, end: int, there: int) -> None:
        """`there`: seconds linked, or of membership, until now."""
        told, gained = max(0, leaf.observed - self.accounted), max(0, leaf.up - self.earned)
        taken = min(told, max(0, end - self.through), max(0, there - self.accounted))
        raised = min(max(0, gained - told), self.accounted - self.earned)
        self.earned += min(gained, told, taken) + raised
        self.accounted += taken
        self.through = max(self.through, end)


def inside(spans: list[int], until: int) -> int:
    """Seconds of the spans up to a time."""
    closed = [*spans, until] if len(spans) % 2 else spans
    return sum(max(0, min(b, until) - a) for a, b in zip(closed[::2], closed[1::2], strict=True) if a < until)


def settle_maybe(
    data: st.DataObject, chain: Chain, was: Uptime, leaf: Uptime | None, spans: list[int], end: int
) -> None:
    """A leaf of a report up to `end` keeps its bounds; settled at once or not, it is booked whole. None: it is left
    out, as nothing of it is unsettled."""
    if leaf is None:
        assert was in (ZERO, Uptime(chain.earned, chain.accounted))
        return
    assert leaf.up >= max(was.up, chain.earned)
    assert leaf.observed >= max(was.observed, chain.accounted)
    assert leaf.observed <= inside([time for time in spans if time < end], end)
    if data.draw(st.booleans(), label="settled"):
        chain.settle(leaf, end, inside(spans, end + 17))
        assert (chain.earned, chain.accounted) == (leaf.up, leaf.observed)


@settings(max_examples=300, deadline=None)
@given(st.data(), SPANS, st.integers(0, 3 * CLOCK.length))
def test_attend__any_links_reports_and_settlements__books_what_leaves_tell(
    data: st.DataObject, spans: list[int], late: int
) -> None:
    starts_at = CLOCK.genesis + late
    chain, known, waiting = Chain(starts_at), dict[int, Uptime](), list[int]()
    for epoch in range(EPOCHS):
        waiting.append(epoch)
        if not data.draw(st.booleans(), label="reported"):
            continue
        end = CLOCK.end(epoch)
        before = [time for time in spans if time < end]
        linked = len(before) % 2 == 1
        since = max(before[-1] if linked else 0, starts_at)
        deed = Deed(1, SIGNER if linked else None, since, inside(before, end), Uptime(chain.earned, chain.accounted))
        carried = data.draw(st.lists(st.sampled_from(waiting), unique=True), label="carried")
        after = attend(known, CLOCK, {each: {1: data.draw(SEEN)} for each in carried}, [deed])
        settle_maybe(data, chain, known.get(1, ZERO), after.get(1), spans, end)
        known, waiting = after, []


@settings(max_examples=300, deadline=None)
@given(st.data(), SPANS)
def test_serve__any_terms_reports_and_settlements__books_what_leaves_tell(
    data: st.DataObject, spans: list[int]
) -> None:
    chain, known, waiting = Chain(CLOCK.genesis), dict[int, Uptime](), list[int]()
    for epoch in range(EPOCHS):
        waiting.append(epoch)
        if not data.draw(st.booleans(), label="reported"):
            continue
        end = CLOCK.end(epoch)
        before = [time for time in spans if time < end]
        sits = len(before) % 2 == 1
        post = Post(1, SIGNER if sits else None, inside(before, end), Uptime(chain.earned, chain.accounted))
        carried = data.draw(st.lists(st.sampled_from(waiting), unique=True), label="carried")
        observed = {each: {SIGNER} if data.draw(st.booleans()) else set() for each in carried}
        after = serve(known, CLOCK, observed, [post])
        settle_maybe(data, chain, known.get(1, ZERO), after.get(1), spans, end)
        known, waiting = after, []
