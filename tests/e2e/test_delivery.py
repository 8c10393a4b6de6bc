# SPDX-License-Identifier: Apache-2.0
"""Deliveries to real receivers that fail in every way, by a sender that is killed at any moment."""

from __future__ import annotations

import asyncio
import random
import sys
import time
from collections import Counter
from pathlib import Path

from aiohttp import web

from delivery.http import HttpTransport, Request
from delivery.message import Draft, Message, State
from delivery.queue import Queue
from delivery.rules import Backoff
from delivery.sender import Sender
from tests.e2e.node_world import until
from tests.e2e.receivers import Receiver, in_a_loop, receiver
from tests.project import ROOT

QUICK = Backoff(first=0.05, longest=0.2)


def draft(key: str, seconds: float = 60, destination: str = "/hook") -> Draft:
    return Draft(key, "http", destination, f"label {key}", f'{{"key": "{key}"}}'.encode(), time.time() + seconds)


def transport(url: str, **changes: float) -> HttpTransport:
    def prepare(message: Message, _: float) -> Request:
        return Request(url + message.destination, {})

    return HttpTransport(prepare, **{"timeout": 0.5, **changes})  # type: ignore[arg-type]


async def sent(queue: Queue, url: str, within: float = 30) -> None:
    """Send until nothing waits."""
    sender, stop = Sender(queue, {"http": transport(url)}, QUICK), asyncio.Event()
    running = asyncio.create_task(sender.run(stop))
    try:
        await until(lambda: running.done() or not queue.counts()[State.WAITING], within)
    finally:
        stop.set()
        await running
        await sender.close()


@in_a_loop
async def test_send__receiver_fails_in_turn__is_taken_with_one_key(tmp_path: Path) -> None:
    async def behave(request: web.Request, number: int) -> web.StreamResponse:
        if number == 0:
            return web.Response(status=500)
        if number == 1:
            await asyncio.sleep(5)  # longer than the sender waits
        if number == 2:
            assert request.transport is not None
            request.transport.close()
        if number == 3:
            return web.Response(status=429, headers={"Retry-After": "1"})
        return web.Response(status=204)

    queue = Queue(tmp_path / "q")
    async with receiver(behave) as one:
        queue.put(draft("a key"))
        begun = time.time()
        await sent(queue, one.url)
    assert len(one.came) == 5
    assert {(taken.key, taken.body) for taken in one.came} == {("a key", b'{"key": "a key"}')}
    found = queue.find("a key")
    assert found is not None
    assert (found.state, found.attempts, found.body) == (State.DELIVERED, 5, b"")
    assert time.time() - begun >= 1.5  # it waited for the hanging one, and as long as it was asked to


@in_a_loop
async def test_send__receiver_refuses_or_redirects__is_dead_at_once_and_can_be_sent_again(tmp_path: Path) -> None:
    async with receiver() as elsewhere:

        async def behave(request: web.Request, number: int) -> web.StreamResponse:
            if request.path == "/moved":
                return web.Response(status=307, headers={"Location": elsewhere.url})
            return web.Response(status=422 if number < 2 else 200, text="no such \x07 job")

        queue = Queue(tmp_path / "q")
        async with receiver(behave) as one:
            queue.put(draft("wrong"))
            queue.put(draft("moved", destination="/moved"))
            await sent(queue, one.url)
            dead = {each.key: each.told for each in queue.listed(State.DEAD)}
            assert dead == {"wrong": "HTTP 422: no such  job", "moved": "HTTP 307"}
            assert not elsewhere.came
            queue.resend("wrong", time.time() + 10)
            await sent(queue, one.url)
            assert queue.counts() == {State.WAITING: 0, State.DELIVERED: 1, State.DEAD: 1, State.WITHDRAWN: 0}


@in_a_loop
async def test_send__nobody_listens_until_the_deadline__is_dead(tmp_path: Path) -> None:
    one = Receiver()
    await one.start()
    await one.stop()
    queue = Queue(tmp_path / "q")
    queue.put(draft("late", seconds=1.5))
    queue.put(draft("later", seconds=-1))
    await sent(queue, one.url)
    dead = {each.key: each for each in queue.listed(State.DEAD)}
    assert dead["late"].attempts > 3
    assert "no time left" in dead["late"].told
    assert dead["later"].attempts == 0
    assert "deadline passed" in dead["later"].told


@in_a_loop
async def test_send__endless_answer_and_one_that_hangs__others_arrive_meanwhile(tmp_path: Path) -> None:
    async def behave(request: web.Request, number: int) -> web.StreamResponse:
        if request.path == "/hang":
            await asyncio.sleep(60)
        response = web.StreamResponse(status=200)
        await response.prepare(request)
        if request.path == "/endless":
            while True:
                await response.write(bytes(10_000))
        return response

    queue = Queue(tmp_path / "q")
    for number in range(5):
        queue.put(draft(f"hang {number}", seconds=2, destination="/hang"))
    queue.put(draft("endless", destination="/endless"))
    for number in range(20):
        queue.put(draft(f"good {number}"))
    async with receiver(behave) as one:
        begun = time.time()
        sender, stop = Sender(queue, {"http": transport(one.url)}, QUICK), asyncio.Event()
        running = asyncio.create_task(sender.run(stop))
        await until(lambda: running.done() or queue.counts()[State.DELIVERED] == 21)
        assert time.time() - begun < 2
        stop.set()
        await running
        await sender.close()
    endless = queue.find("endless")
    assert endless is not None
    assert "more than 65536 bytes" in endless.told


@in_a_loop
async def test_sender__killed_again_and_again__every_message_arrives_with_its_key(tmp_path: Path) -> None:
    chance, taken_keys = random.Random(7), set()

    async def behave(request: web.Request, number: int) -> web.StreamResponse:
        await asyncio.sleep(chance.random() * 0.03)
        status = chance.choice([200, 200, 200, 503])
        if status == 200:
            taken_keys.add(request.headers["Idempotency-Key"])
        return web.Response(status=status)

    path = tmp_path / "q"
    queue = Queue(path)
    bodies = {}
    for number in range(120):
        one = draft(f"key {number}", destination=f"/{number % 7}")
        bodies[one.key] = one.body
        queue.put(one)
    kills = 0
    async with receiver(behave) as target:
        while queue.counts()[State.WAITING]:
            process = await asyncio.create_subprocess_exec(
                *(sys.executable, "-m", "tests.e2e.delivery_worker", str(path), target.url), cwd=ROOT
            )
            enough = len(target.came) + chance.randint(1, 25)
            await until(lambda: len(target.came) >= enough or not queue.counts()[State.WAITING])  # noqa: B023
            process.kill()
            await process.wait()
            kills += 1
            assert kills < 100
    assert kills > 2
    assert queue.counts()[State.DELIVERED] == 120
    arrived = Counter(taken.key for taken in target.came)
    assert set(arrived) == taken_keys == set(bodies)
    assert all(taken.body == bodies[taken.key] for taken in target.came)
