"""From measured uptime to earned seconds, by a policy. Integers, compared by cross-multiplying."""

from __future__ import annotations

from collections.abc import Sequence

from oracle.ground.policy import PPM, Policy
from oracle.ground.uptime import ZERO, Uptime


def score(policy: Policy, group: Sequence[Uptime], earlier: Uptime = ZERO, earlier_earned: int = 0) -> tuple[int, ...]:
    """Earned seconds of each piece of one window that ends now.

    `group` holds what was measured, in seconds, of the pieces (assignments of one licence in one slot) that
    end together; `earlier` is the sum of the window's pieces that ended before, and `earlier_earned` what
    those earned. The window is scored once over all of them: what the whole earns, less what earlier pieces
    already took, is shared among the group by observed time, to the second. So closing and reopening escapes
    nothing. No piece earns more than its observed time.
    """
    up, observed = earlier.up, earlier.observed
    for piece in group:
        up += piece.up
        observed += piece.observed
    if observed < policy.min_observed_seconds:
        return tuple([piece.up for piece in group])
    of_group = observed - earlier.observed
    grant = min(max(_whole(policy, up, observed) - earlier_earned, 0), of_group)
    if len(group) == 1:
        return (grant,)
    # Shares of a running sum, so that what rounding leaves isn't lost: the grant is shared out to the second.
    shares, seen, given = [], 0, 0
    for piece in group:
        seen += piece.observed
        upto = grant * seen // of_group if of_group else 0
        shares.append(upto - given)
        given = upto
    return tuple(shares)


def window_total(policy: Policy, groups: Sequence[Sequence[Uptime]]) -> int:
    """What `score` gives all pieces of a window together, given in groups that ended together, in their order.

    It never falls when a piece was up for longer: so an appeal can only raise it.
    """
    earlier, earned = ZERO, 0
    for group in groups:
        earned += sum(score(policy, group, earlier, earned))
        earlier = sum(group, earlier)
    return earned


def _whole(policy: Policy, up: int, observed: int) -> int:
    """Seconds that a window earns when it is scored in one: 0 to `observed`."""
    if up * PPM >= policy.target_ppm * observed:
        return observed
    above_floor = up * PPM - policy.floor_ppm * observed
    if above_floor <= 0:
        return 0
    # observed * (up/observed - floor) / (target - floor), in which observed cancels out. Here the floor is
    # below the ratio and the ratio below the target, so the divisor is positive.
    return above_floor // (policy.target_ppm - policy.floor_ppm)
