# SPDX-License-Identifier: Apache-2.0
"""Amounts are the same in words and in smallest units, whatever they are."""

from __future__ import annotations

from decimal import Decimal, localcontext

import pytest
from hypothesis import given
from hypothesis import strategies as st

from oracle.ground import amounts, times
from oracle.ground.errors import InvalidValue

UNITS = st.integers(0, 2**256 - 1)
DECIMALS = st.integers(0, 36)


@given(UNITS, DECIMALS, st.sampled_from(["", "USDC"]))
def test_amount__shown_and_read__is_the_same(units: int, decimals: int, symbol: str) -> None:
    assert amounts.parse("amount", amounts.show(units, decimals, symbol), decimals, symbol) == units


@given(UNITS, DECIMALS)
def test_amount__shown__is_the_exact_number(units: int, decimals: int) -> None:
    with localcontext() as context:
        context.prec = 200
        assert Decimal(amounts.show(units, decimals)).scaleb(decimals) == units


@given(st.integers(0, 10**9), st.integers(0, 18), st.text("0123456789", min_size=1, max_size=30))
def test_amount__finer_than_the_token__is_refused(whole: int, decimals: int, fraction: str) -> None:
    text = f"{whole}.{fraction}"
    if len(fraction.rstrip("0")) > decimals:
        with pytest.raises(InvalidValue, match="digits after the point"):
            amounts.parse("price", text, decimals)
    else:
        assert amounts.parse("price", text, decimals) == whole * 10**decimals + int(
            fraction.ljust(decimals, "0")[:decimals] or 0
        )


@pytest.mark.parametrize(
    "text",
    ["", " ", "1,5", "1'000", "1_000", "1e6", "-1", "+1", ".5", "5.", "0x10", "１", "NaN", "1.2.3", "1 EUR"],
)
def test_amount__written_otherwise__is_refused_with_the_cure(text: str) -> None:
    with pytest.raises(InvalidValue, match="give digits and at most one point"):
        amounts.parse("price", text, 6, "USDC")


@given(st.integers(1, 2**40 - 1))
def test_time__shown_and_read__is_the_same(seconds: int) -> None:
    shown = times.show_time(seconds)
    assert (
        times.parse_time("time", shown.removesuffix(" UTC").replace(" ", "T") + ("Z" if "UTC" in shown else ""), 0, 1)
        == seconds
    )


def test_time__of_other_forms__is_read_or_refused() -> None:
    assert times.parse_time("from", "now", 100, 600) == 100
    assert times.parse_time("from", "+2epochs", 100, 600) == 1_300
    assert times.parse_time("from", "1970-01-01T00:02:00+00:01", 0, 600) == 60
    for text, cure in (
        ("tomorrow", "give UTC like"),
        ("2026-11-22T14:00", "append Z"),
        ("+5x", "give a span"),
        (str(2**41), "earlier"),
    ):
        with pytest.raises(InvalidValue, match=cure):
            times.parse_time("from", text, 100, 600)


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(0, "0 s"), (59, "59 s"), (3_661, "1 h 1 m"), (86_400, "1 d"), (90_061, "1 d 1 h"), (-61, "-1 m 1 s")],
)
def test_span__shown__has_its_two_largest_units(seconds: int, text: str) -> None:
    assert times.show_span(seconds) == text
