# SPDX-License-Identifier: Apache-2.0
"""The schedules of licence rewards against the published figures of the network they are modelled on."""

from __future__ import annotations

import hashlib

import pytest

from settlement.emission import (
    RATIO1_CAP,
    RATIO1_GENESIS,
    RATIO1_MASTER,
    RATIO1_STANDARD,
    WHOLE,
    Schedule,
    Supply,
    flat,
    logistic,
)

DAY = 86_400
RATIO1 = {"standard": RATIO1_STANDARD, "master": RATIO1_MASTER, "genesis": RATIO1_GENESIS}


@pytest.mark.parametrize(
    ("epochs", "permille"), [(100, 13), (300, 71), (450, 169), (630, 397), (800, 744), (900, 1000)]
)
def test_emission__master_after_epochs__is_the_published_share(epochs: int, permille: int) -> None:
    emitted = RATIO1_MASTER.schedule.emission(epochs * DAY, DAY)
    assert round(emitted * 1000 / RATIO1_MASTER.schedule.cap) == permille


@pytest.mark.parametrize(
    ("kind", "epochs", "start"), [("standard", 1_080, 0), ("master", 900, 223), ("genesis", 365, 0)]
)
def test_emission__full_availability__is_the_cap_exactly(kind: str, epochs: int, start: int) -> None:
    schedule = RATIO1[kind].schedule
    assert (schedule.epochs, schedule.start_epoch) == (epochs, start)
    assert schedule.emission(epochs * DAY - 1, DAY) < schedule.cap
    assert schedule.emission(epochs * DAY, DAY) == schedule.cap == schedule.emission(epochs * DAY * 2, DAY)


@pytest.mark.parametrize(
    ("kind", "total"),
    [
        ("standard", 72_811_529_100_000_000_000_000_000),
        ("master", 42_230_686_878_000_000_000_000_000),
        ("genesis", 46_761_182_022_000_000_000_000_000),
    ],
)
def test_total__of_a_kind__is_its_part_less_a_rounding(kind: str, total: int) -> None:
    supply = RATIO1[kind]
    assert 0 <= total - supply.total < supply.licences


def test_total__of_all_kinds__is_within_the_cap() -> None:
    assert 0 <= RATIO1_CAP - sum(supply.total for supply in RATIO1.values()) < 46_224 + 500 + 1


@pytest.mark.parametrize("kind", sorted(RATIO1))
def test_emission__ever_more_seconds__never_falls(kind: str) -> None:
    schedule = RATIO1[kind].schedule
    emitted = [schedule.emission(seconds, DAY) for seconds in range(0, (schedule.epochs + 1) * DAY, 9_973)]
    assert emitted == sorted(emitted)
    assert emitted[0] == 0


def test_emission__flat__is_the_floor_of_its_part() -> None:
    schedule = flat(0, 3, 1_000)
    assert [schedule.emission(seconds, 10) for seconds in (0, 1, 2, 10, 29, 30, 31)] == [
        0,
        33,
        66,
        333,
        966,
        1000,
        1000,
    ]


def test_emission__between_points__is_on_their_line() -> None:
    schedule = Schedule(0, 2, 1_000, (WHOLE // 10, WHOLE // 2, WHOLE))
    assert [schedule.emission(seconds, 5) for seconds in (5, 10, 15, 20, 25)] == [50, 100, 300, 500, 750]


def test_logistic__table__is_the_same_on_every_machine() -> None:
    digest = hashlib.sha256(RATIO1_MASTER.schedule.packed).hexdigest()
    assert digest == "7e505f79273bf42f6c0ddfc20a278856a3474d62570a3fa554d03249aa251402"


def test_logistic__any_epochs__ends_whole() -> None:
    for epochs in (1, 2, 7, 3_070):
        shares = logistic(0, epochs, 1).shares
        assert len(shares) == epochs
        assert shares[-1] == WHOLE


@pytest.mark.parametrize(
    ("step", "cap", "shares", "rule"),
    [
        (1, 5, (), "a cap has shares"),
        (1, 0, (WHOLE,), "cap of shares is not zero"),
        (0, 5, (WHOLE,), "stepEpochs of shares is not zero"),
        (1, 5, (WHOLE,) * 3_071, "shares are at most"),
        (1, 5, (2, 1, WHOLE), "shares never fall"),
        (1, 5, (1, WHOLE - 1), "the last share is"),
    ],
)
def test_schedule__broken_rule__is_named(step: int, cap: int, shares: tuple[int, ...], rule: str) -> None:
    with pytest.raises(AssertionError, match=rule):
        Schedule(0, step, cap, shares)


def test_supply__without_reward__is_nothing() -> None:
    nothing = Supply(5, Schedule(0, 0, 0, ()))
    assert nothing.total == 0
    assert nothing.schedule.emission(10**9, DAY) == 0
