"""What actions take in gas: figures measured on the deployed contracts (docs/gas.md), rounded up. Pure.

They choose between ways and keep transactions below the chain's cap; what a transaction really takes is estimated by a
node before it is sent. A test holds them against real transactions.
"""

from __future__ import annotations

from oracle.ground.leaves import Leaf
from settlement.planning.allowed import Settled
from settlement.planning.snapshot import Book, JobState

TRANSACTION = 21_000
WORD = 900
"""Each further element of a proof: calldata and one hash."""
SETTLE = 51_000
SETTLE_AND_CLAIM = 75_000
RANGE = 52_000
LEAF = 7_000
"""One that moves, in a range."""
IDLE_LEAF = 4_400
"""One in a range that moves nothing."""
WITHHOLDING = 27_000
"""Seconds are withheld, raised or released on the way; most where none were held before."""
PENALTY = 60_000
"""What the bond is told of that; most where its licence never had a penalty."""
CLAIM = 53_000
PAYMENT = 22_000
FRESH = 17_100
"""A storage slot that was zero: a balance, a tally."""
RELEASE = 35_000
RELEASED = 14_000
CLOSE_JOB = 40_000
EXPIRE = 36_000
EXPIRED = 24_000
REFUND = 89_000
SEND = 90_000
BURN = 60_000
OBSERVE = 90_000
SWAP = 260_000


def effort(done: Settled, before: Book, job: JobState) -> int:
    """What a leaf takes beyond moving seconds: held ones are kept, and bonds told."""
    touches = bool(before.held) or done.newly_earned != done.newly_accounted
    return (WITHHOLDING + PENALTY * job.penal) if touches else 0


def proof(elements: int) -> int:
    """What a proof takes."""
    return WORD * elements


def single(claims: bool, depth: int, more: int) -> int:
    """One leaf by itself; `more` is its `effort`."""
    return (SETTLE_AND_CLAIM if claims else SETTLE) + proof(depth) + more


def in_range(leaves: tuple[Leaf, ...], moving: int, more: int, elements: int) -> int:
    """Neighbouring leaves, of which so many move; `more` is the sum of their efforts."""
    return RANGE + LEAF * moving + IDLE_LEAF * (len(leaves) - moving) + more + proof(elements)


def release(penal: int, others: int) -> int:
    """Releases in one transaction, of jobs with a penalty and without."""
    return RELEASE + RELEASED * (penal + others) + PENALTY * penal


def expire(count: int) -> int:
    """Ends of assignments in one transaction."""
    return EXPIRE + EXPIRED * count
