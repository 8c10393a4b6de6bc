"""A transaction's way through the journal.

    planned ──► signed ──► sent ──► mined ──► final       its block is finalized
       │  ▲        │         ▲        │  ├───► failed      as final, but the call reverted: gas was spent
       │  │        │         └────────┘  └───► dropped     as final, but it was replaced by one that does nothing
       │  └────────┴── its nonce was used by another (and that is finalized), or is far above the next one
       ├───► refused     it would revert: nothing was sent
       └───► dropped     no longer wanted: nothing was sent

A mined one that a reorganisation took out is `sent` again.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum


class State(StrEnum):
    """Where a transaction stands; the picture above."""

    PLANNED = "planned"
    SIGNED = "signed"
    SENT = "sent"
    MINED = "mined"
    FINAL = "final"
    REFUSED = "refused"
    FAILED = "failed"
    DROPPED = "dropped"

    @property
    def settled(self) -> bool:
        """Whether nothing more happens to it."""
        return self in _SETTLED

    @property
    def under_way(self) -> bool:
        """Whether it has a nonce and isn't settled."""
        return self in _UNDER_WAY


_SETTLED = frozenset({State.FINAL, State.REFUSED, State.FAILED, State.DROPPED})
_UNDER_WAY = frozenset({State.SIGNED, State.SENT, State.MINED})


@dataclass(frozen=True, slots=True)
class Entry:
    """One transaction of the journal.

    key           who plans names it so; unique in a journal
    label         what it does, for people
    to, data      0x-hex
    gas           the limit asked for; None: estimated
    nonce         None until signed
    hash          of the newest attempt, or of the one that was mined; "" before
    block         number of the block it is in, with `block_hash`; None outside of one
    reverted      whether it reverted in that block
    spent         wei paid for gas; 0 until mined
    attempts      how often it was signed with this nonce
    reason        one line: why it waits, or ended otherwise than final; "" else
    """

    position: int
    key: str
    label: str
    to: str
    data: str
    gas: int | None
    state: State
    nonce: int | None = None
    hash: str = ""
    block: int | None = None
    block_hash: str = ""
    reverted: bool = False
    spent: int = 0
    attempts: int = 0
    reason: str = ""


@dataclass(frozen=True, slots=True)
class Attempt:
    """One signed form of an entry. All of one nonce exclude each other; `cancels` does nothing but use the nonce.

    Fees are wei per gas. `since` is when it began to wait for a block, by the time given to the step: when it was
    signed, or taken out of a block by a reorganisation.
    """

    hash: str
    nonce: int
    raw: str
    max_fee: int
    max_priority: int
    gas: int
    cancels: bool
    since: float


@dataclass(frozen=True, slots=True)
class JournalStatus:
    """What the last step found, for metrics and people.

    counts          entries by state, zeros too
    stuck           signed or sent and not mined for longer than the limit
    above_ceiling   whether something waits for the fees to fall
    balance         wei; None before the first step
    balance_low     below the limit
    foreign_nonces  how often a nonce was used by a transaction that isn't this journal's, ever
    troubles        what a person should know, a line each
    """

    counts: Mapping[State, int]
    stuck: int = 0
    above_ceiling: bool = False
    balance: int | None = None
    balance_low: bool = False
    foreign_nonces: int = 0
    troubles: tuple[str, ...] = ()
