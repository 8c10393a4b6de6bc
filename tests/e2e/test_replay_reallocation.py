# SPDX-License-Identifier: Apache-2.0
"""`epochal replay --reallocate` from outside: a small trace whose every move was worked out by hand."""

from __future__ import annotations

import json
import signal
from pathlib import Path

import pytest

from tests.e2e.naive_replay import Naive, Placement
from tests.e2e.test_replay import (
    CSVS,
    GENESIS,
    TERMS,
    Bench,
    Result,
    assert_refused,
    read,
    wait_for,
    write_policy,
    write_trace,
)

pytestmark = pytest.mark.e2e

# Ticks of 10 s, epochs of 600 s. Slots 0 to 2 are those of a, b and c; x and y are spares.
SPANS = {
    "a": [(0, 2_500, "up"), (2_500, 2_900, "down"), (2_900, 3_000, "up")],
    "b": [(0, 700, "up"), (700, 1_700, "down"), (1_700, 3_000, "up")],
    "c": [(0, 1_850, "up"), (1_850, 2_950, "down"), (2_950, 3_000, "up")],
    "x": [
        *((0, 1_300, "up"), (1_300, 1_385, "down"), (1_385, 1_930, "up"), (1_930, 1_990, "down")),
        *((1_990, 2_540, "up"), (2_540, 2_850, "down"), (2_850, 3_000, "up")),
    ],
    # It leaves at 2,700.
    "y": [(0, 1_250, "up"), (1_250, 1_420, "down"), (1_420, 1_470, "up"), (1_470, 1_540, "down"), (1_540, 2_700, "up")],
}
ROWS = [(node, GENESIS + start, GENESIS + end, state) for node, spans in SPANS.items() for start, end, state in spans]
POLICY = {"outage_seconds": 60, "missed_epochs": 1, "answer_seconds": 100, "cooldown_seconds": 200}
ANSWER_DELAY = 25
REOPEN_AFTER = 200
MOVES = [
    # (slot, generation, node, as of, asked at, outcome, answered at, by)
    # b is down for 60 s at 760. x and y are alike, and x's licence is the lower one.
    (1, 1, "b", 700, 761, "healed", 786, "x"),
    # Nobody is up but x, which failed here: y is again in the tick that ends at 1,430.
    (1, 2, "x", 1_300, 1_361, "healed", 1_456, "y"),
    # x is the better of x and b, but down when it should accept, at 1,936: b is asked next.
    (2, 1, "c", 1_850, 1_911, "healed", 1_961, "b"),
    # Nobody is up until the deadline, 2,661. At 2,861 the CSP reopens the slot; a is up in the tick that ends at 2,910.
    (0, 1, "a", 2_500, 2_561, "forfeited", 2_936, "a"),
]
PLACED = [
    (0, 1, "a", 0, 2_500),
    (0, 2, "a", 2_936, 3_000),
    (1, 1, "b", 0, 700),
    (1, 2, "x", 786, 1_300),
    (1, 3, "y", 1_456, 2_700),
    # x is up in the tick that ends at 2,860, and nobody was from 2,700 on.
    (1, 4, "x", 2_886, 3_000),
    (2, 1, "c", 0, 1_850),
    (2, 2, "b", 1_961, 3_000),
]
PLACEMENTS = [
    Placement(slot, number, node, GENESIS + start, GENESIS + end) for slot, number, node, start, end in PLACED
]
HOMES = [Placement(slot, 1, node, GENESIS, GENESIS + 3_000) for slot, node in enumerate("abc")]
WITH = Naive(ROWS, TERMS, PLACEMENTS, 3)
WITHOUT = Naive(ROWS, TERMS, HOMES, 3)
REALLOCATE = ("--reallocate", "--answer-delay", str(ANSWER_DELAY), "--reopen-after", str(REOPEN_AFTER))


class Stage(Bench):
    """Replays the trace with its policy."""

    def __init__(self, folder: Path) -> None:
        super().__init__(folder)
        self.trace = write_trace(folder / "trace.csv", ROWS)
        self.policy = write_policy(folder / "policy.json", TERMS)
        self.policy.write_text(json.dumps({**json.loads(self.policy.read_text()), **POLICY}))

    def words(self, out: str, *more: str) -> list[str]:
        """The command of a replay with spares."""
        line = self.line(out, TERMS, "--spares", "2", *more)
        line[line.index("--policy") + 1] = str(self.policy)
        return line

    def replayed(self, out: str, *more: str) -> Result:
        """What it leaves."""
        done = self.complete(self.words(out, *more))
        assert done.returncode == 0, done.stderr
        return Result(self.folder / out, done, TERMS)


@pytest.fixture(scope="module")
def stage(tmp_path_factory: pytest.TempPathFactory) -> Stage:
    return Stage(tmp_path_factory.mktemp("moves"))


@pytest.fixture(scope="module")
def without(stage: Stage) -> Result:
    return stage.replayed("without")


@pytest.fixture(scope="module")
def moved(stage: Stage, without: Result) -> Result:
    return stage.replayed("with", *REALLOCATE, "--compare", str(without.out))


def test_moves__of_the_small_trace__are_those_worked_out_by_hand(moved: Result) -> None:
    found = []
    for slot, key, node, _, _, as_of, asked, _, outcome, answered, by in read(moved.out / "moves.csv"):
        times = [int(one) - GENESIS for one in (as_of, asked, answered)]
        found.append((int(slot), int(key) & 0xFFFFFFFF, node, *times[:2], outcome, times[2], by))
    assert found == MOVES
    told = moved.summary["reallocation"]
    assert (told["requests"], told["healed"], told["forfeited"], told["over"]) == (4, 3, 1, 0)
    assert (told["reopened"], told["answered_after_reopening"]) == (1, 1)
    # x declines for slot 2. y is down for 60 s at 1,530, and its slot cools down until 1,561. x comes where y left.
    assert (told["declined"], told["held_back_by_cooldown"], told["refills"]) == (1, 1, 1)
    assert told["by_reason"] == {"outage": 4}
    assert told["seconds_to_heal"] == {"min": 86, "median": 111, "p90": 156, "max": 156, "mean": 117}


@pytest.mark.parametrize("name", ["uptime", "settlement", "payouts"])
def test_rows__with_reallocation__equal_the_naive_scoring_of_these_placements(name: str, moved: Result) -> None:
    assert read(moved.out / f"{name}.csv") == getattr(WITH, name)


@pytest.mark.parametrize("name", ["uptime", "settlement", "payouts"])
def test_rows__of_idle_spares__are_those_of_their_slots_first_nodes(name: str, without: Result) -> None:
    assert read(without.out / f"{name}.csv") == getattr(WITHOUT, name)


def test_epoch__of_two_nodes_in_one_slot__pays_each_for_exactly_its_own_seconds(moved: Result) -> None:
    rows = [row for row in read(moved.out / "settlement.csv") if row[1] == "1" and row[4] == "1"]
    # b from 600 to 700; x from 790, its first whole tick, to 1,200; from 700 to 786 nobody.
    assert [(row[3], *map(int, row[5:])) for row in rows] == [("b", 100, 0, 0), ("x", 410, 0, 4)]
    money = {row[0]: row for row in read(moved.out / "payouts.csv")}
    price, share = TERMS.price, 1_000_000 - TERMS.protocol_share_ppm

    def net(*seconds: int) -> int:
        """What assignments come to for their payee, each rounded down."""
        return sum(price * one // 600 * share // 1_000_000 for one in seconds)

    # The replay itself checks that each payee's balance on chain is what its row says.
    assert int(money["b"][1]) == net(700, 1_030)  # and slot 2 from its first whole tick at 1,970
    assert int(money["x"][1]) == net(510, 110)
    assert int(money["c"][1]) == net(1_850)


def test_summary__compared__tells_seconds_and_money_with_and_without(moved: Result) -> None:
    told = moved.summary["reallocation"]
    for name, naive in (("without", WITHOUT), ("with", WITH)):
        up, observed = (sum(int(row[place]) for row in naive.uptime) for place in (2, 3))
        placed = sum(one.end - one.start for one in naive.placements)
        seconds = told["slot_seconds"][name]
        assert (seconds["wanted"], seconds["up"], seconds["down"]) == (9_000, up, observed - up)
        assert (seconds["unmeasured"], seconds["empty"]) == (placed - observed, 9_000 - placed)
        sums = [sum(int(row[place]) for row in naive.payouts) for place in range(1, 5)]
        assert list(told["money"][name].values()) == sums
    paid = [{row[0]: int(row[1]) for row in naive.payouts} for naive in (WITHOUT, WITH)]
    gains = [paid[1][node] - paid[0][node] for node in paid[0]]
    assert told["money"]["nodes_paid_more"] == sum(one for one in gains if one > 0) > 0
    assert told["money"]["nodes_paid_less"] == -sum(one for one in gains if one < 0)
    assert moved.bytes_of("reallocation.png").startswith(b"\x89PNG")
    assert "healed by the deadline" in moved.done.stdout


@pytest.mark.long
def test_replay__interrupted__goes_on_to_the_same_files(stage: Stage, moved: Result) -> None:
    more = (*REALLOCATE, "--compare", str(stage.folder / "without"))
    out = stage.folder / "stopped"
    with stage.started(stage.words("stopped", *more)) as process:
        wait_for(out / "reports" / "1.json", process)
        process.send_signal(signal.SIGINT)
        assert process.wait(60) == 130
    plain = stage.complete(stage.words("stopped"))
    assert plain.returncode == 2
    assert "reallocation" in plain.stderr
    again = stage.replayed("stopped", *more)
    names = (*CSVS, "moves.csv")
    assert {name: again.bytes_of(name) for name in names} == {name: moved.bytes_of(name) for name in names}


@pytest.mark.parametrize(
    ("more", "told"),
    [
        (("--spares", "5"), "--spares 5: only 5 nodes"),
        (("--compare", "{folder}/without"), "add that"),
        (("--reallocate", "--compare", "{folder}/nowhere"), "holds no complete replay"),
        (("--reallocate", "--compare", "{folder}/without", "--price", "7"), "its price is 1000003, not 7"),
        (("--reallocate", "--policy", "{folder}/idle.json"), "the policy asks for no other node"),
        (("--reallocate", "--tick", "1"), "--tick 1"),
    ],
)
def test_options__that_can_t_work__are_refused_in_one_line(
    stage: Stage, without: Result, more: tuple[str, ...], told: str
) -> None:
    (stage.folder / "idle.json").write_text("{}")
    done = stage.complete([*stage.words("never"), *(one.format(folder=without.out.parent) for one in more)])
    assert_refused(done.returncode, done.stderr, told)
    assert not (stage.folder / "never").exists()
