# SPDX-License-Identifier: Apache-2.0
"""docs/protocol.md says what the code does, where a test can tell."""

from __future__ import annotations

import re

from oracle.committee.agreement import FORMAT
from oracle.committee.messages import MAGIC, MAX_ENVELOPE, MAX_ITEMS, MAX_TEXT, Kind
from oracle.committee.reallocating import LIFE_SLOTS
from oracle.committee.reallocation_messages import MAX_CLAIMS, MAX_OBJECTION, MAX_REQUESTS
from oracle.ground.breaches import SLOT_TICKS, TOLERANCE_TICKS
from oracle.ground.typed_data import Announcement, EpochReport, Observation, PeerMessage, ReallocationBatch, Receipt
from oracle.peers.client import MAX_EVIDENCE, MAX_OBSERVATION, ClientLimits
from oracle.peers.desk import PeerLimits
from oracle.peers.outbox import OutboxLimits
from oracle.peers.server import REASONS
from oracle.telemetry.wire.appeal import MAX_SIZE, MOST_OF_ONE
from tests.project import ROOT

PAGE = (ROOT / "docs" / "protocol.md").read_text(encoding="utf-8")
SILENT = {"again", "connections", "headers", "old", "slow_reader"}
"""Reasons that are counted and never answered."""


def test_page__reasons__are_those_of_the_server() -> None:
    rows = re.findall(r"^\| [45]\d\d \| (`[^|]*`) \|", PAGE, flags=re.MULTILINE)
    told = {reason for row in rows for reason in re.findall(r"`(\w+)`", row)}
    assert told == set(REASONS) - SILENT


def test_page__types_and_names__are_those_of_the_code() -> None:
    for message in (Observation, PeerMessage, EpochReport, Receipt, ReallocationBatch, Announcement):
        assert f"| `{message.TYPE}` | {message.DOMAIN} |" in PAGE
    for kind in Kind:
        assert f"| {kind.value} | {kind.name} |" in PAGE
    assert f"`{MAGIC.decode()}`" in PAGE
    assert f'`"{FORMAT}"`' in PAGE


def test_page__limits__are_those_of_the_code() -> None:
    peers, client, outbox = PeerLimits(), ClientLimits(), OutboxLimits()
    assert (MAX_ENVELOPE, MAX_SIZE, MAX_EVIDENCE) == (1 << 20, 1 << 20, 1 << 30)
    assert MAX_OBJECTION == MAX_TEXT
    for said in (
        f"at most {MAX_CLAIMS:,}.",
        f"At most {MAX_REQUESTS}, ascending",
        f"A *slot* is {SLOT_TICKS} ticks",
        f"one of the newest {SLOT_TICKS} that are over",
        f"from {TOLERANCE_TICKS} ticks before",
        f"It expires {LIFE_SLOTS} slots after",
        f"counts of at most {MAX_ITEMS:,}",
        f"at most {MAX_TEXT} bytes",
        f"at most {MOST_OF_ONE} of each member",
        f"| {-(-MAX_OBSERVATION // 2**20)} MiB |",
        f"open connections ({peers.connections:,}; {peers.per_address} of one address)",
        f"({peers.requests_per_second:g} requests a second",
        f"({peers.messages_per_second:g} messages a second",
        f"within {peers.header_seconds:g} s, is cut off",
        f"up to {outbox.messages} messages for each peer",
        f"from {outbox.first:g} to {outbox.longest:g} s",
        f"A client gives a peer {client.patience:g} s",
        f"slower than {client.slowest // 1024} KiB a second",
        f"{client.fetches} contents and {client.evidence} bundle of evidence at a time from one peer",
        f"{client.buffered // 2**20} MiB of contents",
        f"slower than {peers.slowest // 1024} KiB a second",
        f"{peers.waiting:,} things asked for",
        f"{peers.messages_waiting} messages of one member",
        f"{peers.appeals_waiting} appeals",
        f"{peers.appeals_per_second:g} a second, saved up to {peers.appeals_burst:g}",
    ):
        assert said in " ".join(PAGE.split()), said
