"""What can go wrong with a queue of messages."""

from __future__ import annotations

from oracle.ground.errors import EpochalError, UserError


class QueueUnusable(UserError):
    """The file is no queue of messages, or it can't be written."""


class QueueFull(EpochalError):
    """As many messages wait as may."""


class SenderRunning(UserError):
    """Another process sends what is in this queue."""


class NoSuchMessage(UserError):
    """The queue holds no message of that key in that state."""
