"""Bytes from anybody, and an oracle that comes and goes."""

from __future__ import annotations

from hypothesis import given, settings
from hypothesis import strategies as st

from oracle.ground.clock import EpochClock
from oracle.ground.errors import EpochalError
from oracle.ground.typed_data import Heartbeat
from oracle.signing.signer import derive
from oracle.telemetry import heartbeat
from oracle.telemetry.challenge import Challenges
from oracle.telemetry.intake import Intake, Reason, Refused
from oracle.telemetry.store import BitmapStore

CLOCK = EpochClock(genesis=1000, length=50, tick=10)
DOMAIN = Heartbeat.domain(31337, "0x" + "11" * 20)
ORACLE = derive("test", "oracle").address
NODE = derive("test", "node")
CHALLENGES = Challenges(10**9, b"s" * 32)
WIRE = heartbeat.sign(NODE, DOMAIN, ORACLE, 7, CHALLENGES.current(1000))
ALTERED = st.tuples(st.integers(0, 124), st.integers(1, 255)).map(
    lambda change: WIRE[: change[0]] + bytes([WIRE[change[0]] ^ change[1]]) + WIRE[change[0] + 1 :]
)
SIZED = st.tuples(
    st.sampled_from([WIRE[:1], WIRE[:21], WIRE[:29], WIRE[:61]]), st.binary(min_size=124, max_size=124)
).map(lambda parts: (parts[0] + parts[1])[:125])


class Memory(BitmapStore):
    """A store that only remembers: these tests ask what is marked, not what a disk keeps."""

    def __init__(self) -> None:
        self.observed: dict[int, int] = {}
        self.marks: list[tuple[str, int, int, int]] = []

    def observe(self, epoch: int, bits: int) -> None:
        self.observed[epoch] = self.observed.get(epoch, 0) | bits

    def mark(self, node: str, epoch: int, tick: int, sequence: int = 0) -> None:
        self.marks.append((node, epoch, tick, sequence))

    def last_sequence(self, node: str) -> int:
        return 0


def new_intake(store: Memory) -> Intake:
    return Intake(store, CLOCK, ORACLE, DOMAIN, {NODE.address.lower()}, lambda: 1000, CHALLENGES)


@settings(max_examples=200, deadline=None)
@given(raw=st.one_of(st.binary(max_size=300), ALTERED, SIZED))
def test_accept__bytes_the_node_never_signed__refused(raw: bytes) -> None:
    store = Memory()
    intake = new_intake(store)
    refused = intake.accept(raw)
    assert isinstance(refused, Refused)
    assert refused.reason in Reason
    assert intake.refused[refused.reason] == 1
    assert not store.marks


@settings(max_examples=200, deadline=None)
@given(raw=st.one_of(st.binary(max_size=200), ALTERED, SIZED))
def test_decode__any_bytes__what_it_reads_it_writes(raw: bytes) -> None:
    try:
        beat = heartbeat.decode(raw)
    except EpochalError:
        assert len(raw) != heartbeat.SIZE or raw[0] != heartbeat.VERSION
    else:
        assert heartbeat.encode(beat) == raw


@settings(max_examples=60, deadline=None)
@given(sequence=st.integers(0, 2**64 - 1), challenge=st.binary(min_size=32, max_size=32), secret=st.integers(1, 10**9))
def test_sign__any_values__recover_to_the_signer(sequence: int, challenge: bytes, secret: int) -> None:
    signer = derive("test", str(secret))
    wire = heartbeat.sign(signer, DOMAIN, ORACLE, sequence, challenge)
    beat = heartbeat.decode(wire)
    assert (beat.oracle, beat.sequence, beat.challenge) == (ORACLE.lower(), sequence, challenge)
    assert heartbeat.signed_by(beat, DOMAIN) == signer.address.lower()


@settings(max_examples=200, deadline=None)
@given(
    start=st.integers(980, 1030),
    gaps=st.lists(st.one_of(st.integers(0, 10), st.integers(0, 40), st.integers(-30, 0)), max_size=25),
)
def test_alive__any_calls__a_tick_counts_iff_one_run_spans_it(start: int, gaps: list[int]) -> None:
    store = Memory()
    intake = new_intake(store)
    runs: list[list[int]] = [[start, start]]
    intake.alive(start)
    moment = start
    for gap in gaps:
        moment += gap
        intake.alive(moment)
        if 0 <= gap <= CLOCK.tick:
            runs[-1][1] = moment
        else:
            runs.append([moment, moment])
    for number in range(60):
        begin = CLOCK.genesis + number * CLOCK.tick
        epoch, tick = divmod(number, CLOCK.ticks_per_epoch)
        spanned = any(first <= begin and begin + CLOCK.tick <= last for first, last in runs)
        assert store.observed.get(epoch, 0) >> tick & 1 == spanned
