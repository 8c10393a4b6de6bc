# SPDX-License-Identifier: Apache-2.0
"""The real agent runs real workloads for an orchestrator: from acceptance to the end of the last process."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import sys
from pathlib import Path

from node.running.images import digest
from oracle.ground.ids import pack
from orchestrator.wire.intent import from_document
from tests.e2e.node_world import NODE, Oracle, oracles, until
from tests.e2e.running_world import (
    ASSIGNMENT,
    TOKEN,
    accepted_by,
    get,
    image,
    intent,
    orchestrator,
    processes,
    runner,
)

EATER = """
import time
held = []
while True:
    held.append(bytearray(8 << 20))
    time.sleep(0.05)
"""


def test_car__proposed_prepared_run_and_dropped__answers_meanwhile_and_leaves_nothing(tmp_path: Path) -> None:
    async def story() -> None:
        store = image(tmp_path)
        document = intent(image={"folder": "web", "digest": digest(store / "web")}, env={"COLOUR": "blue"})
        async with orchestrator() as there, runner(tmp_path, there, "--least-price", f"{TOKEN}=100") as process:
            cheap, proposal = there.propose(document, 99, generation=2), there.propose(document, 100)
            await until(lambda: there.polls and accepted_by(there.polls[-1], proposal), process=process)
            assert not any(accepted_by(poll, cheap) for poll in there.polls)
            assert "placement 7/0/2 not accepted: price is 99, the least" in process.text

            there.proposals = []
            there.order(document, "prepare", ASSIGNMENT, "127.0.0.1:1234")
            await until(there.is_healthy, process=process)
            state = there.state()
            assert state is not None
            told = json.loads(await get(state.ports["main"], "/env"))
            assert told["EPOCHAL_ASSIGNMENT"] == "7/0/1"
            assert (told["EPOCHAL_JOB"], told["EPOCHAL_SLOT"], told["EPOCHAL_REPLICAS"]) == ("7", "0", "1")
            assert json.loads(told["EPOCHAL_PEERS"]) == ["127.0.0.1:1234"]
            assert (told["PORT"], told["PORT_MAIN"], told["COLOUR"]) == (*[str(state.ports["main"])] * 2, "blue")
            assert "NODE_KEY" not in told
            assert not there.polls[-1].acceptances

            there.order(document, "run", ASSIGNMENT, "127.0.0.1:1234", "127.0.0.1:1235")
            peers = Path(told["EPOCHAL_PEERS_FILE"])
            await until(lambda: len(json.loads(peers.read_text())) == 2, process=process)
            assert json.loads(await get(state.ports["main"], "/env"))["pid"] == told["pid"]

            # An orchestrator that lost the intent wants it to go on.
            there.order({}, "run", ASSIGNMENT, "127.0.0.1:1234")
            await until(lambda: len(json.loads(peers.read_text())) == 1, process=process)
            assert json.loads(await get(state.ports["main"], "/env"))["pid"] == told["pid"]

            there.work = []
            await until(lambda: there.state() is None, process=process)
            assert not processes(tmp_path / "runs")
            assert [path.name for path in (tmp_path / "runs" / "7-0-1").iterdir()] == ["logs"]
            assert await process.end(signal.SIGTERM) == 0

    asyncio.run(story())


def test_car__another_intent_is_ordered__old_version_serves_until_the_new_one_does(tmp_path: Path) -> None:
    async def story() -> None:
        image(tmp_path), image(tmp_path, "second", "new")
        async with orchestrator() as there, runner(tmp_path, there) as process:
            there.order(intent())
            await until(there.is_healthy, process=process)
            port = there.state().ports["main"]
            there.order(intent(image={"folder": "new", "digest": "00" * 32}))
            await process.says("its digest is")
            assert there.is_healthy()
            assert await get(port, "/page.txt") == "hello"
            there.order(document := intent(image={"folder": "new"}))
            await until(lambda: there.is_healthy() and there.state().intent == from_document(document).hash)
            assert await get(there.state().ports["main"], "/page.txt") == "second"
            assert len(list((tmp_path / "runs" / "7-0-1").glob("version-*"))) == 1

    asyncio.run(story())


def test_car__cannot_run_here__says_why(tmp_path: Path) -> None:
    async def story() -> None:
        image(tmp_path)
        async with orchestrator() as there, runner(tmp_path, there) as process:
            there.order(intent(image={"folder": "dir:///etc"}))
            there.order(intent(command=["./missing"], restart={"policy": "no"}), "run", pack(7, 1, 1))
            there.order(intent(resources={"cpu_millis": 9000, "memory_mb": 1, "storage_mb": 1}), "run", pack(7, 2, 1))
            there.order({"version": 2}, "run", pack(7, 3, 1))
            await until(lambda: all(there.is_("failed", pack(7, slot, 1)) for slot in range(4)), process=process)
            faults = ("outside of this node's images", "No such file", "than this node has left", "intent.version is 2")
            for slot, fault in enumerate(faults):
                state = there.state(pack(7, slot, 1))
                assert state is not None
                assert fault in f"{state.reason} {state.detail}"

    asyncio.run(story())


def test_workload__hangs__restarted_for_its_health(tmp_path: Path) -> None:
    async def story() -> None:
        root = image(tmp_path) / "web"
        # The first start hangs after its second answer, the next one doesn't.
        hang = (
            "import os, pathlib, time, threading\nmark = pathlib.Path(os.environ['HOME'], 'hung')\n"
            "if not mark.exists():\n    mark.touch()\n"
            "    threading.Timer(2, lambda: os.kill(os.getpid(), 19)).start()\n"
        )
        (root / "hang.py").write_text(hang + (root / "server.py").read_text())
        check = {"mode": "endpoint", "path": "/page.txt", "interval_seconds": 1, "timeout_seconds": 4}
        async with orchestrator() as there, runner(tmp_path, there) as process:
            there.order(intent(command=[sys.executable, "hang.py"], health=check))
            await process.says("restarting (health): health (not healthy for 4 s)", 30)
            await until(there.is_healthy, process=process)
            assert [line.split(": ")[1] for line in process.lines if "7/0/1: running" in line] == [
                "running, healthy",
                "running, unhealthy",
                "running, healthy",
            ]

    asyncio.run(story())


def test_native__runs_its_pipeline_and_ends_well__stopped_for_good(tmp_path: Path) -> None:
    async def story() -> None:
        program = (
            "import json, os, time; given = json.load(open(os.environ['EPOCHAL_PIPELINE']))\n"
            "print(given['plugins'][0]['config'], os.environ['EPOCHAL_SLOT'], flush=True); time.sleep(3)"
        )
        document = intent(
            "native",
            command=[sys.executable, "-c", program],
            replicas=3,
            pipeline={"name": "p", "plugins": [{"signature": "S", "instance": "1", "config": {"a": 5}}]},
            health={"mode": "delay", "delay_seconds": 1},
            restart={"policy": "on-failure"},
        )
        slot = pack(7, 2, 1)
        async with orchestrator() as there, runner(tmp_path, there) as process:
            there.order(document, "run", slot)
            await until(lambda: there.is_healthy(slot), process=process)
            await until(lambda: there.is_("stopped", slot), process=process)
            assert (there.state(slot).reason, there.state(slot).detail) == ("exit", "exit status 0")
            log = tmp_path / "runs" / "7-2-1" / "logs" / "workload.stdout.log"
            assert log.read_text() == "{'a': 5} 2\n"

    asyncio.run(story())


def test_workload__eats_memory__stopped_restarted_with_backoff_and_failed(tmp_path: Path) -> None:
    async def story() -> None:
        root = image(tmp_path) / "web"
        (root / "eat.py").write_text(EATER)
        restart = {"backoff_seconds": 1, "backoff_longest_seconds": 10, "max_restarts": 2}
        async with orchestrator() as there, runner(tmp_path, there) as process:
            there.order(intent(command=[sys.executable, "eat.py"], restart=restart))
            await until(lambda: there.is_("failed"), 40, process)
            assert there.state().reason == "memory"
            assert "128 MB allowed" in there.state().detail
            lines = [line for line in process.lines if "restarting (memory)" in line]
            assert ["restart 1 in 1 s" in lines[0], "restart 2 in 2 s" in lines[1], len(lines)] == [True, True, 2]
            assert not processes(tmp_path / "runs")
            process.process.kill()
            await process.process.wait()
            # It had failed for good: an agent that starts again doesn't try once more.
            async with runner(tmp_path, there) as again:
                before = len(there.polls)
                await until(lambda: len(there.polls) > before + 2 and there.is_("failed"), process=again)
                assert "starting" not in again.text

    asyncio.run(story())


def test_agent__killed_and_started_again_without_orchestrator__no_orphan_no_double(tmp_path: Path) -> None:
    async def story() -> None:
        root = image(tmp_path) / "web"
        # A child in a session of its own, deaf to SIGTERM: what a careless workload leaves behind.
        child = "import signal, time\\nsignal.signal(signal.SIGTERM, signal.SIG_IGN)\\ntime.sleep(900)"
        fork = f'import subprocess, sys\nsubprocess.Popen([sys.executable, "-c", "{child}"], start_new_session=True)\n'
        (root / "both.py").write_text(fork + (root / "server.py").read_text())
        async with orchestrator() as there:
            async with runner(tmp_path, there) as process:
                there.order(intent(command=[sys.executable, "both.py"]))
                await until(there.is_healthy, process=process)
                port = there.state().ports["main"]
                first = json.loads(await get(port, "/env"))["pid"]
                assert len(processes(tmp_path / "runs")) == 3  # guard, server, its child
                process.process.kill()
                await process.process.wait()
            await until(lambda: not processes(tmp_path / "runs"), 5)

            await there.stop()
            async with runner(tmp_path, there) as process:
                await process.says("7/0/1: running, healthy")
                assert "what runs goes on" in process.text
                second = json.loads(await get(port, "/env"))["pid"]
                assert second != first
                assert len(processes(tmp_path / "runs")) == 3
                # At once, and the guard as well: only the next start can find what is left.
                guards = [pid for pid, command in processes(tmp_path / "runs").items() if "guard.py" in command]
                process.process.kill()
                for pid in guards:
                    os.kill(pid, signal.SIGKILL)
                await process.process.wait()
                assert processes(tmp_path / "runs")
                async with runner(tmp_path, there) as again:
                    await again.says("that an agent left behind")
                    await again.says("7/0/1: running, healthy")
                    assert len(processes(tmp_path / "runs")) == 3
                    await there.start()
                    seen = len(there.polls)
                    await until(lambda: len(there.polls) > seen and there.is_healthy(), process=again)
                    assert again.text.count("7/0/1: starting") == 1
                    there.work = []
                    await until(lambda: there.state() is None, process=again)
                    assert not processes(tmp_path / "runs")

    asyncio.run(story())


def test_workload__fenced_by_the_oracles__stopped_and_not_run_again_whoever_wants_it(tmp_path: Path) -> None:
    async def story() -> None:
        image(tmp_path)
        oracle = Oracle(tmp_path, served=[ASSIGNMENT])
        async with oracles(oracle), orchestrator() as there:
            there.order(intent())
            async with runner(tmp_path, there, "--tick", "0.3", oracles=(oracle.url,)) as process:
                await until(there.is_healthy, process=process)
                before = oracle.accepted
                await until(lambda: oracle.accepted > before + 3, process=process)
                assert there.is_healthy()
                oracle.roster.replace({NODE: ()})
                await until(lambda: there.is_("stopped"), process=process)
                assert there.state().reason == "fenced by the oracles"
                await until(lambda: not processes(tmp_path / "runs"), process=process)
                await process.end(signal.SIGKILL)
            async with runner(tmp_path, there, oracles=(oracle.url,)) as process:
                seen = len(there.polls)
                await until(lambda: len(there.polls) > seen + 1, process=process)
                assert there.is_("stopped")
                assert not processes(tmp_path / "runs")
                there.work = []
                await until(lambda: there.state() is None, process=process)

    asyncio.run(story())


def test_agent__second_one_on_the_same_folder__refused(tmp_path: Path) -> None:
    async def story() -> None:
        async with orchestrator() as there, runner(tmp_path, there) as process:
            await process.says("polling every")
            async with runner(tmp_path, there) as second:
                assert await second.process.wait() == 2
                await second._reading
                assert "another agent uses it" in second.text

    asyncio.run(story())
