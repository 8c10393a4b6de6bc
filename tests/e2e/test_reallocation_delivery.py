# SPDX-License-Identifier: Apache-2.0
"""Requests on a real chain, brought to orchestrators over real HTTP: repeats, reorganisations, dead letters."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from aiohttp import web
from click.testing import CliRunner

from cli.reallocation import reallocation
from delivery.errors import SenderRunning
from delivery.message import State
from delivery.queue import Queue
from oracle.ground.errors import InvalidValue
from oracle.ground.ids import show_assignment
from orchestrator.wire.reallocation import read_notice
from settlement.reallocations.bringing import QUEUE_FILE, Bringer, Brought, parse_orchestrators
from settlement.reallocations.requests import OnChain, Stage, stage_of
from tests.e2e.node_world import until
from tests.e2e.receivers import Receiver, in_a_loop, receiver
from tests.e2e.stepped_world import AS_OF, stage, stepped
from tests.e2e.stepped_world import Stage as Scene
from tests.project import ROOT

__all__ = ["stage", "stepped"]
NOWHERE = "http://127.0.0.1:9"


def bringer_to(scene: Scene, folder: Path, url: str) -> Bringer:
    return Bringer(scene.world.network, {scene.world.orchestrator.address.lower(): url}, folder)


async def step(one: Bringer) -> Brought:
    return await asyncio.to_thread(one.step)


def saying(*statuses: str) -> Callable[[web.Request, int], object]:
    async def behave(request: web.Request, number: int) -> web.StreamResponse:
        status = statuses[min(number, len(statuses) - 1)]
        return web.json_response({"status": status, "detail": ""}, status=202)

    return behave


@in_a_loop
async def test_request__orchestrator_behind_at_first__is_acknowledged_then_answered(
    stage: Scene, tmp_path: Path
) -> None:
    async with receiver(saying("unknown", "taken")) as orchestrator:  # type: ignore[arg-type]
        bringer = bringer_to(stage, tmp_path, orchestrator.url)
        assert (await step(bringer)).requests == []
        stage.ask()
        brought = await step(bringer)
        (standing,) = brought.requests
        key = standing.request.key
        assert (standing.state, brought.added) == (OnChain.OPEN, 1)
        assert stage_of(standing, bringer.queue.find(key)) is Stage.DELIVERED
        await until(lambda: bringer.queue.due())
        await step(bringer)
        assert stage_of(standing, bringer.queue.find(key)) is Stage.ACKNOWLEDGED
        assert (await step(bringer)).added == 0
        assert [(one.path, one.key) for one in orchestrator.came] == [("/v1/reallocations", key)] * 2

        notice = read_notice(orchestrator.came[0].body)
        assert (notice.key, notice.assignment, notice.as_of, notice.reason) == (key, stage.assignment, AS_OF, 2)
        assert notice.reallocations == stage.world.network.addresses.reallocations.lower()

        answer = stage.answer()
        (standing,) = (await step(bringer)).requests
        assert (standing.state, standing.answer) == (OnChain.ANSWERED, answer)
        assert stage_of(standing, bringer.queue.find(key)) is Stage.ANSWERED
        bringer.close()


@in_a_loop
async def test_request__reorganised_away_and_back__keeps_its_key(stage: Scene, tmp_path: Path) -> None:
    bringer = bringer_to(stage, tmp_path, NOWHERE)
    chain = stage.world.chain
    with stage.world.undone():
        stage.ask()
        first = await step(bringer)
        assert (first.added, bringer.queue.counts()[State.WAITING]) == (1, 1)
    chain.rpc("evm_mine")
    brought = await step(bringer)
    assert (brought.requests, brought.withdrawn) == ([], 1)
    stage.world.sender.now = chain.block("latest").timestamp
    stage.ask()
    async with receiver() as orchestrator:
        bringer.close()
        bringer = bringer_to(stage, tmp_path, orchestrator.url)
        again = await step(bringer)
        assert again.added == 1
        assert [one.key for one in orchestrator.came] == [first.requests[0].request.key]
    bringer.close()


@in_a_loop
async def test_request__answered_or_forfeited_before_delivery__is_withdrawn(stage: Scene, tmp_path: Path) -> None:
    bringer = bringer_to(stage, tmp_path, NOWHERE)
    stage.ask()
    await step(bringer)
    with stage.world.undone():
        stage.answer()
        assert (await step(bringer)).withdrawn == 1
    assert (await step(bringer)).added == 1
    stage.world.wait_until(stage.world.now + 300)
    brought = await step(bringer)
    assert (brought.requests[0].state, brought.withdrawn) == (OnChain.FORFEITED, 1)
    bringer.close()


@in_a_loop
async def test_request__slot_reopened_by_its_csp__is_told_again(stage: Scene, tmp_path: Path) -> None:
    world = stage.world
    stage.ask()
    world.wait_until(world.now + 300)
    async with receiver() as orchestrator:
        bringer = bringer_to(stage, tmp_path, orchestrator.url)
        assert (await step(bringer)).added == 0
        world.do(world.csp, world.network.reallocations.functions.reopenSlot(stage.job, 0))
        assert (await step(bringer)).added == 1
        assert len(orchestrator.came) == 1
        bringer.close()


@in_a_loop
async def test_run__orchestrator_comes_late__is_told_and_a_second_process_refused(stage: Scene, tmp_path: Path) -> None:
    orchestrator = Receiver()
    await orchestrator.start()
    await orchestrator.stop()
    stage.ask()
    bringer, stop = bringer_to(stage, tmp_path, orchestrator.url), asyncio.Event()
    running = asyncio.create_task(bringer.run(stop, every=0.2))
    await until(lambda: bringer.queue.counts()[State.WAITING])
    other = bringer_to(stage, tmp_path, orchestrator.url)
    with pytest.raises(SenderRunning, match="another process"):
        await step(other)
    other.close()
    await orchestrator.start()
    await until(lambda: bringer.queue.counts()[State.DELIVERED])
    stop.set()
    await running
    await orchestrator.stop()
    bringer.close()


@in_a_loop
async def test_keeper__with_an_orchestrator__tells_it(stage: Scene, tmp_path: Path) -> None:
    addresses = tmp_path / "addresses.json"
    stage.world.network.addresses.save(addresses)
    stage.ask()
    async with receiver() as orchestrator:
        options = ["--network", str(addresses), "--rpc", stage.world.chain.url, "--state", str(tmp_path / "state")]
        options += ["--key-env", "KEEPER_KEY", "--every", "0.5"]
        options += ["--orchestrator", f"{stage.world.orchestrator.address}={orchestrator.url}"]
        process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", "cli.main", "keeper", "run", *options),
            cwd=ROOT,
            env={**os.environ, "KEEPER_KEY": "22" * 32},
            stderr=asyncio.subprocess.DEVNULL,
        )
        try:
            await until(lambda: orchestrator.came or process.returncode is not None, 40)
        finally:
            process.send_signal(signal.SIGTERM)
            status = await process.wait()
    assert [one.path for one in orchestrator.came] == ["/v1/reallocations"]
    assert status == 0


@in_a_loop
async def test_commands__dead_delivery__is_listed_shown_and_sent_again(stage: Scene, tmp_path: Path) -> None:
    addresses = tmp_path / "addresses.json"
    stage.world.network.addresses.save(addresses)
    state = tmp_path / "state"
    chain = ["--network", str(addresses), "--rpc", stage.world.chain.url, "--state", str(state)]
    stage.ask()

    async def refuse(request: web.Request, number: int) -> web.StreamResponse:
        return web.Response(status=400 if number == 0 else 202, text='{"status": "taken"}')

    async def run(*arguments: str) -> str:
        ended = await asyncio.to_thread(CliRunner().invoke, reallocation, arguments, catch_exceptions=False)
        assert ended.exit_code == 0, ended.output
        return ended.output

    async with receiver(refuse) as orchestrator:
        at = f"{stage.world.orchestrator.address}={orchestrator.url}"
        await run("deliver", "--once", *chain, "--orchestrator", at)
        (listed,) = json.loads(await run("list", "--json", *chain))
        assert (listed["stage"], listed["assignment"]) == ("requested", show_assignment(stage.assignment))
        assert listed["delivery"]["state"] == "dead"
        assert "outage; to be answered until" in await run("list", *chain)
        assert listed["id"] in await run("dead", "--state", str(state))
        assert json.loads(await run("dead", "--state", str(state), listed["id"]))["body"]["job"] == stage.job
        await run("resend", "--state", str(state), "--all")
        await run("deliver", "--once", *chain, "--orchestrator", at)
    (listed,) = json.loads(await run("list", "--json", "--open", *chain))
    assert listed["stage"] == "acknowledged"
    stage.answer()
    assert json.loads(await run("list", "--json", "--open", *chain)) == []
    queue = Queue(state / QUEUE_FILE)
    assert queue.counts()[State.DELIVERED] == 1
    queue.close()


def test_parse_orchestrators__wrong_text__tells_the_cure() -> None:
    address = "0x" + "ab" * 20
    assert parse_orchestrators([f"{address}=http://there/"]) == {address: "http://there"}
    for wrong in ("there", f"{address}=there", "0x12=http://there"):
        with pytest.raises(InvalidValue, match="--orchestrator"):
            parse_orchestrators([wrong])
