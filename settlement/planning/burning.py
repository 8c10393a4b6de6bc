"""What brings a token at the burner nearer to being burned. Pure."""

from __future__ import annotations

from settlement.planning.actions import Burn, Observe, Swap
from settlement.planning.snapshot import TokenState


def next_step(token: str, state: TokenState, now: int) -> Burn | Swap | Observe | None:
    """What to send at `now` (UNIX seconds); None: nothing, or it has to wait.

    A token with a route is swapped in parts, each no sooner than the burner's cooldown allows and only against a price
    averaged since an observation. One is made when none will be at hand by then for long enough to swap against it, and
    so late that it just comes of age.
    """
    route = state.route
    if route is None:
        return Burn(token) if state.burns else None
    if route.swaps:
        return Swap(token)
    if now < route.observed_at + route.min_period:  # the burner refuses another one so soon
        return None
    wanted = max(now, route.swappable_at)
    time_to_swap = (route.max_period - route.min_period) // 4
    if wanted + time_to_swap <= route.observed_at + route.max_period or wanted > now + route.min_period:
        return None
    return Observe(token)
