"""What keeps a committee from agreeing."""

from __future__ import annotations

from oracle.ground.errors import EpochalError


class Disagreement(EpochalError):
    """A proposal that this oracle doesn't come to itself. It alerts; it never changes its mind silently."""


class Malformed(EpochalError):
    """Bytes of a peer that are no message of this protocol."""


class NotAgreed(EpochalError):
    """Too few observations or signatures for a report. The epoch stays unreported; a later one carries its seconds."""
