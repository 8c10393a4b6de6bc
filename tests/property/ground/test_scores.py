"""What no policy and no way of cutting a window can change."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from oracle.ground.policy import PPM, Policy
from oracle.ground.scoring import score
from oracle.ground.uptime import ZERO, Uptime

PPMS = st.one_of(st.integers(0, PPM), st.sampled_from([0, 1, PPM // 2, PPM - 1, PPM]))
SECONDS = st.one_of(st.integers(0, 100), st.integers(0, 31 * 86_400))
UPTIMES = st.tuples(SECONDS, SECONDS).map(lambda pair: Uptime(min(pair), max(pair)))
GROUPS = st.lists(UPTIMES, min_size=1, max_size=6)


@st.composite
def policies(draw: st.DrawFn) -> Policy:
    low, high = sorted((draw(PPMS), draw(PPMS)))
    return Policy(target_ppm=max(high, 1), floor_ppm=low, min_observed_seconds=draw(st.sampled_from([0, 60, 3_600])))


@given(policies(), GROUPS)
def test_score__any_group__earns_no_piece_more_than_observed(policy: Policy, group: list[Uptime]) -> None:
    earned = score(policy, group)
    assert len(earned) == len(group)
    assert all(0 <= seconds <= piece.observed for seconds, piece in zip(earned, group, strict=True))


@given(policies(), GROUPS)
def test_score__window_in_pieces__earns_what_the_whole_earns(policy: Policy, group: list[Uptime]) -> None:
    (whole,) = score(policy, [sum(group, ZERO)])
    assert sum(score(policy, group)) == whole


@given(policies(), GROUPS, GROUPS)
def test_score__pieces_that_end_later__never_lift_the_window_above_its_score(
    policy: Policy, first: list[Uptime], second: list[Uptime]
) -> None:
    before, after = sum(first, ZERO), sum(second, ZERO)
    early = sum(score(policy, first))
    late = sum(score(policy, second, before, early))
    (whole,) = score(policy, [before + after])
    if (before + after).observed >= policy.min_observed_seconds:
        # What was earned stays earned; nothing is added beyond the score of the whole.
        assert early + late <= max(early, whole)
    assert 0 <= late <= after.observed


@given(policies(), UPTIMES, st.integers(0, 86_400))
def test_score__more_up_time__never_earns_less(policy: Policy, piece: Uptime, more: int) -> None:
    better = Uptime(min(piece.up + more, piece.observed), piece.observed)
    assert score(policy, [better]) >= score(policy, [piece])


@given(policies(), UPTIMES)
def test_score__edges_of_the_line__are_exact(policy: Policy, piece: Uptime) -> None:
    if piece.observed < max(policy.min_observed_seconds, 1):
        return
    (earned,) = score(policy, [piece])
    if piece.up * PPM >= policy.target_ppm * piece.observed:
        assert earned == piece.observed
    elif piece.up * PPM <= policy.floor_ppm * piece.observed:
        assert earned == 0
    else:  # the line, cross-multiplied and rounded down
        above = piece.up * PPM - policy.floor_ppm * piece.observed
        span = policy.target_ppm - policy.floor_ppm
        assert earned * span <= above < (earned + 1) * span
