"""Reading JSON objects field by field: each refusal names the field, the value and the cure."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from typing import Any, Final, TypeVar

from oracle.ground.address import raw_address
from oracle.ground.errors import InvalidValue

_T = TypeVar("_T")
_MISSING: Final = object()
_HEX: Final = re.compile(r"0x(?:[0-9a-f]{2})*")


class Fields:
    """One object of a document at the place `where`. Every field is taken once; `done` refuses what is left."""

    def __init__(self, value: object, where: str) -> None:
        """InvalidValue unless `value` is an object."""
        self.where = where
        self._taken: list[str] = []
        if not isinstance(value, dict):
            raise InvalidValue(f"{where} is {shown(value)}: give an object in braces")
        self._values: dict[str, Any] = value

    def done(self) -> None:
        """InvalidValue for a key that nobody took."""
        for key in self._values:
            if key not in self._taken:
                known = ", ".join(sorted(self._taken))
                raise InvalidValue(f"{self.where}.{shown(key)}: the key is unknown, use any of {known}")

    def has(self, name: str) -> bool:
        """Whether the field is given."""
        return name in self._values

    def take(self, name: str, default: object = _MISSING) -> Any:
        """The field as it is; InvalidValue where it lacks and has no default."""
        self._taken.append(name)
        value = self._values.get(name, default)
        if value is _MISSING:
            raise InvalidValue(f"{self.where}.{name} is missing: give it")
        return value

    def number(self, name: str, low: int, high: int, default: object = _MISSING) -> int:
        """A whole number from `low` to `high`."""
        return number(self.take(name, default), f"{self.where}.{name}", low, high)

    def flag(self, name: str, default: object = _MISSING) -> bool:
        """True or false."""
        value = self.take(name, default)
        if type(value) is not bool:
            raise InvalidValue(f"{self.where}.{name} is {shown(value)}: use true or false")
        return value

    def text(
        self, name: str, pattern: str = ".*", default: object = _MISSING, cure: str = "", longest: int = 4096
    ) -> str:
        """A text that the pattern matches as a whole, without NUL."""
        return text(self.take(name, default), f"{self.where}.{name}", pattern, cure, longest)

    def one_of(self, name: str, allowed: Sequence[str], default: object = _MISSING) -> str:
        """One of a few words."""
        value = self.take(name, default)
        if not isinstance(value, str) or value not in allowed:
            raise InvalidValue(f"{self.where}.{name} is {shown(value)}: use one of {', '.join(allowed)}")
        return value

    def raw(self, name: str, size: int, default: object = _MISSING) -> bytes:
        """Bytes as 0x and lower-case hex, `size` of them."""
        value = self.take(name, default)
        if not isinstance(value, str) or not _HEX.fullmatch(value) or len(value) != 2 + 2 * size:
            raise InvalidValue(f"{self.where}.{name} is {shown(value)}: give 0x and {2 * size} lower-case hex digits")
        return bytes.fromhex(value[2:])

    def address(self, name: str) -> str:
        """An address, in lower case."""
        value = self.take(name)
        if not isinstance(value, str):
            raise InvalidValue(f"{self.where}.{name} is {shown(value)}: give 0x and 40 hex digits")
        try:
            return "0x" + raw_address(value).hex()
        except InvalidValue as error:
            raise InvalidValue(f"{self.where}.{name}: {error}") from None

    def list_of(
        self, name: str, read: Callable[[object, str], _T], default: object = _MISSING, most: int = 1_000
    ) -> tuple[_T, ...]:
        """A list, each item read by `read(item, where)`."""
        value = self.take(name, default)
        if not isinstance(value, (list, tuple)) or len(value) > most:
            raise InvalidValue(f"{self.where}.{name} is {shown(value)}: give a list of at most {most}")
        return tuple(read(item, f"{self.where}.{name}[{index}]") for index, item in enumerate(value))

    def mapping(self, name: str, default: object = _MISSING, most: int = 1_000) -> dict[str, Any]:
        """An object with keys of its own choice."""
        value = self.take(name, default)
        if not isinstance(value, dict) or len(value) > most:
            raise InvalidValue(f"{self.where}.{name} is {shown(value)}: give an object of at most {most} keys")
        return value


def number(value: object, where: str, low: int, high: int) -> int:
    """A whole number (no true, no 1.0) from `low` to `high`; InvalidValue for anything else."""
    if type(value) is not int or not low <= value <= high:
        raise InvalidValue(f"{where} is {shown(value)}: use a whole number from {low} to {high}")
    return value


def text(value: object, where: str, pattern: str = ".*", cure: str = "", longest: int = 4096) -> str:
    """A text that the pattern matches as a whole, of at most `longest` characters; InvalidValue for anything else."""
    good = isinstance(value, str) and len(value) <= longest and "\0" not in value
    if not good or not re.fullmatch(pattern, str(value), flags=re.DOTALL):
        raise InvalidValue(f"{where} is {shown(value)}: {cure or f'use a text of at most {longest} characters'}")
    return str(value)


def shown(value: object) -> str:
    """A value as one short line, however long or strange it came."""
    told = value if isinstance(value, str) and value.isidentifier() else ascii(value)
    return told if len(told) <= 60 else told[:57] + "..."
