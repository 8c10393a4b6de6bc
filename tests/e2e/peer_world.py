# SPDX-License-Identifier: Apache-2.0
"""A peers' server on a port of its own, what it stands for, and messages to bring to it."""

from __future__ import annotations

import asyncio
import struct
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import Any

import aiohttp

from oracle.committee.errors import Disagreement, Malformed
from oracle.committee.messages import Have, Message, Ref, Vote
from oracle.committee.observation import SignedObservation, View, commitment
from oracle.ground.keccak import keccak256
from oracle.ground.typed_data import EpochReport
from oracle.ground.uptime import Uptime
from oracle.peers.client import ClientLimits, PeerClient
from oracle.peers.desk import PeerLimits
from oracle.peers.errors import NotNow
from oracle.peers.server import PeerServer
from oracle.signing.signer import LocalSigner, derive

DOMAIN = EpochReport.domain(31_337, "0x" + "11" * 20)
MEMBERS = [derive("peers", f"oracle {i}") for i in range(4)]
ORACLE, PEER = MEMBERS[0], MEMBERS[1]
STRANGER = derive("peers", "stranger")
SEEN = View(7, 1, {1 << 64 | 1: Uptime(5, 6)}).encode()
KEY = keccak256(SEEN)
SIGNED = SignedObservation(SEEN, PEER.sign_typed(commitment(7, 1, SEEN), DOMAIN))
REF = Ref(7, KEY, SIGNED.signature)
QUICK = ClientLimits(patience=0.5)


def raw(signer: LocalSigner) -> bytes:
    return bytes.fromhex(signer.address[2:])


def have(signer: LocalSigner = PEER, epoch: int = 7, turn: int = 0, refs: int = 1) -> bytes:
    return Message(epoch, 1, turn, Have((REF,) * refs)).seal(signer, DOMAIN)


def vote(proposal: bytes, signer: LocalSigner = PEER) -> bytes:
    body = Vote(proposal, bytes(32), bytes(32), bytes(32), bytes(32), bytes(64))
    return Message(7, 1, 0, body).seal(signer, DOMAIN)


def appeal(number: int, receipts: int = 1) -> bytes:
    """What looks like an appeal with so many receipts, another one for each number."""
    return struct.pack(">4s20sQH", b"EPA1", bytes(20), number, receipts) + bytes(101 * receipts)


@dataclass
class Shelf:
    """A desk that keeps what it gets and gives what was put there; `mood` is raised at whatever is brought.

    `slow` keeps messages waiting, `pause` appeals and evidence; `read` counts bundles that were read.
    """

    taken: list[tuple[bytes, Message]] = field(default_factory=list)
    things: dict[bytes, bytes] = field(default_factory=dict)
    mood: Exception | None = None
    first_epoch: int = 0
    slow: asyncio.Event | None = None
    pause: asyncio.Event | None = None
    read: int = 0

    async def is_member(self, address: bytes) -> bool:
        return address in [raw(one) for one in MEMBERS]

    def is_current(self, epoch: int) -> bool:
        return epoch >= self.first_epoch

    async def deliver(self, sender: bytes, message: Message) -> None:
        if self.mood is not None:
            raise self.mood
        if self.slow is not None:
            await self.slow.wait()
        self.taken.append((sender, message))

    async def observation(self, epoch: int, content_hash: bytes) -> bytes | None:
        return SIGNED.content + SIGNED.signature if (epoch, content_hash) == (7, KEY) else None

    async def appeal(self, key: bytes) -> bytes | None:
        return self.things.get(key)

    async def evidence_size(self, key: bytes) -> int | None:
        return len(self.things[key]) if key in self.things else None

    async def evidence(self, key: bytes) -> bytes | None:
        self.read += 1
        if self.pause is not None:
            await self.pause.wait()
        return self.things.get(key)

    async def hand_in(self, appeal: bytes) -> str:
        if not appeal.startswith(b"EPA1"):
            raise Malformed("no appeal")
        if self.mood is not None:
            raise self.mood
        if self.pause is not None:
            await self.pause.wait()
        self.things[keccak256(appeal)] = appeal
        return "0x" + keccak256(appeal).hex()

    async def reports(self) -> list[dict[str, Any]]:
        return [{"epoch": 7, "outcome": "attested"}]

    async def equivocations(self) -> list[dict[str, Any]]:
        return []

    def put(self, content: bytes) -> bytes:
        key = keccak256(content)
        self.things[key] = content
        return key


@dataclass
class Served:
    """A running server, its desk, a peer's client and a plain one."""

    url: str
    desk: Shelf
    server: PeerServer
    client: PeerClient
    http: aiohttp.ClientSession

    async def post(self, body: bytes, path: str = "/v1/messages", sender: str = "") -> tuple[int, str]:
        """Status and reason ("" when accepted)."""
        headers = {"X-Forwarded-For": sender} if sender else {}
        async with self.http.post(self.url + path, data=body, headers=headers) as response:
            told = await response.json()
            return response.status, told.get("reason", "")

    async def get(self, path: str) -> tuple[int, str]:
        """As `post`, for what is no JSON when it is given."""
        async with self.http.get(self.url + path) as response:
            return response.status, "" if response.status == 200 else (await response.json())["reason"]

    @property
    def port(self) -> int:
        return int(self.url.rsplit(":", 1)[1])


def serve(
    story: Callable[[Served], Awaitable[None]], limits: PeerLimits | None = None, client: ClientLimits | None = None
) -> None:
    """Run `story` against a fresh server."""
    asyncio.run(served_by(story, limits, client))


async def served_by(
    story: Callable[[Served], Awaitable[None]], limits: PeerLimits | None = None, client: ClientLimits | None = None
) -> None:
    """As `serve`, in a loop that runs."""
    desk = Shelf()
    server = PeerServer(desk, DOMAIN, ORACLE.address, limits)
    url = await server.start()
    peer = PeerClient(None, client)
    try:
        async with aiohttp.ClientSession() as http:
            await story(Served(url, desk, server, peer, http))
    finally:
        await peer.close()
        await server.stop()


DISAGREES = Disagreement("this oracle doesn't come to that")
BUSY = NotNow("the chain doesn't answer")
