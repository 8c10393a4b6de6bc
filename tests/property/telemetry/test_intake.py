# SPDX-License-Identifier: Apache-2.0
"""Bytes from anybody, and an oracle that comes and goes."""

from __future__ import annotations

from hypothesis import given, settings
from hypothesis import strategies as st

from oracle.ground.clock import EpochClock
from oracle.ground.typed_data import Heartbeat
from oracle.signing.signer import derive
from oracle.telemetry.intake.eyes import Eyes, Way
from oracle.telemetry.intake.intake import Intake, Refused
from oracle.telemetry.intake.roster import FixedRoster
from oracle.telemetry.store.bitmaps import BitmapStore
from oracle.telemetry.store.records import Kind
from oracle.telemetry.wire import heartbeat, session
from oracle.telemetry.wire.answers import Reason

CLOCK = EpochClock(genesis=1000, length=50, tick=10)
DOMAIN = Heartbeat.domain(31337, "0x" + "11" * 20)
ORACLE = derive("test", "oracle")
NODE = derive("test", "node")
HTTP = Way("http", 0)
SECRET = b"s" * 32


class Memory(BitmapStore):
    """A store that only remembers: these tests ask what is marked, not what a disk keeps."""

    def __init__(self) -> None:
        self.observed: dict[int, int] = {}
        self.marks: list[tuple[int, int, int, int]] = []

    def way(self, name: str) -> int:
        return 0

    def track(self, kind: Kind, name: bytes) -> int:
        return 100 + kind

    def observe(self, way: int, epoch: int, bits: int) -> None:
        self.observed[epoch] = self.observed.get(epoch, 0) | bits

    def epochs(self) -> list[int]:
        return []

    def see(self, track: int, epoch: int, bits: int) -> None:
        pass

    def mark(self, track: int, epoch: int, tick: int, way: int) -> bool:
        self.marks.append((track, epoch, tick, way))
        return True


def new_intake(store: Memory) -> Intake:
    return Intake(store, CLOCK, ORACLE, DOMAIN, FixedRoster({NODE.address: ()}), lambda: 1000, SECRET)


CHALLENGE = new_intake(Memory()).challenges.current(1000)
SIGNED = heartbeat.sign(NODE, DOMAIN, ORACLE.address, 7, CHALLENGE)


def altered(raw: bytes) -> st.SearchStrategy[bytes]:
    changes = st.tuples(st.integers(0, len(raw) - 1), st.integers(1, 255))
    return changes.map(lambda one: raw[: one[0]] + bytes([raw[one[0]] ^ one[1]]) + raw[one[0] + 1 :])


def begun(raw: bytes) -> st.SearchStrategy[bytes]:
    return st.tuples(st.sampled_from([1, 21, 29, 61]), st.binary(min_size=len(raw), max_size=len(raw))).map(
        lambda parts: (raw[: parts[0]] + parts[1])[: len(raw)]
    )


@settings(max_examples=200, deadline=None)
@given(raw=st.one_of(st.binary(max_size=300), altered(SIGNED), begun(SIGNED)))
def test_accept__bytes_the_node_never_signed__refused(raw: bytes) -> None:
    store = Memory()
    intake = new_intake(store)
    refused = intake.accept(raw, HTTP)
    assert isinstance(refused, Refused)
    assert refused.reason in Reason
    assert intake.refused[refused.reason] == 1
    assert not [mark for mark in store.marks if mark[0] == 100 + Kind.LIVENESS]


@settings(max_examples=100, deadline=None)
@given(data=st.data())
def test_sealed__bytes_the_session_never_sealed__refused_in_every_form(data: st.DataObject) -> None:
    store = Memory()
    intake = new_intake(store)
    opening, opened = session.open_session(
        NODE, DOMAIN, ORACLE.address, CHALLENGE, intake.sessions.public_key, b"\x02" * 32
    )
    assert not isinstance(intake.open_session(opening), Refused)
    raw = data.draw(altered(session.seal(opened, CHALLENGE, 7)))
    assert isinstance(intake.accept(raw, HTTP), Refused)
    tally = intake.accept_all(raw * 3, HTTP)
    assert tally.accepted == 0
    assert tally.refused
    assert not [mark for mark in store.marks if mark[0] == 100 + Kind.LIVENESS]


@settings(max_examples=100, deadline=None)
@given(body=st.binary(max_size=2000))
def test_batch__any_bytes__never_fails_and_counts_for_nobody(body: bytes) -> None:
    store = Memory()
    assert new_intake(store).accept_all(body, HTTP).accepted == 0
    assert not store.marks


@settings(max_examples=200, deadline=None)
@given(
    start=st.integers(980, 1030),
    gaps=st.lists(st.one_of(st.integers(0, 10), st.integers(0, 40), st.integers(-30, 0)), max_size=25),
)
def test_pulse__any_times__a_tick_counts_iff_one_run_spans_it(start: int, gaps: list[int]) -> None:
    store = Memory()
    moment = start
    eyes = Eyes(store, CLOCK, lambda: moment, lambda: moment)
    eyes.way("http").trouble = None
    runs: list[list[int]] = [[start, start]]
    eyes.pulse()
    for gap in gaps:
        moment += gap
        eyes.pulse()
        if 0 <= gap <= CLOCK.tick:
            runs[-1][1] = moment
        else:
            runs.append([moment, moment])
    for number in range(60):
        begin = CLOCK.genesis + number * CLOCK.tick
        epoch, tick = divmod(number, CLOCK.ticks_per_epoch)
        spanned = any(first <= begin and begin + CLOCK.tick <= last for first, last in runs)
        assert store.observed.get(epoch, 0) >> tick & 1 == spanned
