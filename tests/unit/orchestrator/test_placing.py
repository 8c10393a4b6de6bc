# SPDX-License-Identifier: Apache-2.0
"""Whom placing prefers, and how a move goes."""

from __future__ import annotations

from dataclasses import replace

import pytest

from orchestrator.placing.world import order, reasons, state_of
from orchestrator.wire.intent_parts import Resources
from tests.property.orchestrator.placing_town import COOLDOWN, RULES, Town, intent_of, pack

pytestmark = pytest.mark.unit

ROOM = Resources(2_000, 2_000, 2_000)
SIZE = Resources(500, 500, 0)


def town_of(*where: tuple[str, str], replicas: int = 1, **named: list[int]) -> Town:
    """Licences 1, 2, … on (host, holder), and job 1."""
    town = Town()
    for id_, (host, holder) in enumerate(where, 1):
        town.add_licence(id_, host, holder, ROOM)
    town.add_job(1, intent_of("job", replicas, SIZE, **named))
    return town


def settle(town: Town, turns: int = 3) -> None:
    """All nodes accept and are healthy, and all transactions are mined."""
    for _ in range(turns):
        town.pass_time(1)
        for licence in town.licences:
            town.poll(licence, accepts=True, healthy=True)
        town.advance()
        for key in list(town.sent):
            town.mine(key)
        town.advance()


def best(town: Town, slot: int = 0) -> list[int]:
    return order(town.world(), (1, slot), RULES, town.now)


def test_choice__targets_and_spares_named__targets_first_then_spares_and_nobody_else() -> None:
    town = town_of(*[(f"h{n}", f"o{n}") for n in range(5)], targets=[4, 2], spares=[1])
    assert best(town) == [4, 2, 1]
    assert "neither" in reasons(town.world(), (1, 0), RULES, town.now)[3]


def test_choice__targets_alone__others_only_after_them() -> None:
    town = town_of(("a", "x"), ("b", "y"), ("c", "z"), targets=[3])
    assert best(town)[0] == 3
    assert sorted(best(town)) == [1, 2, 3]


def test_choice__replicas__are_spread_over_licences_hosts_and_holders() -> None:
    town = town_of(("a", "x"), ("a", "y"), ("b", "x"), ("c", "z"), replicas=3)
    settle(town)
    assert {slot.licence for slot in town.slots.values()} == {1, 4, 2} or {
        slot.licence for slot in town.slots.values()
    } == {1, 4, 3}
    narrow = town_of(("a", "x"), replicas=2)
    settle(narrow)
    assert [slot.licence for slot in narrow.slots.values()] == [1, 1], "it can't be helped"


def test_choice__history_of_uptime__the_steadier_node_first() -> None:
    town = town_of(("a", "x"), ("b", "y"))
    assert best(town) == [1, 2]
    town.nodes[1] = replace(town.nodes[1], watched=100_000, heard=60_000)
    town.nodes[2] = replace(town.nodes[2], watched=100_000, heard=99_000)
    assert best(town) == [2, 1]
    town.nodes[2] = replace(town.nodes[2], failures=20)
    assert best(town) == [1, 2]


def test_choice__failed_licence__waits_for_its_cooldown() -> None:
    town = town_of(("a", "x"))
    settle(town)
    town.request((1, 0))
    assert "cools down" in reasons(town.world(), (1, 0), RULES, town.now)[1]
    town.slots[1, 0] = replace(town.slots[1, 0], request=replace(town.slots[1, 0].request, deadline=10**6))  # type: ignore[arg-type]
    town.pass_time(COOLDOWN)
    settle(town)
    assert town.slots[1, 0].licence == 1


def test_move__new_node_is_never_healthy__old_one_stays_and_the_wish_ends() -> None:
    town = town_of(("a", "x"), ("b", "y"), targets=[1])
    settle(town)
    town.wish((1, 0), 2)
    for _ in range(4):
        town.pass_time(1)
        town.poll(2, accepts=True, healthy=False)
        town.poll(1, accepts=True, healthy=True)
        town.advance()
    assert town.slots[1, 0].licence == 1
    assert not town.attempts
    assert not town.wishes
    assert len(town.planned) == 1


def test_move__new_node_is_healthy__both_in_one_transaction_and_then_the_old_one_stops() -> None:
    town = town_of(("a", "x"), ("b", "y"), targets=[1])
    settle(town)
    town.wish((1, 0), 2)
    town.advance()
    town.poll(2, accepts=True, healthy=True)
    town.advance()
    assert state_of(town.world(), (1, 0)) == "moving"
    assert list(town.nodes[1].running) == [pack(1, 0, 1)]
    settle(town)
    moved = list(town.planned.values())[-1]
    assert moved.closes == pack(1, 0, 1)
    assert town.slots[1, 0].licence == 2
    assert not town.nodes[1].running


def test_move__old_node_fails_meanwhile__acceptance_fills_the_slot() -> None:
    town = town_of(("a", "x"), ("b", "y"), targets=[1])
    settle(town)
    town.wish((1, 0), 2)
    town.advance()
    town.poll(2, accepts=True, healthy=True)
    town.request((1, 0))
    settle(town)
    assert list(town.planned.values())[-1].closes == 0
    assert town.slots[1, 0].licence == 2
