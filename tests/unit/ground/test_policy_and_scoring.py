"""Policies as data, and what they make of uptime at their edges."""

import json

import pytest
from eth_abi import encode
from eth_utils import keccak

from oracle.ground.errors import InvalidValue
from oracle.ground.policy import Policy, from_json
from oracle.ground.scoring import score
from oracle.ground.uptime import ZERO, Uptime

BINARY = Policy(target_ppm=950_000, floor_ppm=950_000)
LINEAR = Policy(target_ppm=980_000, floor_ppm=900_000)
DAY = 86_400


def alone(policy: Policy, up: int, observed: int) -> int:
    (earned,) = score(policy, [Uptime(up, observed)])
    return earned


def test_score__binary_exactly_on_target__earns_all() -> None:
    assert alone(BINARY, 82_080, DAY) == DAY


def test_score__binary_one_second_below__earns_nothing() -> None:
    assert alone(BINARY, 82_079, DAY) == 0


def test_score__linear_exactly_on_floor__earns_nothing() -> None:
    assert alone(LINEAR, 77_760, DAY) == 0


def test_score__linear_one_second_above_floor__earns_its_share() -> None:
    assert alone(LINEAR, 77_761, DAY) == 12  # 1 s of 6,912 between floor and target, of a day


def test_score__linear_exactly_on_target__earns_all() -> None:
    assert alone(LINEAR, 84_672, DAY) == DAY


def test_score__linear_halfway__earns_half() -> None:
    assert alone(LINEAR, 94, 100) == 50


def test_score__nothing_observed__earns_nothing() -> None:
    assert score(LINEAR, [ZERO]) == (0,)
    assert score(LINEAR, [ZERO, ZERO]) == (0, 0)


def test_score__target_of_all__forgives_no_second() -> None:
    strict = Policy(target_ppm=1_000_000, floor_ppm=1_000_000)
    assert (alone(strict, DAY, DAY), alone(strict, DAY - 1, DAY)) == (DAY, 0)


def test_score__floor_of_zero__is_proportional_up_to_the_target() -> None:
    policy = Policy(target_ppm=1_000_000, floor_ppm=0)
    assert [alone(policy, up, 10) for up in (0, 3, 10)] == [0, 3, 10]


def test_score__observed_less_than_the_minimum__earns_just_up_time() -> None:
    policy = Policy(min_observed_seconds=60)
    assert score(policy, [Uptime(1, 20), Uptime(30, 39)]) == (1, 30)
    assert score(policy, [Uptime(1, 20), Uptime(30, 40)]) == (0, 0)


def test_score__short_piece_after_a_long_one__is_scored_with_it() -> None:
    policy = Policy(target_ppm=900_000, floor_ppm=900_000, min_observed_seconds=60)
    assert score(policy, [Uptime(0, 5)], earlier=Uptime(95, 95), earlier_earned=95) == (5,)
    assert score(policy, [Uptime(0, 5)], earlier=Uptime(55, 95), earlier_earned=0) == (0,)


def test_score__closed_while_good_then_bad__gets_no_more() -> None:
    # 100 s were earned; over all 200 s the ratio fails, so the second piece earns nothing. What was paid
    # stays paid: earned seconds never fall.
    assert score(BINARY, [Uptime(0, 100)], earlier=Uptime(100, 100), earlier_earned=100) == (0,)


def test_score__closed_while_bad_then_good__makes_up_no_more_than_its_own_time() -> None:
    assert score(BINARY, [Uptime(1_900, 1_900)], earlier=Uptime(50, 100), earlier_earned=0) == (1_900,)


def test_policy__hash__is_keccak_of_its_abi_encoding() -> None:
    policy = Policy(min_observed_seconds=60, window_epochs=30)
    assert policy.abi_values() == (1, 980_000, 900_000, 30, 60, 800_000, 0, 0, 0, 3_600, 3_600, 0)
    assert policy.hash() == keccak(encode(["uint256"] * 12, policy.abi_values()))


def test_from_json__some_keys__take_defaults_for_the_rest() -> None:
    assert from_json('{"target_ppm": 950000, "floor_ppm": 950000}') == BINARY
    assert from_json("{}") == Policy()
    assert from_json(LINEAR.to_json()) == LINEAR


@pytest.mark.parametrize(
    ("text", "part"),
    [
        ('{"target": 1}', "target"),
        ('{"target_ppm": true}', "target_ppm is True"),
        ('{"target_ppm": 980000.0}', "target_ppm is"),
        ('{"target_ppm": 1e6}', "target_ppm is"),
        ('{"target_ppm": "980000"}', "target_ppm is"),
        ('{"target_ppm": null}', "target_ppm is None"),
        ('{"target_ppm": {"a": 1}}', "target_ppm is"),
        ('{"target_ppm": 0, "floor_ppm": 0}', "target_ppm is 0"),
        ('{"target_ppm": 1000001}', "target_ppm is 1000001"),
        ('{"target_ppm": 800000}', "floor_ppm is 900000: use at most target_ppm, 800000"),
        ('{"floor_ppm": -1}', "floor_ppm is -1"),
        ('{"window_epochs": 0}', "window_epochs is 0"),
        ('{"window_epochs": 65536}', "window_epochs is 65536"),
        ('{"min_observed_seconds": 4294967296}', "min_observed_seconds is 4294967296"),
        ('{"csp_share_ppm": 1000001}', "csp_share_ppm is 1000001"),
        ('{"evidence": "hearsay"}', "evidence is hearsay"),
        ('{"evidence": 1}', "evidence is 1"),
        ('{"floor_ppm": 1, "floor_ppm": 2}', "given twice"),
        ('{"floor_ppm": ' + "1" * 5_000 + "}", "JSON"),
        ('{"a\\nb": 1}', "unknown"),
        ("[1]", "not an object"),
        ("1", "not an object"),
        ("", "JSON"),
        ("[" * 100_000, "JSON"),
    ],
)
def test_from_json__bad_text__is_refused_in_one_line_with_its_source(text: str, part: str) -> None:
    with pytest.raises(InvalidValue) as refused:
        from_json(text, source="terms.json")
    line = str(refused.value)
    assert line.startswith("terms.json: ")
    assert part in line
    assert "\n" not in line
    assert len(line) < 250


def test_to_json__policy__is_plain_json() -> None:
    assert json.loads(Policy().to_json())["evidence"] == "liveness"
