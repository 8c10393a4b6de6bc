# SPDX-License-Identifier: Apache-2.0
"""Peers behind real sockets: whose messages are taken, what the others cost, and what is believed of an answer."""

from __future__ import annotations

import asyncio
import time
import zlib
from collections.abc import Awaitable, Callable
from contextlib import suppress

import pytest

from oracle.committee.messages import MAX_ENVELOPE, Have, Message
from oracle.ground.keccak import keccak256
from oracle.ground.typed_data import EpochReport
from oracle.peers.client import ClientLimits, PeerClient
from oracle.peers.desk import PeerLimits
from oracle.peers.errors import PeerRefused, PeerUnreachable, ServerError, Unsigned, WrongAnswer
from oracle.peers.fetching import Room
from oracle.peers.server import PeerServer
from tests.e2e.peer_world import (
    BUSY,
    DISAGREES,
    DOMAIN,
    KEY,
    MEMBERS,
    ORACLE,
    PEER,
    QUICK,
    SEEN,
    STRANGER,
    Served,
    Shelf,
    appeal,
    have,
    raw,
    serve,
    served_by,
)

# What is brought.


def test_push__message_of_a_member__is_delivered_once_with_its_recovered_sender() -> None:
    async def story(served: Served) -> None:
        for _ in range(2):
            await served.client.push(served.url, have())
        ((sender, message),) = served.desk.taken
        assert (sender, message) == (raw(PEER), Message(7, 1, 0, Have(message.body.refs)))
        assert served.server.delivered == {PEER.address.lower(): 1}
        assert served.server.refused["again"] == 1

    serve(story)


def test_post__what_is_no_members_message__is_refused_by_reason_and_never_delivered() -> None:
    elsewhere = EpochReport.domain(1, DOMAIN.contract)
    good = have()
    altered = Message(7, 1, 0, Have(())).seal(PEER, DOMAIN)
    faults = {
        "malformed": (400, b""),
        "malformed ": (400, good[:-1]),
        "malformed  ": (400, b"\x00" * 200),
        "version": (400, b"EPM2" + good[4:]),
        "bad_signature": (403, good[:-64] + b"\xff" * 64),
        "not_a_member": (403, have(STRANGER)),
        "not_a_member ": (403, Message(7, 1, 0, Have(())).seal(PEER, elsewhere)),
        "not_a_member  ": (403, altered[:24] + b"\x05" + altered[25:]),
        "too_large": (413, bytes(MAX_ENVELOPE + 1)),
    }

    async def story(served: Served) -> None:
        for reason, (status, body) in faults.items():
            assert await served.post(body) == (status, reason.strip()), reason
        assert served.desk.taken == []
        assert await served.post(good, "/v1/other") == (404, "path")
        async with served.http.get(served.url + "/v1/messages") as response:
            assert (response.status, response.headers["Allow"]) == (405, "POST")

    serve(story)


def test_post__members_payload_that_is_no_message__is_refused_after_the_signature() -> None:
    async def story(served: Served) -> None:
        class Odd(Have):
            def encode(self) -> bytes:
                return b"\xff\xff"

        assert await served.post(Message(7, 1, 0, Odd(())).seal(PEER, DOMAIN)) == (400, "malformed")
        assert await served.post(Message(7, 1, 0, Odd(())).seal(STRANGER, DOMAIN)) == (403, "not_a_member")

    serve(story)


def test_push__desk_refuses__tells_why_and_whether_another_attempt_helps() -> None:
    async def story(served: Served) -> None:
        served.desk.mood = DISAGREES
        with pytest.raises(PeerRefused, match="doesn't come to that") as caught:
            await served.client.push(served.url, have())
        assert (caught.value.status, caught.value.reason, caught.value.is_final) == (409, "refused", True)
        served.desk.mood = BUSY
        with pytest.raises(PeerRefused, match="chain doesn't answer") as caught:
            await served.client.push(served.url, have())
        assert (caught.value.status, caught.value.is_final) == (503, False)
        served.desk.mood = None
        await served.client.push(served.url, have())  # refused before, so it isn't taken for a replay
        assert len(served.desk.taken) == 1

    serve(story)


def test_flood__by_a_stranger__is_cut_off_while_members_are_heard() -> None:
    async def story(served: Served) -> None:
        # The flood comes from one address, the member from another.
        for i in range(6):
            await served.post(have(STRANGER, turn=i))
        member = PeerClient("127.0.1.2")
        try:
            await member.push(served.url, have())
        finally:
            await member.close()
        assert len(served.desk.taken) == 1
        assert served.server.refused["too_many_refused"] == 3

    limits = PeerLimits(requests_per_second=0.01, requests_burst=60)
    serve(story, limits)


def test_flood__by_a_member__is_cut_off_for_that_member_alone() -> None:
    async def story(served: Served) -> None:
        found = [await served.post(have(PEER, turn=i)) for i in range(7)]
        assert found == [(200, "")] * 4 + [(429, "too_often")] * 3
        assert await served.post(have(MEMBERS[2])) == (200, "")
        # Replayed by whoever: it isn't the member who pays.
        for _ in range(20):
            assert await served.post(have(MEMBERS[2])) == (200, "")
        assert await served.post(have(MEMBERS[2], turn=1)) == (200, "")

    serve(story, PeerLimits(messages_per_second=0.01, messages_burst=4.5))


def test_replay__of_rounds_that_are_over__costs_the_member_nothing() -> None:
    async def story(served: Served) -> None:
        served.desk.first_epoch = 7
        for epoch in range(7):
            assert await served.post(have(PEER, epoch)) == (200, "")
        assert (served.desk.taken, served.server.refused["old"]) == ([], 7)
        assert await served.post(have(STRANGER, 6)) == (403, "not_a_member")
        assert await served.post(have(PEER)) == (200, "")
        assert len(served.desk.taken) == 1

    serve(story, PeerLimits(messages_per_second=0.01, messages_burst=2))


def test_flood__of_messages_that_wait_for_the_desk__one_member_keeps_no_other_out() -> None:
    async def story(served: Served) -> None:
        served.desk.slow = asyncio.Event()
        sent = [asyncio.create_task(served.post(have(PEER, turn=turn))) for turn in range(4)]
        await asyncio.sleep(0.2)
        assert [one.result() for one in sent if one.done()] == [(429, "too_often")] * 2
        other = asyncio.create_task(served.post(have(MEMBERS[2])))
        await asyncio.sleep(0.1)
        served.desk.slow.set()
        assert await other == (200, "")
        assert sorted(await asyncio.gather(*sent)) == [(200, "")] * 2 + [(429, "too_often")] * 2

    serve(story, PeerLimits(messages_waiting=2))


def test_flood__of_large_messages__costs_a_member_more() -> None:
    async def story(served: Served) -> None:
        large = [have(PEER, turn=i, refs=8_000) for i in range(3)]
        assert [await served.post(one) for one in large] == [(200, ""), (200, ""), (429, "too_often")]

    serve(story, PeerLimits(messages_per_second=0.01, messages_burst=20))


async def send_slowly(port: int, head: bytes) -> bytes:
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.write(head)
    try:
        return await asyncio.wait_for(reader.read(12), 5)
    finally:
        writer.close()


def test_slow_sender__of_head_or_body__loses_its_connection() -> None:
    async def story(served: Served) -> None:
        head = b"POST /v1/messages HTTP/1.1\r\nHost: a\r\nContent-Length: 1000\r\n\r\nEPM1"
        slow, silent = await asyncio.gather(send_slowly(served.port, head), send_slowly(served.port, b"POST /v1"))
        assert slow == b"HTTP/1.1 408"
        assert silent == b""
        assert (served.server.refused["slow"], served.server.refused["headers"]) == (1, 1)
        await served.client.push(served.url, have())

    serve(story, PeerLimits(header_seconds=0.3, body_seconds=0.3))


def test_connections__too_many_of_one_address__are_closed() -> None:
    async def story(served: Served) -> None:
        held = [await asyncio.open_connection("127.0.0.1", served.port) for _ in range(6)]
        ends = await asyncio.gather(*(asyncio.wait_for(reader.read(), 3) for reader, _ in held[4:]))
        assert ends == [b"", b""]
        member = PeerClient("127.0.1.2")
        try:
            await member.push(served.url, have())
        finally:
            await member.close()
        for _, writer in held:
            writer.close()

    serve(story, PeerLimits(per_address=4))


def test_start__port_taken__says_so() -> None:
    async def story(served: Served) -> None:
        with pytest.raises(ServerError, match=f":{served.port}"):
            await PeerServer(Shelf(), DOMAIN, ORACLE.address).start(port=served.port)

    serve(story)


# Appeals of nodes.


def test_hand_in__by_anyone__is_judged_and_limited() -> None:
    async def story(served: Served) -> None:
        for _ in range(2):
            key = await served.client.hand_in(served.url, appeal(1))
            assert key == "0x" + keccak256(appeal(1)).hex()
        assert served.server.refused["again"] == 1
        assert await served.client.appeal(served.url, keccak256(appeal(1))) == appeal(1)
        assert await served.post(b"nothing", "/v1/appeals") == (400, "malformed")
        served.desk.mood = DISAGREES
        assert await served.post(appeal(2), "/v1/appeals") == (409, "refused")
        assert await served.post(appeal(2), "/v1/appeals") == (429, "appeals_busy")

    serve(story, PeerLimits(appeals_per_second=0.01, appeals_burst=4))


def test_hand_in__receipts_that_no_committee_can_have_given__never_comes_to_the_desk() -> None:
    async def story(served: Served) -> None:
        most = 8 * 255
        cut = appeal(1, most)[:-1]
        for number, body in enumerate((appeal(1, 0), appeal(1, most + 1), cut, appeal(1)[:33])):
            assert await served.post(body, "/v1/appeals") == (400, "malformed"), number
        assert served.desk.things == {}
        assert await served.post(appeal(1, most), "/v1/appeals") == (200, "")

    serve(story)


def test_hand_in__what_nobody_signed__leaves_the_budget_that_all_share_alone() -> None:
    async def story(served: Served) -> None:
        async def brought(number: int) -> tuple[int, str]:
            return await served.post(appeal(number), "/v1/appeals", f"10.0.0.{number}")

        served.desk.mood = Unsigned("nobody's receipt")
        assert {await brought(number) for number in range(12)} == {(409, "refused")}
        served.desk.mood = DISAGREES  # a member's receipts, but not enough
        assert {await brought(number) for number in range(12, 22)} == {(409, "refused")}
        assert await brought(22) == (429, "appeals_busy")

    serve(story, PeerLimits(appeals_per_second=0.001, appeals_burst=1.0, trust_forwarded=True))


def test_overload__by_strangers_appeals_and_questions__members_are_heard() -> None:
    async def story(served: Served) -> None:
        served.desk.pause = asyncio.Event()
        key = served.desk.put(b"bundle")
        brought = [asyncio.create_task(served.post(appeal(number), "/v1/appeals")) for number in range(20)]
        asked = [asyncio.create_task(served.get(f"/v1/evidence/{key.hex()}")) for _ in range(6)]
        await asyncio.sleep(0.3)
        assert [one.result() for one in brought if one.done()] == [(429, "appeals_busy")] * 4
        assert [one.result() for one in asked if one.done()] == [(503, "overload")] * 2
        member = PeerClient("127.0.1.2")
        try:
            await member.push(served.url, have())
            waits = asyncio.create_task(member.evidence(served.url, key))
            await asyncio.sleep(0.1)
            assert not waits.done()
            served.desk.pause.set()
            assert await waits == b"bundle"
        finally:
            await member.close()
        assert [one for one in await asyncio.gather(*brought) if one[0] == 200] == [(200, "")] * 16
        assert [one for one in await asyncio.gather(*asked) if one[0] == 200] == [(200, "")] * 4

    serve(story, PeerLimits(waiting=8))


# What is asked for.


def test_fetch__what_is_there__comes_whole_and_checked() -> None:
    async def story(served: Served) -> None:
        bundle = bytes(range(256)) * 20_000  # more than the sockets' buffers hold
        key = served.desk.put(bundle)
        assert await served.client.evidence(served.url, key) == bundle
        assert await served.client.observation(served.url, 7, KEY) == SEEN
        assert await served.client.listed(served.url, "reports") == [{"epoch": 7, "outcome": "attested"}]
        assert await served.client.listed(served.url, "equivocations") == []
        assert await served.client.about(served.url, DOMAIN) == ORACLE.address
        for missing in (served.client.evidence(served.url, bytes(32)), served.client.observation(served.url, 8, KEY)):
            with pytest.raises(PeerRefused) as caught:
                await missing
            assert (caught.value.status, caught.value.reason) == (404, "not_found")
        async with served.http.get(f"{served.url}/v1/evidence/{key.hex()}") as response:
            headers = response.headers
            assert headers["Content-Type"] == "application/octet-stream"
            assert "immutable" in headers["Cache-Control"]
        async with served.http.get(
            f"{served.url}/v1/evidence/{key.hex()}", headers={"If-None-Match": headers["ETag"]}
        ) as again:
            assert (again.status, await again.read()) == (304, b"")

    serve(story)


def test_about__another_network__is_a_wrong_answer() -> None:
    async def story(served: Served) -> None:
        with pytest.raises(WrongAnswer, match=r"chainId is '31337', not 1"):
            await served.client.about(served.url, EpochReport.domain(1, DOMAIN.contract))

    serve(story)


def test_fetch__too_many_bytes_for_one_address__is_refused() -> None:
    async def story(served: Served) -> None:
        key = served.desk.put(bytes(100_000))
        await served.client.evidence(served.url, key)
        with pytest.raises(PeerRefused) as caught:
            await served.client.evidence(served.url, key)
        assert (caught.value.status, caught.value.reason) == (429, "too_many_bytes")

    serve(story, PeerLimits(bytes_per_second=1, bytes_burst=50_000))


def test_fetch__evidence_that_is_refused__is_never_read() -> None:
    async def story(served: Served) -> None:
        served.desk.pause = asyncio.Event()
        key = served.desk.put(bytes(100_000))
        first = asyncio.create_task(served.client.evidence(served.url, key))
        await asyncio.sleep(0.1)
        assert await served.get(f"/v1/evidence/{key.hex()}") == (503, "busy"), "the room is taken before it is read"
        served.desk.pause.set()
        assert await first == bytes(100_000)
        assert await served.get(f"/v1/evidence/{key.hex()}") == (429, "too_many_bytes")
        assert served.desk.read == 1

    serve(story, PeerLimits(sending=200_000, bytes_per_second=1, bytes_burst=50_000))


def test_slow_reader__of_a_large_answer__is_cut_off_and_frees_its_room() -> None:
    async def story(served: Served) -> None:
        large, small = served.desk.put(bytes(40_000_000)), served.desk.put(b"small")
        _, writer = await asyncio.open_connection("127.0.0.1", served.port)
        writer.write(f"GET /v1/evidence/{large.hex()} HTTP/1.1\r\nHost: a\r\n\r\n".encode())
        while not served.server.serving.sent_bytes:
            await asyncio.sleep(0.01)
        with pytest.raises(PeerRefused) as caught:
            await served.client.evidence(served.url, small)
        assert (caught.value.status, caught.value.reason) == (503, "busy")
        until = time.monotonic() + 10
        while not served.server.refused["slow_reader"] and time.monotonic() < until:
            await asyncio.sleep(0.05)
        assert served.server.refused["slow_reader"] == 1
        writer.close()
        assert await served.client.evidence(served.url, small) == b"small"

    serve(story, PeerLimits(sending=50_000_000, slowest=50_000_000, behind_seconds=0.3))


# What is believed of an answer.

_Answer = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]


def against(answer: _Answer, story: Callable[[PeerClient, str], Awaitable[None]]) -> None:
    """Run `story` with a client of little patience against a server that answers as it likes."""

    async def run() -> None:
        async def handle(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            await reader.readuntil(b"\r\n\r\n")
            with suppress(ConnectionError):
                await answer(reader, writer)
            writer.close()

        server = await asyncio.start_server(handle, "127.0.0.1", 0)
        client = PeerClient(None, ClientLimits(patience=0.5, slowest=10_000_000))
        try:
            await story(client, f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}")
        finally:
            await client.close()
            server.close()

    asyncio.run(run())


def says(raw_answer: bytes) -> _Answer:
    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(raw_answer)
        await writer.drain()

    return answer


def with_body(body: bytes, length: int | None = None, head: bytes = b"") -> bytes:
    announced = len(body) if length is None else length
    return b"HTTP/1.1 200 OK\r\n" + head + b"Content-Length: %d\r\n\r\n" % announced + body


async def drip(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    writer.write(with_body(b"", 1_000_000))
    for _ in range(200):
        writer.write(b"x")
        await writer.drain()
        await asyncio.sleep(0.05)


async def endless(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    writer.write(b"HTTP/1.1 200 OK\r\n\r\n")
    while True:
        writer.write(bytes(65_536))
        await writer.drain()


async def silent(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    await asyncio.sleep(30)


PACKED = with_body(zlib.compress(SEEN + bytes(64)), None, b"Content-Encoding: deflate\r\n")
LIES: dict[str, tuple[_Answer, type[Exception], str]] = {
    "other content": (says(with_body(SEEN[:-1] + b"\0" + bytes(64))), WrongAnswer, "was asked for"),
    "less than a signature": (says(with_body(b"x")), WrongAnswer, "was asked for"),
    "compressed": (says(PACKED), WrongAnswer, "was asked for"),
    "truncated": (says(with_body(SEEN, len(SEEN) + 64)), PeerUnreachable, "127.0.0.1"),
    "cut without a length": (says(b"HTTP/1.1 200 OK\r\n\r\n" + SEEN[:20]), WrongAnswer, "was asked for"),
    "huge by its head": (says(with_body(b"", 1 << 40)), WrongAnswer, "announces"),
    "endless": (endless, WrongAnswer, "sends more than"),
    "redirect": (
        says(b"HTTP/1.1 307 Go\r\nLocation: /v1/reports\r\nContent-Length: 0\r\n\r\n"),
        WrongAnswer,
        "elsewhere",
    ),
    "drip": (drip, PeerUnreachable, "too slow"),
    "silent": (silent, PeerUnreachable, "no answer"),
    "no HTTP": (says(b"hello\r\n\r\n"), PeerUnreachable, "127.0.0.1"),
    "no JSON in a refusal": (says(b"HTTP/1.1 500 Oh\r\nContent-Length: 2\r\n\r\n{]"), PeerRefused, "500"),
    "huge refusal": (says(b"HTTP/1.1 500 Oh\r\nContent-Length: 99999999\r\n\r\n"), WrongAnswer, "announces"),
}


@pytest.mark.parametrize("lie", LIES)
def test_fetch__answer_that_is_none__is_refused_in_time(lie: str) -> None:
    answer, error, text = LIES[lie]

    async def story(client: PeerClient, url: str) -> None:
        started = time.monotonic()
        with pytest.raises(error, match=text):
            await (client.appeal(url, KEY) if lie == "endless" else client.observation(url, 7, KEY))
        assert time.monotonic() - started < 10

    against(answer, story)


def test_fetch__silent_peer__keeps_nobody_else_waiting() -> None:
    async def run() -> None:
        silence = await asyncio.start_server(lambda reader, writer: asyncio.sleep(30), "127.0.0.1", 0)
        mute = f"http://127.0.0.1:{silence.sockets[0].getsockname()[1]}"

        async def story(served: Served) -> None:
            key = served.desk.put(b"bundle")
            asked = [asyncio.create_task(served.client.observation(mute, 7, KEY)) for _ in range(12)]
            asked.append(asyncio.create_task(served.client.evidence(mute, KEY)))
            await asyncio.sleep(0.1)
            async with asyncio.timeout(2):
                assert await served.client.observation(served.url, 7, KEY) == SEEN
                assert await served.client.evidence(served.url, key) == b"bundle"
            for one in asked:
                one.cancel()
            await asyncio.gather(*asked, return_exceptions=True)

        await served_by(story)
        silence.close()

    asyncio.run(run())


def test_fetch__more_than_there_is_room_for__is_given_up() -> None:
    async def story(served: Served) -> None:
        key = served.desk.put(bytes(300_000))
        with pytest.raises(PeerUnreachable, match="no room beside other answers"):
            await served.client.appeal(served.url, key)
        assert await served.client.evidence(served.url, key) == bytes(300_000), "bundles have a room of their own"

    serve(story, client=ClientLimits(buffered=200_000))


def test_room__full__whoever_has_more_than_his_share_gives_way() -> None:
    room = Room(100)
    with room.answer() as large, room.answer() as small:
        assert large.grow(90)
        assert small.grow(50)
        assert not large.grow(1)
        assert not small.grow(1)
    with room.answer() as alone:
        assert alone.grow(100)
        assert not alone.grow(1)


def test_push__nobody_listens__is_unreachable() -> None:
    async def story(served: Served) -> None:
        await served.server.stop()
        with pytest.raises(PeerUnreachable, match=served.url):
            await served.client.push(served.url, have())
        with pytest.raises(PeerUnreachable):
            await served.client.push("http://", have())

    serve(story, client=QUICK)


def test_hand_in__answered_with_another_hash__is_a_wrong_answer() -> None:
    async def story(client: PeerClient, url: str) -> None:
        with pytest.raises(WrongAnswer, match="isn't its hash"):
            await client.hand_in(url, b"EPA1")

    against(says(with_body(b'{"accepted": true, "appeal": "0x00"}')), story)


def test_refusal__text_of_a_peer__is_shown_in_one_short_line() -> None:
    async def story(client: PeerClient, url: str) -> None:
        with pytest.raises(PeerRefused) as caught:
            await client.push(url, have())
        shown = str(caught.value)
        assert "\n" not in shown
        assert "\x1b" not in shown
        assert len(shown) < 800

    body = b'{"reason": "refused", "cure": "a\\n\\u001b[31m' + b"x" * 5_000 + b'"}'
    against(says(b"HTTP/1.1 409 No\r\nContent-Length: %d\r\n\r\n" % len(body) + body), story)
