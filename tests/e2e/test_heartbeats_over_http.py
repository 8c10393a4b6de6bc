"""The intake behind its real server: who is accepted, who is refused and why, and when an answer is given."""

from __future__ import annotations

import asyncio
import sqlite3
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
from oracle.telemetry import heartbeat
from oracle.telemetry.http import MAX_BEATS, ServerError, TelemetryServer
from oracle.telemetry.intake import Intake
from oracle.telemetry.store import BitmapStore

DOMAIN = Heartbeat.domain(31337, "0x" + "11" * 20)
ORACLE = derive("test", "oracle").address
NODE = derive("test", "node")
CLOCK = EpochClock(genesis=int(time.time()) - 5, length=3600, tick=1)


@dataclass
class Served:
    """A running oracle's door, and a client before it."""

    url: str
    store: BitmapStore
    intake: Intake
    http: aiohttp.ClientSession

    async def post(self, body: bytes) -> tuple[int, Any]:
        async with self.http.post(self.url + "/v1/heartbeats", data=body) as response:
            return response.status, await response.json()

    async def get(self, path: str, method: str = "GET") -> tuple[int, Any]:
        async with self.http.request(method, self.url + path) as response:
            return response.status, await response.json()

    def beat(self, sequence: int, signer: LocalSigner = NODE, oracle: str = ORACLE, age: int = 0) -> bytes:
        challenge = self.intake.challenges.current(time.time() - age)
        return heartbeat.sign(signer, DOMAIN, oracle, sequence, challenge)


def serve(folder: Path, story: Callable[[Served], Awaitable[None]]) -> None:
    """Run `story` against a fresh oracle on a port of its own."""

    async def run() -> None:
        store = BitmapStore(folder / "store.db", CLOCK, "net")
        intake = Intake(store, CLOCK, ORACLE, DOMAIN, {NODE.address.lower()}, time.time)
        server = TelemetryServer(intake, store)
        url = await server.start()
        try:
            async with aiohttp.ClientSession() as http:
                await story(Served(url, store, intake, http))
        finally:
            await server.stop()
            store.close()

    asyncio.run(run())


def reasons(answer: Any) -> list[str]:
    return [refused["reason"] for refused in answer["refused"]]


def test_post__good_heartbeat__durable_before_the_answer(tmp_path: Path) -> None:
    async def story(served: Served) -> None:
        status, answer = await served.post(served.beat(7))
        assert (status, answer["accepted"], answer["refused"]) == (200, 1, [])
        assert not served.store.take()
        assert served.store.read(answer["epoch"]).up == {NODE.address.lower(): 1 << answer["tick"]}
        assert bytes.fromhex(answer["challenge"][2:]) == served.intake.challenges.current(time.time())

    serve(tmp_path, story)


def test_post__bad_heartbeats__refused_by_reason_and_nothing_marked(tmp_path: Path) -> None:
    async def story(served: Served) -> None:
        good = served.beat(7)
        other_network = heartbeat.sign(
            NODE, Heartbeat.domain(1, DOMAIN.contract), ORACLE, 7, served.intake.challenges.current(time.time())
        )
        faults = {
            "malformed": (400, b""),
            "version": (400, b"\x07" + good[1:]),
            "wrong_oracle": (421, served.beat(7, oracle=NODE.address)),
            "stale_challenge": (409, served.beat(7, age=13)),
            "bad_signature": (403, good[:61] + b"\xff" * 64),
            "unknown_node": (403, served.beat(7, signer=derive("test", "stranger"))),
        }
        for reason, (status, body) in faults.items():
            found, answer = await served.post(body)
            assert (found, answer["accepted"], reasons(answer)) == (status, 0, [reason])
            assert answer["refused"][0]["cure"]
        status, answer = await served.post(good[:-1])
        assert (status, reasons(answer)) == (400, ["malformed"])
        status, answer = await served.post(other_network)
        assert (status, reasons(answer)[0] in ("unknown_node", "bad_signature")) == (403, True)
        epoch = CLOCK.epoch_at(int(time.time()))
        assert served.store.read(epoch).up == {}
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
        status, answer = await served.post(served.beat(9) * (MAX_BEATS + 1))
        assert (status, reasons(answer)) == (413, ["too_large"])
        assert served.store.last_sequence(NODE.address.lower()) == 2

    serve(tmp_path, story)


def test_post__many_at_once__all_answered_and_all_kept(tmp_path: Path) -> None:
    async def story(served: Served) -> None:
        answers = await asyncio.gather(*(served.post(served.beat(n)) for n in range(1, 101)))
        accepted = sum(answer["accepted"] for _, answer in answers)
        replayed = sum(reasons(answer) == ["replayed_sequence"] for _, answer in answers)
        assert accepted + replayed == 100
        assert accepted == served.intake.accepted >= 1
        assert served.store.last_sequence(NODE.address.lower()) == 100

    serve(tmp_path, story)


def test_get__other_paths_and_methods__told_what_there_is(tmp_path: Path) -> None:
    async def story(served: Served) -> None:
        status, answer = await served.get("/v1/challenge")
        assert status == 200
        assert (answer["oracle"], answer["genesis"], answer["tick"]) == (ORACLE.lower(), CLOCK.genesis, 1)
        assert abs(answer["now"] - time.time()) < 5
        assert (await served.get("/v1/nothing"))[0] == 404
        assert (await served.get("/v1/heartbeats"))[0] == 405
        assert (await served.get("/v1/challenge", "DELETE"))[0] == 405
        status, answer = await served.get("/v1/live")
        assert (status, answer["live"], answer["accepted"]) == (200, True, 0)

    serve(tmp_path, story)


def test_post__disk_refuses__503_then_kept_when_it_recovers(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    class Full:
        in_transaction = False

        def execute(self, *_: object) -> None:
            raise sqlite3.OperationalError("database or disk is full")

    async def story(served: Served) -> None:
        with monkeypatch.context() as patch:
            patch.setattr(served.store, "_database", Full())
            status, answer = await served.post(served.beat(1))
            assert (status, reasons(answer)) == (503, ["storage"])
            status, answer = await served.get("/v1/live")
            assert (status, answer["live"]) == (503, False)
            assert "disk is full" in answer["reason"]
        status, answer = await served.post(served.beat(2))
        assert status == 200
        assert (await served.get("/v1/live"))[0] == 200

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
        port = int(served.url.rsplit(":", 1)[1])
        for raw in noise:
            reader, writer = await asyncio.open_connection("127.0.0.1", port)
            writer.write(raw)
            assert b" 400 " in await reader.readline()
            writer.close()
        _, writer = await asyncio.open_connection("127.0.0.1", port)
        writer.write(head + b"Content-Length: 125\r\n\r\nabc")
        await writer.drain()
        writer.transport.abort()
        assert (await served.post(served.beat(1)))[0] == 200

    serve(tmp_path, story)
    assert not caplog.records


def test_start__port_taken__told_in_one_line(tmp_path: Path) -> None:
    async def story(served: Served) -> None:
        port = int(served.url.rsplit(":", 1)[1])
        with pytest.raises(ServerError, match=f"can't listen on 127.0.0.1:{port} .*; name another address"):
            await TelemetryServer(served.intake, served.store).start(port=port)

    serve(tmp_path, story)


def test_server__running__its_whole_ticks_are_observed(tmp_path: Path) -> None:
    async def story(served: Served) -> None:
        epoch, first = CLOCK.tick_at(int(time.time()) + 1)
        async with asyncio.timeout(10):
            while not served.store.read(epoch).observed >> first & 1:
                await asyncio.sleep(0.05)
        assert not served.store.read(epoch).observed & ((1 << first - 1) - 1)

    serve(tmp_path, story)
