# SPDX-License-Identifier: Apache-2.0
"""The intake behind its real server: who is accepted, who is refused and why, and when an answer is given."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from oracle.ground.clock import EpochClock
from oracle.ground.typed_data import Heartbeat
from oracle.signing.signer import LocalSigner, derive
from oracle.telemetry.intake.collector import Collector
from oracle.telemetry.intake.roster import FixedRoster
from oracle.telemetry.store.bitmaps import BitmapStore
from oracle.telemetry.store.errors import StoreError
from oracle.telemetry.store.opening import open_store
from oracle.telemetry.store.records import Kind
from oracle.telemetry.ways.http import HttpLimits, HttpWay, ServerError
from oracle.telemetry.wire import heartbeat, receipt, session
from oracle.telemetry.wire.answers import MAX_BEATS, MAX_BODY
from oracle.telemetry.wire.workloads import Health

DOMAIN = Heartbeat.domain(31337, "0x" + "11" * 20)
ORACLE = derive("test", "oracle")
NODE = derive("test", "node")
NAME = bytes.fromhex(NODE.address[2:])
CLOCK = EpochClock(genesis=int(time.time()) - 5, length=3600, tick=1)


@dataclass
class Served:
    """A running oracle's door, and a client before it."""

    url: str
    store: BitmapStore
    collector: Collector
    way: HttpWay
    http: aiohttp.ClientSession

    async def post(self, body: bytes, path: str = "/v1/heartbeats") -> tuple[int, Any]:
        async with self.http.post(self.url + path, data=body) as response:
            return response.status, await response.json()

    async def get(self, path: str, method: str = "GET") -> tuple[int, Any]:
        async with self.http.request(method, self.url + path) as response:
            return response.status, await response.json()

    def beat(self, sequence: int, signer: LocalSigner = NODE, oracle: str = ORACLE.address, age: int = 0) -> bytes:
        challenge = self.collector.intake.challenges.current(time.time() - age)
        return heartbeat.sign(signer, DOMAIN, oracle, sequence, challenge)

    def up(self, epoch: int, name: bytes = NAME) -> int:
        return self.store.read(epoch).line(Kind.LIVENESS, name).up

    @property
    def port(self) -> int:
        return int(self.url.rsplit(":", 1)[1])


def serve(folder: Path, story: Callable[[Served], Awaitable[None]], limits: HttpLimits | None = None) -> None:
    """Run `story` against a fresh oracle on a port of its own."""

    async def run() -> None:
        store = open_store(folder / "store.db", CLOCK, "net")
        collector = Collector(store, CLOCK, ORACLE, DOMAIN, FixedRoster({NODE.address: [5 << 64 | 1]}))
        await collector.start()
        way = HttpWay(collector, limits)
        url = await way.start()
        try:
            async with aiohttp.ClientSession() as http:
                await story(Served(url, store, collector, way, http))
        finally:
            await way.stop()
            await collector.stop()
            store.close()

    asyncio.run(run())


def reasons(answer: Any) -> list[str]:
    return [refused["reason"] for refused in answer["refused"]]


def test_post__good_heartbeat__durable_before_the_answer(tmp_path: Path) -> None:
    async def story(served: Served) -> None:
        before = time.time()
        status, answer = await served.post(served.beat(7))
        assert (status, answer["accepted"], answer["refused"]) == (200, 1, [])
        reader = open_store(served.store.location, CLOCK, "net", read_only=True)
        assert reader.read(answer["epoch"]).line(Kind.LIVENESS, NAME).up == 1 << answer["tick"]
        reader.close()
        # A challenge lasts seconds: it may have changed since the answer.
        assert bytes.fromhex(answer["challenge"][2:]) in {
            served.collector.intake.challenges.current(at) for at in (before, time.time())
        }

    serve(tmp_path, story)


def test_post__bad_heartbeats__refused_by_reason_and_nothing_marked(tmp_path: Path) -> None:
    async def story(served: Served) -> None:
        good = served.beat(7)
        faults = {
            "malformed": (400, b""),
            "version": (400, b"\x07" + good[1:]),
            "wrong_oracle": (421, served.beat(7, oracle=NODE.address)),
            "stale_challenge": (409, served.beat(7, age=13)),
            "bad_signature": (403, good[:-64] + b"\xff" * 64),
            "unknown_node": (403, served.beat(7, signer=derive("test", "stranger"))),
            "unknown_session": (409, session.seal(session.Session(bytes(8), bytes(32)), bytes(32), 1)),
        }
        for reason, (status, body) in faults.items():
            found, answer = await served.post(body)
            assert (found, answer["accepted"], reasons(answer)) == (status, 0, [reason])
            assert answer["refused"][0]["cure"]
        assert reasons((await served.post(good[:-1]))[1]) == ["malformed"]
        assert served.up(CLOCK.epoch_at(int(time.time()))) == 0
        assert (await served.post(good))[0] == 200
        status, answer = await served.post(good)
        assert (status, reasons(answer), answer["refused"][0]["last_sequence"]) == (409, ["replayed_sequence"], 7)

    serve(tmp_path, story)


def test_post__several__each_judged_on_its_own(tmp_path: Path) -> None:
    async def story(served: Served) -> None:
        stranger = served.beat(2, signer=derive("test", "stranger"))
        status, answer = await served.post(served.beat(1) + stranger + served.beat(2) + served.beat(2))
        assert (status, answer["accepted"]) == (200, 2)
        assert [(refused["index"], refused["reason"]) for refused in answer["refused"]] == [
            (1, "unknown_node"),
            (3, "replayed_sequence"),
        ]
        for body in (served.beat(9) * (MAX_BEATS + 1), bytes(MAX_BODY + 1)):
            status, answer = await served.post(body)
            assert (status, reasons(answer)) == (413, ["too_large"])

    serve(tmp_path, story)


def test_post__many_at_once__all_answered(tmp_path: Path) -> None:
    async def story(served: Served) -> None:
        answers = await asyncio.gather(*(served.post(served.beat(n)) for n in range(1, 101)))
        accepted = sum(answer["accepted"] for _, answer in answers)
        assert accepted == served.collector.intake.accepted["signed"] >= 1
        told = {reason for _, answer in answers for reason in reasons(answer)}
        assert told <= {"replayed_sequence", "too_often"}

    serve(tmp_path, story)


def test_session__opened_over_http__seals_and_earns_a_receipt(tmp_path: Path) -> None:
    async def story(served: Served) -> None:
        _, terms = await served.get("/v1/challenge")
        challenge, key = (bytes.fromhex(terms[name][2:]) for name in ("challenge", "sessionKey"))
        raw, opened = session.open_session(NODE, DOMAIN, terms["oracle"], challenge, key, b"\x01" * 32)
        assert await served.post(raw, "/v1/sessions") == (
            200,
            {"session": "0x" + opened.id.hex(), "expires": pytest.approx(time.time() + 6 * 3600, abs=5)},
        )
        mine, other = 5 << 64 | 1, 6 << 64 | 1
        sealed = session.seal(opened, challenge, 1, {mine: Health.HEALTHY, other: Health.HEALTHY})
        status, answer = await served.post(sealed)
        assert (status, answer["fenced"]) == (200, [{"index": 0, "assignments": [str(other)]}])
        status, given = await served.get(f"/v1/receipts/{NODE.address}/{answer['epoch']}")
        signed = receipt.decode(bytes.fromhex(given["receipt"][2:]))
        assert (status, signed.bits, signed.node) == (200, 1 << answer["tick"], NODE.address.lower())
        assert receipt.signed_by(signed, DOMAIN) == ORACLE.address.lower()
        assert (await served.get(f"/v1/receipts/{NODE.address}/77"))[0] == 404
        assert (await served.get("/v1/receipts/nobody/0"))[0] == 400

    serve(tmp_path, story)


def test_get__other_paths_and_methods__told_what_there_is(tmp_path: Path) -> None:
    async def story(served: Served) -> None:
        status, answer = await served.get("/v1/challenge")
        assert status == 200
        assert (answer["oracle"], answer["genesis"], answer["tick"]) == (ORACLE.address.lower(), CLOCK.genesis, 1)
        assert abs(answer["now"] - time.time()) < 5
        assert (await served.get("/v1/nothing"))[0] == 404
        assert (await served.get("/v1/heartbeats"))[0] == 405
        assert (await served.get("/v1/challenge", "DELETE"))[0] == 405
        assert await served.get("/live") == (200, {"live": True})
        assert await served.get("/ready") == (200, {"ready": True, "reason": None})

    serve(tmp_path, story)


def test_post__disk_refuses__503_and_blind_then_kept_when_it_recovers(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(_: object) -> None:
        raise StoreError("store.db: can't be written (database or disk is full)")

    async def until(served: Served, ready: bool) -> Any:
        async with asyncio.timeout(10):
            while (told := (await served.get("/ready"))[1])["ready"] is not ready:
                await asyncio.sleep(0.02)
        return told

    async def story(served: Served) -> None:
        with monkeypatch.context() as patch:
            patch.setattr(served.store, "write", full)
            status, answer = await served.post(served.beat(1))
            assert (status, reasons(answer)) == (503, ["storage"])
            assert "disk is full" in (await until(served, ready=False))["reason"]
            accepted = served.collector.intake.accepted["signed"]
            assert (await served.post(served.beat(2)))[0] == 503
            assert served.collector.intake.accepted["signed"] == accepted  # nothing piles up while nothing can be kept
        await until(served, ready=True)
        assert (await served.post(served.beat(3)))[0] == 200

    serve(tmp_path, story)


def test_server__noise_and_cut_off_bodies__answered_without_a_word_in_the_log(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    head = b"POST /v1/heartbeats HTTP/1.1\r\nHost: x\r\n"
    noise = [
        b"\x16\x03\x01\x02\x00",
        b"GARBAGE\r\n\r\n",
        head + b"Content-Length: -5\r\n\r\n",
        head + b"Transfer-Encoding: chunked\r\n\r\nzz\r\n",
        head + b"Content-Encoding: gzip\r\nContent-Length: 3\r\n\r\nabc",
        head + b"X: " + b"a" * 20_000 + b"\r\n\r\n",
    ]

    async def story(served: Served) -> None:
        for raw in noise:
            reader, writer = await asyncio.open_connection("127.0.0.1", served.port)
            writer.write(raw)
            assert b" 400 " in await reader.readline()
            writer.close()
        _, writer = await asyncio.open_connection("127.0.0.1", served.port)
        writer.write(head + b"Content-Length: 126\r\n\r\nabc")
        await writer.drain()
        writer.transport.abort()
        assert (await served.post(served.beat(1)))[0] == 200

    serve(tmp_path, story)
    assert not caplog.records


def test_server__slow_heads_and_bodies__closed_while_the_honest_are_served(
    tmp_path: Path,
) -> None:
    async def story(served: Served) -> None:
        slow = [await asyncio.open_connection("127.0.0.1", served.port) for _ in range(20)]
        for index, (_, writer) in enumerate(slow):
            whole_head = b"Content-Length: 126\r\n\r\nabc" if index % 2 else b"X-Slow: "
            writer.write(b"POST /v1/heartbeats HTTP/1.1\r\nHost: x\r\n" + whole_head)
        assert (await served.post(served.beat(1)))[0] == 200
        async with asyncio.timeout(5):
            for reader, writer in slow:
                assert b" 408 " in (told := await reader.read(60)) or told == b""
                writer.close()
        assert (served.way.shed["headers"], served.way.shed["slow"]) == (10, 10)
        assert (await served.post(served.beat(2)))[0] == 200

    serve(tmp_path, story, HttpLimits(header_seconds=0.3, body_seconds=0.3))


def test_server__flood_of_wrong_signatures__costs_its_sender_and_nobody_else(tmp_path: Path) -> None:
    async def story(served: Served) -> None:
        stranger = derive("test", "stranger")
        bad = b"".join(served.beat(n, signer=stranger) for n in range(40))
        elsewhere = aiohttp.TCPConnector(local_addr=("127.0.0.2", 0))
        async with aiohttp.ClientSession(connector=elsewhere) as attacker:

            async def attack() -> int:
                async with attacker.post(served.url + "/v1/heartbeats", data=bad) as response:
                    return response.status

            assert [await attack() for _ in range(3)] == [403, 403, 429]
            checked = served.collector.intake.refused
            before = sum(checked.values())
            statuses = await asyncio.gather(*(attack() for _ in range(50)), served.post(served.beat(1)))
            assert statuses[:50] == [429] * 50
            assert statuses[50][0] == 200
            assert sum(checked.values()) == before  # turned away unread
        assert served.way.shed["too_many_refused"] == 51

    serve(tmp_path, story, HttpLimits(wasted_per_second=0.01, wasted_burst=60))


def test_server__many_long_messages_at_once__paid_for_one_by_one(tmp_path: Path) -> None:
    async def story(served: Served) -> None:
        stranger = derive("test", "stranger")
        bad = b"".join(served.beat(n, signer=stranger) for n in range(100))
        elsewhere = aiohttp.TCPConnector(local_addr=("127.0.0.2", 0), limit=0)
        async with aiohttp.ClientSession(connector=elsewhere) as attacker:

            async def attack() -> int:
                async with attacker.post(served.url + "/v1/heartbeats", data=bad) as response:
                    return response.status

            statuses = await asyncio.gather(*(attack() for _ in range(30)))
        assert sorted(statuses) == [403] + [429] * 29
        assert served.collector.intake.refused["unknown_node"] == 100
        assert (await served.post(served.beat(1)))[0] == 200

    serve(tmp_path, story, HttpLimits(wasted_per_second=0.01, wasted_burst=60))


def test_server__wasted_by_many_addresses__those_who_were_heard_before_go_on(tmp_path: Path) -> None:
    async def story(served: Served) -> None:
        assert (await served.post(served.beat(1)))[0] == 200
        bad = b"".join(served.beat(n, signer=derive("test", "stranger")) for n in range(20))
        statuses = []
        for host in range(2, 8):
            elsewhere = aiohttp.TCPConnector(local_addr=(f"127.0.0.{host}", 0))
            async with (
                aiohttp.ClientSession(connector=elsewhere) as attacker,
                attacker.post(served.url + "/v1/heartbeats", data=bad) as response,
            ):
                statuses.append(response.status)
        assert statuses == [403, 403, 429, 429, 429, 429]
        assert (await served.post(served.beat(2)))[0] == 200

    serve(tmp_path, story, HttpLimits(wasted_by_all=10))


def test_server__receipts_asked_for_without_end__beats_go_on(tmp_path: Path) -> None:
    async def story(served: Served) -> None:
        statuses = [(await served.get(f"/v1/receipts/{NODE.address}/0"))[0] for _ in range(6)]
        assert statuses == [404] * 5 + [429]
        assert served.store.known(Kind.LIVENESS, NAME) is None  # a question makes nothing
        assert (await served.post(served.beat(1)))[0] == 200

    serve(tmp_path, story, HttpLimits(asked_per_second=0.01, asked_burst=5))


def test_server__behind_a_proxy__the_last_address_told_is_the_sender(tmp_path: Path) -> None:
    async def story(served: Served) -> None:
        bad = b"".join(served.beat(n, signer=derive("test", "stranger")) for n in range(3))

        async def post(body: bytes, *told: str) -> int:
            headers = [("X-Forwarded-For", each) for each in told]
            async with served.http.post(served.url + "/v1/heartbeats", data=body, headers=headers) as response:
                return response.status

        victim, attacker = "198.51.100.7", "2001:db8:1:2::66"
        assert await post(bad, victim, f"203.0.113.9, {attacker}") == 403
        assert await post(served.beat(1), attacker, victim) == 200
        assert await post(served.beat(2), victim, "2001:db8:1:2::77") == 429  # the same network of 64 bits

    serve(tmp_path, story, HttpLimits(trust_forwarded=True, wasted_per_second=0.01, wasted_burst=2))


def test_server__overloaded__says_so_and_is_blind(tmp_path: Path) -> None:
    async def story(served: Served) -> None:
        status, answer = await served.post(served.beat(1))
        assert (status, reasons(answer)) == (503, ["overload"])
        http = served.collector.eyes.ways["http"]
        assert http.blind_until > served.collector.eyes.steady()

    serve(tmp_path, story, HttpLimits(waiting=0))


def test_server__too_many_connections_of_one_address__the_others_still_come_in(tmp_path: Path) -> None:
    async def story(served: Served) -> None:
        held = [await asyncio.open_connection("127.0.0.1", served.port, local_addr=("127.0.0.2", 0)) for _ in range(8)]
        assert (await served.post(served.beat(1)))[0] == 200
        closed = 0
        for reader, writer in held:
            try:
                async with asyncio.timeout(0.2):
                    closed += not await reader.read(1)
            except TimeoutError:
                pass
            writer.close()
        assert closed == 5
        assert served.way.shed["connections"] == 5

    serve(tmp_path, story, HttpLimits(per_peer=3))


def test_start__port_taken__told_in_one_line(tmp_path: Path) -> None:
    async def story(served: Served) -> None:
        with pytest.raises(ServerError, match=f"can't listen on 127.0.0.1:{served.port} .*; name another address"):
            await HttpWay(served.collector, name="second").start(port=served.port)

    serve(tmp_path, story)


def test_server__running__its_whole_ticks_are_observed(tmp_path: Path) -> None:
    async def story(served: Served) -> None:
        def observed(epoch: int) -> int:
            return dict(served.store.read(epoch).ways).get("http", 0)

        epoch, first = CLOCK.tick_at(int(time.time()) + 1)
        async with asyncio.timeout(10):
            while not observed(epoch) >> first:  # on a busy machine a tick may have a gap
                await asyncio.sleep(0.05)
        assert not observed(epoch) & ((1 << first - 1) - 1)

    serve(tmp_path, story)
