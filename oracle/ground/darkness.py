"""When nearly all nodes go silent at once, the oracle itself is the suspect: it abstains for those ticks.

Nodes fail one by one, or a site at a time. When more than four fifths of those that were just heard fall silent
in the same tick, what they share is the way to this oracle. docs/telemetry-eyes.md tells what the rule can't tell
apart and what it would cost to abuse it.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Sequence
from itertools import islice
from typing import Final

from oracle.ground.errors import InvalidValue

SHARE: Final = 5
"""A tick is dark in which fewer than one in SHARE of the reference were heard."""

REFERENCE_TICKS: Final = 360
"""Ticks that aren't dark, out of which the reference comes: an hour of 10 s ticks."""

MIN_NODES: Final = 5
"""A reference below this judges nothing: so small a network can't tell itself from its nodes."""

EDGE_TICKS: Final = 3
"""How far beyond a dark run, on either side, its edge may reach."""

_DIGITS = bytes.maketrans(b"\0\1", b"01")
_CHUNK = 1024  # masks; bounds what the adders hold at a time to a few megabytes


def dark_ticks(ups: Iterable[int], ticks: int) -> int:
    """The mask of the ticks, out of an epoch's `ticks`, in which nearly all nodes were silent at once.

    `ups` are the nodes' masks of ticks in which they were heard; their order doesn't matter. InvalidValue for a mask
    with bits that no tick has.
    """
    return judge(heard(ups, ticks))


def heard(ups: Iterable[int], ticks: int) -> list[int]:
    """How many of the masks have each tick set. InvalidValue for a mask with bits at or above `ticks`."""
    # Counters stand upright: plane k holds bit k of every tick's count, so one operation on two big ints adds for all
    # ticks at once. A full adder takes two masks of a weight into that weight's plane and carries one to the next.
    planes: list[int] = []
    odd: list[int | None] = []  # by weight, a mask that still waits for a second one
    source = iter(ups)
    while masks := list(islice(source, _CHUNK)):
        weight = 0
        while masks:
            if weight == len(planes):
                planes.append(0)
                odd.append(None)
            waiting = odd[weight]
            if waiting is not None:
                masks.append(waiting)
            odd[weight] = masks.pop() if len(masks) % 2 else None
            plane = planes[weight]
            carries = []
            pairs = iter(masks)
            for a, b in zip(pairs, pairs, strict=True):
                differs = b ^ plane
                carries.append(plane ^ ((a ^ plane) & differs))
                plane = a ^ differs
            planes[weight] = plane
            masks = carries
            weight += 1
    for weight, waiting in enumerate(odd):  # grows by a plane where the last carry needs one
        carry = waiting or 0
        while carry:
            if weight == len(planes):
                planes.append(0)
            planes[weight], carry = planes[weight] ^ carry, planes[weight] & carry
            weight += 1
    if any(plane < 0 or plane.bit_length() > ticks for plane in planes):
        raise InvalidValue(f"a node's mask has bits outside ticks 0 to {ticks - 1}; cut the masks to the epoch's ticks")
    # From upright to flat: a tick's count in binary is its column through the planes, highest first.
    rows = [format(plane, f"0{ticks}b") for plane in reversed(planes)]
    counts = [int("".join(column), 2) for column in zip(*rows, strict=True)] if rows and ticks else [0] * ticks
    counts.reverse()
    return counts


def judge(counts: Sequence[int]) -> int:
    """The mask of the dark ticks, where `counts[i]` nodes were heard in tick i.

    A tick is dark when it was heard by fewer than a fifth of its reference: the largest count of the last
    REFERENCE_TICKS ticks that weren't dark. So dark ticks never lower what they are judged by. Until there are that
    many, the reference is no less than the largest count of the epoch's first REFERENCE_TICKS, taken from the first
    tick in which MIN_NODES were heard; so an epoch may begin blind. The edges of a run are dark too, see `_edge`.
    """
    first = next((tick for tick, count in enumerate(counts) if count >= MIN_NODES), None)
    if first is None:
        return 0
    opening = max(counts[first : first + REFERENCE_TICKS])
    recent: deque[tuple[int, int]] = deque()  # (place among the ticks that aren't dark, count); counts fall
    place = 0
    dark = bytearray(len(counts))
    for tick, count in enumerate(counts):
        reference = recent[0][1] if recent else 0
        if place < REFERENCE_TICKS:
            reference = max(reference, opening)
        if reference >= MIN_NODES and count * SHARE < reference:
            dark[tick] = 1
            continue
        while recent and recent[-1][1] <= count:
            recent.pop()
        recent.append((place, count))
        place += 1
        if recent[0][0] < place - REFERENCE_TICKS:
            recent.popleft()
    runs = bytes(dark)
    for tick, silent in enumerate(runs):
        if silent:
            for step in (-1, 1):
                _edge(counts, runs, dark, tick, step)
    return int(dark.translate(_DIGITS)[::-1] or b"0", 2)


def _edge(counts: Sequence[int], runs: bytes, dark: bytearray, tick: int, step: int) -> None:
    """Darken what lies beside a run that ends with `tick`, going outwards by `step`.

    Blindness seldom begins where a tick does, so the tick next to a run is half blind and dark whatever it heard. One
    further out is dark while it heard less than four fifths of the next one: nodes are still coming back, or
    leaving. The nodes that were heard in such a tick are up in it none the less.
    """
    for distance in range(1, EDGE_TICKS + 1):
        here = tick + distance * step
        if not 0 <= here < len(runs) or runs[here]:
            return
        if distance > 1:
            beyond = here + step
            if not 0 <= beyond < len(runs) or counts[here] * SHARE >= counts[beyond] * (SHARE - 1):
                return
        dark[here] = 1
