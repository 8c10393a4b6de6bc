"""The health of what a node runs, as a heartbeat carries it.

    count x (assignment, 16 bytes | health u8)        17 bytes each, at most 64, assignments rise strictly

Integers are big-endian. Equal reports are equal bytes: there is one encoding of each.
"""

from __future__ import annotations

import struct
from collections.abc import Mapping
from enum import IntEnum
from typing import Final

from oracle.ground.widths import uint
from oracle.telemetry.wire.errors import MalformedHeartbeat


class Health(IntEnum):
    """What the node's agent says of one workload. Only HEALTHY counts as up."""

    STOPPED = 0
    STARTING = 1
    HEALTHY = 2
    UNHEALTHY = 3


MAX_WORKLOADS: Final = 64
ENTRY_SIZE: Final = 17

_ENTRY: Final = struct.Struct(">QQB")
_LOW: Final = (1 << 64) - 1
_HEALTHS: Final = tuple(Health)


def encode(workloads: Mapping[int, Health]) -> bytes:
    """The entries in order of their assignment ids, which are u128.

    InvalidValue for an id beyond its width, MalformedHeartbeat for more than 64 entries.
    """
    if not workloads:
        return b""
    if len(workloads) > MAX_WORKLOADS:
        raise MalformedHeartbeat(f"{len(workloads)} workloads in one heartbeat: report at most {MAX_WORKLOADS}")
    return b"".join(
        uint("assignment", assignment, 128).to_bytes(16, "big") + bytes((Health(health),))
        for assignment, health in sorted(workloads.items())
    )


def decode(raw: bytes) -> tuple[tuple[int, Health], ...]:
    """(assignment, health) of each entry; MalformedHeartbeat for any bytes that `encode` doesn't make."""
    if not raw:
        return ()
    check_size(raw)
    found = []
    last = -1
    for high, low, health in _ENTRY.iter_unpack(raw):
        assignment = high << 64 | low
        if assignment <= last:
            raise MalformedHeartbeat(
                f"workload of assignment {assignment} after {last}: name each once, in rising order"
            )
        if health >= len(_HEALTHS):
            raise MalformedHeartbeat(f"health of assignment {assignment} is {health}: it goes from 0 to 3")
        found.append((assignment, _HEALTHS[health]))
        last = assignment
    return tuple(found)


def check_size(raw: bytes) -> int:
    """How many entries these bytes hold; MalformedHeartbeat when that is no whole number up to 64."""
    count, rest = divmod(len(raw), ENTRY_SIZE)
    if rest or count > MAX_WORKLOADS:
        raise MalformedHeartbeat(
            f"workloads have {len(raw)} bytes: give {ENTRY_SIZE} for each, and at most {MAX_WORKLOADS} of them"
        )
    return count
