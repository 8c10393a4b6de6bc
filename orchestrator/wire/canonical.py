"""JSON of which there is one form: keys sorted, no spaces, UTF-8, no numbers but integers, no null.

Whatever is hashed or signed here is hashed in this form.
"""

from __future__ import annotations

import json
from typing import Any, Final, NoReturn

from oracle.ground.errors import InvalidValue
from oracle.ground.keccak import keccak256

DEEPEST: Final = 32
"""Objects and lists inside each other, at most."""


def encode(value: object, what: str = "document") -> bytes:
    """The canonical bytes; InvalidValue, naming the place, for what has none: a float, null, a key that is no text."""
    _check(value, what, 0)
    return json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False).encode("utf-8")


def hash_of(value: object, what: str = "document") -> bytes:
    """Keccak-256 of the canonical bytes; errors as of `encode`."""
    return keccak256(encode(value, what))


def decode(data: bytes | str, what: str = "document", longest: int = 1 << 20) -> dict[str, Any]:
    """The object that JSON text holds, in canonical form or not.

    InvalidValue for more than `longest` bytes, for no JSON, for keys given twice, and for what has no canonical form.
    """
    if len(data) > longest:
        raise InvalidValue(f"{what} has {len(data)} bytes: give at most {longest}")
    try:
        text = data.decode("utf-8") if isinstance(data, bytes) else data
        value = json.loads(text, object_pairs_hook=_unique, parse_float=_no_float, parse_constant=_no_float)
    except InvalidValue as error:
        raise InvalidValue(f"{what}: {error}") from None
    except (ValueError, RecursionError) as error:
        raise InvalidValue(f"{what}: not readable as JSON ({error}): give one object in UTF-8") from error
    if not isinstance(value, dict):
        raise InvalidValue(f"{what} is a {type(value).__name__}: give one JSON object")
    _check(value, what, 0)
    return value


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for key, value in pairs:
        if key in found:
            raise InvalidValue(f"{key!r} is given twice: keep one")
        found[key] = value
    return found


def _no_float(text: str) -> NoReturn:
    raise InvalidValue(f"{text} is no whole number: use whole numbers, or a text in quotes")


def _check(value: object, where: str, depth: int) -> None:
    if depth > DEEPEST:
        raise InvalidValue(f"{where}: more than {DEEPEST} objects and lists inside each other: use fewer")
    if isinstance(value, str):
        try:
            value.encode("utf-8")
        except UnicodeEncodeError:
            raise InvalidValue(f"{where}: holds half a surrogate pair: use text that UTF-8 can write") from None
        return
    if type(value) in (int, bool):
        return
    if isinstance(value, (list, tuple)):
        for index, each in enumerate(value):
            _check(each, f"{where}[{index}]", depth + 1)
        return
    if isinstance(value, dict):
        for key, each in value.items():
            if not isinstance(key, str):
                raise InvalidValue(f"{where}: the key {key!r} is no text: use text")
            _check(key, where, depth + 1)
            _check(each, f"{where}.{key}", depth + 1)
        return
    raise InvalidValue(f"{where} is {value!r}: use text, whole numbers, true or false, lists and objects")
