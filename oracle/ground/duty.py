"""Oracles' duty: for how long each observed what it reported on, as cumulative seconds. Pure.

A member has served an epoch when the report uses an observation of it. Nobody signs a proposal that omits a valid
one which came before the deadline, so the report has all of those, whoever leads.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence, Set
from dataclasses import dataclass

from oracle.ground.clock import EpochClock
from oracle.ground.errors import InvalidValue
from oracle.ground.ids import KIND_ORACLE
from oracle.ground.leaves import Leaf
from oracle.ground.uptime import ZERO, Uptime

Duties = Mapping[int, Uptime]
"""By member (its address as a number), the seconds that it served, and those for which that was measured."""


@dataclass(frozen=True, slots=True)
class Post:
    """A member as the anchor state has it.

    member  its own address, as a number: the id of its leaf
    signer  the key (20 bytes) by which the reporting committee knows it; None: it isn't of that committee
    served  seconds for which it was in committees in force, up to the end of the reported epoch
    booked  what `OraclePay` has settled: earned of accounted seconds
    """

    member: int
    signer: bytes | None
    served: int
    booked: Uptime


def serve(
    known: Duties, clock: EpochClock, observed: Mapping[int, Set[bytes]], posts: Sequence[Post]
) -> dict[int, Uptime]:
    """All duties with those of a further report, of members whose leaf is in its tree.

    known: those behind the parent. observed: by epoch, the signers whose observations the report uses. posts: those of
    the committee's members and of the known ones, each once; InvalidValue where one is missing or comes twice.
    """
    by_member = {one.member: one for one in posts}
    if len(by_member) != len(posts) or not known.keys() <= by_member.keys():
        raise InvalidValue("oracles' duty: a member comes twice, or one with a leaf isn't among them; give each once")
    after: dict[int, Uptime] = {}
    for member, post in sorted(by_member.items()):
        before = known.get(member, ZERO)
        # Who returns goes on from what is booked.
        done = Uptime(max(before.up, post.booked.up), max(before.observed, post.booked.observed))
        if post.signer is None:
            if post.booked != done:
                after[member] = done  # until it is settled
            continue
        # The newest first: who joined lately was no member in the older ones.
        for epoch in sorted(observed, reverse=True):
            seconds = min(clock.length, max(0, post.served - done.observed))
            done += Uptime(seconds if post.signer in observed[epoch] else 0, seconds)
        if done.observed:
            after[member] = done
    return after


def duty_leaves(duties: Duties) -> list[Leaf]:
    """The leaves of duties, in order."""
    return [Leaf(KIND_ORACLE, member, done.up, done.observed) for member, done in sorted(duties.items())]
