# SPDX-License-Identifier: Apache-2.0
"""The real agent in a process of its own, against real oracles, a dead one, a silent one and a lying one."""

from __future__ import annotations

import asyncio
import json
import signal
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from oracle.ground.ids import pack
from oracle.signing.signer import derive
from oracle.telemetry.store.records import Kind
from oracle.telemetry.wire import receipt as wire_receipt
from oracle.telemetry.wire.answers import Reason
from tests.e2e.node_world import (
    ATTESTATIONS,
    CHAIN,
    DOMAIN,
    NODE,
    Oracle,
    agent,
    command_output,
    epochal_node,
    json_file,
    oracles,
    until,
)

OURS, THEIRS = pack(7, 0, 1), pack(7, 1, 1)


@asynccontextmanager
async def silent_port() -> AsyncIterator[int]:
    """A port that takes connections and never answers."""

    async def ignore(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while await reader.read(1024):
            pass
        writer.close()

    async with await asyncio.start_server(ignore, "127.0.0.1", 0) as server:
        yield server.sockets[0].getsockname()[1]


def test_agent__killed_and_started_again__beats_each_tick_it_lives(tmp_path: Path) -> None:
    async def story() -> None:
        oracle = Oracle(tmp_path)
        async with oracles(oracle), silent_port() as silent:
            others = ["http://127.0.0.1:1", f"http://127.0.0.1:{silent}"]
            async with agent([*others, oracle.url]) as process:
                await until(lambda: len(oracle.ticks()) >= 4, process=process)
                await process.end(signal.SIGKILL)
            killed = oracle.ticks()
            assert killed == list(range(killed[0], killed[-1] + 1))
            await asyncio.sleep(2.1)
            assert oracle.ticks() == killed

            async with agent([oracle.url, *others]) as process:
                await until(lambda: len(oracle.ticks()) >= len(killed) + 2, process=process)
                assert await process.end(signal.SIGTERM) == 0
            assert oracle.intake.refused == dict.fromkeys(Reason, 0)
            assert f"oracle {oracle.url}: beating every 1 s, accepted by {oracle.address}" in process.lines
            assert "oracle http://127.0.0.1:1: unreachable (" in process.text
            assert process.text.count("unreachable") in (1, 2)  # the silent one is given up after 2.5 s
            assert process.lines[-1].lower().startswith(f"node {NODE}: stopped after ")

    asyncio.run(story())


def test_agent__oracle_restarts__finds_it_again_signed_or_sealed(tmp_path: Path) -> None:
    async def story(sealed: bool, name: str) -> None:
        oracle = Oracle(tmp_path, name)
        async with oracles(oracle):
            options = ("--tick", "0.3", *(["--sealed"] if sealed else []))
            async with agent([oracle.url], *options) as process:
                await until(lambda: oracle.accepted >= 3, process=process)
                assert (oracle.intake.accepted["sealed"] > 0) == sealed
                assert (oracle.intake.accepted["signed"] > 0) != sealed
                await oracle.stop()
                await asyncio.sleep(0.5)
                await oracle.start()
                await until(lambda: oracle.accepted >= 3, process=process)
                # A sealed one fails at the session, then at the session key; a signed one at the challenge.
                reasons = (Reason.UNKNOWN_SESSION, Reason.WRONG_ORACLE) if sealed else (Reason.STALE_CHALLENGE,)
                assert {reason for reason, count in oracle.intake.refused.items() if count} == set(reasons)
                assert (oracle.intake.accepted["signed"] > 0) != sealed
                assert await process.end(signal.SIGINT) == 0
            states = [line.split(": ", 1)[1].split()[0] for line in process.lines if line.startswith("oracle")]
            assert states == ["beating", "unreachable", "beating"]

    asyncio.run(story(False, "one"))
    asyncio.run(story(True, "two"))


def test_agent__unlicensed_for_a_while__says_so_once(tmp_path: Path) -> None:
    async def story() -> None:
        oracle = Oracle(tmp_path)
        async with oracles(oracle), agent([oracle.url], "--tick", "0.3") as process:
            await until(lambda: oracle.accepted >= 2, process=process)
            oracle.roster.replace({})
            await until(lambda: oracle.intake.refused[Reason.UNKNOWN_NODE] >= 3, process=process)
            oracle.roster.replace({NODE: ()})
            before = oracle.accepted
            await until(lambda: oracle.accepted > before, process=process)
            assert await process.end(signal.SIGTERM) == 0
        assert process.text.count("refused: unknown_node; link the node's address to a licence") == 1

    asyncio.run(story())


def test_agent__another_network__told_which(tmp_path: Path) -> None:
    async def story() -> None:
        oracle = Oracle(tmp_path)
        async with oracles(oracle), agent([oracle.url], "--chain-id", "5") as process:
            line = await process.says("unreachable")
            assert f"it serves chain {CHAIN} with Attestations {ATTESTATIONS}; check --oracle" in line
            assert oracle.accepted == 0

    asyncio.run(story())


def test_agent__workloads__reported_and_a_slow_one_delays_no_beat(tmp_path: Path) -> None:
    async def story() -> None:
        oracle = Oracle(tmp_path, served=(OURS, THEIRS))
        async with oracles(oracle), silent_port() as silent:
            pidfile = tmp_path / "pid"
            file = json_file(
                tmp_path / "workloads.json",
                {
                    "7/0/1": {"target": f"http://127.0.0.1:{silent}/health", "every": 4, "timeout": 3},
                    str(THEIRS): {"target": f"pidfile:{pidfile}", "every": 0.3},
                },
            )
            async with agent([oracle.url], "--workloads", str(file)) as process:
                await process.says("assignment 7/1/1: stopped")
                pidfile.write_text("1\n")
                await process.says("assignment 7/1/1: healthy")
                await process.says("assignment 7/0/1: unhealthy")
                file.write_text("{")
                await process.says("going on with 2 workload(s)")
                json_file(file, {"7/1/1": f"pidfile:{pidfile}"})
                await process.says("assignment 7/0/1: no longer looked at")
                assert await process.end(signal.SIGTERM) == 0
            beats = oracle.ticks()
            assert beats == list(range(beats[0], beats[-1] + 1))
            record = oracle.store.read(0)
            named = {a: bytes.fromhex(NODE[2:]) + a.to_bytes(16, "big") for a in (OURS, THEIRS)}
            assert record.line(Kind.HEALTH, named[THEIRS]).up
            assert record.line(Kind.UNHEALTHY, named[THEIRS]).up
            assert record.line(Kind.UNHEALTHY, named[OURS]).up
            assert not record.line(Kind.HEALTH, named[OURS]).up

    asyncio.run(story())


def test_agent__fenced_by_most_oracles__stops_it_once_and_tells_it_no_secret(tmp_path: Path) -> None:
    async def story() -> None:
        given = [Oracle(tmp_path, f"oracle-{i}", served=(OURS,) if i < 3 else ()) for i in range(4)]
        told = tmp_path / "told"
        script = "from os import environ as e; print(e['EPOCHAL_ASSIGNMENT'], e.get('NODE_KEY'), file=open('{}', 'a'))"
        async with oracles(*given):
            async with agent(
                [oracle.url for oracle in given],
                *("--workload", "7/0/1=exec:true", "--workload", "7/1/1=exec:true"),
                *("--on-fenced", f'{sys.executable} -c "{script.format(told)}"'),
            ) as process:
                # All call the second one fenced, a single one the first.
                await process.says("assignment 7/1/1: --on-fenced ended with status 0")
                await until(lambda: given[3].intake.fenced >= 8, process=process)
                assert "7/0/1: FENCED" not in process.text
                given[2].roster.replace({NODE: ()})
                await asyncio.sleep(4)
                assert "7/0/1: FENCED" not in process.text  # two of four
                given[1].roster.replace({NODE: ()})
                await process.says("assignment 7/0/1: --on-fenced ended with status 0")
                count = given[3].intake.fenced
                await asyncio.sleep(2.2)
                assert given[3].intake.fenced == count  # not reported any more
                assert await process.end(signal.SIGTERM) == 0
            assert told.read_text().split("\n") == ["7/1/1 None", "7/0/1 None", ""]

    asyncio.run(story())


def test_agent__receipts__kept_verified_and_told_at_the_epochs_end(tmp_path: Path) -> None:
    async def story() -> None:
        oracle = Oracle(tmp_path, length=6)
        folder = tmp_path / "receipts"
        async with oracles(oracle):
            async with agent([oracle.url], "--receipts", str(folder)) as process:
                line = await process.says("epoch 1: oracle")
                assert line.endswith(f"saw {oracle.bits(1).bit_count()} of 6 ticks")
                now = oracle.clock.epoch_at(int(oracle.collector.now()))
                await until(lambda: oracle.bits(now), process=process)
                assert await process.end(signal.SIGTERM) == 0
            assert "LACKS" not in process.text
            status, listed = await command_output("receipts", str(folder), "--json")
            assert status == 0
            rows = {row["epoch"]: row for row in json.loads(listed)}
            assert rows[1]["ticks"] == oracle.bits(1).bit_count()
            assert rows[now]["ticks"] == oracle.bits(now).bit_count()  # asked for when it stopped
            kept = folder / oracle.address / "1.receipt"
            kept.write_bytes(kept.read_bytes()[:-1] + b"\x00")
            status, listed = await command_output("receipts", str(folder))
            assert status == 1
            assert len(listed.splitlines()) == 1 + len(rows)
            assert sum("valid" in line for line in listed.splitlines()) == len(rows) - 1
            async with epochal_node(
                *("run", "--oracle", oracle.url, "--chain-id", "1", "--attestations", ATTESTATIONS),
                *("--key-env", "NODE_KEY", "--receipts", str(folder)),
            ) as process:
                assert await process.process.wait() == 2

    asyncio.run(story())


def test_agent__oracle_leaves_a_tick_out_of_its_receipt__told_loudly(tmp_path: Path) -> None:
    async def story() -> None:
        liar, forger = Oracle(tmp_path, "liar", length=6), Oracle(tmp_path, "forger", length=6)
        async with oracles(liar, forger):
            honest = liar.intake.receipt

            def lying(node: str, epoch: int) -> bytes | None:
                raw = honest(node, epoch)
                bits = wire_receipt.decode(raw).bits if raw else 0
                return wire_receipt.issue(liar.signer, DOMAIN, node, epoch, bits & (bits - 1), 6) if bits else None

            liar.intake.receipt = lying  # type: ignore[method-assign]
            forger.intake._signer = derive("test", "somebody else")
            async with agent([liar.url, forger.url], "--receipts", str(tmp_path / "receipts")) as process:
                line = await process.says("RECEIPT LACKS 1 of ", 40)  # asked again a dozen times before
                assert line.startswith(f"oracle {liar.url}: ")
                line = await process.says("IS WRONG: ")
                assert line.startswith(f"oracle {forger.url}: RECEIPT of epoch ")
                assert line.endswith(f"signed it, not {forger.address}")
                assert await process.end(signal.SIGTERM) == 0
            assert not (tmp_path / "receipts" / forger.address).exists()

    asyncio.run(story())


@pytest.mark.long
def test_agent__each_worker_signs_for_its_own__their_receipts_add_up_and_no_alarm(tmp_path: Path) -> None:
    async def story() -> None:
        oracle = Oracle(tmp_path, length=6)
        folder = tmp_path / "receipts"
        async with oracles(oracle):
            whole, asked = oracle.intake.receipt, 0

            def one_of_three(node: str, epoch: int) -> bytes | None:
                nonlocal asked
                asked += 1
                raw = whole(node, epoch)
                bits = wire_receipt.decode(raw).bits & (0b1001001 << asked % 3) if raw else 0
                return wire_receipt.issue(oracle.signer, DOMAIN, node, epoch, bits, 6) if bits else None

            oracle.intake.receipt = one_of_three  # type: ignore[method-assign]
            async with agent([oracle.url], "--receipts", str(folder)) as process:
                line = await process.says("epoch 1: oracle", 25)
                assert line.endswith(f"saw {oracle.bits(1).bit_count()} of 6 ticks")
                assert await process.end(signal.SIGTERM) == 0
            assert "RECEIPT" not in process.text
            status, listed = await command_output("receipts", str(folder), "--json")
            assert status == 0
            ticks = [row["ticks"] for row in json.loads(listed) if row["epoch"] == 1]
            assert sum(ticks) == oracle.bits(1).bit_count()
            assert len(ticks) == 3

    asyncio.run(story())
