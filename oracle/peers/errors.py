"""What can go wrong between an oracle and its peers."""

from __future__ import annotations

from oracle.ground.errors import EpochalError


class PeerError(EpochalError):
    """A peer didn't take a message or didn't give what was asked for."""


class PeerUnreachable(PeerError):
    """No answer: nobody listens, the connection broke, or it was too slow. Another attempt may help."""


class PeerRefused(PeerError):
    """The peer answered that it won't. `status` as in HTTP, `reason` in one word (docs/protocol.md lists them)."""

    def __init__(self, text: str, status: int, reason: str) -> None:
        super().__init__(text)
        self.status = status
        self.reason = reason

    @property
    def is_final(self) -> bool:
        """Whether the same message can only meet the same refusal again."""
        # 403 isn't: a set that has just taken over is known to some a block earlier than to others.
        return self.status in (400, 404, 405, 409, 413)


class WrongAnswer(PeerError):
    """The peer answered with something else than this protocol has: a redirect, too many bytes, other content."""


class NotNow(EpochalError):
    """Raised by a desk that can't judge a message at present; the sender tries again."""


class Unsigned(EpochalError):
    """Raised by a desk for an appeal whose first receipt no member of its epoch's set signed: anybody can make such."""


class ServerError(EpochalError):
    """The peers' server can't listen."""
