# SPDX-License-Identifier: Apache-2.0
"""Receipts: the bytes, the bits, who signed them, and what is none."""

from __future__ import annotations

import pytest

from oracle.ground.errors import InvalidValue
from oracle.ground.typed_data import Heartbeat, Receipt
from oracle.signing.signer import derive
from oracle.telemetry.wire import receipt

DOMAIN = Heartbeat.domain(31337, "0x" + "11" * 20)
ORACLE = derive("test", "oracle")
NODE = "0x" + "33" * 20
BITS = 1 | 1 << 9 | 1 << 8_000
WIRE = receipt.issue(ORACLE, DOMAIN, NODE, 17, BITS, 8_640)


def test_issue__layout__is_fixed() -> None:
    given = receipt.decode(WIRE)
    ticks = b"\1\2" + bytes(998) + b"\1"
    head = b"\x01" + b"\x33" * 20 + (17).to_bytes(8, "big") + bytes(4) + (1_001).to_bytes(2, "big")
    assert head + ticks + given.signature == WIRE
    assert (given.node, given.epoch, given.first_tick, given.bits) == (NODE, 17, 0, BITS)
    assert receipt.encode(given) == WIRE


def test_signed_by__own_domain__recovers_the_oracle() -> None:
    assert receipt.signed_by(receipt.decode(WIRE), DOMAIN) == ORACLE.address.lower()
    assert receipt.signed_by(receipt.decode(WIRE), Heartbeat.domain(1, DOMAIN.contract)) != ORACLE.address.lower()


def test_bits__receipt_of_later_ticks__stand_where_they_belong() -> None:
    digest = Receipt(NODE, 17, 16, b"\5").digest(DOMAIN)
    given = receipt.SignedReceipt(NODE, 17, 16, b"\5", ORACLE.sign(digest))
    read = receipt.decode(receipt.encode(given))
    assert read.bits == 1 << 16 | 1 << 18
    assert receipt.signed_by(read, DOMAIN) == ORACLE.address.lower()


def test_issue__empty__is_the_shortest() -> None:
    empty = receipt.issue(ORACLE, DOMAIN, NODE, 0, 0, 8_640)
    assert len(empty) == receipt.MIN_SIZE == 99
    assert receipt.decode(empty).bits == 0


@pytest.mark.parametrize(("tick", "ticks"), [(8_640, 8_640), (524_280, 600_000)])
def test_issue__tick_it_cannot_hold__refused(tick: int, ticks: int) -> None:
    with pytest.raises(InvalidValue):
        receipt.issue(ORACLE, DOMAIN, NODE, 0, 1 << tick, ticks)


def altered(at: int, new: bytes) -> bytes:
    return WIRE[:at] + new + WIRE[at + len(new) :]


@pytest.mark.parametrize(
    "raw",
    [
        b"",
        WIRE[:98],
        WIRE[:-1],
        WIRE + b"\0",
        altered(0, b"\2"),
        altered(29, (7).to_bytes(4, "big")),  # a first tick within a byte
        altered(29, (2**32 - 8).to_bytes(4, "big")),  # a mask of half a gigabyte
        altered(33, b"\0\0"),
    ],
)
def test_decode__other_bytes__malformed(raw: bytes) -> None:
    with pytest.raises(receipt.MalformedReceipt):
        receipt.decode(raw)


@pytest.mark.parametrize(
    ("epoch", "first_tick", "size", "signature"),
    [(-1, 0, 0, 64), (2**64, 0, 0, 64), (0, 4, 0, 64), (0, -8, 0, 64), (0, 0, 65_536, 64), (0, 0, 0, 65)],
)
def test_encode__wrong_widths__malformed(epoch: int, first_tick: int, size: int, signature: int) -> None:
    with pytest.raises(receipt.MalformedReceipt):
        receipt.encode(receipt.SignedReceipt(NODE, epoch, first_tick, bytes(size), bytes(signature)))
