"""The oracle's rotating challenge: proof that a heartbeat was made now, not signed ahead.

Each rotation's challenge is an HMAC of its number under a secret drawn when the oracle starts, so nothing
is stored and nobody else can tell the next one. The current challenge and the one before it are accepted: a
node that beats at least once a rotation, with the challenge of its last answer, never meets a stale one.
"""

from __future__ import annotations

import hmac
import os
from collections.abc import Callable

from oracle.ground.errors import InvalidValue


class Challenges:
    """The challenges of one oracle. `period` is the seconds between rotations; `secret` has 32 bytes."""

    def __init__(self, period: int, secret: bytes | None = None, draw: Callable[[int], bytes] = os.urandom) -> None:
        if period <= 0:
            raise InvalidValue(f"challenge period is {period} s; make it one second or more")
        self.period = period
        self._secret = draw(32) if secret is None else secret
        self._rotation: int | None = None
        self._current = b""
        self._previous = b""

    def current(self, now: float) -> bytes:
        """The 32-byte challenge to hand out at `now` (UNIX seconds)."""
        self._turn(now)
        return self._current

    def accepts(self, challenge: bytes, now: float) -> bool:
        """Whether a heartbeat received at `now` (UNIX seconds) may carry that challenge."""
        self._turn(now)
        return challenge in (self._current, self._previous)

    def _turn(self, now: float) -> None:
        rotation = int(now // self.period)
        if rotation != self._rotation:
            self._rotation = rotation
            self._current = self._make(rotation)
            self._previous = self._make(rotation - 1)

    def _make(self, rotation: int) -> bytes:
        return hmac.digest(self._secret, rotation.to_bytes(16, "big", signed=True), "sha256")
