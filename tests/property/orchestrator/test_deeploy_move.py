# SPDX-License-Identifier: Apache-2.0
"""A move that is killed, loses answers and meets a slow chain, anywhere and as often as it comes."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Iterator
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from orchestrator.deeploy.addresses import NodeAddresses
from orchestrator.deeploy.chain_reading import NodeList
from orchestrator.deeploy.errors import DeeployError, OutcomeUnknown
from orchestrator.deeploy.move import MoveLimits, Mover
from orchestrator.deeploy.polling import Patience
from orchestrator.deeploy.progress import Move, Progress, Step
from orchestrator.deeploy.requests import DeeployRequest, DeletePipeline, GetApps, ScaleUp
from orchestrator.deeploy.statuses import Answer, decode_answer

TABLE = {f"0xai_{letter}": "0x" + f"{number:02x}" * 20 for number, letter in enumerate("abc", start=17)}
A, B, C = TABLE
ADDRESSES = NodeAddresses(TABLE)
MOVE = Move(7, "x_1", A, C, 1, "512m")
INSTANT = Patience(0.00001, 0.00005)
LIMITS = MoveLimits(INSTANT, INSTANT, 3)

FATES = st.sampled_from(["done", "done", "lost before", "lost after", "refused", "killed before", "killed after"])


class Killed(BaseException):
    """kill -9, as far as a process can do it to itself."""


class World:
    """API, chain and file at once. Fates are used up; then all goes well."""

    def __init__(self, fates: Iterator[str], kills: Iterator[bool], late: int, stale: bool, slow: bool) -> None:
        self.slow, self.shows = slow, -1
        self.running, self.fates, self.kills = {A, B}, fates, kills
        self.lists: list[NodeList] = [NodeList(self._addresses(A, B, C), 1)] if stale else []
        self.block, self.late, self.due = 5, late, -1
        self.files: dict[str, str] = {}
        self.scale_ups = 0
        self.since = 0

    @staticmethod
    def _addresses(*nodes: str) -> frozenset[str]:
        return frozenset(ADDRESSES.evm(node) for node in nodes)

    async def ask(self, request: DeeployRequest) -> Answer:
        if isinstance(request, GetApps):
            self.shows -= 1
            if self.shows == 0:
                self.running.add(C)
            online: dict[str, Any] = {node: {"x_1": {}} for node in self.running}
            return decode_answer({"result": {"status": "success", "apps": {"7": {"online": online}}}})
        fate = next(self.fates, "done")
        if fate == "killed before":
            raise Killed
        if fate == "lost before":
            raise OutcomeUnknown("lost")
        if fate == "refused":
            return decode_answer({"result": {"status": "fail", "error": "ERR01_DEEPLOY_GENERIC_ERROR"}})
        answer = self.carry_out(request)
        if fate == "killed after":
            raise Killed
        if fate == "lost after":
            raise OutcomeUnknown("lost")
        return decode_answer({"result": answer})

    def carry_out(self, request: DeeployRequest) -> dict[str, Any]:
        if isinstance(request, ScaleUp):
            self.scale_ups += 1
            assert C not in self.running
            if self.slow:  # the chain lists it before it runs
                self.shows, self.due = self.late + 1, 0
            else:
                self.running.add(C)
                self.due = self.late
            return {"status": "success"}
        assert isinstance(request, DeletePipeline)
        assert request.nodes == (A,)
        assert any(ADDRESSES.evm(C) in each.nodes and each.block > self.since for each in self.lists)
        assert C in self.running
        if A not in self.running:
            return {"status": "fail", "error": "ERR04_DEEPLOY_NODES3: none"}
        self.running.discard(A)
        return {"request": {"status": "success", "targets": [{"NODE": A}]}}

    async def head(self) -> int:
        return self.block

    async def nodes_since(self, job: int, block: int) -> NodeList | None:
        self.block += 1
        if self.due == 0:
            self.lists.append(NodeList(self._addresses(*self.running, C), self.block))
        self.due -= 1
        later = [each for each in self.lists if each.block > block]
        return later[-1] if later else None

    def load(self, key: str) -> Progress | None:
        return Progress.from_json(json.loads(self.files[key])) if key in self.files else None

    def save(self, key: str, progress: Progress) -> None:
        if next(self.kills, False):
            raise Killed
        self.since = progress.since
        self.files[key] = json.dumps(progress.to_json())
        if next(self.kills, False):
            raise Killed


@given(
    fates=st.lists(FATES, max_size=8),
    kills=st.lists(st.booleans(), max_size=16),
    late=st.integers(0, 12),
    stale=st.booleans(),
    slow=st.booleans(),
)
def test_move__killed_and_losing_answers__deletes_only_what_the_chain_let_go(
    fates: list[str], kills: list[bool], late: int, stale: bool, slow: bool
) -> None:
    world = World(iter(fates), iter(kills), late, stale, slow)
    reached: Progress | None = None
    for _ in range(60):
        try:
            reached = asyncio.run(Mover(world, world, world, ADDRESSES, LIMITS).carry_out("k", MOVE))
            break
        except (Killed, DeeployError):
            assert B in world.running
            assert A in world.running or C in world.running
    assert world.scale_ups <= LIMITS.scale_ups
    if reached is None:
        assert world.running >= {A, B}  # three scale-ups came to nothing
        assert world.load("k") is not None
    else:
        assert (reached.step, world.running) == (Step.DONE, {B, C})
