"""Which seconds of a licence's declared maintenance count as unmeasured under a policy. Pure; times are UNIX seconds.

The rule is that of the contracts' IMaintenance: of the declared seconds within a policy window in which the licence had
the slot, the earliest `maintenance_seconds` count, and the rest are measured like any other time.
"""

from __future__ import annotations

from collections.abc import Iterable

from oracle.ground.clock import EpochClock
from oracle.ground.policy import Policy

Span = tuple[int, int]
"""[from, to) in UNIX seconds."""


def policy_window(clock: EpochClock, policy: Policy, epoch: int) -> Span:
    """The window [a, b) of the policy that the epoch lies in."""
    first = epoch // policy.window_epochs * policy.window_epochs
    return clock.start(first), clock.start(first + policy.window_epochs)


def declared_within(windows: Iterable[Span], served: Iterable[Span], within: Span) -> list[Span]:
    """The declared windows, by time, cut to `within` and to the spans in which the licence had the slot."""
    found = [
        cut
        for window in windows
        for span in served
        for cut in [(max(window[0], span[0], within[0]), min(window[1], span[1], within[1]))]
        if cut[0] < cut[1]
    ]
    return sorted(found)


def counted(declared: Iterable[Span], most: int) -> list[Span]:
    """The earliest `most` seconds of spans that are in order and don't overlap."""
    found: list[Span] = []
    for start, end in declared:
        taken = min(end - start, most)
        if taken <= 0:
            break
        found.append((start, start + taken))
        most -= taken
    return found


def ticks_of(spans: Iterable[Span], clock: EpochClock, epoch: int) -> int:
    """The mask of the epoch's ticks whose first second lies in one of the spans."""
    begin, mask = clock.start(epoch), 0
    for start, end in spans:
        first = max(0, -(-(start - begin) // clock.tick))
        after = min(clock.ticks_per_epoch, -(-(end - begin) // clock.tick))
        if first < after:
            mask |= (1 << after) - (1 << first)
    return mask
