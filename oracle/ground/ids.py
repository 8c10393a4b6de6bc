"""Kinds of leaves and the packing of assignment ids.

An assignment id is `job << 64 | slot << 32 | generation`: ids of one job are neighbours, so its leaves lie
side by side in the tree, and each placement in a slot has a higher id than the one before (a fencing token).
"""

from __future__ import annotations

from typing import Final

from oracle.ground.errors import InvalidValue
from oracle.ground.widths import uint

KIND_ASSIGNMENT: Final = 1
KIND_LICENCE: Final = 2
KIND_ORACLE: Final = 3

JOB_BITS: Final = 64
SLOT_BITS: Final = 32
GENERATION_BITS: Final = 32

_LOW32: Final = (1 << 32) - 1


def pack(job: int, slot: int, generation: int) -> int:
    """The assignment id; InvalidValue when a part exceeds its width or the generation is 0."""
    uint("job", job, JOB_BITS)
    uint("slot", slot, SLOT_BITS)
    if uint("generation", generation, GENERATION_BITS) == 0:
        raise InvalidValue("generation is 0: the first assignment of a slot has generation 1")
    return job << 64 | slot << 32 | generation


def unpack(assignment_id: int) -> tuple[int, int, int]:
    """(job, slot, generation) of an assignment id; InvalidValue when it can't be one."""
    uint("assignment id", assignment_id, JOB_BITS + SLOT_BITS + GENERATION_BITS)
    if assignment_id & _LOW32 == 0:
        raise InvalidValue(f"assignment id is {assignment_id}: its generation is 0, the first one is 1")
    return assignment_id >> 64, assignment_id >> 32 & _LOW32, assignment_id & _LOW32


def parse_assignment(text: str) -> int:
    """The assignment's id. InvalidValue unless it is one, in decimal or as job/slot/generation."""
    parts = text.split("/")
    if not all(part.isascii() and part.isdigit() and len(part) <= 40 for part in parts) or len(parts) not in (1, 3):
        raise InvalidValue(f"assignment is {text!r}: give its decimal id, or job/slot/generation such as 7/0/1")
    numbers = [int(part) for part in parts]
    assignment = pack(*numbers) if len(numbers) == 3 else numbers[0]
    unpack(assignment)
    return assignment


def show_assignment(assignment: int) -> str:
    """The id as job/slot/generation; in decimal where it can't be an assignment's."""
    try:
        return "/".join(map(str, unpack(assignment)))
    except InvalidValue:
        return str(assignment)
