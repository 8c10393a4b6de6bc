"""Fast decoding of lists of static structs: web3 takes most of a millisecond for one of a dozen fields."""

from __future__ import annotations

import struct
from collections.abc import Callable, Sequence
from typing import Any

from oracle.ground.errors import EpochalError

_WORD = 32


class BadWords(EpochalError):
    """What a contract returned isn't the list of structs that its ABI tells of."""


class StructList:
    """Decodes what a view function returns whose only result is a list of structs of single words: unsigned integers,
    addresses, booleans, fixed bytes."""

    def __init__(self, abi: Sequence[Any], function: str, fields: Sequence[str]) -> None:
        """Of each struct `fields` are taken, in that order. ValueError for a layout that this can't read."""
        (item,) = (item for item in abi if item["type"] == "function" and item["name"] == function)
        (output,) = item["outputs"]
        if output["type"] != "tuple[]":
            raise ValueError(f"{function} returns {output['type']}, not a list of structs")
        names = [member["name"] for member in output["components"]]
        kinds = [member["type"] for member in output["components"]]
        self._function = function
        self._row = struct.Struct(f"{_WORD}s" * len(kinds))
        # A word's bits that must be zero; padding is checked in fields that aren't taken too, as eth_abi does.
        self._foreign = [_foreign_bits(kind) for kind in kinds]
        self._taken = [(names.index(field), _reader(kinds[names.index(field)])) for field in fields]

    def decode(self, data: bytes) -> list[tuple[Any, ...]]:
        """The fields of each struct, in their order: int, bool, bytes, and addresses in lower case. BadWords unless
        `data` is one encoded list and nothing else."""
        size = self._row.size
        count = int.from_bytes(data[_WORD : 2 * _WORD])
        if int.from_bytes(data[:_WORD]) != _WORD or len(data) != 2 * _WORD + count * size:
            raise BadWords(
                f"{self._function} returned {len(data)} bytes, which aren't a list of structs of {size} bytes; is this "
                "the version of Epochal that the network was deployed with?"
            )
        rows = []
        foreign, taken, from_bytes = self._foreign, self._taken, int.from_bytes
        for row in self._row.iter_unpack(memoryview(data)[2 * _WORD :]):
            values = [from_bytes(word) for word in row]
            for value, bits in zip(values, foreign, strict=True):
                if value & bits:
                    raise BadWords(f"{self._function} returned 0x{value:x}, which is out of a field's range")
            rows.append(tuple([values[place] if read is None else read(values[place]) for place, read in taken]))
        return rows


def uint_list(selector: bytes, values: Sequence[int]) -> str:
    """The data (hex) of a call whose only argument is a list of unsigned integers."""
    words = (_WORD, len(values), *values)
    return "0x" + selector.hex() + b"".join(value.to_bytes(_WORD) for value in words).hex()


def _bits(kind: str) -> int:
    """The bits of a word that a type uses, from the lowest; of fixed bytes, from the highest."""
    if kind == "address":
        return 160
    if kind == "bool":
        return 1
    if kind.startswith("uint"):
        return int(kind.removeprefix("uint"))
    if kind.startswith("bytes") and kind != "bytes":
        return 8 * int(kind.removeprefix("bytes"))
    raise ValueError(f"{kind} isn't a type of a single word that can be read here")


def _foreign_bits(kind: str) -> int:
    bits, every = _bits(kind), (1 << 8 * _WORD) - 1
    return every >> bits if kind.startswith("bytes") else every ^ ((1 << bits) - 1)


def _reader(kind: str) -> Callable[[int], Any] | None:
    """What makes a word's number a value of the type; None where the number is the value."""
    if kind == "address":
        return _address
    if kind == "bool":
        return bool
    if kind.startswith("bytes"):
        length = _bits(kind) // 8
        return lambda value: value.to_bytes(_WORD)[:length]
    return None


def _address(value: int) -> str:
    return f"0x{value:040x}"
