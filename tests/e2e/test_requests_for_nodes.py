# SPDX-License-Identifier: Apache-2.0
"""Nodes are killed under five oracle processes: the committee asks for others, whatever a liar, a dead member and the
chain do."""

from __future__ import annotations

import asyncio
import time
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from chain.network import named
from oracle.ground.breaches import Reason, request_id
from oracle.ground.ids import pack
from oracle.ground.policy import Policy
from scenario.network.faults import parse_fault
from scenario.network.options import NetworkOptions
from scenario.network.starting import Started, start

pytestmark = pytest.mark.e2e

OUTAGE = 6
POLICY = Policy(outage_seconds=OUTAGE, answer_seconds=60, cooldown_seconds=5)
LENGTH = 600
SLOT = 6
LIAR = 1


class Town:
    """A network of real processes, and what its chain says of requests."""

    def __init__(self, here: Started) -> None:
        self.here = here
        self.network = here.world.network
        self.chain = here.world.chain

    def requests(self) -> dict[int, Any]:
        """By slot, the event that asked for another node."""
        contract = self.network.reallocations
        logs = self.chain.logs(contract.events.ReallocationRequested, 0, self.chain.block("latest").number)
        return {log["args"]["slot"]: log for log in logs}

    async def asked(self, slot: int, seconds: float) -> Any:
        """The request for a slot, which comes within so many seconds."""
        until = time.monotonic() + seconds
        while time.monotonic() < until:
            found = await asyncio.to_thread(self.requests)
            if slot in found:
                return found[slot]
            await asyncio.sleep(0.3)
        raise AssertionError(f"nobody asked for another node in slot {slot} within {seconds} s: see {self.logs}")

    @property
    def logs(self) -> Path:
        """Where processes log."""
        return self.here.world.options.out / "logs"

    def signers(self, log: Any) -> int:
        """How many signed the batch of a request's transaction."""
        sent = self.chain.w3.eth.get_transaction(log["transactionHash"])
        _, fields = self.network.reallocations.decode_function_input(sent["input"])
        return int(fields["members"]).bit_count()

    def check(self, slot: int, killed: float, log: Any) -> None:
        """The request is the right one."""
        told, job = log["args"], self.here.world.job
        assignment = pack(job, slot, 1)
        assert told["assignment"] == assignment
        assert told["reason"] == Reason.OUTAGE
        epoch = self.here.world.clock.epoch_at(told["asOf"])
        contract = self.network.addresses.reallocations
        assert told["id"] == request_id(self.chain.chain_id, contract, assignment, epoch, Reason.OUTAGE.value)
        # What was heard within the tick of the kill counts for it.
        assert -1 <= told["asOf"] - killed <= 4
        assert self.signers(log) >= 4
        lens = self.network.lens
        view = named(lens, "assignmentOf", lens.functions.assignmentOf(assignment).call())
        assert view["closedAt"] == told["asOf"]
        asked_at = self.chain.block(log["blockNumber"]).timestamp
        assert asked_at - told["asOf"] >= OUTAGE


async def story(town: Town) -> None:
    here = town.here
    world, nodes, oracles = here.world, here.nodes, here.oracles
    await asyncio.sleep(max(0.0, world.clock.genesis - time.time()))
    await asyncio.to_thread(world.assign)
    await asyncio.sleep(12)  # the eyes of an oracle need some ticks, and the liar some slots to lie in

    # One of five lies: it says that all are down. The others' word is enough, and its own is not.
    nodes[0].kill()
    killed = time.time()
    log = await town.asked(0, OUTAGE + 6 * SLOT)
    await asyncio.to_thread(town.check, 0, killed, log)

    # The chain loses the request: it is brought again, the same one.
    depth = world.head().number - log["blockNumber"] + 1
    await here.injector.begin(parse_fault(f"reorg:chain={depth}@0", 5, 8))
    again = await town.asked(0, 30)
    assert again["blockHash"] != log["blockHash"]
    assert again["args"]["id"] == log["args"]["id"]

    # Two dead are more than f, though the liar says the truth now: no request until one of them is back.
    oracles[2].kill()
    oracles[3].kill()
    nodes[1].kill()
    killed = time.time()
    await asyncio.sleep(OUTAGE + 3 * SLOT)
    assert set(await asyncio.to_thread(town.requests)) == {0}
    oracles[2].revive()
    log = await town.asked(1, 10 * SLOT)
    await asyncio.to_thread(town.check, 1, killed, log)

    # One dead of five: the others go on.
    oracles[3].revive()
    oracles[LIAR - 1].kill()
    nodes[2].kill()
    killed = time.time()
    log = await town.asked(2, OUTAGE + 6 * SLOT)
    await asyncio.to_thread(town.check, 2, killed, log)
    assert set(await asyncio.to_thread(town.requests)) == {0, 1, 2}
    for oracle in oracles:
        assert oracle.ended_by_itself is None
    for oracle in oracles[1:]:
        assert '"event": "bug"' not in oracle.log.read_text()


@pytest.mark.long
@pytest.mark.timeout(280)
def test_committee__nodes_killed_under_a_liar_a_dead_oracle_and_a_reorg__asks_for_others_and_only_those(
    tmp_path: Path,
) -> None:
    options = NetworkOptions(tmp_path, oracles=5, nodes=8, epochs=2, epoch_length=LENGTH, policy=POLICY)
    for folder in ("state", "logs"):
        (tmp_path / folder).mkdir()

    async def run() -> None:
        async with AsyncExitStack() as stack:
            session = await stack.enter_async_context(aiohttp.ClientSession())
            here = await start(options, stack, session, print)
            here.oracles[LIAR - 1].rehearsals.append("liar")
            here.oracles[LIAR - 1].restart()
            await story(Town(here))

    asyncio.run(run())
