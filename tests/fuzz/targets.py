# SPDX-License-Identifier: Apache-2.0
"""What bytes from anybody are fed to. A target returns when all is well: the bytes were refused by a named error, or
read and written again as they were. Anything else it raises is a finding."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from hmac import compare_digest
from typing import Final

from oracle.committee.errors import Malformed
from oracle.committee.messages import Envelope, Have, Message, Proposed, Reason, Ref, Refusal, Vote
from oracle.committee.observation import View
from oracle.committee.reallocation_messages import Asked, Batch, Claims, Endorsement, Objection
from oracle.ground.address import raw_address
from oracle.ground.breaches import Breach
from oracle.ground.breaches import Reason as Why
from oracle.ground.clock import EpochClock
from oracle.ground.typed_data import EpochReport, Heartbeat
from oracle.ground.uptime import Uptime
from oracle.signing.compact import InvalidSignature
from oracle.signing.signer import derive
from oracle.telemetry.intake.challenge import Challenges
from oracle.telemetry.intake.eyes import Way
from oracle.telemetry.intake.intake import Intake
from oracle.telemetry.intake.roster import FixedRoster
from oracle.telemetry.intake.sessions import NodeState
from oracle.telemetry.store.records import Kind
from oracle.telemetry.wire import frames, heartbeat, receipt, session, workloads
from oracle.telemetry.wire.appeal import Appeal, gather
from oracle.telemetry.wire.errors import MalformedHeartbeat, UnknownVersion
from oracle.telemetry.wire.workloads import Health

DOMAIN: Final = Heartbeat.domain(31_337, "0x" + "11" * 20)
NODE: Final = derive("fuzz", "node")
ORACLE: Final = derive("fuzz", "oracle")
SECRET: Final = b"o" * 32
CLOCK: Final = EpochClock(genesis=1000, length=100, tick=10)
CHALLENGE: Final = Challenges(60, SECRET).current(1000)
WAY: Final = Way("fuzz", 0)
REPORT: Final = {1: Health.STARTING, 2**100: Health.HEALTHY}

SIGNED: Final = heartbeat.sign(NODE, DOMAIN, ORACLE.address, 7, CHALLENGE, REPORT)
BARE: Final = heartbeat.sign(NODE, DOMAIN, ORACLE.address, 8, CHALLENGE)
OPENING, SESSION = session.open_session(
    NODE, DOMAIN, ORACLE.address, CHALLENGE, session.session_public_key(SECRET), b"n" * 32
)
SEALED: Final = session.seal(SESSION, CHALLENGE, 7, REPORT)
PLAIN: Final = session.seal(SESSION, CHALLENGE, 8)
RECEIPT: Final = receipt.issue(ORACLE, DOMAIN, NODE.address, 17, 0b1011 << 30, 8_640)
REPORTS: Final = EpochReport.domain(31_337, DOMAIN.contract)
REF: Final = Ref(17, bytes(32), RECEIPT[-64:])
BODIES: Final = (
    Have((REF,), (b"a" * 32,)),
    Proposed(b"p" * 32, b"a" * 32, (REF,), (b"a" * 32,)),
    Vote(*(bytes(32),) * 5, RECEIPT[-64:]),
    Refusal(b"p" * 32, Reason.OMITS, (REF,), (b"a" * 32,), "it omits é"),
    Claims((Breach(1, Why.OUTAGE, 10, 11, 12), Breach(2**64, Why.OUTCAST, 0, 0, 0))),
    Batch(1_800_000_000, (Asked(1, Why.OUTAGE, 11), Asked(2**64, Why.MAINTENANCE, 2**40 - 1))),
    Endorsement(b"r" * 32, 1_800_000_000, RECEIPT[-64:]),
    Objection(b"b" * 32, "it isn't down: é"),
)
ENVELOPES: Final = tuple(Message(17, 2, 1, body).seal(ORACLE, REPORTS) for body in BODIES)
APPEAL: Final = gather(raw_address(NODE.address), 17, [RECEIPT], DOMAIN).encode()
VIEW: Final = View(17, 2, {1: Uptime(3, 5), 2**64: Uptime(0, 0)})


@dataclass(frozen=True, slots=True)
class Target:
    """A function of bytes, and bytes to start from."""

    run: Callable[[bytes], None]
    seeds: tuple[bytes, ...]


def read_heartbeat(raw: bytes) -> None:
    with suppress(MalformedHeartbeat, UnknownVersion):
        beat = heartbeat.decode(raw)
        _same(heartbeat.encode(beat), raw)
        with suppress(InvalidSignature):
            _check(raw in (SIGNED, BARE) or heartbeat.signed_by(beat, DOMAIN) != NODE.address.lower(), "a forgery")
        _read_workloads(beat.workloads)


def read_sealed(raw: bytes) -> None:
    with suppress(MalformedHeartbeat, UnknownVersion):
        beat = session.decode_sealed(raw)
        _same(beat.head + beat.tag, raw)
        # Not `==`: the fuzzer reads what is compared, and would learn the tag from it.
        sealed_by_us = compare_digest(session.tag(SESSION.key, CHALLENGE, beat.head), beat.tag)
        _check(raw in (SEALED, PLAIN) or not sealed_by_us, "a forged tag")
        _read_workloads(beat.workloads)


def read_opening(raw: bytes) -> None:
    with suppress(MalformedHeartbeat, UnknownVersion, InvalidSignature, session.WrongSessionKey):
        opening = session.decode_opening(raw)
        _same(session.encode_opening(opening), raw)
        node, opened = session.accept_session(opening, DOMAIN, SECRET)
        _check(raw == OPENING or (node != NODE.address.lower() and opened.id != SESSION.id), "a forged opening")


def read_receipt(raw: bytes) -> None:
    with suppress(receipt.MalformedReceipt, InvalidSignature):
        given = receipt.decode(raw)
        _same(receipt.encode(given), raw)
        _check(given.bits.bit_length() <= receipt.END_OF_TICKS, "a tick beyond the end")
        _check(raw == RECEIPT or receipt.signed_by(given, DOMAIN) != ORACLE.address.lower(), "a forged receipt")


def split_frames(body: bytes) -> None:
    split = frames.split(body)
    _same(b"".join(split), body)
    _check(all(split), "an empty frame")
    for frame in split[:-1]:
        _check(frames.split(frame) == [frame], "a frame that doesn't stand alone")
        try:
            heartbeat.decode(frame) if frame[0] == heartbeat.VERSION else session.decode_sealed(frame)
        except MalformedHeartbeat:
            count = frame[heartbeat.COUNT_AT if frame[0] == heartbeat.VERSION else session.SEALED_COUNT_AT]
            _check(count > workloads.MAX_WORKLOADS, "a frame of the wrong size before the last")


def read_observation(content: bytes) -> None:
    with suppress(Malformed):
        _same(View.decode(content).encode(), content)


def read_envelope(raw: bytes) -> None:
    with suppress(Malformed):
        envelope = Envelope.open(raw)
        with suppress(InvalidSignature):
            _check(raw in ENVELOPES or envelope.sender(REPORTS) != raw_address(ORACLE.address), "a forgery")
        _same(envelope.message().body.encode(), envelope.payload)


def read_appeal(raw: bytes) -> None:
    with suppress(Malformed):
        appeal = Appeal.decode(raw)
        _same(appeal.encode(), raw)
        _check(all((raw_address(one.node), one.epoch) == (appeal.node, appeal.epoch) for one in appeal.read()), "mixed")


def judge_body(body: bytes) -> None:
    """Whole bodies at an intake: each heartbeat is counted once, and all together get what each alone would."""
    together, alone = _intake(), _intake()
    tally = together.accept_all(body, WAY)
    refused = {index: refusal.reason for index, refusal in tally.refused}
    split = frames.split(body)
    _check(tally.accepted + len(refused) == len(split), "a heartbeat without a decision")
    for index, frame in enumerate(split):
        decision = alone.accept(frame, WAY)
        _check(refused.get(index) == getattr(decision, "reason", None), f"frame {index} is judged in two ways")
        _check(index in refused or frame in (SIGNED, BARE, SEALED, PLAIN), "a forgery counts")


TARGETS: Final = {
    "heartbeat": Target(read_heartbeat, (SIGNED, BARE)),
    "sealed": Target(read_sealed, (SEALED, PLAIN)),
    "opening": Target(read_opening, (OPENING,)),
    "receipt": Target(read_receipt, (RECEIPT,)),
    "frames": Target(split_frames, (SIGNED + PLAIN + BARE, PLAIN * 3, BARE * 2 + b"\2")),
    "intake": Target(judge_body, (PLAIN * 2, PLAIN + SIGNED + SEALED, BARE + PLAIN, OPENING)),
    "envelope": Target(read_envelope, ENVELOPES),
    "appeal": Target(read_appeal, (APPEAL, APPEAL[:32] + bytes(2))),
    "observation": Target(
        read_observation,
        (VIEW.encode(), View(0, 0, {}).encode(), View(1, 2, {3: Uptime(0, 1)}, {4: Uptime(1, 1)}).encode()),
    ),
}


class _Memory:
    """A store that takes every mark and keeps none."""

    def track(self, kind: Kind, name: bytes) -> int:
        return 1

    def mark(self, track: int, epoch: int, tick: int, way: int) -> bool:
        return True

    def mark_all(self, tracks: list[int], epoch: int, tick: int, way: int) -> None:
        pass


def _intake() -> Intake:
    """An intake at second 1000, with the session open under which the seeds are sealed."""
    roster = FixedRoster({NODE.address: [1]})
    intake = Intake(_Memory(), CLOCK, ORACLE, DOMAIN, roster, lambda: 1000, SECRET)  # type: ignore[arg-type]
    intake.sessions.open(SESSION, NodeState(NODE.address.lower(), 1), 1000, b"opening")
    return intake


def _read_workloads(raw: bytes) -> None:
    entries = workloads.decode(raw)
    _same(workloads.encode(dict(entries)), raw)


def _same(made: bytes, raw: bytes) -> None:
    _check(made == raw, f"read and written again it is {made.hex()}")


def _check(holds: bool, otherwise: str) -> None:
    if not holds:
        raise AssertionError(otherwise)
