"""Limits on what one sender may cost: token buckets, for a bounded number of senders."""

from __future__ import annotations

from collections import OrderedDict
from ipaddress import IPv6Address, IPv6Network


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
        """Whether the sender has a unit left at `now` (seconds of a steady clock)."""
        known = self._left.get(sender)
        if known is None:
            return True
        left, since = known
        return left + (now - since) * self._rate >= 1

    def spend(self, sender: str, cost: float, now: float) -> None:
        """Take `cost` from the sender's budget; it may fall below zero."""
        left, since = self._left.pop(sender, (self._burst, now))
        left = min(self._burst, left + (now - since) * self._rate) - cost
        self._left[sender] = (left, now)
        if len(self._left) > self._senders:
            self._left.popitem(last=False)


def sender(address: str) -> str:
    """Who an address stands for: a host in IPv4; in IPv6 a network of 64 bits, which one host can have all of."""
    if ":" not in address:
        return address
    try:
        found = IPv6Address(address.partition("%")[0])
    except ValueError:
        return address
    mapped = found.ipv4_mapped
    return str(mapped) if mapped is not None else str(IPv6Network((int(found) >> 64 << 64, 64)))
