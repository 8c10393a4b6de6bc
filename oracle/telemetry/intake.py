"""The intake: decides what one heartbeat is worth, and in which ticks this oracle was there to receive any.

No I/O: time comes in as a number, marks go to the store's memory and are durable only after its next
commit, so nobody may be told "accepted" before that. The tick that counts is the one in which the heartbeat
was *received*.
"""

from __future__ import annotations

from collections.abc import Callable, Container
from dataclasses import dataclass
from enum import StrEnum
from math import floor

from oracle.ground.address import raw_address
from oracle.ground.clock import EpochClock
from oracle.ground.typed_data import Domain, Heartbeat
from oracle.signing.compact import InvalidSignature
from oracle.telemetry import heartbeat
from oracle.telemetry.challenge import Challenges
from oracle.telemetry.store import BitmapStore

TICKS_PER_CHALLENGE = 6


class Reason(StrEnum):
    """Why a heartbeat was refused."""

    MALFORMED = "malformed"
    VERSION = "version"
    WRONG_ORACLE = "wrong_oracle"
    STALE_CHALLENGE = "stale_challenge"
    BAD_SIGNATURE = "bad_signature"
    UNKNOWN_NODE = "unknown_node"
    REPLAYED_SEQUENCE = "replayed_sequence"
    BEFORE_GENESIS = "before_genesis"


CURES = {
    Reason.MALFORMED: f"send {heartbeat.SIZE} bytes a heartbeat",
    Reason.VERSION: f"send version {heartbeat.VERSION}: update the node agent",
    Reason.WRONG_ORACLE: "ask this URL for its oracle's address and sign for that one",
    Reason.STALE_CHALLENGE: "sign again with the challenge in this answer",
    Reason.BAD_SIGNATURE: "sign with the node's key, 64 bytes, low s (EIP-2098)",
    Reason.UNKNOWN_NODE: "link the node's address to a licence; check the chain id and contract it signs for",
    Reason.REPLAYED_SEQUENCE: "send a sequence above the last accepted one",
    Reason.BEFORE_GENESIS: "wait: the network's first epoch has not begun",
}


@dataclass(frozen=True, slots=True)
class Accepted:
    """The node (lower-case 0x address) was up in that tick; `challenge` is for its next heartbeat."""

    node: str
    epoch: int
    tick: int
    challenge: bytes


@dataclass(frozen=True, slots=True)
class Refused:
    """The heartbeat counts for nothing. `last_sequence`: the last accepted one, where that was the reason."""

    reason: Reason
    challenge: bytes
    last_sequence: int | None = None

    @property
    def cure(self) -> str:
        """What the sender can do about it."""
        return CURES[self.reason]


class Intake:
    """One oracle's intake. `oracle` is its address; `domain` is `typed_data.Heartbeat.domain(...)`.

    `known` holds the lower-case addresses of the nodes that may beat, or is called for them at each
    heartbeat. `now` returns UNIX seconds. Not safe for several threads. InvalidValue for an oracle that is
    no address or a domain of another purpose.
    """

    def __init__(
        self,
        store: BitmapStore,
        clock: EpochClock,
        oracle: str,
        domain: Domain,
        known: Callable[[], Container[str]] | Container[str],
        now: Callable[[], float],
        challenges: Challenges | None = None,
    ) -> None:
        Heartbeat(oracle, 0, bytes(32)).digest(domain)  # a wrong address or domain shows here, not as bad signatures
        self.oracle = "0x" + raw_address(oracle).hex()
        self.clock = clock
        self.now = now
        self.challenges = challenges or Challenges(clock.tick * TICKS_PER_CHALLENGE)
        self.accepted = 0
        self.refused: dict[Reason, int] = dict.fromkeys(Reason, 0)
        self._store = store
        self._domain = domain
        self._known = known
        self._alive_at: float | None = None
        self._next_tick = 0

    def accept(self, raw: bytes, received_at: float | None = None) -> Accepted | Refused:
        """Judge one encoded heartbeat, received at `received_at` (UNIX seconds; default now); mark its tick.

        A second heartbeat of a node in one tick changes nothing; the same bytes again are
        `replayed_sequence`.
        """
        now = self.now() if received_at is None else received_at
        try:
            beat = heartbeat.decode(raw)
        except heartbeat.UnknownVersion:
            return self._refuse(Reason.VERSION, now)
        except heartbeat.MalformedHeartbeat:
            return self._refuse(Reason.MALFORMED, now)
        if beat.oracle != self.oracle:
            return self._refuse(Reason.WRONG_ORACLE, now)
        if not self.challenges.accepts(beat.challenge, now):
            return self._refuse(Reason.STALE_CHALLENGE, now)
        second = floor(now)
        if second < self.clock.genesis:
            return self._refuse(Reason.BEFORE_GENESIS, now)
        try:
            node = heartbeat.signed_by(beat, self._domain)
        except InvalidSignature:
            return self._refuse(Reason.BAD_SIGNATURE, now)
        if node not in (self._known() if callable(self._known) else self._known):
            return self._refuse(Reason.UNKNOWN_NODE, now)
        last = self._store.last_sequence(node)
        if beat.sequence <= last:
            return self._refuse(Reason.REPLAYED_SEQUENCE, now, last)
        epoch, tick = self.clock.tick_at(second)
        self._store.mark(node, epoch, tick, beat.sequence)
        self.accepted += 1
        return Accepted(node, epoch, tick, self.challenges.current(now))

    def alive(self, now: float | None = None) -> None:
        """Say that the intake runs at `now` (UNIX seconds; default now). Call it several times a tick.

        A tick counts as observed when calls without a gap longer than a tick span the whole of it. A clock
        that steps back, or a call that comes too late, is a gap: what lies in it was not observed.
        """
        moment = self.now() if now is None else now
        tick, genesis = self.clock.tick, self.clock.genesis
        last = self._alive_at
        if last is None or not 0 <= moment - last <= tick:
            self._next_tick = max(0, -floor((genesis - moment) / tick))
        self._alive_at = moment
        over = floor((moment - genesis) / tick)
        per_epoch = self.clock.ticks_per_epoch
        while self._next_tick < over:
            epoch, first = divmod(self._next_tick, per_epoch)
            stop = min(per_epoch, first + over - self._next_tick)
            self._store.observe(epoch, ((1 << (stop - first)) - 1) << first)
            self._next_tick += stop - first

    def _refuse(self, reason: Reason, now: float, last_sequence: int | None = None) -> Refused:
        self.refused[reason] += 1
        return Refused(reason, self.challenges.current(now), last_sequence)
