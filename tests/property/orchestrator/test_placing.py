# SPDX-License-Identifier: Apache-2.0
"""Whatever nodes, chain and time do: placing never overloads, takes nobody who may not serve, opens no slot twice."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, rule

from orchestrator.placing.world import order, state_of
from orchestrator.wire.intent_parts import Resources
from tests.property.orchestrator.placing_town import RULES, Town, intent_of

pytestmark = pytest.mark.property

SIZES = st.sampled_from([Resources(500, 256, 10), Resources(1_000, 512, 10), Resources(1_500, 100, 0)])
CAPACITIES = st.sampled_from([Resources(400, 400, 400), Resources(1_000, 600, 100), Resources(3_000, 2_000, 1_000)])
BARRED = st.sampled_from(["", "its licence is suspended", "its node is frozen"])
REFUSALS = st.sampled_from(
    ["", "", "", "assign: Placements_TooManyConflicts(conflicted=1, bearable=0)", "assign: reverted without a reason"]
)


class Placing(RuleBasedStateMachine):
    """The town checks every step by itself."""

    @initialize(
        capacities=st.lists(CAPACITIES, min_size=1, max_size=5),
        jobs=st.lists(st.tuples(SIZES, st.integers(1, 3), st.booleans()), min_size=1, max_size=3),
    )
    def settle(self, capacities: list[Resources], jobs: list[tuple[Resources, int, bool]]) -> None:
        self.town = Town()
        for id_, capacity in enumerate(capacities, 1):
            self.town.add_licence(id_, f"host-{id_ % 3}", f"holder-{id_ % 2}", capacity)
        for id_, (size, replicas, choosy) in enumerate(jobs, 1):
            named = {"targets": [1], "spares": [2, 3]} if choosy else {}
            self.town.add_job(id_, intent_of(f"job-{id_}", replicas, size, **named))

    def _place(self, data: st.DataObject) -> tuple[int, int]:
        return data.draw(st.sampled_from(sorted(self.town.slots)))

    def _licence(self, data: st.DataObject) -> int:
        return data.draw(st.sampled_from(sorted(self.town.licences)))

    @rule(data=st.data(), accepts=st.booleans(), healthy=st.booleans())
    def one_polls(self, data: st.DataObject, accepts: bool, healthy: bool) -> None:
        self.town.poll(self._licence(data), accepts=accepts, healthy=healthy)
        self.town.advance()

    @rule()
    def all_poll(self) -> None:
        for licence in self.town.licences:
            self.town.poll(licence, accepts=True, healthy=True)
        self.town.advance()

    @rule(data=st.data(), refuse=REFUSALS)
    def chain_takes(self, data: st.DataObject, refuse: str) -> None:
        waiting = [key for key, sent in self.town.sent.items() if not sent.settled]
        if waiting:
            self.town.mine(data.draw(st.sampled_from(waiting)), refuse=refuse)
        if data.draw(st.booleans()):
            self.town.advance()

    @rule(seconds=st.sampled_from([1, 1, 7, 25, 70, 200]))
    def time_passes(self, seconds: int) -> None:
        self.town.pass_time(seconds)
        self.town.advance()

    @rule(data=st.data())
    def node_fails(self, data: st.DataObject) -> None:
        self.town.request(self._place(data))
        self.town.advance()

    @rule(data=st.data(), barred=BARRED, linked=st.booleans())
    def status_changes(self, data: st.DataObject, barred: str, linked: bool) -> None:
        id_ = self._licence(data)
        node = self.town.nodes[id_].node if linked else ""
        self.town.licences[id_] = replace(self.town.licences[id_], barred=barred, node=node)

    @rule(data=st.data(), any_=st.booleans())
    def csp_wishes(self, data: st.DataObject, any_: bool) -> None:
        self.town.wish(self._place(data), 0 if any_ else self._licence(data))
        self.town.advance()

    def teardown(self) -> None:
        """When all is well again, every slot is served for which there is somebody."""
        if not hasattr(self, "town"):
            return
        town = self.town
        for id_, licence in town.licences.items():
            town.licences[id_] = replace(licence, barred="", node=town.nodes[id_].node)
        town.wishes.clear()
        for _ in range(60):
            town.pass_time(5)
            for licence in town.licences:
                town.poll(licence, accepts=True, healthy=True)
            town.advance()
            for key in list(town.sent):
                town.mine(key)
        town.advance()
        world = town.world()
        for place, slot in town.slots.items():
            if slot.vacant and state_of(world, place) != "forfeited":
                assert not order(world, place, RULES, town.now), f"{place} is vacant, though somebody could serve it"
            generations = town.served.get(place, [])
            assert generations == list(range(1, len(generations) + 1)), "a generation was opened twice, or left out"


Placing.TestCase.settings = settings(
    max_examples=120, stateful_step_count=40, deadline=None, suppress_health_check=list(HealthCheck)
)
test_placing__any_history__keeps_its_rules = Placing.TestCase
