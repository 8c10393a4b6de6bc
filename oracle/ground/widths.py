"""Checks that a value fits the width it has in contracts and encodings."""

from __future__ import annotations

from oracle.ground.errors import InvalidValue


def uint(name: str, value: int, bits: int) -> int:
    """Returns `value`; InvalidValue unless it is an int (not a bool) in [0, 2**bits)."""
    if type(value) is not int or not 0 <= value < 1 << bits:
        raise InvalidValue(f"{name} is {value!r}: give a whole number from 0 to 2^{bits} - 1")
    return value


def bytes32(name: str, value: bytes) -> bytes:
    """Returns `value`; InvalidValue unless it is exactly 32 bytes."""
    if type(value) is not bytes or len(value) != 32:
        raise InvalidValue(f"{name} is {value!r}: give exactly 32 bytes")
    return value
