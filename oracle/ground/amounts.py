"""Amounts as people write them, with a point and a token's decimals, and as contracts count them: whole smallest units.

Exact both ways and the same in every locale: digits, at most one point, no separators.
"""

from __future__ import annotations

import re
from typing import Final

from oracle.ground.errors import InvalidValue

ETHER_DECIMALS: Final = 18
_WRITTEN: Final = re.compile(r"([0-9]+)(?:\.([0-9]+))?", re.ASCII)
_MOST: Final = 2**256 - 1


def parse(name: str, text: str, decimals: int, symbol: str = "") -> int:
    """The smallest units that `text` stands for. InvalidValue, with the cure, for what isn't exactly such an amount."""
    unit = f" {symbol}" if symbol else ""
    written = _WRITTEN.fullmatch(text.strip().removesuffix(unit).rstrip() if unit else text.strip())
    if written is None:
        raise InvalidValue(f"{name} is {text!r}: give digits and at most one point, like 1250.75, without separators")
    whole, fraction = written[1], (written[2] or "").rstrip("0")
    if len(fraction) > decimals:
        most = f"at most {decimals} digits after the point" if decimals else "no digits after the point"
        raise InvalidValue(f"{name} is {text}, finer than{unit or ' the token'} can be divided: give {most}")
    units = int(whole + fraction.ljust(decimals, "0"))
    if units > _MOST:
        raise InvalidValue(f"{name} is {text}: more than any token has; give less")
    return units


def show(units: int, decimals: int, symbol: str = "") -> str:
    """The amount as `parse` reads it back, without needless zeros, and its symbol."""
    sign, digits = ("-" if units < 0 else ""), str(abs(units)).rjust(decimals + 1, "0")
    whole, fraction = digits[: len(digits) - decimals], digits[len(digits) - decimals :].rstrip("0")
    text = sign + whole + (f".{fraction}" if fraction else "")
    return f"{text} {symbol}" if symbol else text


def percent(ppm: int) -> str:
    """A share in millionths, exactly."""
    return show(ppm, 4, "%")


def ether(wei: int) -> str:
    """An amount of the chain's own coin, in which gas is paid."""
    return show(wei, ETHER_DECIMALS, "ETH")
