"""When a job's policy asks for another node, by what one oracle saw and by what the chain says. Pure.

A breach has a range of times as of which its assignment may be closed. Oracles see an outage begin some ticks apart,
and one that was blind then knows only that it began after the last tick in which the node was up and not after the
first one seen down. Blind ticks are no downtime, and neither are those of declared maintenance that counts as
unmeasured.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import IntEnum
from typing import Final

from oracle.ground.address import raw_address
from oracle.ground.bitmap import span
from oracle.ground.clock import EpochClock
from oracle.ground.keccak import keccak256
from oracle.ground.maintenance import Span, counted
from oracle.ground.policy import Policy
from oracle.ground.widths import uint

SLOT_TICKS: Final = 6
"""Ticks of a slot, in which one member may propose."""
TOLERANCE_TICKS: Final = 3
"""By how much the start of an outage may differ from what an oracle itself saw, in ticks."""


class Reason(IntEnum):
    """Why another node is asked for, as in the contracts."""

    MISSED_EPOCHS = 1
    OUTAGE = 2
    OUTCAST = 3
    MAINTENANCE = 4


@dataclass(frozen=True, slots=True, order=True)
class Breach:
    """An assignment for which its policy asks for another node. UNIX seconds: `as_of` is when the oracle itself would
    close it, `earliest` to `latest`, both included, what it agrees to; only of an outage these differ."""

    assignment: int
    reason: Reason
    earliest: int
    as_of: int
    latest: int

    def admits(self, as_of: int) -> bool:
        """Whether an oracle that knows of this breach agrees to close the assignment as of then."""
        return self.earliest <= as_of <= self.latest


@dataclass(frozen=True, slots=True)
class Seen:
    """What an oracle saw of an assignment in the current epoch. Bit i of each mask is tick i.

    span: the ticks that lie wholly in its time; newest: the last tick that is over, −1 for none.
    """

    up: int
    observed: int
    span: range
    newest: int


def down_now(seen: Seen) -> range | None:
    """The ticks from the first one of the present outage to the last one seen down; None when it is up, when nothing of
    it was seen lately, or when it wasn't seen down at all. A tick in which it was up ends an outage, however blind."""
    within = span(seen.span) & ((1 << (seen.newest + 1)) - 1)
    last_up = (seen.up & within).bit_length() - 1
    down = (seen.observed & ~seen.up & within) >> (last_up + 1) << (last_up + 1)
    if not down or down.bit_length() - 1 <= seen.newest - SLOT_TICKS:
        return None
    return range((down & -down).bit_length() - 1, down.bit_length())


def outage(assignment: int, policy: Policy, clock: EpochClock, epoch: int, seen: Seen) -> Breach | None:
    """The breach of an assignment that has been down for `outage_seconds` within the epoch and still is. Only ticks
    that were seen down make up the length."""
    ticks = down_now(seen)
    if not policy.outage_seconds or ticks is None:
        return None
    length = (seen.observed & ~seen.up & span(ticks)).bit_count() * clock.tick
    if length < policy.outage_seconds:
        return None
    after_up = (seen.up & span(seen.span) & ((1 << ticks.start) - 1)).bit_length()
    earliest = max(after_up - TOLERANCE_TICKS, seen.span.start)
    latest = min(ticks.start + TOLERANCE_TICKS, ticks.stop - 1)
    times = (
        max(_first(clock, epoch), clock.start(epoch) + tick * clock.tick) for tick in (earliest, ticks.start, latest)
    )
    return Breach(assignment, Reason.OUTAGE, *times)


def was_silent(up: int, observed: int, ticks: int) -> bool:
    """Whether an epoch of `ticks` ticks went by without up-time: it was seen in more than half of them, never up."""
    return not up and 2 * observed.bit_count() > ticks


def missed(
    assignment: int, policy: Policy, clock: EpochClock, epoch: int, seen: Seen, opened_at: int, silent_epochs: int
) -> Breach | None:
    """The breach of an assignment that was never up in the `missed_epochs` whole epochs before this one, nor in this
    one so far. `silent_epochs`: how many epochs on end were silent up to the last one."""
    if not policy.missed_epochs or silent_epochs < policy.missed_epochs:
        return None
    if opened_at > clock.start(epoch - policy.missed_epochs) or seen.up & span(seen.span) or down_now(seen) is None:
        return None
    as_of = _first(clock, epoch)
    return Breach(assignment, Reason.MISSED_EPOCHS, as_of, as_of, as_of)


def outcast(
    assignment: int, policy: Policy, clock: EpochClock, epoch: int, opened_at: int, since: int
) -> Breach | None:
    """The breach of an assignment whose licence or node is suspended or blacklisted since then, for a policy that
    leaves time for an answer."""
    if not policy.answer_seconds:
        return None
    as_of = max(since, opened_at, _first(clock, epoch))
    return Breach(assignment, Reason.OUTCAST, as_of, as_of, as_of)


def away(
    assignment: int, policy: Policy, clock: EpochClock, epoch: int, opened_at: int, declared: list[Span], now: int
) -> Breach | None:
    """The breach of an assignment under declared maintenance that outlasts what its policy counts as unmeasured.

    declared: its licence's maintenance in this policy window, see `maintenance.declared_within`. As of the start of the
    declared window that it is in now: from then on it said it would be away.
    """
    if not policy.maintenance_seconds or not policy.answer_seconds:
        return None
    current = next(((start, end) for start, end in declared if start <= now < end), None)
    if current is None:
        return None
    covered = counted([each for each in declared if each[0] <= current[0]], policy.maintenance_seconds)
    if covered and covered[-1][1] >= current[1]:
        return None
    as_of = max(current[0], opened_at, _first(clock, epoch))
    return Breach(assignment, Reason.MAINTENANCE, as_of, as_of, as_of)


def request_id(chain_id: int, contract: str, assignment: int, epoch: int, reason: int) -> bytes:
    """keccak(abi.encode(chainId, reallocations, assignment, epoch, reason)): all oracles name a request alike."""
    words = (
        uint("chain id", chain_id, 256),
        int.from_bytes(raw_address(contract)),
        uint("assignment", assignment, 256),
        uint("epoch", epoch, 64),
        uint("reason", reason, 8),
    )
    return keccak256(b"".join(word.to_bytes(32, "big") for word in words))


def _first(clock: EpochClock, epoch: int) -> int:
    """The first time as of which the contract closes an assignment: a second into the epoch. At its very start, the
    report of the epoch before could have been anchored when the assignment was still open."""
    return clock.start(epoch) + 1
