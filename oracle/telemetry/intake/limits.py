"""Limits on what one sender may cost: token buckets, for a bounded number of senders."""

from __future__ import annotations

from collections import OrderedDict


class Budget:
    """What each sender may spend: `rate` units a second, saved up to `burst`.

    Remembers the `senders` that spent last; one that is forgotten starts with a full budget, which an
    attacker with many addresses has anyway.
    """

    def __init__(self, rate: float, burst: float, senders: int = 100_000) -> None:
        self._rate = rate
        self._burst = burst
        self._senders = senders
        self._left: OrderedDict[str, tuple[float, float]] = OrderedDict()

    def has(self, sender: str, now: float) -> bool:
        """Whether the sender has anything left at `now` (seconds of a steady clock)."""
        known = self._left.get(sender)
        if known is None:
            return True
        left, since = known
        return left + (now - since) * self._rate > 0

    def spend(self, sender: str, cost: float, now: float) -> None:
        """Take `cost` from the sender's budget; it may fall below zero, but no lower than one burst."""
        left, since = self._left.pop(sender, (self._burst, now))
        left = min(self._burst, left + (now - since) * self._rate) - cost
        self._left[sender] = (max(-self._burst, left), now)
        if len(self._left) > self._senders:
            self._left.popitem(last=False)
