# SPDX-License-Identifier: Apache-2.0
"""The signed heartbeat's bytes, who signed them, and many of them in one body."""

from __future__ import annotations

import pytest

from oracle.ground.errors import InvalidValue
from oracle.ground.typed_data import Heartbeat
from oracle.signing.compact import InvalidSignature
from oracle.signing.signer import derive
from oracle.telemetry.wire import frames, heartbeat, workloads
from oracle.telemetry.wire.workloads import Health

DOMAIN = Heartbeat.domain(31337, "0x" + "11" * 20)
ORACLE = "0x" + "22" * 20
NODE = derive("test", "node")
REPORT = {5: Health.HEALTHY, 2**100: Health.STARTING}
WIRE = heartbeat.sign(NODE, DOMAIN, ORACLE, 7, b"c" * 32, REPORT)
BARE = heartbeat.sign(NODE, DOMAIN, ORACLE, 8, b"c" * 32)
ENTRIES = workloads.encode(REPORT)


def test_encode__layout__is_fixed() -> None:
    beat = heartbeat.decode(WIRE)
    entries = (5).to_bytes(16, "big") + b"\2" + (2**100).to_bytes(16, "big") + b"\1"
    head = b"\x02" + b"\x22" * 20 + (7).to_bytes(8, "big") + b"c" * 32 + b"\2"
    assert head + entries + beat.signature == WIRE
    assert (len(BARE), len(WIRE)) == (126, 126 + 2 * 17)
    assert (beat.oracle, beat.sequence, beat.challenge, beat.workloads) == (ORACLE, 7, b"c" * 32, entries)
    assert workloads.decode(beat.workloads) == ((5, Health.HEALTHY), (2**100, Health.STARTING))
    assert heartbeat.encode(beat) == WIRE


def test_signed_by__own_domain__recovers_the_node() -> None:
    for raw in (WIRE, BARE):
        assert heartbeat.signed_by(heartbeat.decode(raw), DOMAIN) == NODE.address.lower()


@pytest.mark.parametrize("at", [1, 20, 21, 28, 29, 60, 62, 77, 78, 95, 96, 127, 128, 159])
def test_signed_by__any_part_altered__is_not_the_node(at: int) -> None:
    altered = WIRE[:at] + bytes([WIRE[at] ^ 1]) + WIRE[at + 1 :]
    try:
        assert heartbeat.signed_by(heartbeat.decode(altered), DOMAIN) != NODE.address.lower()
    except InvalidSignature:
        assert at >= 96


def test_signed_by__another_network__is_not_the_node() -> None:
    for other in (Heartbeat.domain(1, DOMAIN.contract), Heartbeat.domain(31337, "0x" + "12" * 20)):
        assert heartbeat.signed_by(heartbeat.decode(WIRE), other) != NODE.address.lower()


@pytest.mark.parametrize("raw", [b"", b"\x02", BARE[:-1], BARE + b"\0", WIRE[:-17], BARE[:61] + b"\1" + BARE[62:]])
def test_decode__wrong_length__malformed(raw: bytes) -> None:
    with pytest.raises(heartbeat.MalformedHeartbeat, match=f"heartbeat has {len(raw)} bytes: send 126 and 17 for"):
        heartbeat.decode(raw)


def test_decode__more_workloads_than_allowed__malformed() -> None:
    most = heartbeat.sign(NODE, DOMAIN, ORACLE, 7, b"c" * 32, dict.fromkeys(range(64), Health.HEALTHY))
    assert len(workloads.decode(heartbeat.decode(most).workloads)) == 64
    with pytest.raises(heartbeat.MalformedHeartbeat):
        heartbeat.decode(most[:61] + b"\x41" + bytes(17) + most[62:])
    with pytest.raises(heartbeat.MalformedHeartbeat, match="65 workloads in one heartbeat: report at most 64"):
        workloads.encode(dict.fromkeys(range(65), Health.HEALTHY))


@pytest.mark.parametrize("version", [0, 1, 3, 4, 255])
def test_decode__other_version__named(version: int) -> None:
    with pytest.raises(heartbeat.UnknownVersion, match=f"version is {version}, this one reads 2: update"):
        heartbeat.decode(bytes([version]) + WIRE[1:])


def test_encode__wrong_widths__refused() -> None:
    for challenge, signature, sequence, size in (
        (31, 64, 0, 0),
        (32, 65, 0, 0),
        (32, 64, 2**64, 0),
        (32, 64, -1, 0),
        (32, 64, 0, 16),
        (32, 64, 0, 65 * 17),
    ):
        beat = heartbeat.SignedHeartbeat(ORACLE, sequence, bytes(challenge), bytes(size), bytes(signature))
        with pytest.raises(heartbeat.MalformedHeartbeat):
            heartbeat.encode(beat)
    with pytest.raises(InvalidValue):
        heartbeat.encode(heartbeat.SignedHeartbeat("0x12", 0, bytes(32), b"", bytes(64)))
    with pytest.raises(InvalidValue, match="assignment is "):
        workloads.encode({2**128: Health.HEALTHY})


@pytest.mark.parametrize(
    ("raw", "complaint"),
    [
        (ENTRIES[:16], "workloads have 16 bytes: give 17 for each"),
        (ENTRIES[:17] * 2, "assignment 5 after 5: name each once"),
        (ENTRIES[17:] + ENTRIES[:17], "name each once, in rising order"),
        (bytes(16) + b"\4", "health of assignment 0 is 4: it goes from 0 to 3"),
    ],
)
def test_workloads__another_encoding__malformed(raw: bytes, complaint: str) -> None:
    with pytest.raises(heartbeat.MalformedHeartbeat, match=complaint):
        workloads.decode(raw)


@pytest.mark.parametrize(
    "parts",
    [
        [],
        [BARE] * 3,
        [WIRE] * 3,
        [BARE, WIRE, BARE],
        [BARE, BARE[:-1]],
        [WIRE, BARE, b"\2"],
        [BARE, b"\x03" + BARE],  # openings don't come with heartbeats
        [b"\x01" * 125 * 3],
        [b"\x04"],
        [BARE[:61] + b"\xff" + bytes(255 * 17 + 64), BARE],  # one node's nonsense costs its neighbours nothing
    ],
)
def test_split__body__gives_its_frames(parts: list[bytes]) -> None:
    assert frames.split(b"".join(parts)) == parts
