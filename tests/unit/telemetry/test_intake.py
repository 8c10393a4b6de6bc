"""The intake: which heartbeats count and for which tick, and when the oracle could have seen any."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from oracle.ground.clock import EpochClock
from oracle.ground.errors import InvalidValue
from oracle.ground.typed_data import Heartbeat
from oracle.signing.signer import LocalSigner, derive
from oracle.telemetry import heartbeat
from oracle.telemetry.challenge import Challenges
from oracle.telemetry.intake import Accepted, Intake, Reason, Refused
from oracle.telemetry.store import BitmapStore

CLOCK = EpochClock(genesis=1000, length=100, tick=10)
DOMAIN = Heartbeat.domain(31337, "0x" + "11" * 20)
ORACLE = derive("test", "oracle").address
NODE = derive("test", "node")
STRANGER = derive("test", "stranger")


@pytest.fixture
def store(tmp_path: Path) -> Iterator[BitmapStore]:
    opened = BitmapStore(tmp_path / "store.db", CLOCK, "net")
    yield opened
    opened.close()


@pytest.fixture
def intake(store: BitmapStore) -> Intake:
    return Intake(store, CLOCK, ORACLE, DOMAIN, {NODE.address.lower()}, lambda: 1234.5, Challenges(60, b"s" * 32))


def beat(
    intake: Intake, now: float, sequence: int = 1, signer: LocalSigner = NODE, oracle: str = ORACLE, age: int = 0
) -> bytes:
    return heartbeat.sign(signer, DOMAIN, oracle, sequence, intake.challenges.current(now - age))


def test_accept__good__marks_the_tick_of_receipt(intake: Intake, store: BitmapStore) -> None:
    wire = beat(intake, 1234.5)
    assert intake.accept(wire) == Accepted(NODE.address.lower(), 2, 3, intake.challenges.current(1234.5))
    assert isinstance(intake.accept(beat(intake, 1239.99, 2), 1239.99), Accepted)
    assert store.read(2).up == {NODE.address.lower(): 1 << 3}
    assert store.last_sequence(NODE.address.lower()) == 2
    assert intake.accepted == 2
    assert not any(intake.refused.values())


def test_accept__previous_challenge__still_counts_for_now(intake: Intake, store: BitmapStore) -> None:
    assert isinstance(intake.accept(beat(intake, 1300, age=60), 1300), Accepted)
    assert store.read(3).up == {NODE.address.lower(): 1}
    assert store.read(2).up == {}


def test_accept__each_fault__has_its_reason(intake: Intake, store: BitmapStore) -> None:
    good = beat(intake, 1234, 5)
    spoilt = good[:61] + b"\xff" * 64
    faults = {
        Reason.MALFORMED: (good[:-1], 1234),
        Reason.VERSION: (b"\x02" + good[1:], 1234),
        Reason.WRONG_ORACLE: (beat(intake, 1234, oracle="0x" + "22" * 20), 1234),
        Reason.STALE_CHALLENGE: (beat(intake, 1234, age=120), 1234),
        Reason.BAD_SIGNATURE: (spoilt, 1234),
        Reason.UNKNOWN_NODE: (beat(intake, 1234, signer=STRANGER), 1234),
        Reason.BEFORE_GENESIS: (beat(intake, 999.9), 999.9),
    }
    for reason, (wire, now) in faults.items():
        refused = intake.accept(wire, now)
        assert isinstance(refused, Refused)
        assert refused.reason is reason
        assert refused.cure
        assert refused.challenge == intake.challenges.current(now)
    assert isinstance(intake.accept(good, 1234), Accepted)
    for late in (good, beat(intake, 1234, 4)):
        assert intake.accept(late, 1234) == Refused(Reason.REPLAYED_SEQUENCE, intake.challenges.current(1234), 5)
    assert intake.refused == {**dict.fromkeys(Reason, 1), Reason.REPLAYED_SEQUENCE: 2}
    assert store.read(2).up == {NODE.address.lower(): 1 << 3}


def test_accept__altered_sequence__unknown_node_not_the_owner(intake: Intake) -> None:
    wire = beat(intake, 1234)
    forged = wire[:28] + b"\x09" + wire[29:]
    refused = intake.accept(forged, 1234)
    assert isinstance(refused, Refused)
    assert refused.reason in (Reason.UNKNOWN_NODE, Reason.BAD_SIGNATURE)


def test_accept__other_network__refused(intake: Intake) -> None:
    other = Heartbeat.domain(1, DOMAIN.contract)
    wire = heartbeat.sign(NODE, other, ORACLE, 1, intake.challenges.current(1234))
    refused = intake.accept(wire, 1234)
    assert isinstance(refused, Refused)
    assert refused.reason in (Reason.UNKNOWN_NODE, Reason.BAD_SIGNATURE)


def test_accept__known_is_a_function__asked_each_time(store: BitmapStore) -> None:
    known: set[str] = set()
    intake = Intake(store, CLOCK, ORACLE.lower(), DOMAIN, lambda: known, lambda: 1234)
    assert isinstance(intake.accept(beat(intake, 1234, 1)), Refused)
    known.add(NODE.address.lower())
    assert isinstance(intake.accept(beat(intake, 1234, 1)), Accepted)


def test_intake__wrong_oracle_or_domain__refused_at_once(store: BitmapStore) -> None:
    with pytest.raises(InvalidValue, match="address is"):
        Intake(store, CLOCK, "0x12", DOMAIN, set(), lambda: 0)
    with pytest.raises(InvalidValue, match="address is"):
        Intake(store, CLOCK, ORACLE, Heartbeat.domain(1, "nowhere"), set(), lambda: 0)


def test_alive__spans_whole_ticks__they_are_observed(intake: Intake, store: BitmapStore) -> None:
    for moment in (1004, 1009, 1019, 1028, 1029.9):
        intake.alive(moment)
    assert store.read(0).observed == 0b10  # not the first, which began before us, nor the last, not yet over
    intake.alive(1030)
    assert store.read(0).observed == 0b110


def test_alive__started_on_the_edge__first_tick_counts(intake: Intake, store: BitmapStore) -> None:
    intake.alive(1000)
    intake.alive(1010)
    assert store.read(0).observed == 1


def test_alive__gap_longer_than_a_tick__lost(intake: Intake, store: BitmapStore) -> None:
    for moment in (1000, 1010, 1020.5, 1030, 1040):
        intake.alive(moment)
    assert store.read(0).observed == 0b1001  # 1020.5 began anew: [1010, 1030) was not seen whole


def test_alive__clock_steps_back__begins_anew(intake: Intake, store: BitmapStore) -> None:
    for moment in (1050, 1060, 1003, 1010, 1020):
        intake.alive(moment)
    assert store.read(0).observed == 0b100010


def test_alive__across_epochs_and_before_genesis__each_in_its_place(intake: Intake, store: BitmapStore) -> None:
    for moment in range(955, 1230, 5):
        intake.alive(moment)
    assert [store.read(epoch).observed for epoch in range(4)] == [1023, 1023, 0b11, 0]


def test_alive__no_time_given__asks_the_clock(store: BitmapStore) -> None:
    times = iter([1000.0, 1010.0])
    intake = Intake(store, CLOCK, ORACLE, DOMAIN, set(), lambda: next(times))
    intake.alive()
    intake.alive()
    assert store.read(0).observed == 1
