"""Whom the peers' server works for, and what strangers and members may cost it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Protocol

from oracle.committee.messages import Message


class Desk(Protocol):
    """Whoever the server works for: the oracle itself."""

    async def is_member(self, address: bytes) -> bool:
        """Whether a 20-byte address is of a set whose messages matter now."""

    def is_current(self, epoch: int) -> bool:
        """Whether a message of that epoch's round can still matter. Cheap: it is asked of each message."""

    async def deliver(self, sender: bytes, message: Message) -> None:
        """Take a message of a member in. EpochalError to refuse it, NotNow to have it sent again."""

    async def observation(self, epoch: int, content_hash: bytes) -> bytes | None:
        """An observation's content and then an author's signature of it, 64 bytes."""

    async def appeal(self, key: bytes) -> bytes | None:
        """An appeal's bytes by their hash."""

    async def evidence_size(self, key: bytes) -> int | None:
        """How many bytes an evidence bundle has, without reading it; None for one that isn't here."""

    async def evidence(self, key: bytes) -> bytes | None:
        """An evidence bundle by its hash."""

    async def hand_in(self, appeal: bytes) -> str:
        """Take a node's appeal in; its hash as 0x text. EpochalError to refuse it: Malformed or Unsigned for one that
        proves nothing by a look at its first receipt, NotNow to have it handed in again."""

    async def reports(self) -> list[dict[str, Any]]:
        """Outcomes of the last epochs, as JSON has them."""

    async def equivocations(self) -> list[dict[str, Any]]:
        """Proofs that a member signed two observations, as JSON has them."""


@dataclass(frozen=True, slots=True)
class PeerLimits:
    """What senders may cost. An address is that of a host; in IPv6, a network of 64 bits.

    connections, per_address        open ones: all together, of one address
    waiting                         things asked for being answered at a time; strangers' no more than half
    messages_waiting                of one member, being taken at a time
    appeals_waiting                 handed in and not judged yet
    body_seconds, buffered          until a body has come whole; bytes of bodies that have come in part
    requests_per_second, requests_burst   of one address; a refused one of a stranger counts for twenty
    messages_per_second, messages_burst   of one member, wherever they come from; each 64 KiB count for one
    appeals_per_second, appeals_burst     handed in by one address; all together may bring ten times as many that have
                                          an oracle's signature
    bytes_per_second, bytes_burst   answers to one address
    sending                         bytes of answers under way, all together; strangers' take no more than half
    slowest, behind_seconds         bytes a second; who reads an answer so much later than that pace is cut off
    trust_forwarded                 the sender is the last address of X-Forwarded-For: only behind a proxy that adds it
    """

    connections: int = 2_000
    per_address: int = 256
    waiting: int = 1_000
    messages_waiting: int = 16
    appeals_waiting: int = 16
    header_seconds: float = 10
    body_seconds: float = 10
    buffered: int = 128 * 1024 * 1024
    requests_per_second: float = 200.0
    requests_burst: float = 4_000.0
    messages_per_second: float = 50.0
    messages_burst: float = 1_000.0
    appeals_per_second: float = 1.0
    appeals_burst: float = 60.0
    bytes_per_second: float = 32 * 1024 * 1024
    bytes_burst: float = 2 * 1024 * 1024 * 1024
    sending: int = 1024 * 1024 * 1024
    slowest: int = 64 * 1024
    behind_seconds: float = 10
    trust_forwarded: bool = False
