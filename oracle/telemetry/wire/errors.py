"""What bytes from a stranger can fail at, before anybody asks who signed them."""

from __future__ import annotations

from oracle.ground.errors import EpochalError


class MalformedHeartbeat(EpochalError):
    """The bytes can't be a heartbeat, nor the opening of a session."""


class UnknownVersion(EpochalError):
    """The bytes start with a version that isn't the one to be read here."""
