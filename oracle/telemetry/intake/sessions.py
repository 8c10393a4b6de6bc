"""Sessions of the cheap heartbeats, and what the intake remembers of each node.

All of it is memory of one process: after a restart a node opens a new session, and its old heartbeats are
worthless with the challenges they carried.
"""

from __future__ import annotations

import hashlib
import os
from hmac import compare_digest

from oracle.ground.keccak import keccak256
from oracle.telemetry.wire.session import TAG_SIZE, Session, session_public_key

LIFETIME = 6 * 3600
"""Seconds for which a session lives after it was opened."""
PER_NODE = 2
"""Sessions of one node; a further one ends the oldest."""


class NodeState:
    """What the intake remembers of a node between its heartbeats."""

    __slots__ = ("beats", "node", "rotation", "sequence", "sessions", "tick", "track", "workloads", "workloads_of")

    def __init__(self, node: str, track: int) -> None:
        self.node = node
        self.track = track
        self.sequence = 0
        """The last accepted one, as long as `rotation` (of its acceptance) is the present or the last one."""
        self.rotation = -2
        self.tick = -1
        """The last tick in which it was heard, counted from genesis."""
        self.beats = 0
        """Accepted heartbeats in that tick."""
        self.sessions: list[bytes] = []
        self.workloads: dict[tuple[int, bool], int] = {}
        """Tracks of what it reports: by assignment, and whether it was healthy; in the epoch `workloads_of`."""
        self.workloads_of = -1

    def last_sequence(self, rotation: int) -> int:
        """The sequence above which the next one has to be. A challenge lives for two rotations, and so does this."""
        return self.sequence if rotation - self.rotation <= 1 else 0


class OpenSession:
    """A session: whose, until when, and its keyed hash, to copy for each heartbeat: a new one takes twice as long."""

    __slots__ = ("expires", "hasher", "rotation", "state")

    def __init__(self, session: Session, state: NodeState, expires: float) -> None:
        self.state = state
        self.expires = expires
        self.rotation = -2
        """The last one in which the roster knew the node."""
        self.hasher = hashlib.blake2b(key=session.key, digest_size=TAG_SIZE)

    def sealed(self, challenge: bytes, head: bytes, tag: bytes) -> bool:
        """Whether the session's holder made this tag, see `wire.session.tag`."""
        hashed = self.hasher.copy()
        hashed.update(challenge + head)
        return compare_digest(hashed.digest(), tag)


class Sessions:
    """The open sessions of one intake, and the secret key that they are agreed with.

    The key is new in each process, or follows from `secret` (32 bytes), which intakes that share a load have in common:
    then each of them can take every opening.
    """

    def __init__(self, secret: bytes | None = None) -> None:
        self.secret = os.urandom(32) if secret is None else keccak256(b"Epochal session secret" + secret)
        self.public_key = session_public_key(self.secret)
        self._open: dict[bytes, OpenSession] = {}
        self.find = self._open.get
        """The session of an id, or None; a bound method, since it is asked at each heartbeat."""
        self._answers: tuple[dict[bytes, tuple[bytes, int]], dict[bytes, tuple[bytes, int]]] = ({}, {})
        self._rotation = -2

    def __len__(self) -> int:
        return len(self._open)

    def answered(self, opening: bytes, rotation: int) -> tuple[bytes, int] | None:
        """What was answered to the opening with this signature, as long as its challenge lives; None if it is new.

        So an opening that somebody sends again does nothing, not even to sessions that were opened after it.
        """
        if rotation != self._rotation:
            self._answers = ({}, self._answers[0] if rotation == self._rotation + 1 else {})
            self._rotation = rotation
        return self._answers[0].get(opening) or self._answers[1].get(opening)

    def open(self, session: Session, state: NodeState, now: float, opening: bytes) -> tuple[bytes, int] | None:
        """Keep a session that a node signed for with the signature `opening`: its id and UNIX seconds of its end.

        None if another node has one of the same id.
        """
        known = self._open.get(session.id)
        if known is not None:  # signed twice
            return (session.id, int(known.expires)) if known.state is state else None
        expires = int(now) + LIFETIME
        self._open[session.id] = OpenSession(session, state, expires)
        state.sessions.append(session.id)
        while len(state.sessions) > PER_NODE:
            self._open.pop(state.sessions.pop(0), None)
        self._answers[0][opening] = session.id, expires
        return session.id, expires

    def close(self, session: bytes) -> None:
        """Forget a session."""
        known = self._open.pop(session, None)
        if known is not None and session in known.state.sessions:
            known.state.sessions.remove(session)
