"""Times and spans as people write them, in UTC, and as contracts count them: UNIX seconds."""

from __future__ import annotations

import re
from datetime import UTC, datetime
from typing import Final

from oracle.ground.errors import InvalidValue

_UNITS: Final = {"s": 1, "m": 60, "h": 3_600, "d": 86_400, "w": 604_800}
_SPAN: Final = re.compile(r"([0-9]+)\s*(s|m|h|d|w|epochs?)", re.ASCII)
_LATEST: Final = 2**40 - 1


def parse_span(name: str, text: str, epoch_length: int) -> int:
    """Seconds of a span like 90s, 45m, 12h, 30d, 4w or 10epochs. InvalidValue."""
    found = _SPAN.fullmatch(text.strip())
    if found is None:
        raise InvalidValue(f"{name} is {text!r}: give a span like 90s, 45m, 12h, 30d, 4w or 10epochs")
    return int(found[1]) * _UNITS.get(found[2], epoch_length)


def parse_time(name: str, text: str, now: int, epoch_length: int) -> int:
    """UNIX seconds of `now`, of a span from now on (+12h), of UNIX seconds, or of 2026-11-22T14:00Z. InvalidValue."""
    text = text.strip()
    if text == "now":
        return now
    if text.startswith("+"):
        time = now + parse_span(name, text[1:], epoch_length)
    elif text.isascii() and text.isdigit():
        time = int(text)
    else:
        time = _of_date(name, text)
    if not 0 <= time <= _LATEST:
        raise InvalidValue(f"{name} is {text!r}, beyond what contracts know: give an earlier time")
    return time


def _of_date(name: str, text: str) -> int:
    try:
        read = datetime.fromisoformat(text)
    except ValueError as error:
        cure = "give UTC like 2026-11-22T14:00Z, a span from now like +12h, or UNIX seconds"
        raise InvalidValue(f"{name} is {text!r}, which is no time: {cure}") from error
    if read.tzinfo is None:
        raise InvalidValue(f"{name} is {text!r}, without a time zone: append Z for UTC")
    return int(read.timestamp())


def show_time(seconds: int) -> str:
    """A UNIX time for people, in UTC."""
    if not 0 < seconds < 253_402_300_800:  # the year 10,000
        return "never" if seconds == 0 else str(seconds)
    return datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%d %H:%M:%S UTC")


def show_span(seconds: int) -> str:
    """A span for people: its two largest units."""
    if seconds < 0:
        return f"-{show_span(-seconds)}"
    parts = []
    for name, size in reversed(_UNITS.items()):
        if name == "w":
            continue
        count, seconds = divmod(seconds, size)
        if count:
            parts.append(f"{count} {name}")
    return " ".join(parts[:2]) or "0 s"
