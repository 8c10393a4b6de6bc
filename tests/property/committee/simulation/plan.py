# SPDX-License-Identifier: Apache-2.0
"""What one seed stands for: who there is, who lies, what goes wrong and when."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from functools import cache
from random import Random
from typing import Final

from oracle.committee.schedule import Schedule
from oracle.ground.clock import EpochClock
from oracle.ground.median import fault_bound
from oracle.ground.typed_data import EpochReport, Heartbeat
from oracle.signing.signer import LocalSigner, derive

GENESIS: Final = 1_000_000
TICK: Final = 5
BLOCK: Final = 2
"""Seconds from one block to the next."""
PART: Final = 10
"""Seconds of collecting, and of each turn."""
SETTLE: Final = 4
ACTIVATION: Final = 8
REVIEW: Final = 20
GRACE: Final = 60
CHAIN_ID: Final = 31_337
REPORTS: Final = EpochReport.domain(CHAIN_ID, "0x" + "11" * 20)
HEARTBEATS: Final = Heartbeat.domain(CHAIN_ID, "0x" + "11" * 20)
APPEAL_EPOCHS: Final = 2


class Mood(StrEnum):
    """How an epoch's round goes: from its beginning to the next one's.

    calm     nothing fails but the liars, and the members that are down or lost for good
    squall   the network is gone and processes crash, but in time all is well: the epoch can still be attested
    silence  more than f honest members are down, or cut off from everybody; the chain they see
    chaos    anything fails, by chance
    """

    CALM = "calm"
    SQUALL = "squall"
    SILENCE = "silence"
    CHAOS = "chaos"


class Trait(StrEnum):
    """What a liar does besides lying about what it saw."""

    EQUIVOCATES = "equivocates"
    """Signs several observations of an epoch and tells each peer of others."""
    OMITS = "omits"
    GARBAGE = "garbage"
    GHOSTS = "ghosts"
    """Names contents that nobody has."""
    FLOODS = "floods"
    MISVOTES = "misvotes"
    REFUSES = "refuses"
    REPLAYS = "replays"
    MUTE = "mute"
    MISSERVES = "misserves"
    KEEPS = "keeps"
    """Never submits a report, however many signed it."""
    PICKS = "picks"
    """Tells some peers and not others, and late."""
    FILLS = "fills"
    """Signs so many observations, others for each peer, that nobody has room for more."""
    MISLABELS = "mislabels"
    """Signs others' contents, and contents of other epochs and sets, as its own of this one."""
    SUBMITS = "submits"
    """Brings reports on chain that aren't its to bring, and rubbish."""


@dataclass(frozen=True, slots=True)
class Plan:
    """All that a seed settles beforehand. Members are numbers; `members` is the first committee."""

    seed: int
    members: tuple[int, ...]
    spares: tuple[int, ...]
    """Oracles that run and may become members."""
    liars: dict[int, frozenset[Trait]]
    lost: dict[int, float]
    """Honest members that don't count for good: by how many seconds their clocks are wrong, or 0 for those down."""
    shaky: frozenset[int]
    """Lost ones that crash again and again instead."""
    moods: tuple[Mood, ...]
    length: int
    finality: int
    """Blocks between the newest one and the finalized one."""
    swift: float
    """The longest that a message takes while all is well, in seconds."""
    appeals: bool

    @property
    def clock(self) -> EpochClock:
        return EpochClock(GENESIS, self.length, TICK)

    @property
    def schedule(self) -> Schedule:
        return Schedule(self.clock, SETTLE, 3 * PART)

    @property
    def oracles(self) -> tuple[int, ...]:
        """Everybody who runs."""
        return self.members + self.spares


def planned(seed: int) -> Plan:
    """The plan of a seed."""
    chance = Random(f"plan {seed}")
    size = chance.choice((4, 4, 5, 6, 7))
    bound = fault_bound(size)
    bad = chance.sample(range(size), chance.choice((0, bound, bound)))
    liars: dict[int, frozenset[Trait]] = {}
    lost: dict[int, float] = {}
    for one in sorted(bad):
        if chance.random() < 0.75:
            liars[one] = frozenset(chance.sample(list(Trait), chance.randint(0, 4)))
        else:
            lost[one] = chance.choice((0.0, -7_200.0, -40.0, 55.0, 86_400.0))
    shaky = frozenset(one for one in lost if chance.random() < 0.3)
    spares = tuple(range(size, size + chance.choice((0, 1))))
    finality = chance.randint(0, 3)
    # Long enough for f bad leaders in a row, for one that doesn't submit, and for the report to be final.
    needed = SETTLE + (2 * bound + 5) * PART + ACTIVATION + BLOCK * (finality + 4)
    moods = [Mood.CALM] if chance.random() < 0.7 else []
    for _ in range(chance.randint(1, 2)):
        moods += [
            chance.choice((Mood.SILENCE, Mood.SQUALL, Mood.CHAOS, Mood.CHAOS)) for _ in range(chance.choice((1, 1, 2)))
        ]
        moods += [Mood.CALM]
    moods += [Mood.CALM]
    return Plan(
        seed=seed,
        members=tuple(range(size)),
        spares=spares,
        liars=liars,
        lost=lost,
        shaky=shaky,
        moods=tuple(moods),
        length=-(-needed // TICK) * TICK,
        finality=finality,
        swift=chance.choice((0.05, 0.3, 0.6)),
        appeals=chance.random() < 0.4,
    )


@cache
def key_of(oracle: int) -> LocalSigner:
    """An oracle's key. Numbers rise with addresses, so that the committee's order is theirs."""
    made = sorted(
        (derive("committee simulation", f"oracle {each}") for each in range(9)), key=lambda one: one.address.lower()
    )
    return made[oracle]


def address_of(oracle: int) -> bytes:
    """An oracle's 20-byte address."""
    return bytes.fromhex(key_of(oracle).address[2:])
