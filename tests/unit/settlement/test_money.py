# SPDX-License-Identifier: Apache-2.0
"""What seconds come to, with numbers one can check by hand."""

from __future__ import annotations

from settlement.money import Rates, Statement, statement

HOURLY = Rates(price=1_000, epoch_length=3_600, protocol_share_ppm=50_000, csp_share_ppm=800_000)


def test_gross__part_of_an_epoch__is_rounded_down() -> None:
    assert [HOURLY.gross(seconds) for seconds in (0, 3, 4, 1_800, 3_600, 7_201)] == [0, 0, 1, 500, 1_000, 2_000]


def test_protocol__share__comes_off_what_the_payee_gets() -> None:
    assert (HOURLY.burned(3_600, 0), HOURLY.net(3_600)) == (50, 950)


def test_burned__without_csp_share__is_all_of_the_released() -> None:
    assert Rates(1_000, 3_600, 0, 0).burned(3_600, 3_600) == 1_000


def test_burned__all_to_the_csp__is_nothing() -> None:
    assert Rates(1_000, 3_600, 0, 1_000_000).burned(3_600, 3_600) == 0


def test_deposit__odd_seconds__is_rounded_up() -> None:
    assert HOURLY.deposit(slots=1, seconds=1) == 1
    assert HOURLY.deposit(slots=3, seconds=3_600) == 3_000
    assert HOURLY.deposit(slots=3, seconds=3_601) == 3_001


def test_statement__mixed_seconds__adds_up_to_the_gross() -> None:
    assert statement(HOURLY, earned=3_600, withheld=1_800, unmeasured=360) == Statement(
        paid=950, withheld=500, refunded=100 + 400, burned=50 + 100
    )


def test_statement__nothing__is_nothing() -> None:
    assert statement(HOURLY, 0, 0, 0) == Statement(0, 0, 0, 0)
