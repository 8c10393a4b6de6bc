# SPDX-License-Identifier: Apache-2.0
"""When another node is asked for: against plain words, tick by tick and second by second."""

from __future__ import annotations

import pytest
from eth_abi.abi import encode
from hypothesis import given
from hypothesis import strategies as st

from oracle.ground.address import raw_address
from oracle.ground.breaches import (
    SLOT_TICKS,
    TOLERANCE_TICKS,
    Breach,
    Reason,
    Seen,
    away,
    missed,
    outage,
    outcast,
    request_id,
    was_silent,
)
from oracle.ground.clock import EpochClock
from oracle.ground.keccak import keccak256
from oracle.ground.maintenance import Span, counted, declared_within, policy_window, ticks_of
from oracle.ground.merkle import verify
from oracle.ground.policy import Policy
from oracle.ground.reallocations import Reallocation, RequestTree

pytestmark = pytest.mark.property

TICKS, TICK = 30, 10
CLOCK = EpochClock(1_000, TICKS * TICK, TICK)
EPOCH = 4
BEGIN = CLOCK.start(EPOCH)
FIRST = BEGIN + 1
"""As of when an assignment may be closed at the earliest."""
MASKS = st.integers(0, (1 << TICKS) - 1)


@st.composite
def sights(draw: st.DrawFn) -> Seen:
    start = draw(st.integers(0, TICKS - 1))
    ticks = range(start, draw(st.integers(start, TICKS)))
    # Mostly down towards the end: that is what matters here.
    up = draw(MASKS) & draw(MASKS) & ((1 << draw(st.integers(0, TICKS))) - 1)
    newest = draw(st.integers(-1, TICKS - 1))
    return Seen(up, draw(MASKS) | draw(MASKS), ticks, newest)


def naive(seen: Seen, seconds: int) -> Breach | None:
    """The words of the rule, a tick at a time."""
    down: list[int] = []
    after_up = seen.span.start
    for tick in seen.span:
        if tick > seen.newest:
            break
        if seen.up >> tick & 1:
            down, after_up = [], tick + 1
        elif seen.observed >> tick & 1:
            down.append(tick)
    if not seconds or len(down) * TICK < seconds or not down or down[-1] <= seen.newest - SLOT_TICKS:
        return None
    earliest = max(after_up - TOLERANCE_TICKS, seen.span.start)
    latest = min(down[0] + TOLERANCE_TICKS, down[-1])
    return Breach(5, Reason.OUTAGE, *(max(FIRST, BEGIN + tick * TICK) for tick in (earliest, down[0], latest)))


@given(sights(), st.integers(0, 12 * TICK))
def test_outage__any_ticks__is_what_the_words_say(seen: Seen, seconds: int) -> None:
    found = outage(5, Policy(outage_seconds=seconds), CLOCK, EPOCH, seen)
    assert found == naive(seen, seconds)
    if found is not None:
        newest = BEGIN + (seen.newest + 1) * TICK
        assert BEGIN < found.earliest <= found.as_of <= found.latest < newest
        # Never earlier than the policy allows, by ticks that were seen.
        assert newest - (BEGIN if found.as_of == FIRST else found.as_of) >= seconds


@given(sights(), st.integers(0, TICKS - 1))
def test_outage__a_tick_more_up_or_blind__never_makes_a_breach(seen: Seen, tick: int) -> None:
    policy = Policy(outage_seconds=5 * TICK)
    if outage(5, policy, CLOCK, EPOCH, seen) is None:
        for other in (
            Seen(seen.up | 1 << tick, seen.observed, seen.span, seen.newest),
            Seen(seen.up, seen.observed & ~(1 << tick), seen.span, seen.newest),
        ):
            assert outage(5, policy, CLOCK, EPOCH, other) is None


@given(sights(), st.integers(0, 4), st.integers(0, 5), st.integers(BEGIN - 4 * 300, BEGIN + 300))
def test_missed__whole_epochs_and_this_one_so_far__are_all_without_up_time(
    seen: Seen, epochs: int, silent: int, opened_at: int
) -> None:
    found = missed(5, Policy(missed_epochs=epochs), CLOCK, EPOCH, seen, opened_at, silent)
    now_down = naive(seen, 1)
    never = now_down is not None and not any(seen.up >> tick & 1 for tick in seen.span)
    served = opened_at + epochs * CLOCK.length <= BEGIN
    wanted = 0 < epochs <= silent and never and served
    assert found == (Breach(5, Reason.MISSED_EPOCHS, FIRST, FIRST, FIRST) if wanted else None)


def test_was_silent__half_seen__is_not_enough() -> None:
    assert was_silent(0, (1 << 16) - 1, TICKS)
    assert not was_silent(0, (1 << 15) - 1, TICKS)
    assert not was_silent(1, (1 << 30) - 1, TICKS)


@pytest.mark.parametrize(
    ("since", "opened_at", "as_of"),
    [(0, 0, FIRST), (BEGIN, BEGIN, FIRST), (BEGIN + 7, 0, BEGIN + 7), (0, BEGIN + 9, BEGIN + 9)],
)
def test_outcast__as_of__is_in_the_epoch_and_after_the_opening(since: int, opened_at: int, as_of: int) -> None:
    assert outcast(5, Policy(), CLOCK, EPOCH, opened_at, since) == Breach(5, Reason.OUTCAST, as_of, as_of, as_of)
    assert outcast(5, Policy(answer_seconds=0), CLOCK, EPOCH, opened_at, since) is None


@st.composite
def spans(draw: st.DrawFn) -> list[Span]:
    """Declared windows, which never overlap."""
    edges = sorted(draw(st.sets(st.integers(BEGIN - 400, BEGIN + 700), max_size=8)))
    return list(zip(edges[::2], edges[1::2], strict=False))


@given(spans(), spans(), st.integers(1, 3), st.integers(0, 500))
def test_maintenance__seconds_that_count__are_the_earliest_in_the_window_and_the_slot(
    windows: list[Span], served: list[Span], epochs: int, most: int
) -> None:
    policy = Policy(window_epochs=epochs, maintenance_seconds=most)
    start, end = policy_window(CLOCK, policy, EPOCH)
    assert start <= BEGIN < CLOCK.end(EPOCH) <= end
    assert end - start == epochs * CLOCK.length
    wanted = [
        second
        for second in range(start, end)
        if any(a <= second < b for a, b in windows) and any(a <= second < b for a, b in served)
    ]
    declared = declared_within(windows, served, (start, end))
    assert [second for a, b in declared for second in range(a, b)] == wanted
    found = counted(declared, most)
    assert [second for a, b in found for second in range(a, b)] == wanted[:most]
    mask = ticks_of(found, CLOCK, EPOCH)
    for tick in range(TICKS):
        assert mask >> tick & 1 == (BEGIN + tick * TICK in wanted[:most])
    assert mask < 1 << TICKS


@given(spans(), st.integers(1, 400), st.integers(BEGIN, BEGIN + 299), st.integers(BEGIN - 900, BEGIN + 299))
def test_away__maintenance_now__asks_only_where_it_outlasts_what_counts(
    windows: list[Span], most: int, now: int, opened_at: int
) -> None:
    policy = Policy(window_epochs=1, maintenance_seconds=most)
    declared = declared_within(windows, [(opened_at, BEGIN + 10_000)], policy_window(CLOCK, policy, EPOCH))
    found = away(5, policy, CLOCK, EPOCH, opened_at, declared, now)
    current = next(((a, b) for a, b in declared if a <= now < b), None)
    uncounted = current is not None and sum(b - a for a, b in declared if a <= current[0]) > most
    assert (found is not None) == uncounted
    if found is not None and current is not None:
        assert found.earliest == found.as_of == found.latest == max(current[0], opened_at, FIRST)
        assert found.as_of <= max(now, FIRST)
    assert away(5, Policy(maintenance_seconds=0), CLOCK, EPOCH, opened_at, declared, now) is None


@given(st.integers(0, 2**128 - 1), st.integers(0, 2**64 - 1), st.sampled_from(Reason))
def test_request_id__any__is_the_hash_of_what_abi_encodes(assignment: int, epoch: int, reason: Reason) -> None:
    contract = "0x" + "ab" * 20
    words = encode(
        ["uint256", "address", "uint256", "uint64", "uint8"],
        [31_337, "0x" + raw_address(contract).hex(), assignment, epoch, reason.value],
    )
    assert request_id(31_337, contract, assignment, epoch, reason.value) == keccak256(words)


@given(st.integers(1, 70))
def test_tree__any_size__proves_each_request_and_no_other(size: int) -> None:
    requests = [Reallocation(keccak256(bytes([n])), n << 64 | 1, 1 + n % 4, BEGIN + n) for n in range(size)]
    tree = RequestTree(requests)
    stranger = Reallocation(keccak256(b"stranger"), 1, 2, BEGIN)
    for place, one in enumerate(requests):
        words = encode(["bytes32", "uint256", "uint8", "uint40"], list(one.abi_values()))
        assert one.leaf() == keccak256(keccak256(words))
        assert verify(tree.root, one.leaf(), tree.proof(place))
        assert not verify(tree.root, stranger.leaf(), tree.proof(place))
