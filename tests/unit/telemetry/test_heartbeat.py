"""The heartbeat's 125 bytes, who signed them, and the challenge inside."""

from __future__ import annotations

import pytest

from oracle.ground.errors import InvalidValue
from oracle.ground.typed_data import Heartbeat
from oracle.signing.compact import InvalidSignature
from oracle.signing.signer import derive
from oracle.telemetry import heartbeat
from oracle.telemetry.challenge import Challenges

DOMAIN = Heartbeat.domain(31337, "0x" + "11" * 20)
ORACLE = "0x" + "22" * 20
NODE = derive("test", "node")
WIRE = heartbeat.sign(NODE, DOMAIN, ORACLE, 7, b"c" * 32)


def test_encode__layout__is_fixed() -> None:
    beat = heartbeat.decode(WIRE)
    assert b"\x01" + b"\x22" * 20 + (7).to_bytes(8, "big") + b"c" * 32 + beat.signature == WIRE
    assert len(WIRE) == heartbeat.SIZE == 125
    assert (beat.oracle, beat.sequence, beat.challenge) == (ORACLE, 7, b"c" * 32)
    assert heartbeat.encode(beat) == WIRE


def test_signed_by__own_domain__recovers_the_node() -> None:
    assert heartbeat.signed_by(heartbeat.decode(WIRE), DOMAIN) == NODE.address.lower()


@pytest.mark.parametrize("at", [1, 20, 21, 28, 29, 60, 61, 92, 93, 123])
def test_signed_by__any_part_altered__is_not_the_node(at: int) -> None:
    altered = WIRE[:at] + bytes([WIRE[at] ^ 1]) + WIRE[at + 1 :]
    try:
        assert heartbeat.signed_by(heartbeat.decode(altered), DOMAIN) != NODE.address.lower()
    except InvalidSignature:
        assert at >= 61


def test_signed_by__another_network__is_not_the_node() -> None:
    for other in (Heartbeat.domain(1, DOMAIN.contract), Heartbeat.domain(31337, "0x" + "12" * 20)):
        assert heartbeat.signed_by(heartbeat.decode(WIRE), other) != NODE.address.lower()


@pytest.mark.parametrize("raw", [b"", WIRE[:-1], WIRE + b"\0", WIRE * 2, b"\x01"])
def test_decode__wrong_length__malformed(raw: bytes) -> None:
    with pytest.raises(heartbeat.MalformedHeartbeat, match=f"heartbeat has {len(raw)} bytes: send the 125"):
        heartbeat.decode(raw)


@pytest.mark.parametrize("version", [0, 2, 255])
def test_decode__other_version__named(version: int) -> None:
    with pytest.raises(heartbeat.UnknownVersion, match=f"version is {version}, this one reads 1: update"):
        heartbeat.decode(bytes([version]) + WIRE[1:])


def test_encode__wrong_widths__refused() -> None:
    for challenge, signature, sequence in ((31, 64, 0), (32, 65, 0), (32, 64, 2**64), (32, 64, -1)):
        with pytest.raises(heartbeat.MalformedHeartbeat):
            heartbeat.encode(heartbeat.SignedHeartbeat(ORACLE, sequence, bytes(challenge), bytes(signature)))
    with pytest.raises(InvalidValue):
        heartbeat.encode(heartbeat.SignedHeartbeat("0x12", 0, bytes(32), bytes(64)))


def test_challenge__rotates__current_and_previous_are_accepted() -> None:
    challenges = Challenges(period=60)
    first, second, third = (challenges.current(t) for t in (0, 60, 120.5))
    assert len({first, second, third}) == 3
    assert all(len(challenge) == 32 for challenge in (first, second, third))
    assert challenges.current(179.9) == third
    assert challenges.accepts(third, 120)
    assert challenges.accepts(second, 179.9)
    assert not challenges.accepts(first, 120)
    assert not challenges.accepts(third, 119)
    assert not challenges.accepts(b"", 120)


def test_challenge__other_secret__is_another() -> None:
    assert Challenges(60).current(0) != Challenges(60).current(0)
    assert Challenges(60, b"s" * 32).current(0) == Challenges(60, b"s" * 32).current(59)


def test_challenge__no_period__refused() -> None:
    with pytest.raises(InvalidValue, match="challenge period is 0 s"):
        Challenges(0)
