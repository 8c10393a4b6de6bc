# SPDX-License-Identifier: Apache-2.0
"""A site's gateway between real agents and a real oracle: it relays, and can neither forge nor invent."""

from __future__ import annotations

import asyncio
import signal
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import aiohttp

from node.gateway import Gateway
from node.settings import GatewaySettings
from oracle.ground.ids import pack
from oracle.signing.signer import LocalSigner, derive
from oracle.telemetry.wire import heartbeat
from oracle.telemetry.wire.answers import Reason
from oracle.telemetry.wire.http_server import ServerLimits
from oracle.telemetry.wire.workloads import Health
from tests.e2e.node_world import DOMAIN, NODE, Oracle, agent, epochal_node, oracles, until

SITE = [derive("test", f"site-{i}") for i in range(40)]


@asynccontextmanager
async def gateway(
    *urls: str, batch_ms: float = 20, limits: ServerLimits | None = None
) -> AsyncIterator[tuple[Gateway, str]]:
    """A gateway in this process, and its URL."""
    settings = GatewaySettings(urls, "127.0.0.1:0", batch_ms)
    made = Gateway(settings, lambda line: None, **({"limits": limits} if limits else {}))
    url = await made.start()
    running = [asyncio.create_task(relay.run()) for relay in made.relays]
    try:
        yield made, url
    finally:
        for task in running:
            task.cancel()
        await asyncio.gather(*running, return_exceptions=True)
        await made.stop()


async def ask(http: aiohttp.ClientSession, url: str, body: bytes) -> tuple[int, Any]:
    async with http.post(url + "/v1/heartbeats", data=body) as response:
        return response.status, await response.json()


def beat(oracle: Oracle, signer: LocalSigner, sequence: int, *assignments: int) -> bytes:
    challenge = oracle.intake.challenges.current(time.time())
    return heartbeat.sign(
        signer, DOMAIN, oracle.address, sequence, challenge, dict.fromkeys(assignments, Health.HEALTHY)
    )


def test_gateway__as_a_process__agents_get_their_own_answers(tmp_path: Path) -> None:
    async def story() -> None:
        oracle, other = Oracle(tmp_path, length=6), Oracle(tmp_path, "other")
        async with oracles(oracle, other):
            listen = ("--listen", "127.0.0.1:0", "--batch-ms", "50")
            async with epochal_node("gateway", "--oracle", oracle.url, "--oracle", other.url, *listen) as site:
                url = (await site.says("/o/1 relays to ")).split()[1].removesuffix("/o/1")
                good = agent([f"{url}/o/0", f"{url}/o/1"], "--sealed", "--receipts", str(tmp_path / "receipts"))
                async with good as process, agent([f"{url}/o/0"], key="33" * 32) as stranger:
                    await stranger.says("refused: unknown_node; link the node's address to a licence")
                    await process.says(f"accepted by {other.address}")
                    line = await process.says("epoch 1: oracle")
                    assert line.endswith(f"{oracle.address} saw {oracle.bits(1).bit_count()} of 6 ticks")
                    assert await process.end(signal.SIGTERM) == 0
                    assert "refused" not in process.text
                    assert "beating" not in stranger.text.split("\n", 1)[1]
                assert oracle.intake.accepted["sealed"] > 0
                assert await site.end(signal.SIGTERM) == 0
                assert site.lines[-1].startswith("gateway: stopped after ")

    asyncio.run(story())


def test_gateway__many_at_once__few_requests_and_to_each_its_own(tmp_path: Path) -> None:
    async def story() -> None:
        oracle = Oracle(tmp_path)
        served = {signer.address: [pack(7, i, 1)] for i, signer in enumerate(SITE)}
        del served[SITE[5].address]
        oracle.roster.replace(served)
        async with oracles(oracle), gateway(oracle.url) as (made, url), aiohttp.ClientSession() as http:
            bodies = [beat(oracle, signer, 5, pack(7, i, 1)) for i, signer in enumerate(SITE)]
            bodies[6] = bodies[6][:-1]  # would swallow what is sent behind it
            bodies[7] = beat(oracle, SITE[7], 5, pack(7, 8, 1))  # reports on its neighbour's assignment
            bodies[9] = bodies[9] + beat(oracle, SITE[9], 5) + b"junk"
            before = oracle.way.requests
            answers = await asyncio.gather(*(ask(http, f"{url}/o/0", body) for body in bodies))
            assert oracle.way.requests - before <= 3
            told = {i: (status, [r["reason"] for r in answer["refused"]]) for i, (status, answer) in enumerate(answers)}
            assert told.pop(5) == (403, ["unknown_node"])
            assert told.pop(6) == (400, ["malformed"])
            assert told.pop(9) == (200, ["replayed_sequence", "version"])
            assert [r["index"] for r in answers[9][1]["refused"]] == [1, 2]
            assert answers[9][1]["refused"][0]["last_sequence"] == 5
            assert answers[7][1]["fenced"] == [{"index": 0, "assignments": [str(pack(7, 8, 1))]}]
            assert all("fenced" not in answer for i, (_, answer) in enumerate(answers) if i != 7)
            assert all(one == (200, []) for one in told.values())
            assert all(answer["accepted"] == 1 for i, (_, answer) in enumerate(answers) if i not in (5, 6))
            assert made.relays[0].relayed == oracle.accepted == 38

    asyncio.run(story())


def test_gateway__altering_or_inventing__nothing_is_acknowledged(tmp_path: Path) -> None:
    async def story() -> None:
        oracle = Oracle(tmp_path)
        oracle.roster.replace({signer.address: () for signer in SITE})
        async with oracles(oracle), gateway(oracle.url) as (made, url), aiohttp.ClientSession() as http:
            transport = made.relays[0].transport
            upstream = transport.beat

            async def altered(wire: bytes) -> tuple[int, dict[str, Any]]:
                return await upstream(wire[:25] + bytes([wire[25] ^ 1]) + wire[26:])

            transport.beat = altered  # type: ignore[method-assign]
            status, answer = await ask(http, f"{url}/o/0", beat(oracle, SITE[0], 5))
            assert (status, answer["accepted"]) == (403, 0)
            assert answer["refused"][0]["reason"] in ("unknown_node", "bad_signature")

            async def swallowed(wire: bytes) -> tuple[int, dict[str, Any]]:
                return await upstream(wire[:126])

            transport.beat = swallowed  # type: ignore[method-assign]
            answers = await asyncio.gather(*(ask(http, f"{url}/o/0", beat(oracle, s, 6)) for s in SITE[:3]))
            assert [(status, answer["accepted"]) for status, answer in answers] == [(503, 0)] * 3
            assert oracle.accepted == 1

    asyncio.run(story())


def test_gateway__oracle_restarts__nodes_wait_and_come_back(tmp_path: Path) -> None:
    async def story() -> None:
        oracle = Oracle(tmp_path)
        async with oracles(oracle), gateway(oracle.url) as (_, url):
            async with agent([f"{url}/o/0"], "--tick", "0.3") as process, aiohttp.ClientSession() as http:
                await until(lambda: oracle.accepted >= 2, process=process)
                await oracle.stop()
                await process.says(
                    "unreachable (it can't take heartbeats now: send again in the next tick; the gateway"
                )
                status, answer = await ask(http, f"{url}/o/0", beat(oracle, derive("test", "any"), 1))
                assert (status, answer["accepted"]) == (503, 0)
                async with http.get(url + "/ready") as response:
                    assert response.status == 503
                await oracle.start()
                await until(lambda: oracle.accepted >= 2, process=process)
                assert oracle.intake.refused[Reason.STALE_CHALLENGE] == 1
                assert await process.end(signal.SIGTERM) == 0
            assert oracle.ticks(NODE)

    asyncio.run(story())


def test_gateway__oracle_restarts_unnoticed__sealed_nodes_open_new_sessions(tmp_path: Path) -> None:
    async def story() -> None:
        oracle = Oracle(tmp_path)
        async with oracles(oracle), gateway(oracle.url) as (made, url):
            async with agent([f"{url}/o/0"], "--sealed") as process:
                await until(lambda: oracle.intake.accepted["sealed"] >= 2, process=process)
                await made.relays[0].terms()  # remembered for a tick, with the session key of before
                await oracle.stop()
                await oracle.start()
                await until(lambda: oracle.intake.accepted["sealed"] >= 2, process=process)
                assert await process.end(signal.SIGTERM) == 0
            assert "one by one" not in process.text
            beats = oracle.ticks(NODE)
            assert beats == list(range(beats[0], beats[-1] + 1))

    asyncio.run(story())


def test_gateway__one_node_wastes_the_oracles_time__only_that_one_is_turned_away(tmp_path: Path) -> None:
    async def story() -> None:
        oracle = Oracle(tmp_path)
        async with oracles(oracle), gateway(oracle.url) as (_, url), aiohttp.ClientSession() as http:
            statuses = []
            for sequence in range(1, 80):
                status, _ = await ask(http, f"{url}/o/0", beat(oracle, SITE[0], sequence))
                statuses.append(status)
            assert statuses[:50] == [403] * 50
            assert statuses[-1] == 429
            asked = oracle.intake.refused[Reason.UNKNOWN_NODE]
            assert asked == statuses.count(403)

    asyncio.run(story())


def test_gateway__one_node_sends_all_its_waste_at_once__no_more_of_it_reaches_the_oracle(tmp_path: Path) -> None:
    async def story() -> None:
        oracle = Oracle(tmp_path)
        async with oracles(oracle), gateway(oracle.url) as (_, url):
            elsewhere = aiohttp.TCPConnector(local_addr=("127.0.0.2", 0), limit=0)
            async with aiohttp.ClientSession(connector=elsewhere) as attacker, aiohttp.ClientSession() as http:
                bodies = [beat(oracle, SITE[0], sequence) for sequence in range(1, 300)]
                bodies.append(b"".join(beat(oracle, SITE[0], sequence) for sequence in range(400, 1400)))
                told = await asyncio.gather(*(ask(attacker, f"{url}/o/0", body) for body in reversed(bodies)))
                assert {status for status, _ in told} == {403, 429}
                # As many as it may waste, and a slice more.
                assert 60 <= oracle.intake.refused[Reason.UNKNOWN_NODE] <= 90
                whole = told[0][1]
                assert [entry["index"] for entry in whole["refused"]] == list(range(1000))
                assert {entry["reason"] for entry in whole["refused"]} == {"unknown_node", "too_many_refused"}
                oracle.roster.replace({SITE[1].address: ()})
                assert (await ask(http, f"{url}/o/0", beat(oracle, SITE[1], 1)))[0] == 200

    asyncio.run(story())


def test_gateway__many_nodes_behind_one_address__all_are_heard(tmp_path: Path) -> None:
    async def story() -> None:
        oracle = Oracle(tmp_path)
        many = [derive("test", f"many-{i}") for i in range(200)]
        oracle.roster.replace({signer.address: () for signer in many})
        everything = aiohttp.TCPConnector(limit=0)
        async with (
            oracles(oracle),
            gateway(oracle.url) as (_, url),
            aiohttp.ClientSession(connector=everything) as http,
        ):
            answers = await asyncio.gather(*(ask(http, f"{url}/o/0", beat(oracle, s, 1)) for s in many))
            assert [status for status, _ in answers] == [200] * 200
            status, answer = await ask(http, f"{url}/o/0", b"".join(beat(oracle, s, 2) for s in many) + b"junk")
            assert (status, answer["accepted"]) == (200, 200)
            assert [(entry["index"], entry["reason"]) for entry in answer["refused"]] == [(200, "version")]

    asyncio.run(story())


def test_gateway__one_oracle_refuses_everything__the_others_still_hear_the_node(tmp_path: Path) -> None:
    async def story() -> None:
        oracle, liar = Oracle(tmp_path), Oracle(tmp_path, "liar")
        liar.roster.replace({})
        async with oracles(oracle, liar), gateway(oracle.url, liar.url) as (_, url), aiohttp.ClientSession() as http:
            bodies = [beat(liar, derive("test", "node"), sequence) for sequence in range(1, 80)]
            told = [await ask(http, f"{url}/o/1", body) for body in bodies]
            assert told[-1][0] == 429
            oracle.roster.replace({SITE[0].address: ()})
            assert (await ask(http, f"{url}/o/0", beat(oracle, SITE[0], 1)))[0] == 200

    asyncio.run(story())


def test_gateway__half_request_lines_and_too_many_connections__closed(tmp_path: Path) -> None:
    async def story() -> None:
        oracle = Oracle(tmp_path)
        limits = ServerLimits(connections=100, per_peer=10, header_seconds=0.3, body_seconds=0.3)
        async with oracles(oracle), gateway(oracle.url, limits=limits) as (made, url):
            port = int(url.rsplit(":", 1)[1])

            async def held(head: bytes) -> bytes:
                reader, writer = await asyncio.open_connection("127.0.0.1", port, local_addr=("127.0.0.2", 0))
                try:
                    writer.write(head)
                    async with asyncio.timeout(5):
                        return await reader.read(60)
                except ConnectionError:
                    return b""
                finally:
                    writer.close()

            assert await asyncio.gather(*(held(b"POST /o/0/v1/hea") for _ in range(30))) == [b""] * 30
            assert +made.turned_away == {"peer": 20, "headers": 10}
            slow = b"POST /o/0/v1/heartbeats HTTP/1.1\r\nHost: x\r\nContent-Length: 126\r\n\r\nabc"
            assert b" 408 " in await held(slow)
            oracle.roster.replace({SITE[0].address: ()})
            async with aiohttp.ClientSession() as http:
                assert (await ask(http, f"{url}/o/0", beat(oracle, SITE[0], 1)))[0] == 200

    asyncio.run(story())
