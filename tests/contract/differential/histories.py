# SPDX-License-Identifier: Apache-2.0
"""Random histories of a network: what people, oracles and keepers do, and when. Plain data: any can be replayed."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from hypothesis import strategies as st

from oracle.ground.policy import Policy

EPOCH: Final = 1_000
LICENCES: Final = 5
EVENTS: Final = (
    *["assign"] * 7,
    *["close"] * 3,
    *["request"] * 7,
    *["maintain"] * 5,
    *["outcast"] * 2,
    *["grow"] * 4,
    *["freeze licence"] * 3,
    *["freeze node", "freeze csp"],
    *["lift"] * 2,
    *["bond"] * 2,
    "readmit",
    "reopen",
    "shrink",
    "stop",
    "close job",
)
FATES: Final = (*["reported"] * 8, *["skipped"] * 2, "vetoed", "reviewed", "replaced")
WAYS: Final = (*["singly", "in ranges", "claiming"] * 2, "twice", "the older report", "an unknown report", "not at all")


@dataclass(frozen=True)
class JobPlan:
    """A job; `starts` in seconds after the genesis."""

    policy: Policy
    price: int
    slots: int
    starts: int
    length: int


@dataclass(frozen=True)
class Event:
    """What somebody does `at` seconds after the genesis; `who` and `how` pick among what there is then, or are the seed
    of what is picked where that is much."""

    at: int
    what: str
    who: int
    how: int


@dataclass(frozen=True)
class Round:
    """What becomes of one epoch's report, and how late it is submitted; `lies`: a quorum signs nonsense."""

    fate: str
    late: int
    lies: bool


@dataclass(frozen=True)
class Visit:
    """What a keeper does `at` seconds after the genesis. `which`: bits that pick leaves and assignments."""

    at: int
    way: str
    which: int
    claims: bool
    releases: bool
    marks: bool
    sends: bool


@dataclass(frozen=True)
class History:
    """`seed` is of what the oracles measure and acknowledge; `network` picks one of the deployed; after `dying`, nobody
    reports any more; `clear`: no oracle lies or is blind, so that only maintenance is unmeasured."""

    network: int
    seed: int
    bonds: tuple[int, ...]
    jobs: tuple[JobPlan, ...]
    rounds: tuple[Round, ...]
    events: tuple[Event, ...]
    dying: bool
    clear: bool


@st.composite
def policies(draw: st.DrawFn) -> Policy:
    """Every field that money depends on."""
    floor, target = draw(st.sampled_from([(900_000, 980_000), (950_000, 950_000), (0, 1_000_000), (333_333, 900_001)]))
    shares = st.sampled_from([0, 1_000_000, 800_000, 333_333])
    missed, outage = draw(st.sampled_from([(0, 0), (0, 1), (0, 1), (1, 1), (2, 400), (1, 0)]))
    return Policy(
        evidence=draw(st.sampled_from(["liveness", "health", "probe"])),
        target_ppm=target,
        floor_ppm=floor,
        window_epochs=draw(st.sampled_from([1, 1, 2, 3])),
        min_observed_seconds=draw(st.sampled_from([0, 0, 250])),
        csp_share_ppm=draw(shares),
        penalty_ppm=draw(st.sampled_from([0, 500_001, 1_000_000])),
        missed_epochs=missed,
        outage_seconds=outage,
        answer_seconds=draw(st.sampled_from([150, 9_000] if missed or outage else [0, 150, 9_000])),
        cooldown_seconds=draw(st.sampled_from([300, 2_500, 0])),
        maintenance_seconds=draw(st.sampled_from([700, 150, 10_000, 0])),
    )


@st.composite
def histories(draw: st.DrawFn, honest: bool = False) -> History:
    """4 to 8 epochs. The honest ones have no lies, and bonds that suffice: there the keepers' ways change no amount."""
    count = draw(st.integers(4, 8))
    clear = draw(st.integers(0, 2)) == 0
    span = count * EPOCH
    jobs = tuple(
        JobPlan(
            policy=draw(policies()),
            price=draw(st.one_of(st.integers(1, 30), st.integers(10**5, 10**7))),
            slots=draw(st.integers(1, 3)),
            starts=draw(st.sampled_from([0, 0, 1, 487, 1_000, 1_313])),
            length=draw(st.one_of(st.integers(3, count).map(lambda n: n * EPOCH), st.integers(1_900, span))),
        )
        for _ in range(draw(st.integers(1, 2)))
    )
    rounds = tuple(
        Round(
            fate=draw(st.sampled_from(FATES)),
            late=draw(st.one_of(st.just(0), st.integers(0, 300), st.integers(0, 1_200))),
            lies=not honest and not clear and draw(st.integers(0, 4)) == 0,
        )
        for _ in range(count)
    )
    events = tuple(
        Event(
            at=draw(st.one_of(st.integers(1, span), st.integers(1, count).map(lambda n: n * EPOCH))),
            what=draw(st.sampled_from(EVENTS)),
            who=draw(st.integers(0, 59)),
            how=draw(st.integers(0, 999)),
        )
        for _ in range(draw(st.integers(7, 18)))
    )
    return History(
        network=draw(st.integers(0, 11)),
        seed=draw(st.integers(0, 2**32)),
        bonds=tuple(
            10**9 if honest else draw(st.sampled_from([0, 10**4, 10**6, 10**6, 10**7, 10**9])) for _ in range(LICENCES)
        ),
        jobs=jobs,
        rounds=rounds,
        events=events,
        dying=draw(st.integers(0, 3)) == 0,
        clear=clear,
    )


@st.composite
def visits(draw: st.DrawFn) -> tuple[Visit, ...]:
    """One keeper's schedule, from one who comes often to one who never does."""
    return tuple(
        Visit(
            at=draw(st.integers(1, 9)) * EPOCH + draw(st.integers(41, EPOCH)),
            way=draw(st.sampled_from(WAYS)),
            which=draw(st.one_of(st.just(2**16 - 1), st.integers(0, 2**16 - 1))),
            claims=draw(st.booleans()),
            releases=draw(st.booleans()),
            marks=draw(st.booleans()),
            sends=draw(st.booleans()),
        )
        for _ in range(draw(st.sampled_from([0, 3, 6, 9, 12])))
    )
