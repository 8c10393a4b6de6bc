"""The kinds of message between oracles."""

from __future__ import annotations

from enum import IntEnum


class Kind(IntEnum):
    """1 to 4 are of a round, 5 to 8 of asking for other nodes."""

    HAVE = 1
    PROPOSAL = 2
    VOTE = 3
    REFUSAL = 4
    CLAIMS = 5
    BATCH = 6
    ENDORSEMENT = 7
    OBJECTION = 8
