# SPDX-License-Identifier: Apache-2.0
"""The outbox over real sockets: what is tried again, what gives way, and what is given up."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable

from oracle.peers.client import ClientLimits, PeerClient
from oracle.peers.outbox import Outbox, OutboxLimits, Peer
from oracle.peers.server import PeerServer
from tests.e2e.peer_world import BUSY, DISAGREES, DOMAIN, MEMBERS, ORACLE, Served, Shelf, have, raw, serve, vote

TO = raw(ORACLE)
FAST = OutboxLimits(messages=4, first=0.02, longest=0.1)


def send(story: Callable[[Served, Outbox], Awaitable[None]], limits: OutboxLimits = FAST) -> None:
    """Run `story` with an outbox whose only known peer is a fresh server."""

    async def run(served: Served) -> None:
        outbox = Outbox(served.client, lambda peer: served.url if peer == TO else None, limits)
        try:
            await story(served, outbox)
        finally:
            await outbox.close()

    serve(run, client=ClientLimits(patience=0.5))


def told(peer: Peer) -> dict[str, int]:
    return {name: count for name, count in peer.outcomes.items() if count and name != "failed_attempt"}


def turns(desk: Shelf) -> list[int]:
    return [message.turn for _, message in desk.taken]


def soon(seconds: float = 5) -> float:
    return time.time() + seconds


def test_post__peer_is_there__delivers_in_order() -> None:
    async def story(served: Served, outbox: Outbox) -> None:
        for turn in range(3):
            outbox.post(TO, have(turn=turn), soon())
        await outbox.idle()
        peer = outbox.peers[TO]
        assert (turns(served.desk), told(peer), peer.reachable) == ([0, 1, 2], {"delivered": 3}, True)
        assert (peer.sent_bytes, peer.queued) == (sum(len(have(turn=turn)) for turn in range(3)), 0)

    send(story)


def test_post__peer_comes_back__is_delivered_then_and_only_the_newest_of_a_kind() -> None:
    async def story(served: Served, outbox: Outbox) -> None:
        port = served.port
        await served.server.stop()
        for refs in (1, 2, 3):
            outbox.post(TO, have(refs=refs), soon())
        outbox.post(TO, vote(b"a" * 32), soon())
        outbox.post(TO, vote(b"b" * 32), soon())
        await asyncio.sleep(0.2)
        peer = outbox.peers[TO]
        assert (peer.reachable, peer.queued) == (False, 3)
        assert peer.outcomes["failed_attempt"] > 1
        back = PeerServer(served.desk, DOMAIN, ORACLE.address)
        await back.start(port=port)
        try:
            await outbox.idle()
        finally:
            await back.stop()
        assert [len(one.body.encode()) for _, one in served.desk.taken] == [2 + 3 * 104 + 2, 224, 224]
        assert told(peer) == {"replaced": 2, "delivered": 3}
        assert (peer.reachable, peer.last_error) == (True, "")

    send(story)


def test_post__more_than_fits__drops_the_oldest() -> None:
    async def story(served: Served, outbox: Outbox) -> None:
        for turn in range(10):
            outbox.post(TO, have(turn=turn), soon())
        assert outbox.peers[TO].queued == 4
        await outbox.idle()
        assert turns(served.desk) == [6, 7, 8, 9]
        assert told(outbox.peers[TO]) == {"dropped": 6, "delivered": 4}

    send(story)


def test_post__nobody_ever_answers__expires() -> None:
    async def story(served: Served, outbox: Outbox) -> None:
        await served.server.stop()
        unknown = raw(MEMBERS[3])
        started = time.monotonic()
        outbox.post(TO, have(), soon(0.3))
        outbox.post(unknown, have(), soon(0.3))
        await outbox.idle()
        assert time.monotonic() - started < 2
        assert told(outbox.peers[TO]) == told(outbox.peers[unknown]) == {"expired": 1}
        assert "announced no endpoint" in outbox.peers[unknown].last_error

    send(story)


def test_post__peer_refuses_for_good__isnt_tried_again() -> None:
    async def story(served: Served, outbox: Outbox) -> None:
        served.desk.mood = DISAGREES
        outbox.post(TO, have(), soon())
        await outbox.idle()
        peer = outbox.peers[TO]
        assert (told(peer), peer.outcomes["failed_attempt"], peer.reachable) == ({"refused": 1}, 0, True)

    send(story)


def test_post__peer_cant_take_one_now__takes_the_others_meanwhile() -> None:
    async def story(served: Served, outbox: Outbox) -> None:
        taken = served.desk.deliver

        async def picky(sender: bytes, message: object) -> None:
            if getattr(message, "turn", None) == 0 and len(served.desk.taken) < 2:
                raise BUSY
            await taken(sender, message)  # type: ignore[arg-type]

        served.desk.deliver = picky  # type: ignore[method-assign]
        for turn in range(3):
            outbox.post(TO, have(turn=turn), soon())
        await outbox.idle()
        assert turns(served.desk) == [1, 2, 0]

    send(story)


def test_post__one_peer_hangs__others_get_theirs_at_once() -> None:
    async def story(served: Served, outbox: Outbox) -> None:
        async def hang(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            await asyncio.sleep(30)

        hanging = await asyncio.start_server(hang, "127.0.0.1", 0)
        slow = raw(MEMBERS[3])
        url = f"http://127.0.0.1:{hanging.sockets[0].getsockname()[1]}"
        both = Outbox(PeerClient(), {TO: served.url, slow: url}.get, FAST)
        both.post(slow, have(), soon(2))
        both.post(TO, have(), soon(2))
        started = time.monotonic()
        while not served.desk.taken:
            await asyncio.sleep(0.01)
        assert time.monotonic() - started < 1.5
        await both.idle()
        assert told(both.peers[slow]) == {"expired": 1}
        assert "no answer in time" in both.peers[slow].last_error
        await both._client.close()
        hanging.close()

    send(story)
