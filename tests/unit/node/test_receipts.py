# SPDX-License-Identifier: Apache-2.0
"""When receipts are asked for, and what is kept of them."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from node.answers import Terms
from node.errors import SettingsError
from node.receipt_plan import MORE_ASKS, SPREAD, ReceiptPlan
from node.receipts import ReceiptFolder, WrongReceipt, read_receipt, verify_folder
from oracle.ground.typed_data import Heartbeat
from oracle.signing.signer import derive
from oracle.telemetry.wire import receipt

DOMAIN = Heartbeat.domain(31337, "0x" + "11" * 20)
NODE = derive("test", "node").address.lower()
ORACLE = derive("test", "oracle")
NAME = ORACLE.address.lower()
TERMS = Terms(NAME, bytes(32), None, genesis=0, length=86_400, tick=10, ahead=0)
DAY = 8640
LATER = 1_000_000.0
"""In epoch 11."""


def issue(bits: int, epoch: int = 3, node: str = NODE) -> bytes:
    return receipt.issue(ORACLE, DOMAIN, node, epoch, bits, DAY)


def test_folder__newest_receipt__replaces_what_it_covers(tmp_path: Path) -> None:
    folder = ReceiptFolder(tmp_path, NODE, DOMAIN)
    for bits in (0b0011, 0b0111, 0b0001):
        folder.keep(issue(bits), NAME, 3)
    assert folder.bits(NAME, 3) == 0b0111
    assert [kept.path.name for kept in verify_folder(tmp_path)] == ["3.receipt"]


def test_folder__oracle_forgets_ticks__both_receipts_stay(tmp_path: Path) -> None:
    folder = ReceiptFolder(tmp_path, NODE, DOMAIN)
    for place in range(20):
        folder.keep(issue(1 << place), NAME, 3)
    assert folder.bits(NAME, 3) == 0b11_1111_1111
    kept = list(verify_folder(tmp_path))
    assert len(kept) == 10  # and no more: an oracle mustn't fill the disk
    assert all(one.fault is None and one.ticks == 1 for one in kept)


def test_folder__damaged_receipt__told_and_replaced(tmp_path: Path) -> None:
    folder = ReceiptFolder(tmp_path, NODE, DOMAIN)
    folder.keep(issue(0b11), NAME, 3)
    file = tmp_path / NAME / "3.receipt"
    file.write_bytes(file.read_bytes()[:50])
    (kept,) = verify_folder(tmp_path)
    assert kept.fault is not None
    assert folder.bits(NAME, 3) == 0
    folder.keep(issue(0b1), NAME, 3)
    (kept,) = verify_folder(tmp_path)
    assert (kept.fault, kept.ticks, kept.epoch, kept.oracle) == (None, 1, 3, NAME)


def test_folder__of_another_node_or_none__refused(tmp_path: Path) -> None:
    ReceiptFolder(tmp_path, NODE, DOMAIN)
    ReceiptFolder(tmp_path, NODE, DOMAIN)
    with pytest.raises(SettingsError, match="give each node and network its own folder"):
        ReceiptFolder(tmp_path, NAME, DOMAIN)
    with pytest.raises(SettingsError, match="is no folder of receipts"):
        list(verify_folder(tmp_path / "none"))
    for owner in ("{}", "[]", json.dumps({"node": NODE, "chainId": "1", "attestations": NODE})):
        (tmp_path / "owner.json").write_text(owner)
        with pytest.raises(SettingsError):
            list(verify_folder(tmp_path))


def test_read_receipt__of_another__refused() -> None:
    assert read_receipt(issue(5), NAME, NODE, 3, DOMAIN).bits == 5
    forged = receipt.issue(derive("test", "else"), DOMAIN, NODE, 3, 5, DAY)
    elsewhere = receipt.issue(ORACLE, Heartbeat.domain(1, DOMAIN.contract), NODE, 3, 5, DAY)
    for raw in (forged, elsewhere, issue(5, 4), issue(5, 3, NAME), issue(5)[:-1], b""):
        with pytest.raises(WrongReceipt):
            read_receipt(raw, NAME, NODE, 3, DOMAIN)


def test_folder__ten_of_many_workers__those_with_most_of_their_own_stay(tmp_path: Path) -> None:
    folder = ReceiptFolder(tmp_path, NODE, DOMAIN)
    for count in range(1, 4):  # each worker's receipts grow, and the node gets them by turns
        for worker in range(10):
            folder.keep(issue(((1 << count) - 1) << 8 * worker), NAME, 3)
    assert folder.bits(NAME, 3) == sum(0b111 << 8 * worker for worker in range(10))
    assert [kept.ticks for kept in verify_folder(tmp_path)] == [3] * 10
    folder.keep(issue(0b11 << 100), NAME, 3)  # two ticks for three: not worth it
    folder.keep(issue(0b1111 << 200), NAME, 3)
    assert sorted(kept.ticks for kept in verify_folder(tmp_path)) == [3] * 9 + [4]


def test_plan__epoch_under_way__asked_about_every_sixty_ticks() -> None:
    plan = ReceiptPlan()
    now = LATER
    epoch = TERMS.epoch_at(now)
    plan.acknowledged(TERMS, epoch, 5, now)
    assert plan.next_due(TERMS, now) is None
    assert plan.next_due(TERMS, now + 601) == epoch
    assert plan.received(TERMS, epoch, 0b100000, 0b100000, now + 601) is None
    assert plan.next_due(TERMS, now + 601 + 449) is None
    assert plan.next_due(TERMS, now + 601 + 751) == epoch


def test_plan__epoch_over__asked_soon_after_its_end_until_the_next_one_is_over() -> None:
    plan = ReceiptPlan()
    plan.acknowledged(TERMS, 11, 8639, LATER)
    plan.acknowledged(TERMS, 12, 0, TERMS.end(11))
    end = TERMS.end(11)
    assert plan.next_due(TERMS, end + 19) is None
    assert plan.counts[11].closing
    now = end + 20 + 86_400 / SPREAD
    asked = 0
    while plan.next_due(TERMS, now) == 11:
        asked += 1
        if not plan.failed(TERMS, 11, now):
            plan.forget(11)
        else:
            now = plan.counts[11].due
    assert 140 < asked < 400  # a day, about every three quarters of sixty ticks
    assert 11 not in plan.counts


def closing(*ticks: int) -> tuple[ReceiptPlan, int, float]:
    """A plan in which epoch 11, with these ticks acknowledged, is over; their mask; when it is asked about."""
    plan = ReceiptPlan()
    for tick in ticks:
        plan.acknowledged(TERMS, 11, tick, LATER)
    due = TERMS.end(11) + 20 + 86_400 / SPREAD
    assert plan.next_due(TERMS, due) == 11
    return plan, plan.counts[11].acknowledged, due


def test_plan__receipts_lack_an_acknowledged_tick__asked_again_and_then_told_which() -> None:
    plan, expected, now = closing(4, 5, 6)
    asked = 1
    while (lacking := plan.received(TERMS, 11, 0b1010000, expected, now)) is None:
        now = plan.counts[11].due
        asked += 1
    assert (lacking, asked) == (0b100000, 1 + MORE_ASKS)
    assert now < TERMS.end(11) + 86_400 / 4


def test_plan__workers_sign_for_what_came_to_each__no_tick_is_lacking() -> None:
    plan, expected, now = closing(4, 5, 6)
    assert plan.received(TERMS, 11, 0b0010000, expected, now) is None
    assert plan.counts[11].due - now < 2 * TERMS.tick
    assert plan.received(TERMS, 11, 0b0100000, expected, now) is None
    assert plan.received(TERMS, 11, 0b1000000, expected, now) == 0


def test_plan__acknowledged_while_the_receipt_was_on_its_way__not_lacking() -> None:
    plan, expected, now = closing(4)
    plan.acknowledged(TERMS, 11, 8639, now)
    assert plan.received(TERMS, 11, 0b10000, expected, now) == 0


def test_plan__after_a_restart__what_was_kept_needs_no_other_receipt() -> None:
    plan = ReceiptPlan()
    plan.resume(TERMS, 11, 0b11, LATER)
    plan.acknowledged(TERMS, 11, 7, LATER)
    assert plan.next_due(TERMS, TERMS.end(11)) is None
    assert plan.received(TERMS, 11, 0b1000_0000, 0b1000_0011, LATER) == 0
