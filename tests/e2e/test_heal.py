# SPDX-License-Identifier: Apache-2.0
"""A node dies in mid-epoch with what it runs, in a network of real processes: five oracles, eight agents with real
workloads, the reference orchestrator, a keeper, anvil."""

from __future__ import annotations

import asyncio
import shutil
import time
from contextlib import AsyncExitStack
from dataclasses import replace
from pathlib import Path

import pytest

from chain.client import RpcError
from chain.errors import decode_revert
from chain.transactions import Call
from delivery.message import State
from oracle.ground.ids import show_assignment, unpack
from oracle.ground.policy import PPM
from scenario.audit import Totals
from scenario.healing.chain_view import Asked, Opened
from scenario.healing.story import Healed, delivery_of, heal, kill, request_for, settled, successor_of
from scenario.healing.town import POLICY, Page, Team, Town, intent_for, options_for
from scenario.network.faults import parse_fault
from scenario.network.options import PRICE, PROTOCOL_SHARE_PPM

pytestmark = pytest.mark.e2e

TEAM = Team(oracles=5, nodes=8, slots=5)
FUNDED_EPOCHS, LENGTH = 20, 20
ANSWER = 8
QUICK = replace(POLICY, answer_seconds=ANSWER, cooldown_seconds=3 * LENGTH)
NOBODY = "http://127.0.0.1:9"
EARLY = 6.5
"""Seconds of an epoch until which a kill is early enough to be answered for in it."""
FIRST, REORGANISED, FORFEITED = 2, 1, 0


class Story:
    """What happens in the network, in order. `say` is shown where the test fails, and with pytest -s."""

    def __init__(self, town: Town) -> None:
        self.town = town
        self.clock = town.world.clock

    def say(self, text: str) -> None:
        print(f"{time.time() - self.clock.genesis:+7.1f} s  {text}", flush=True)

    async def early(self) -> None:
        """Wait for the first seconds of an epoch, in which what is asked for is in time to be asked for in it."""
        while not 1 <= (time.time() - self.clock.genesis) % LENGTH <= EARLY:
            await asyncio.sleep(0.1)

    async def one_dies(self) -> Healed:
        """The node is killed; the oracles ask, the orchestrator answers, a spare's page answers."""
        page = await self.town.page(FIRST)
        assert page is not None
        healed = await heal(self.town, FIRST, self.say)
        await self.check(healed, page)
        return healed

    async def check(self, healed: Healed, before: Page) -> None:
        lost, new, asked = healed.lost, healed.new, healed.asked
        assert asked.signatures >= 4
        assert -1 <= asked.as_of - healed.killed <= 3
        assert before.assignment == show_assignment(lost.id)
        assert new.licence > TEAM.slots, "a spare takes over"
        now = await asyncio.to_thread(self.town.view.assignments)
        assert now[lost.id].closed_at == asked.as_of
        assert new.opened_at >= asked.at
        delivery = await asyncio.to_thread(delivery_of, self.town, asked)
        assert delivery is not None
        assert delivery.state in (State.DELIVERED, State.WITHDRAWN), delivery

    async def comes_back(self, lost: Opened) -> None:
        """The killed node comes back where no orchestrator tells it anything: it runs again what it ran, and the
        oracles fence it."""
        worker = self.town.workers[lost.licence]
        worker.orchestrator = NOBODY
        told = len(worker.log.read_text())
        await asyncio.to_thread(worker.revive)
        await self.town.until(
            f"{worker.name} is fenced",
            lambda: "FENCED" in worker.log.read_text()[told:],
            2 * LENGTH,
        )
        await self.town.until(f"{worker.name} stops it", lambda: not worker.runs(), 15)
        lines = worker.log.read_text()[told:]
        assert f"assignment {show_assignment(lost.id)}: running, healthy" in lines
        self.say(f"{worker.name} came back, ran {show_assignment(lost.id)} again, and was fenced")

    async def chain_forgets(self) -> None:
        """The chain loses a request after the orchestrator may have acted on it: the slot is healed all the same."""
        await self.early()
        lost, killed = await kill(self.town, REORGANISED)
        first = await request_for(self.town, lost)
        await self.town.here.injector.begin(parse_fault("reorg:chain=3@0", TEAM.oracles, TEAM.nodes))
        self.say(f"request 0x{first.id.hex()[:8]} is on chain; 3 blocks are replaced by empty ones")
        again = await request_for(self.town, lost)
        assert again.id == first.id
        assert again.as_of == first.as_of
        new = await successor_of(self.town, lost)

        async def answers() -> bool:
            return await self.town.served(REORGANISED, new.id)

        await self.town.until("the page answers", answers, LENGTH)
        self.say(f"healed under a reorganisation, {time.time() - killed:.1f} s after the kill")

    async def nobody_answers(self, healed: Healed) -> Asked:
        """The orchestrator is dead: the deadline passes, the slot stays empty, and it can't answer any more."""
        town = self.town
        await asyncio.to_thread(town.orchestrator.kill)
        lost, _ = await kill(town, FORFEITED)
        asked = await request_for(town, lost, 3 * LENGTH)
        assert asked.deadline == asked.at + ANSWER
        spare = town.workers[TEAM.nodes]
        assert not spare.runs()
        failed = town.workers[lost.licence]
        # What it can't do, whoever holds its key.
        assert await self.refused(FORFEITED, failed.serving.licence) == "Placements_LicenceCoolingDown"
        assert "SlotTaken" in await self.refused(FIRST, spare.serving.licence), "a slot is answered for once"
        assert await self.refused(FORFEITED, spare.serving.licence) == "", "another node would do, until the deadline"
        await town.until("the deadline passes", lambda: town.world.head().timestamp > asked.deadline, 2 * LENGTH)
        assert await self.refused(FORFEITED, spare.serving.licence) == "Placements_SlotForfeited"
        await asyncio.to_thread(town.orchestrator.revive)

        async def given_up() -> bool:
            told = (await town.job()).get("slots", [])
            return bool(told) and told[FORFEITED]["state"] == "forfeited"

        await town.until("the orchestrator is back, and gives the slot up", given_up, 2 * LENGTH)
        delivery = await asyncio.to_thread(delivery_of, town, asked)
        assert delivery is not None
        assert delivery.state in (State.DEAD, State.WITHDRAWN, State.WAITING)
        self.say(f"nobody answered for slot {FORFEITED} until its deadline; it stays empty")
        return asked

    async def refused(self, slot: int, licence: int) -> str:
        """Why the chain refuses that the orchestrator places a licence's node in a slot now; "": it doesn't."""
        world = self.town.world

        def look() -> str:
            generation = world.network.escrow.functions.generations(world.job, slot).call()
            market, node = world.market, self.town.workers[licence].serving
            call = market.assign(world.job, slot, generation + 1, node, market.terms_hash())
            try:
                world.chain.rpc("eth_call", {"from": call.wallet.address, "to": call.to, "data": call.data}, "latest")
            except RpcError as error:
                if not error.reverted:
                    raise
                return type(decode_revert("assign", error.data)).__name__
            return ""

        return await asyncio.to_thread(look)

    async def leave(self) -> None:
        """The CSP stops the job."""
        market, network, job = self.town.world.market, self.town.world.network, self.town.world.job
        stop = Call.of("stop job", market.csp, network.escrow.functions.stopJob(job))
        await asyncio.to_thread(market.sender.send, [stop])
        self.say("the CSP stopped the job")

    async def over(self) -> tuple[dict[int, Opened], Totals]:
        town = self.town
        await town.until("the keeper closes the job", town.view.closed, 4 * LENGTH)
        known = await asyncio.to_thread(town.view.assignments)
        last: list[Totals] = []

        def burned() -> bool:
            # A second that a busy machine lost is held for its appeal span, which may end after the close.
            # The last of the keeper's transactions, each in a block of its own, change nothing of the sum.
            last[:] = [town.world.totals(list(known))]
            burner = town.world.network.burner.address
            return not last[0].held and not town.world.network.token.functions.balanceOf(burner).call()

        await town.until("the burn share is burned", burned, 4 * LENGTH)
        return known, last[0]


@pytest.mark.timeout(300)
def test_network__nodes_die_in_mid_epoch__slots_heal_each_is_paid_its_seconds_and_no_money_is_lost(
    tmp_path: Path,
) -> None:
    for folder in ("state", "logs"):
        (tmp_path / folder).mkdir()
    asyncio.run(play(tmp_path))
    shutil.rmtree(tmp_path, ignore_errors=True)


async def play(folder: Path) -> None:
    async with AsyncExitStack() as stack:
        options = options_for(folder, TEAM, FUNDED_EPOCHS, LENGTH, QUICK)
        town = await Town.open(options, intent_for(TEAM, QUICK), stack, print)
        story = Story(town)
        await town.until("every page answers", town.all_served, 3 * LENGTH)
        story.say("every slot has a node whose page answers")

        await story.early()
        healed = await story.one_dies()
        paying = asyncio.create_task(settled(town, healed, 4 * LENGTH))
        await story.comes_back(healed.lost)
        await story.chain_forgets()
        asked = await story.nobody_answers(healed)
        await story.leave()
        known, totals = await story.over()
        paid = await paying
        story.say(
            f"slot {FIRST} healed {healed.answering - healed.killed:.1f} s after the kill; both nodes' seconds settled "
            f"and paid {paid - healed.killed:.1f} s after it"
        )

        # The lost assignment earned what its node served, and not a second of its return.
        lost, new = known[healed.lost.id], known[healed.new.id]
        assert (
            lost.earned == lost.accounted == lost.end - lost.opened_at or lost.earned >= lost.end - lost.opened_at - 2
        )
        assert new.earned >= new.end - new.opened_at - 2
        assert new.opened_at > lost.end
        assert {one.licence for one in known.values() if one.opened_at > healed.killed}.isdisjoint({lost.licence})
        # Nobody served the forfeited slot after the request, and that money is the CSP's.
        assert max(one.end for one in known.values() if one.slot == FORFEITED) == asked.as_of
        assert totals.held == totals.remaining == 0
        earned = [one.earned for one in known.values()]
        assert totals.paid == sum(PRICE * each // LENGTH * (PPM - PROTOCOL_SHARE_PPM) // PPM for each in earned)
        story.say(f"{len(known)} assignments; {totals}")
        assert unpack(healed.new.id)[2] == 2
