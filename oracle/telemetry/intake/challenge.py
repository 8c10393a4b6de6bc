"""The oracle's rotating challenge: proof that a heartbeat was made now, not signed ahead.

Each rotation's challenge is an HMAC of its number under a secret, so nothing is stored and nobody else can
tell the next one. The current challenge and the one before it are accepted: a node that beats at least once
a rotation, with the challenge of its last answer, never meets a stale one. Intakes of one oracle that share
the load share the secret.
"""

from __future__ import annotations

import hmac
import os

from oracle.ground.errors import InvalidValue


class Challenges:
    """The challenges of one oracle. `period` is the seconds between rotations; `secret` has 32 bytes."""

    def __init__(self, period: int, secret: bytes | None = None) -> None:
        if period <= 0:
            raise InvalidValue(f"challenge period is {period} s; make it one second or more")
        if secret is not None and len(secret) != 32:
            raise InvalidValue(f"challenge secret (not shown) has {len(secret)} bytes; give 32 random ones")
        self.period = period
        self.rotation: int | None = None
        """The rotation that was asked for last: the time divided by the period."""
        self._secret = os.urandom(32) if secret is None else secret
        self._current = b""
        self._previous = b""

    def current(self, now: float) -> bytes:
        """The 32-byte challenge to hand out at `now` (UNIX seconds)."""
        self.turn(now)
        return self._current

    def pair(self, now: float) -> tuple[bytes, bytes]:
        """The challenges that a heartbeat received at `now` (UNIX seconds) may carry: current, previous."""
        self.turn(now)
        return self._current, self._previous

    def turn(self, now: float) -> int:
        """Move to the rotation of `now` (UNIX seconds) and return its number."""
        rotation = int(now // self.period)
        if rotation != self.rotation:
            self.rotation = rotation
            self._current = self._make(rotation)
            self._previous = self._make(rotation - 1)
        return rotation

    def _make(self, rotation: int) -> bytes:
        return hmac.digest(self._secret, rotation.to_bytes(16, "big", signed=True), "sha256")
