# SPDX-License-Identifier: Apache-2.0
"""Which ticks an appeal shows to be acknowledged, what is wrong with one that shows none, what a report makes of it."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace

import pytest

from oracle.committee.agreement import Committee, Draft, Proposal, draft, unbundle
from oracle.committee.appeal import acknowledged, appeal_expired, judged
from oracle.committee.errors import Disagreement, Malformed
from oracle.committee.observation import SignedObservation, View, digest
from oracle.ground.clock import EpochClock
from oracle.ground.errors import InvalidValue
from oracle.ground.ids import pack
from oracle.ground.leaves import Leaf
from oracle.ground.ledger import Ledger, Subject
from oracle.ground.policy import Policy
from oracle.ground.typed_data import EpochReport, Heartbeat
from oracle.ground.uptime import Uptime
from oracle.signing.signer import LocalSigner, derive
from oracle.telemetry.wire import receipt as wire
from oracle.telemetry.wire.appeal import MAX_SIZE, Appeal, gather

CLOCK = EpochClock(genesis=1_000, length=200, tick=10)
TICKS = CLOCK.ticks_per_epoch
ALL = (1 << TICKS) - 1
CONTRACT = "0x" + "11" * 20
DOMAIN, BEATS = EpochReport.domain(31_337, CONTRACT), Heartbeat.domain(31_337, CONTRACT)
ORACLES = sorted((derive("appeals", f"oracle {i}") for i in range(4)), key=lambda one: int(one.address, 16))
STRANGER = derive("appeals", "stranger")
COMMITTEE = Committee(3, tuple(bytes.fromhex(one.address[2:]) for one in ORACLES))
NODE, OTHER = b"\x77" * 20, b"\x78" * 20
KEY = pack(1, 0, 1)
SUBJECT = Subject(KEY, 1, 1_000, 9_000, 1_000, 0, 0, False, Policy(target_ppm=500_000, floor_ppm=500_000))


def issue(signer: LocalSigner, bits: int, epoch: int = 0, node: bytes = NODE) -> bytes:
    return wire.issue(signer, BEATS, "0x" + node.hex(), epoch, bits, max(TICKS, bits.bit_length()))


def appeal(*bits: int, epoch: int = 0) -> Appeal:
    """Receipts of the first oracles, with these ticks."""
    return gather(NODE, epoch, [issue(one, ticks, epoch) for one, ticks in zip(ORACLES, bits, strict=False)], BEATS)


def test_acknowledged__two_of_four__count_where_both_have_a_tick() -> None:
    assert acknowledged(appeal(0b1110, 0b0111), COMMITTEE, BEATS, TICKS) == 0b0110
    assert acknowledged(appeal(0b1110, 0b0111, 0b1000, 0b10001), COMMITTEE, BEATS, TICKS) == 0b1111


def test_acknowledged__receipts_of_one_oracle_however_many__show_nothing() -> None:
    many = gather(NODE, 0, [issue(ORACLES[0], 1 << tick) for tick in range(8)], BEATS)
    assert len(many.receipts) == 8
    assert acknowledged(many, COMMITTEE, BEATS, TICKS) == 0
    assert acknowledged(appeal(), COMMITTEE, BEATS, TICKS) == 0


def test_acknowledged__workers_of_one_oracle__add_up() -> None:
    raws = [issue(ORACLES[0], 0b0011), issue(ORACLES[0], 0b1100), issue(ORACLES[1], ALL)]
    assert acknowledged(gather(NODE, 0, raws, BEATS), COMMITTEE, BEATS, TICKS) == 0b1111


GOOD = appeal(ALL, ALL >> 1)
Change = Callable[[Appeal], Appeal]
REFUSED: dict[str, tuple[Change, str]] = {
    "stranger": (
        lambda a: gather(NODE, 0, [*a.receipts, issue(STRANGER, 1)], BEATS),
        "isn't of that epoch's committee 3",
    ),
    "unordered": (lambda a: replace(a, receipts=a.receipts[::-1]), "out of order"),
    "twice": (lambda a: replace(a, receipts=(a.receipts[0], *a.receipts)), "come twice"),
    "too many of one": (
        lambda a: replace(a, receipts=tuple(sorted(issue(ORACLES[0], 1 << tick) for tick in range(9)))),
        "more than 8 receipts",
    ),
    "too many": (lambda a: replace(a, receipts=a.receipts[:1] * 33), "33 receipts, at most 32"),
    "other node": (lambda a: replace(a, node=OTHER), "holds a receipt of"),
    "other epoch": (lambda a: replace(a, epoch=1), "holds a receipt of"),
    "no receipt": (lambda a: replace(a, receipts=(b"junk",)), "what is no receipt"),
    "tick beyond the epoch": (lambda a: gather(NODE, 0, [issue(ORACLES[0], 1 << TICKS)], BEATS), f"tick {TICKS} of"),
    "unsigned": (lambda a: replace(a, receipts=(a.receipts[0][:-64] + bytes(64),)), "nobody signed"),
}


@pytest.mark.parametrize("name", REFUSED)
def test_acknowledged__appeal_breaks_a_rule__is_a_disagreement_that_says_which(name: str) -> None:
    change, told = REFUSED[name]
    with pytest.raises(Disagreement, match=told):
        acknowledged(change(GOOD), COMMITTEE, BEATS, TICKS)


def test_decode__anything_but_an_encoded_appeal__is_malformed() -> None:
    raw = GOOD.encode()
    assert Appeal.decode(raw) == GOOD
    assert Appeal.decode(Appeal(NODE, 0, ()).encode()).receipts == ()
    for bad in (
        b"",
        raw[:-1],
        raw + b"\0",
        b"EPA2" + raw[4:],
        raw[:24] + b"\1" + raw[25:],
        raw[:35],
        bytes(MAX_SIZE + 1),
    ):
        with pytest.raises(Malformed):
            Appeal.decode(bad)
    with pytest.raises(InvalidValue):
        Appeal(NODE, 0, (bytes(65_000),) * 20).encode()


def test_gather__receipts_in_any_order_and_superfluous__is_one_appeal() -> None:
    raws = [issue(ORACLES[1], 0b11), issue(ORACLES[0], 0b100), issue(ORACLES[0], 0b111), issue(ORACLES[1], 0b1)]
    assert gather(NODE, 0, raws, BEATS) == gather(NODE, 0, [*raws[::-1], raws[0]], BEATS)
    assert gather(NODE, 0, raws, BEATS).receipts == (raws[2], raws[0])
    with pytest.raises(Malformed, match="holds a receipt of"):
        gather(OTHER, 0, raws, BEATS)


def test_judged__ticks_of_each_assignment__are_its_own_and_the_best_appeal_counts() -> None:
    late = replace(SUBJECT, assignment_id=pack(1, 1, 1), opened_at=1_105)
    probed = replace(SUBJECT, assignment_id=pack(1, 2, 1), policy=Policy("probe"))
    elsewhere = replace(SUBJECT, assignment_id=pack(1, 3, 1))
    subjects = [SUBJECT, late, probed, elsewhere]
    nodes = dict.fromkeys((one.assignment_id for one in subjects[:3]), NODE) | {elsewhere.assignment_id: OTHER}
    low, high = appeal(0b111, 0b111), appeal(ALL >> 2, ALL >> 2)
    for both in ([low, high], [high, low]):
        shown = judged(both, {0: COMMITTEE}, BEATS, CLOCK, subjects, nodes)
        assert shown == {0: {KEY: 180, late.assignment_id: 70}}
    with pytest.raises(Disagreement, match="no committee of that epoch"):
        judged([low], {}, BEATS, CLOCK, subjects, nodes)


def test_appeal_expired__policy_windows__decide_until_when() -> None:
    assert [appeal_expired(8, report, 3, windows=[1, 7]) for report in (16, 17)] == [False, True]
    assert [appeal_expired(8, report, 3, windows=[1]) for report in (11, 12)] == [False, True]
    assert [appeal_expired(8, 8 + 366 + 3 + more, 3, windows=[60_000]) for more in (0, 1)] == [False, True]


def drafted(epoch: int, parent: Ledger, *appeals: Appeal) -> Draft:
    """All saw the node in 8 of 20 ticks."""
    observations = []
    for signer in ORACLES:
        content = View(epoch, 3, {KEY: Uptime(8, TICKS)}).encode()
        observations.append(SignedObservation(content, signer.sign(digest(DOMAIN, epoch, 3, content))))
    proposal = Proposal(epoch, bytes(32), b"\x22" * 32, {epoch: tuple(observations)}, appeals)
    return draft(
        proposal,
        COMMITTEE,
        DOMAIN,
        parent,
        CLOCK,
        [SUBJECT],
        appeal_epochs=1,
        nodes={KEY: NODE},
        committees={0: COMMITTEE},
        heartbeat_domain=BEATS,
    )


def test_draft__appeal_in_its_span__gives_the_window_back_and_after_it_nothing() -> None:
    first = drafted(0, Ledger())
    assert first.tree.leaves == (Leaf(1, KEY, 0, 200),)
    second = drafted(1, first.ledger, appeal(ALL >> 10, ALL))
    assert second.tree.leaves == (Leaf(1, KEY, 200, 400),)
    again = drafted(2, second.ledger, appeal(ALL, ALL))
    assert again.tree.leaves == (Leaf(1, KEY, 200, 600),)
    late = drafted(2, drafted(1, first.ledger).ledger, appeal(ALL, ALL))
    assert late.tree.leaves == (Leaf(1, KEY, 0, 600),)


def test_draft__appeal_acknowledged_by_too_few__changes_no_second() -> None:
    first = drafted(0, Ledger())
    assert drafted(1, first.ledger, appeal(ALL)).ledger == drafted(1, first.ledger).ledger


def test_draft__evidence_with_appeals__comes_back_whole() -> None:
    first = drafted(0, Ledger())
    made = drafted(1, first.ledger, appeal(ALL, ALL))
    found = unbundle(made.evidence)
    assert found.proposal.appeals == (appeal(ALL, ALL),)
    assert (found.committee, found.committees, found.ledger) == (COMMITTEE, {0: COMMITTEE}, first.ledger)
    assert json.loads(made.evidence)["format"] == "epochal-evidence-2"
    # A proposal without appeals names no set but its own.
    assert unbundle(first.evidence).committees == {}


def test_draft__appeals_unordered_or_of_the_future__are_refused() -> None:
    first = drafted(0, Ledger()).ledger
    pair = sorted((appeal(ALL, ALL), appeal(ALL)), key=lambda one: one.hash)
    for bad in (pair[::-1], [pair[0], pair[0]]):
        with pytest.raises(Disagreement, match="order of their hashes"):
            drafted(1, first, *bad)
    with pytest.raises(Disagreement, match="still to come"):
        drafted(1, first, appeal(ALL, ALL, epoch=2))
