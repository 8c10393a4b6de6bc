"""Licences' availability: for how long each licence's node was up, as cumulative seconds. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from oracle.ground.clock import EpochClock
from oracle.ground.errors import InvalidValue
from oracle.ground.ids import KIND_LICENCE
from oracle.ground.leaves import Leaf
from oracle.ground.uptime import ZERO, Uptime

Availabilities = Mapping[int, Uptime]
"""By licence, the seconds in which its node was up, and those in which that was measured."""


@dataclass(frozen=True, slots=True)
class Deed:
    """A licence that gets a reward, as the anchor state has it. Times are UTC seconds.

    node        the node (20 bytes) that it is linked to; None: to none, or since a time after the reported epoch
    since       from when on its seconds count: its last link, or the start of its kind's schedule if that is later
    linked      seconds for which it was linked, all links together, up to the end of the reported epoch
    booked      what `LicenceRewards` has settled: earned of accounted seconds
    conflicted  members (20-byte signers) who are its holder's
    """

    licence: int
    node: bytes | None
    since: int
    linked: int
    booked: Uptime
    conflicted: frozenset[bytes] = frozenset()


def attend(
    known: Availabilities, clock: EpochClock, agreed: Mapping[int, Mapping[int, Uptime]], deeds: Sequence[Deed]
) -> dict[int, Uptime]:
    """All availabilities with those of a further report, of licences whose leaf is in its tree.

    known: those behind the parent. agreed: by epoch and licence, the agreed uptime in seconds; what isn't in is
    unmeasured. deeds: of linked licences and of the known ones, each once; InvalidValue where one is missing or comes
    twice.
    """
    by_licence = {one.licence: one for one in deeds}
    if len(by_licence) != len(deeds) or not known.keys() <= by_licence.keys():
        raise InvalidValue("availability: a licence comes twice, or one with a leaf isn't among them; give each once")
    after: dict[int, Uptime] = {}
    # The newest first: a licence that was linked lately wasn't in the older ones.
    epochs = [(clock.start(each), clock.end(each), agreed[each]) for each in sorted(agreed, reverse=True)]
    for licence, deed in sorted(by_licence.items()):
        # One whose leaf returns goes on from what is booked.
        before, booked = known.get(licence, ZERO), deed.booked
        up = before.up if before.up > booked.up else booked.up
        observed = before.observed if before.observed > booked.observed else booked.observed
        if deed.node is None:
            if (up, observed) != (booked.up, booked.observed):
                after[licence] = Uptime(up, observed)  # until it is settled
            continue
        for start, end, measured in epochs:
            seen = measured.get(licence, ZERO)
            if not (taken := seen.observed):
                continue
            gained = seen.up
            room = end - (deed.since if deed.since > start else start)
            if deed.linked - observed < room:
                room = deed.linked - observed
            if taken > room:
                if room <= 0:
                    continue
                gained, taken = gained * room // taken, room
            up += gained
            observed += taken
        if observed:
            after[licence] = Uptime(up, observed)
    return after


def availability_leaves(availabilities: Availabilities) -> list[Leaf]:
    """The leaves of availabilities, in order."""
    return [Leaf(KIND_LICENCE, licence, one.up, one.observed) for licence, one in sorted(availabilities.items())]
