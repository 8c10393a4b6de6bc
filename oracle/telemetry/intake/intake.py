"""The intake: decides what a heartbeat is worth, whichever way it came.

No I/O: time comes in as a number, marks go to the store's memory and are durable only after its next
commit, so nobody may be told "accepted" before that. The tick that counts is the one in which the heartbeat
was *received*. Cheap checks come first, so that what is worthless costs little.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from hmac import compare_digest
from math import floor
from struct import Struct
from typing import Any

from oracle.ground.address import raw_address
from oracle.ground.clock import EpochClock
from oracle.ground.typed_data import Domain, Heartbeat
from oracle.signing.compact import InvalidSignature
from oracle.signing.signer import Signer
from oracle.telemetry.intake.challenge import Challenges
from oracle.telemetry.intake.eyes import Way
from oracle.telemetry.intake.roster import Roster
from oracle.telemetry.intake.sessions import NodeState, OpenSession, Sessions
from oracle.telemetry.store.bitmaps import BitmapStore
from oracle.telemetry.store.memory import MAX_EPOCH
from oracle.telemetry.store.records import Kind
from oracle.telemetry.wire import frames, heartbeat, receipt, session, workloads
from oracle.telemetry.wire.answers import BEATS_PER_TICK, CURES, Reason
from oracle.telemetry.wire.errors import MalformedHeartbeat, UnknownVersion
from oracle.telemetry.wire.workloads import Health

TICKS_PER_CHALLENGE = 6
WORKLOADS_PER_NODE = 1024
"""Workloads, healthy and not, of one node that an intake keeps reports on in an epoch, so that none fills the store."""
EXPLAINED_PER_TICK = 256
"""Refused heartbeats in one tick whose node is worked out, so that it can be told why it wasn't heard."""

_PLAIN = Struct(">B8sQB16s")
"""A sealed heartbeat without workloads: version, session, sequence, count, tag."""
_HEAD = _PLAIN.size - 16
_SLICE = 250
"""Sealed heartbeats judged before others get their turn."""
_SIGNED_SLICE = 25


@dataclass(frozen=True, slots=True)
class Accepted:
    """The node (lower-case 0x address) was up in that tick; `challenge` is for its next heartbeat.

    `fenced`: assignments that it reported on and that aren't its own any more. It has to stop them.
    """

    node: str
    epoch: int
    tick: int
    challenge: bytes
    fenced: tuple[int, ...] = ()


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


@dataclass(slots=True)
class Tally:
    """What became of the heartbeats of one message; refusals and fenced assignments by their index in it."""

    accepted: int = 0
    refused: list[tuple[int, Refused]] = field(default_factory=list)
    fenced: list[tuple[int, tuple[int, ...]]] = field(default_factory=list)


class Intake:
    """One oracle's intake. `signer` holds its key; `domain` is `typed_data.Heartbeat.domain(...)`.

    `now` returns UNIX seconds. `secret`: of the challenges, 32 bytes, the same for intakes of one oracle that share
    the load; None: a new one. Not safe for several threads. InvalidValue for a domain of another purpose.
    """

    def __init__(
        self,
        store: BitmapStore,
        clock: EpochClock,
        signer: Signer,
        domain: Domain,
        roster: Roster,
        now: Callable[[], float],
        secret: bytes | None = None,
    ) -> None:
        Heartbeat(signer.address, 0, bytes(32), b"").digest(domain)  # a wrong domain shows here, not as bad signatures
        self.oracle = "0x" + raw_address(signer.address).hex()
        self.clock = clock
        self.now = now
        self.domain = domain
        self.challenges = Challenges(clock.tick * TICKS_PER_CHALLENGE, secret)
        self.sessions = Sessions(secret)
        self.accepted: dict[str, int] = {"signed": 0, "sealed": 0}
        self.refused: dict[Reason, int] = dict.fromkeys(Reason, 0)
        self.fenced = 0
        """Reports on workloads that aren't their sender's any more."""
        self._store = store
        self._signer = signer
        self._roster = roster
        self._nodes: dict[str, NodeState] = {}
        self._explained = (-1, 0)

    @property
    def nodes_heard(self) -> int:
        """Nodes of which a heartbeat was accepted since the start."""
        return len(self._nodes)

    # Heartbeats.

    def accept(self, raw: bytes, way: Way, received_at: float | None = None) -> Accepted | Refused:
        """Judge one encoded heartbeat, received at `received_at` (UNIX seconds; default now); mark its tick.

        A second heartbeat of a node in one tick changes nothing; the same bytes again are
        `replayed_sequence`.
        """
        now = self.now() if received_at is None else received_at
        if raw[:1] == bytes((session.SEALED,)):
            return self._accept_sealed(raw, way, now)
        try:
            beat = heartbeat.decode(raw)
        except UnknownVersion:
            return self._refuse(Reason.VERSION, now)
        except MalformedHeartbeat:
            return self._refuse(Reason.MALFORMED, now)
        if beat.oracle != self.oracle:
            return self._refuse(Reason.WRONG_ORACLE, now)
        if floor(now) < self.clock.genesis:
            return self._refuse(Reason.BEFORE_GENESIS, now)
        if beat.challenge not in self.challenges.pair(now):
            self._explain(beat, now)
            return self._refuse(Reason.STALE_CHALLENGE, now)
        try:
            node = heartbeat.signed_by(beat, self.domain)
        except InvalidSignature:
            return self._refuse(Reason.BAD_SIGNATURE, now)
        if not self._roster.knows(node):
            return self._refuse(Reason.UNKNOWN_NODE, now)
        return self._heard(self._state(node), beat.sequence, beat.workloads, way, now, "signed")

    def accept_all(self, body: bytes, way: Way, received_at: float | None = None) -> Tally:
        """As `accept`, for all heartbeats of a message at once. Use `judge` where others wait for their turn."""
        tally = Tally()
        for _ in self.judge(body, tally, way, received_at):
            pass
        return tally

    def judge(self, body: bytes, tally: Tally, way: Way, received_at: float | None = None) -> Iterator[None]:
        """Judge the heartbeats of a message into `tally`, and yield whenever a millisecond's work was done."""
        now = self.now() if received_at is None else received_at
        count, rest = divmod(len(body), _PLAIN.size)
        if count and not rest and _all_plain(body, count) and floor(now) >= self.clock.genesis:
            for start in range(0, count, _SLICE):
                self._accept_plain(body, start, min(count, start + _SLICE), tally, way, now)
                yield
            return
        for index, raw in enumerate(frames.split(body)):
            decision = self.accept(raw, way, now)
            if isinstance(decision, Refused):
                tally.refused.append((index, decision))
            else:
                tally.accepted += 1
                if decision.fenced:
                    tally.fenced.append((index, decision.fenced))
            if index % _SIGNED_SLICE == _SIGNED_SLICE - 1:
                yield

    def _accept_sealed(self, raw: bytes, way: Way, now: float) -> Accepted | Refused:
        try:
            beat = session.decode_sealed(raw)
        except UnknownVersion:
            return self._refuse(Reason.VERSION, now)
        except MalformedHeartbeat:
            return self._refuse(Reason.MALFORMED, now)
        if floor(now) < self.clock.genesis:
            return self._refuse(Reason.BEFORE_GENESIS, now)
        state = self._sealed_by(beat.session, beat.head, beat.tag, now)
        if isinstance(state, Reason):
            return self._refuse(state, now)
        return self._heard(state, beat.sequence, beat.workloads, way, now, "sealed")

    def _sealed_by(self, session_id: bytes, head: bytes, tag: bytes, now: float) -> NodeState | Reason:
        """Whose session sealed a heartbeat, or why nobody's did."""
        known = self.sessions.find(session_id)
        if known is None or now > known.expires:
            self.sessions.close(session_id)
            return Reason.UNKNOWN_SESSION
        if not self._still_known(known, self.challenges.turn(now)):
            return Reason.UNKNOWN_NODE
        if any(known.sealed(challenge, head, tag) for challenge in self.challenges.pair(now)):
            return known.state
        self._mark_refused(known.state, now)
        return Reason.BAD_TAG

    def _still_known(self, session: OpenSession, rotation: int) -> bool:
        """Whether the roster knows a session's node; it is asked once a rotation."""
        if session.rotation != rotation:
            if not self._roster.knows(session.state.node):
                return False
            session.rotation = rotation
        return True

    def _accept_plain(self, body: bytes, start: int, stop: int, tally: Tally, way: Way, now: float) -> None:
        """Sealed heartbeats without workloads in a row: as `_accept_sealed` and `_heard`, unrolled for the usual case.

        A site's gateway brings hundreds of thousands a second in this form; whatever isn't usual takes the long way.
        """
        size, find = _PLAIN.size, self.sessions.find
        rotation = self.challenges.turn(now)
        likely, other = self.challenges.pair(now)
        epoch, tick = self.clock.tick_at(floor(now))
        counted = epoch * self.clock.ticks_per_epoch + tick
        offset = start * size
        tracks: list[int] = []
        for _, session_id, sequence, _, tag in _PLAIN.iter_unpack(body[offset : stop * size]):
            known = find(session_id)
            if (
                known is not None
                and now <= known.expires
                and (known.rotation == rotation or self._still_known(known, rotation))
            ):
                head = body[offset : offset + _HEAD]
                hashed = known.hasher.copy()
                hashed.update(likely + head)
                fits = compare_digest(hashed.digest(), tag)
                if not fits and known.sealed(other, head, tag):
                    fits = True
                    likely, other = other, likely  # the others of this site have heard of the same challenge
                state = known.state
                if (
                    fits
                    and state.tick != counted
                    and rotation >= state.rotation
                    and (sequence > state.sequence or (sequence and rotation - state.rotation > 1))
                ):
                    state.sequence, state.rotation, state.tick, state.beats = sequence, rotation, counted, 1
                    tracks.append(state.track)
                    offset += size
                    continue
            decision = self._accept_sealed(body[offset : offset + size], way, now)
            if isinstance(decision, Refused):
                tally.refused.append((offset // size, decision))
            else:
                tally.accepted += 1
            offset += size
        if tracks:
            self._store.mark_all(tracks, epoch, tick, way.index)
        tally.accepted += len(tracks)
        self.accepted["sealed"] += len(tracks)

    def _heard(
        self, state: NodeState, sequence: int, reported: bytes, way: Way, now: float, form: str
    ) -> Accepted | Refused:
        """A verified heartbeat of a known node: is it new, and then mark what it says."""
        rotation = self.challenges.turn(now)
        last = state.last_sequence(rotation)
        if sequence <= last:
            self._mark_refused(state, now)
            return self._refuse(Reason.REPLAYED_SEQUENCE, now, last)
        epoch, tick = self.clock.tick_at(floor(now))
        counted = epoch * self.clock.ticks_per_epoch + tick
        if state.tick != counted:
            state.tick, state.beats = counted, 0
        if state.beats >= BEATS_PER_TICK:
            return self._refuse(Reason.TOO_OFTEN, now)
        try:
            entries = workloads.decode(reported) if reported else ()
        except MalformedHeartbeat:
            self._mark_refused(state, now)
            return self._refuse(Reason.MALFORMED, now)
        state.beats += 1
        state.sequence, state.rotation = sequence, max(rotation, state.rotation)
        self._store.mark(state.track, epoch, tick, way.index)
        fenced = []
        for assignment, health in entries:
            if self._roster.fenced(state.node, assignment):
                fenced.append(assignment)
                continue
            track = self._health_track(state, epoch, assignment, health is Health.HEALTHY)
            if track is not None:
                self._store.mark(track, epoch, tick, way.index)
        self.fenced += len(fenced)
        self.accepted[form] += 1
        return Accepted(state.node, epoch, tick, self.challenges.current(now), tuple(fenced))

    def _state(self, node: str) -> NodeState:
        state = self._nodes.get(node)
        if state is None:
            track = self._store.track(Kind.LIVENESS, raw_address(node))
            state = self._nodes[node] = NodeState(node, track)
        return state

    def _health_track(self, state: NodeState, epoch: int, assignment: int, healthy: bool) -> int | None:
        """The track of a node's reports on an assignment; None where it reports on more than it can run.

        It is named by both, so that a report on another node's assignment counts for nobody.
        """
        if state.workloads_of != epoch:
            state.workloads_of = epoch
            state.workloads.clear()
        track = state.workloads.get((assignment, healthy))
        if track is None:
            if len(state.workloads) >= WORKLOADS_PER_NODE:
                return None
            kind = Kind.HEALTH if healthy else Kind.UNHEALTHY
            name = raw_address(state.node) + assignment.to_bytes(16, "big")
            track = state.workloads[assignment, healthy] = self._store.track(kind, name)
        return track

    def _refuse(self, reason: Reason, now: float, last_sequence: int | None = None) -> Refused:
        self.refused[reason] += 1
        return Refused(reason, self.challenges.current(now), last_sequence)

    def _explain(self, beat: heartbeat.SignedHeartbeat, now: float) -> None:
        """Note that a known node was refused before its signature was looked at, within what that may cost."""
        tick = floor(now) // self.clock.tick
        done = self._explained[1] if self._explained[0] == tick else 0
        if done >= EXPLAINED_PER_TICK:
            return
        self._explained = (tick, done + 1)
        try:
            node = heartbeat.signed_by(beat, self.domain)
        except InvalidSignature:
            return
        if self._roster.knows(node):
            self._mark_refused(self._state(node), now)

    def _mark_refused(self, state: NodeState, now: float) -> None:
        """The node tried in this tick and was refused: so much is kept to tell it why it wasn't heard."""
        epoch, tick = self.clock.tick_at(floor(now))
        track = self._store.track(Kind.REFUSED, raw_address(state.node))
        self._store.mark(track, epoch, tick, 0)

    # What nodes ask for.

    def terms(self) -> dict[str, Any]:
        """What a node has to know of this oracle: the answer of `GET /v1/challenge`."""
        now = self.now()
        return {
            "oracle": self.oracle,
            "challenge": "0x" + self.challenges.current(now).hex(),
            "sessionKey": "0x" + self.sessions.public_key.hex(),
            "chainId": self.domain.chain_id,
            "attestations": self.domain.contract,
            "genesis": self.clock.genesis,
            "epochLength": self.clock.length,
            "tick": self.clock.tick,
            "now": now,
        }

    def open_session(self, raw: bytes) -> tuple[bytes, int] | Refused:
        """Open the session that a node signed for: (its id, UNIX seconds at which it ends), or why not."""
        now = self.now()
        try:
            opening = session.decode_opening(raw)
        except UnknownVersion:
            return self._refuse(Reason.VERSION, now)
        except MalformedHeartbeat:
            return self._refuse(Reason.MALFORMED, now)
        if opening.oracle != self.oracle:
            return self._refuse(Reason.WRONG_ORACLE, now)
        if opening.challenge not in self.challenges.pair(now):
            return self._refuse(Reason.STALE_CHALLENGE, now)
        already = self.sessions.answered(opening.signature, self.challenges.turn(now))
        if already is not None:
            return already
        try:
            node, agreed = session.accept_session(opening, self.domain, self.sessions.secret)
        except session.WrongSessionKey:
            return self._refuse(Reason.WRONG_ORACLE, now)
        except MalformedHeartbeat:
            return self._refuse(Reason.MALFORMED, now)
        except InvalidSignature:
            return self._refuse(Reason.BAD_SIGNATURE, now)
        if not self._roster.knows(node):
            return self._refuse(Reason.UNKNOWN_NODE, now)
        opened = self.sessions.open(agreed, self._state(node), now, opening.signature)
        return self._refuse(Reason.BAD_SIGNATURE, now) if opened is None else opened

    def receipt(self, node: str, epoch: int) -> bytes | None:
        """The signed receipt of the ticks in which the node was heard; None where there are none.

        It may hold marks that aren't durable yet: commit before it leaves the house.
        """
        # Called in another thread than heartbeats are judged in: it may look, and makes nothing.
        track = self._store.known(Kind.LIVENESS, raw_address(node)) if epoch <= MAX_EPOCH else None
        bits = self._store.bits(track, epoch) if track is not None else 0
        if not bits:
            return None
        return receipt.issue(self._signer, self.domain, node, epoch, bits, self.clock.ticks_per_epoch)


def _all_plain(body: bytes, count: int) -> bool:
    """Whether a body of `count` times 34 bytes is all sealed heartbeats without workloads."""
    size = _PLAIN.size
    return body[::size] == bytes((session.SEALED,)) * count and body[_HEAD - 1 :: size] == bytes(count)
