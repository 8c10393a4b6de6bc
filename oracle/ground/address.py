"""Ethereum addresses: 20 raw bytes inside, EIP-55 text outside."""

from __future__ import annotations

from functools import lru_cache

from oracle.ground.errors import InvalidValue
from oracle.ground.keccak import keccak256


def checksummed(raw: bytes) -> str:
    """The EIP-55 text of a 20-byte address; InvalidValue for another length."""
    if len(raw) != 20:
        raise InvalidValue(f"address is {raw!r}: give exactly 20 bytes")
    text = raw.hex()
    case = keccak256(text.encode("ascii")).hex()
    return "0x" + "".join(c.upper() if nibble >= "8" else c for c, nibble in zip(text, case, strict=False))


@lru_cache(maxsize=4096)  # a heartbeat names the same oracle each time
def raw_address(text: str) -> bytes:
    """The 20 bytes of an address in text.

    InvalidValue unless it is 0x and 40 hex digits; a mixed-case text must also carry the right EIP-55
    checksum, because a mistyped address receives money as willingly as a right one.
    """
    digits = text[2:]
    try:
        raw = bytes.fromhex(digits) if text.startswith("0x") and len(digits) == 40 else b""
    except ValueError:
        raw = b""
    if len(raw) != 20:
        raise InvalidValue(f"address is {text!r}: give 0x and 40 hex digits")
    if digits not in (digits.lower(), digits.upper()) and text != checksummed(raw):
        raise InvalidValue(f"address is {text!r}: its EIP-55 checksum is wrong, copy it again")
    return raw
