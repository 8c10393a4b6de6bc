# SPDX-License-Identifier: Apache-2.0
"""Pauses and verdicts of deliveries."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from delivery.message import Outcome, State, Verdict
from delivery.rules import LONGEST_PAUSE, Backoff, after, pause_of, verdict_of

FRACTIONS = st.floats(0, 1, exclude_max=True)
BACKOFFS = st.builds(
    Backoff, first=st.floats(0.01, 10), factor=st.floats(1, 1_000), longest=st.floats(10, 1_000, allow_nan=False)
)


@given(BACKOFFS, st.integers(1, 10**9), FRACTIONS)
def test_pause__any_attempt__lies_between_half_and_the_longest(backoff: Backoff, attempts: int, jitter: float) -> None:
    pause = backoff.pause(attempts, jitter)
    assert backoff.first / 2 <= pause <= backoff.longest
    assert backoff.pause(attempts + 1, jitter) >= pause


@given(
    BACKOFFS, st.sampled_from(Verdict), st.integers(1, 1_000), st.floats(0, 10_000), st.floats(0, 10_000), FRACTIONS,
    st.floats(0, 10**9),
)  # fmt: skip
def test_after__any_attempt__waits_only_inside_the_deadline(
    backoff: Backoff, verdict: Verdict, attempts: int, deadline: float, now: float, jitter: float, asked: float
) -> None:
    found = after(Outcome(verdict, "said", asked), attempts, deadline, now, backoff, jitter)
    if verdict is Verdict.TAKEN:
        assert found.state is State.DELIVERED
    elif verdict is Verdict.NEVER:
        assert found.state is State.DEAD
    elif found.state is State.WAITING:
        assert now < found.at < deadline
        assert found.at <= now + max(backoff.longest, LONGEST_PAUSE)
    else:
        assert found.state is State.DEAD
        assert deadline - now < 2 * max(1.0, backoff.first)


@given(BACKOFFS, FRACTIONS, st.floats(60, 10_000))
def test_after__failures_only__end_dead_just_before_the_deadline(
    backoff: Backoff, jitter: float, deadline: float
) -> None:
    now, attempts = 0.0, 0
    while True:
        attempts += 1
        found = after(Outcome(Verdict.LATER, "no"), attempts, deadline, now, backoff, jitter)
        if found.state is State.DEAD:
            break
        now = found.at
        if attempts > 2_000:  # a constant short pause and a long deadline: enough of them were seen
            return
    assert now < deadline
    assert deadline - now < 2 * max(1.0, backoff.first)


@given(st.integers(100, 599))
def test_verdict__any_status__only_success_is_taken_and_only_refusals_are_final(status: int) -> None:
    verdict = verdict_of(status)
    assert (verdict is Verdict.TAKEN) == (200 <= status < 300)
    if status >= 500 or status in (408, 425, 429):
        assert verdict is Verdict.LATER
    if status in (301, 302, 307, 308, 400, 401, 403, 404, 410, 413, 422):
        assert verdict is Verdict.NEVER


@given(st.one_of(st.none(), st.text(max_size=30), st.integers(0, 10**12).map(str)))
def test_pause_of__any_header__is_bounded(header: str | None) -> None:
    assert 0 <= pause_of(header) <= LONGEST_PAUSE
