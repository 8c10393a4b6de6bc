# SPDX-License-Identifier: Apache-2.0
"""The intake: which heartbeats count, for which tick and for which workloads, signed or sealed."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from oracle.ground.clock import EpochClock
from oracle.ground.errors import InvalidValue
from oracle.ground.typed_data import Heartbeat
from oracle.signing.signer import LocalSigner, derive
from oracle.telemetry.intake.eyes import Way
from oracle.telemetry.intake.intake import Accepted, Intake, Refused, Tally
from oracle.telemetry.intake.roster import FixedRoster
from oracle.telemetry.store.bitmaps import BitmapStore
from oracle.telemetry.store.opening import open_store
from oracle.telemetry.store.records import Kind
from oracle.telemetry.wire import heartbeat, receipt, session
from oracle.telemetry.wire.answers import BEATS_PER_TICK, Reason
from oracle.telemetry.wire.session import Session
from oracle.telemetry.wire.workloads import Health

CLOCK = EpochClock(genesis=1000, length=100, tick=10)
DOMAIN = Heartbeat.domain(31337, "0x" + "11" * 20)
ORACLE = derive("test", "oracle")
NODE = derive("test", "node")
OTHER = derive("test", "other")
STRANGER = derive("test", "stranger")
NAME = bytes.fromhex(NODE.address[2:])
MINE, FENCED = 7 << 64 | 1, 8 << 64 | 1
ROSTER = FixedRoster({NODE.address: [MINE], OTHER.address: [FENCED]})
HTTP = Way("http", 0)


@pytest.fixture
def store(tmp_path: Path) -> Iterator[BitmapStore]:
    opened = open_store(tmp_path / "store.db", CLOCK, "net")
    opened.way("http")
    yield opened
    opened.close()


@pytest.fixture
def intake(store: BitmapStore) -> Intake:
    return Intake(store, CLOCK, ORACLE, DOMAIN, ROSTER, lambda: 1234.5, b"s" * 32)


def beat(
    intake: Intake,
    now: float,
    sequence: int = 1,
    signer: LocalSigner = NODE,
    oracle: str = ORACLE.address,
    age: int = 0,
    workloads: dict[int, Health] | None = None,
) -> bytes:
    challenge = intake.challenges.current(now - age)
    return heartbeat.sign(signer, DOMAIN, oracle, sequence, challenge, workloads or {})


def up(store: BitmapStore, epoch: int, name: bytes = NAME, kind: Kind = Kind.LIVENESS) -> int:
    return store.read(epoch).line(kind, name).up


def refusal(decision: Accepted | Refused) -> Reason:
    assert isinstance(decision, Refused)
    return decision.reason


def test_accept__good__marks_the_tick_of_receipt(intake: Intake, store: BitmapStore) -> None:
    wire = beat(intake, 1234.5)
    assert intake.accept(wire, HTTP) == Accepted(NODE.address.lower(), 2, 3, intake.challenges.current(1234.5))
    assert isinstance(intake.accept(beat(intake, 1239.99, 2), HTTP, 1239.99), Accepted)
    assert up(store, 2) == 1 << 3
    assert store.read(2).line(Kind.LIVENESS, NAME).ways == 1
    assert intake.accepted == {"signed": 2, "sealed": 0}
    assert not any(intake.refused.values())


def test_accept__previous_challenge__still_counts_for_now(intake: Intake, store: BitmapStore) -> None:
    assert isinstance(intake.accept(beat(intake, 1300, age=60), HTTP, 1300), Accepted)
    assert (up(store, 3), up(store, 2)) == (1, 0)


def test_accept__each_fault__has_its_reason(intake: Intake, store: BitmapStore) -> None:
    good = beat(intake, 1234, 5)
    faults = {
        Reason.MALFORMED: (good[:-1], 1234),
        Reason.VERSION: (b"\x01" + good[1:], 1234),
        Reason.WRONG_ORACLE: (beat(intake, 1234, oracle="0x" + "22" * 20), 1234),
        Reason.STALE_CHALLENGE: (beat(intake, 1234, signer=STRANGER, age=120), 1234),
        Reason.BAD_SIGNATURE: (good[:-64] + b"\xff" * 64, 1234),
        Reason.UNKNOWN_NODE: (beat(intake, 1234, signer=STRANGER), 1234),
        Reason.BEFORE_GENESIS: (beat(intake, 999.9), 999.9),
        Reason.UNKNOWN_SESSION: (session.seal(Session(bytes(8), bytes(32)), bytes(32), 1), 1234),
    }
    for reason, (wire, now) in faults.items():
        refused = intake.accept(wire, HTTP, now)
        assert refusal(refused) is reason
        assert isinstance(refused, Refused)
        assert refused.cure
        assert refused.challenge == intake.challenges.current(now)
    assert isinstance(intake.accept(good, HTTP, 1234), Accepted)
    for late in (good, beat(intake, 1234, 4)):
        assert intake.accept(late, HTTP, 1234) == Refused(Reason.REPLAYED_SEQUENCE, intake.challenges.current(1234), 5)
    assert {reason for reason, count in intake.refused.items() if count} == {*faults, Reason.REPLAYED_SEQUENCE}
    assert up(store, 2) == 1 << 3


def test_accept__altered_or_for_another_network__never_the_owner(intake: Intake) -> None:
    wire = beat(intake, 1234)
    forged = wire[:28] + b"\x09" + wire[29:]
    other = Heartbeat.domain(1, DOMAIN.contract)
    elsewhere = heartbeat.sign(NODE, other, ORACLE.address, 1, intake.challenges.current(1234))
    for raw in (forged, elsewhere):
        assert refusal(intake.accept(raw, HTTP, 1234)) in (Reason.UNKNOWN_NODE, Reason.BAD_SIGNATURE)


def test_accept__refused_though_signed__noted_for_the_explanation(intake: Intake, store: BitmapStore) -> None:
    intake.accept(beat(intake, 1234, age=120), HTTP, 1234)
    assert (up(store, 2, kind=Kind.REFUSED), up(store, 2)) == (1 << 3, 0)


def test_accept__sequence_at_its_end__forgotten_with_the_challenges_it_could_repeat(intake: Intake) -> None:
    last = 2**64 - 1
    assert isinstance(intake.accept(beat(intake, 1234, last), HTTP, 1234), Accepted)
    assert refusal(intake.accept(beat(intake, 1290, 1), HTTP, 1290)) is Reason.REPLAYED_SEQUENCE
    assert isinstance(intake.accept(beat(intake, 1330, 1), HTTP, 1330), Accepted)


def test_accept__replay_in_the_next_rotation__refused_by_its_sequence_then_by_its_challenge(intake: Intake) -> None:
    wire = beat(intake, 1199)
    assert isinstance(intake.accept(wire, HTTP, 1199), Accepted)
    assert refusal(intake.accept(wire, HTTP, 1201)) is Reason.REPLAYED_SEQUENCE
    assert refusal(intake.accept(wire, HTTP, 1261)) is Reason.STALE_CHALLENGE


def test_accept__many_in_one_tick__refused_from_a_number_on(intake: Intake) -> None:
    for sequence in range(1, BEATS_PER_TICK + 1):
        assert isinstance(intake.accept(beat(intake, 1234, sequence), HTTP, 1234), Accepted)
    assert refusal(intake.accept(beat(intake, 1234, 99), HTTP, 1234)) is Reason.TOO_OFTEN
    assert isinstance(intake.accept(beat(intake, 1240, 99), HTTP, 1240), Accepted)


def test_accept__workloads__own_ones_marked_and_fenced_ones_told(intake: Intake, store: BitmapStore) -> None:
    first = intake.accept(beat(intake, 1234, 1, workloads={MINE: Health.HEALTHY, FENCED: Health.HEALTHY}), HTTP, 1234)
    assert isinstance(first, Accepted)
    assert first.fenced == (FENCED,)
    intake.accept(beat(intake, 1244, 2, workloads={MINE: Health.STARTING}), HTTP, 1244)
    mine, fenced = NAME + MINE.to_bytes(16, "big"), NAME + FENCED.to_bytes(16, "big")
    assert up(store, 2, mine, Kind.HEALTH) == 1 << 3
    assert up(store, 2, mine, Kind.UNHEALTHY) == 1 << 4
    assert up(store, 2, fenced, Kind.HEALTH) == 0
    assert intake.fenced == 1


def test_accept__report_on_another_nodes_assignment__counts_for_nobody(intake: Intake, store: BitmapStore) -> None:
    unknown = 9 << 64 | 1
    intake.accept(beat(intake, 1234, 1, workloads={unknown: Health.HEALTHY}), HTTP, 1234)
    store.commit()
    assert store.read(2).uptime("health", bytes.fromhex(OTHER.address[2:]), unknown, range(10)).up == 0


class Sealing:
    """A node with an open session."""

    def __init__(self, intake: Intake, now: float = 1234.5, signer: LocalSigner = NODE) -> None:
        self.intake = intake
        terms = intake.terms()
        raw, self.session = session.open_session(
            signer,
            DOMAIN,
            terms["oracle"],
            bytes.fromhex(terms["challenge"][2:]),
            bytes.fromhex(terms["sessionKey"][2:]),
            b"\x01" * 32,
        )
        self.opened = intake.open_session(raw)

    def seal(self, now: float, sequence: int, age: int = 0, workloads: dict[int, Health] | None = None) -> bytes:
        challenge = self.intake.challenges.current(now - age)
        return session.seal(self.session, challenge, sequence, workloads or {})


def test_session__opened__seals_heartbeats_like_signed_ones(intake: Intake, store: BitmapStore) -> None:
    node = Sealing(intake)
    assert node.opened == (node.session.id, 1234 + 6 * 3600)
    sealed = intake.accept(node.seal(1234.5, 1, workloads={MINE: Health.HEALTHY}), HTTP)
    assert isinstance(sealed, Accepted)
    assert (sealed.node, sealed.epoch, sealed.tick) == (NODE.address.lower(), 2, 3)
    assert isinstance(intake.accept(node.seal(1265, 2, age=60), HTTP, 1265), Accepted)
    assert refusal(intake.accept(node.seal(1266, 2), HTTP, 1266)) is Reason.REPLAYED_SEQUENCE
    assert refusal(intake.accept(node.seal(1266, 3, age=180), HTTP, 1266)) is Reason.BAD_TAG
    assert refusal(intake.accept(node.seal(1266, 3)[:-1] + b"\0", HTTP, 1266)) is Reason.BAD_TAG
    assert up(store, 2) == 1 << 3 | 1 << 6
    assert up(store, 2, NAME + MINE.to_bytes(16, "big"), Kind.HEALTH) == 1 << 3
    assert intake.accepted["sealed"] == 2


def test_session__of_a_stranger_or_for_another_key__refused(intake: Intake) -> None:
    assert refusal_of(Sealing(intake, signer=STRANGER).opened) is Reason.UNKNOWN_NODE
    other = Intake(intake._store, CLOCK, ORACLE, DOMAIN, ROSTER, lambda: 1234.5, b"t" * 32)
    raw, _ = session.open_session(
        NODE, DOMAIN, ORACLE.address, intake.challenges.current(1234.5), other.sessions.public_key, b"\x01" * 32
    )
    assert refusal_of(intake.open_session(raw)) is Reason.WRONG_ORACLE
    stale, _ = session.open_session(NODE, DOMAIN, ORACLE.address, bytes(32), intake.sessions.public_key, b"\x01" * 32)
    assert refusal_of(intake.open_session(stale)) is Reason.STALE_CHALLENGE


def test_session__opening_sent_again__changes_nothing(intake: Intake) -> None:
    nodes = []
    for number in range(1, 4):
        terms = intake.terms()
        key, challenge = bytes.fromhex(terms["sessionKey"][2:]), bytes.fromhex(terms["challenge"][2:])
        raw, agreed = session.open_session(NODE, DOMAIN, ORACLE.address, challenge, key, bytes([number]) * 32)
        assert intake.open_session(raw) == (agreed.id, 1234 + 6 * 3600)
        nodes.append((raw, agreed))
    for raw, agreed in nodes:
        assert intake.open_session(raw) == (agreed.id, 1234 + 6 * 3600)
    newest = session.seal(nodes[-1][1], intake.challenges.current(1234.5), 1)
    assert isinstance(intake.accept(newest, HTTP), Accepted)
    assert len(intake.sessions) == 2


def test_accept__many_workloads_one_after_the_other__kept_again_in_the_next_epoch(
    intake: Intake, store: BitmapStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("oracle.telemetry.intake.intake.WORKLOADS_PER_NODE", 2)
    everything = FixedRoster({NODE.address: range(10)})
    intake = Intake(store, CLOCK, ORACLE, DOMAIN, everything, lambda: 1234.5, b"s" * 32)
    for number, now in enumerate((1210, 1220, 1230, 1310), start=1):
        intake.accept(beat(intake, now, number, workloads={number: Health.HEALTHY}), HTTP, now)
    kept = [
        (epoch, number)
        for epoch in (2, 3)
        for number in range(1, 5)
        if up(store, epoch, NAME + number.to_bytes(16, "big"), Kind.HEALTH)
    ]
    assert kept == [(2, 1), (2, 2), (3, 4)]


def refusal_of(opened: object) -> Reason:
    assert isinstance(opened, Refused)
    return opened.reason


def test_session__expired__has_to_be_opened_again(intake: Intake) -> None:
    node = Sealing(intake)
    late = 1234.5 + 6 * 3600 + 1
    assert refusal(intake.accept(node.seal(late, 1), HTTP, late)) is Reason.UNKNOWN_SESSION
    assert len(intake.sessions) == 0


def test_session__node_left_the_roster__stops_counting_with_the_next_rotation(store: BitmapStore) -> None:
    roster = FixedRoster({NODE.address: ()})
    intake = Intake(store, CLOCK, ORACLE, DOMAIN, roster, lambda: 1234.5, b"s" * 32)
    node = Sealing(intake)
    assert isinstance(intake.accept(node.seal(1234.5, 1), HTTP), Accepted)
    roster.replace({})
    assert refusal(intake.accept(node.seal(1265, 2), HTTP, 1265)) is Reason.UNKNOWN_NODE


def each_alone(intake: Intake, frames: list[bytes], now: float) -> Tally:
    tally = Tally()
    for index, raw in enumerate(frames):
        decision = intake.accept(raw, HTTP, now)
        if isinstance(decision, Refused):
            tally.refused.append((index, decision))
        else:
            tally.accepted += 1
    return tally


@pytest.mark.parametrize(
    "how", [each_alone, lambda intake, frames, now: intake.accept_all(b"".join(frames), HTTP, now)]
)
def test_sealed__in_a_batch_or_alone__judged_the_same(
    intake: Intake, store: BitmapStore, how: Callable[[Intake, list[bytes], float], Tally]
) -> None:
    node, other = Sealing(intake), Sealing(intake, signer=OTHER)
    now = 1238.0
    frames = [
        node.seal(now, 5),
        other.seal(now, 0),  # below every sequence
        node.seal(now, 5),  # again
        node.seal(now, 6),  # a second one in the tick
        other.seal(now, 9, age=60),  # the previous challenge
        session.seal(Session(bytes(8), bytes(32)), bytes(32), 1),
        other.seal(now, 10)[:-1] + b"\0",
    ]
    tally = how(intake, frames, now)
    assert tally.accepted == 3
    assert [(index, refused.reason) for index, refused in tally.refused] == [
        (1, Reason.REPLAYED_SEQUENCE),
        (2, Reason.REPLAYED_SEQUENCE),
        (5, Reason.UNKNOWN_SESSION),
        (6, Reason.BAD_TAG),
    ]
    assert up(store, 2) == 1 << 3
    assert up(store, 2, bytes.fromhex(OTHER.address[2:])) == 1 << 3
    assert intake.accepted["sealed"] == 3


def test_batch__signed_and_sealed_and_noise__each_judged_on_its_own(intake: Intake) -> None:
    node = Sealing(intake)
    body = beat(intake, 1234.5, 1, OTHER) + node.seal(1234.5, 1) + b"\x09noise"
    tally = intake.accept_all(body, HTTP)
    assert (tally.accepted, [(index, one.reason) for index, one in tally.refused]) == (2, [(2, Reason.VERSION)])


def test_receipt__of_what_was_heard__signed_by_the_oracle(intake: Intake) -> None:
    assert intake.receipt(NODE.address.lower(), 2) is None
    for sequence, now in ((1, 1201), (2, 1234)):
        intake.accept(beat(intake, now, sequence), HTTP, now)
    raw = intake.receipt(NODE.address.lower(), 2)
    assert raw is not None
    signed = receipt.decode(raw)
    assert (signed.node, signed.epoch, signed.bits) == (NODE.address.lower(), 2, 1 | 1 << 3)
    assert receipt.signed_by(signed, DOMAIN) == ORACLE.address.lower()
    assert intake.receipt(STRANGER.address.lower(), 2) is None


def test_intake__domain_of_another_purpose_or_wrong_secret__refused_at_once(store: BitmapStore) -> None:
    with pytest.raises(InvalidValue, match="address is"):
        Intake(store, CLOCK, ORACLE, Heartbeat.domain(1, "nowhere"), ROSTER, lambda: 0)
    with pytest.raises(InvalidValue, match="give 32 random ones"):
        Intake(store, CLOCK, ORACLE, DOMAIN, ROSTER, lambda: 0, b"short")
