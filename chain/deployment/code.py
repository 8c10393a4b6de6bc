"""Whether the code at an address is really that of a contract."""

from __future__ import annotations

from chain.compiler import Artifact

# The compiler leaves a zero word behind PUSH32 for each immutable; the constructor puts the value in. It writes other
# zeros shorter (PUSH0).
_PUSH32 = 0x7F
_PUSH1 = 0x60
_HOLE = bytes(32)
# Bytes with which the code on chain begins are looked for in what deploys it: too few for an immutable among them.
_HEAD = 8


def is_code_of(artifact: Artifact, code: bytes) -> bool:
    """Whether `code` is what the contract's constructor leaves on chain, whatever its immutables."""
    if len(code) != artifact.runtime_size or not code:
        return False
    deploying = bytes.fromhex(artifact.bytecode[2:])
    start = deploying.find(code[:_HEAD])
    while start >= 0:
        if _alike(deploying[start : start + len(code)], code):
            return True
        start = deploying.find(code[:_HEAD], start + 1)
    return False


def _alike(compiled: bytes, code: bytes) -> bool:
    if len(compiled) != len(code):
        return False
    at = 0
    while at < len(code):
        if code[at] != compiled[at]:
            return False
        width = code[at] - _PUSH1 + 1 if _PUSH1 <= code[at] <= _PUSH32 else 0
        known, found = compiled[at + 1 : at + 1 + width], code[at + 1 : at + 1 + width]
        if known != found and not (width == len(_HOLE) and known == _HOLE):
            return False
        at += 1 + width
    return True
