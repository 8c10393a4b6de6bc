# SPDX-License-Identifier: Apache-2.0
"""What a Prometheus server measured, beside the heartbeats of the nodes: it counts, and signs nothing."""

from __future__ import annotations

from pathlib import Path

from oracle.ground.clock import EpochClock
from oracle.ground.typed_data import Heartbeat
from oracle.ground.uptime import Uptime
from oracle.signing.signer import derive
from oracle.telemetry.intake.intake import Intake
from oracle.telemetry.intake.roster import FixedRoster
from oracle.telemetry.store.opening import open_store
from oracle.telemetry.store.records import EpochRecord, Kind, Line
from oracle.telemetry.strip import Assigned, TickClass, explain
from oracle.telemetry.wire import receipt

CLOCK = EpochClock(genesis=1000, length=80, tick=10)
NODE = derive("test", "node").address.lower()
NAME = bytes.fromhex(NODE[2:])
JOB = 7
WHOLE = range(8)
HTTP = (("http", 0b00001111),)


def record(heartbeats: Line, pulled: Line, reported: Line) -> EpochRecord:
    lines = {Kind.LIVENESS: {NAME: heartbeats}, Kind.PULLED: {NAME: pulled}}
    return EpochRecord(0, 8, HTTP, lines | {Kind.HEALTH: {NAME + JOB.to_bytes(16, "big"): reported}})


def test_receipt__of_what_only_prometheus_saw__is_none(tmp_path: Path) -> None:
    store = open_store(tmp_path / "store.db", CLOCK, "net")
    signer, domain = derive("test", "oracle"), Heartbeat.domain(31337, "0x" + "11" * 20)
    intake = Intake(store, CLOCK, signer, domain, FixedRoster({NODE: ()}), lambda: 1005.0, b"s" * 32)
    pulled = store.track(Kind.PULLED, NAME)
    store.see(pulled, 0, 0b111)
    store.mark_bits(pulled, 0, 0b11)
    assert intake.receipt(NODE, 0) is None
    store.mark(store.track(Kind.LIVENESS, NAME), 0, 5, store.way("http"))
    signed = intake.receipt(NODE, 0)
    assert signed is not None
    assert receipt.decode(signed).bits == 1 << 5
    assert store.read(0).uptime("liveness", NAME, JOB, WHOLE).up == 3
    store.close()


def test_uptime__pulled_beside_heartbeats__either_counts() -> None:
    told = record(Line(0b00000011, 0, 0b1), Line(0b00100010, 0b11110010), Line(0b00000011, 0, 0b1))
    assert told.up(NAME) == 0b00100011
    assert told.observable(NAME) == 0b11111111
    assert told.uptime("liveness", NAME, JOB, WHOLE) == Uptime(3, 8)


def test_uptime__pulled_where_the_ways_were_blind__is_no_evidence_on_workloads() -> None:
    told = record(Line(0b00001111, 0, 0b1), Line(0b11111111, 0b11111111), Line(0b00001111, 0, 0b1))
    assert told.uptime("liveness", NAME, JOB, WHOLE) == Uptime(8, 8)
    assert told.uptime("health", NAME, JOB, WHOLE) == Uptime(4, 4)


def test_uptime__pulled_alone__what_was_looked_at() -> None:
    told = record(Line(), Line(0b01100000, 0b11100000), Line())
    assert told.uptime("liveness", NAME, JOB, WHOLE) == Uptime(2, 3)


def test_explain__pulled_beside_heartbeats__says_who_found_what() -> None:
    told = record(Line(0b00000001, 0, 0b1), Line(0b01000010, 0b11100110), Line(0b00000001, 0, 0b1))
    liveness, health, _ = explain(told, CLOCK, NAME, [Assigned(JOB, WHOLE)]).tracks
    up, lost, down = TickClass.UP, TickClass.NO_HEARTBEAT, TickClass.FOUND_DOWN
    assert list(liveness.classes) == [up, up, down, lost, TickClass.BLIND, down, up, down]
    assert list(health.classes) == [up, lost, lost, lost, *[TickClass.BLIND] * 4]
