# SPDX-License-Identifier: Apache-2.0
"""A job's statement of account agrees with the chain to the unit, at every point of a job's life."""

from __future__ import annotations

import csv
import dataclasses
from collections.abc import Iterator
from decimal import Decimal
from pathlib import Path

import pytest

from operations.csp import statement_csv, statement_events, statement_report
from operations.csp.statement import Statement, Unreconciled
from oracle.ground.ids import pack
from tests.contract.world import APPEAL_EPOCHS, EPOCH, GENESIS, SETTLE_WINDOW, World, leaf

ONE, TWO, THREE, LATER = pack(1, 0, 1), pack(1, 1, 1), pack(1, 2, 1), pack(1, 1, 2)


def life(world: World) -> Iterator[str]:
    """A job in which all that can happen to money does happen; yields after each step, with its name."""
    job = world.create_job()
    yield "created"
    world.assign_all(job, GENESIS)
    world.do(world.csp, world.escrow.growJob(job, 4, GENESIS + 12 * EPOCH))
    yield "grown"
    first = world.publish(0, [leaf(ONE, 1_000, 1_000), leaf(TWO, 400, 1_000), leaf(THREE, 0, 700)])
    for index in range(3):
        world.settle(0, first, index)
    yield "settled, some withheld and some unmeasured"
    world.claim(ONE, TWO, THREE)
    world.close(TWO)
    world.assign(job, 1, world.linked[3])
    yield "claimed, and another node"
    second = world.publish(1, [leaf(ONE, 2_000, 2_000), leaf(TWO, 400, 1_100), leaf(LATER, 300, 300)])
    for index in range(3):
        world.settle(1, second, index)
    world.do(world.csp, world.escrow.shrinkJob(job, 2))
    world.refund(job)
    yield "shrunk and refunded"
    for epoch in range(2, 2 + APPEAL_EPOCHS + 1):
        world.publish(epoch, [leaf(ONE, 1_000 * (epoch + 1), 1_000 * (epoch + 1))])
    world.wait_until(world.now + SETTLE_WINDOW)
    world.release(TWO, THREE)
    yield "released"
    world.stop(job)
    stopped_in = (world.now - GENESIS) // EPOCH
    last = world.publish(stopped_in, [leaf(ONE, 5_100, 5_200)])
    world.settle(stopped_in, last, claim=True)
    world.do(world.keeper, world.escrow.sendToBurn(job))
    world.do(world.keeper, world.escrow.sendToProtocol(job))
    yield "stopped, sent to burn and protocol"
    world.wait_until(world.now + SETTLE_WINDOW)
    world.close_job(job)
    yield "closed"
    world.claim(ONE, TWO, THREE, LATER)
    world.refund(job)
    yield "all out"


@pytest.fixture
def grown_old(world: World) -> World:
    for _ in life(world):
        pass
    return world


def test_statement__at_every_point__comes_to_the_deposit_and_agrees_with_the_lens(world: World) -> None:
    states = []
    for step in life(world):
        made = statement_events.read(world.network, 1)  # raises unless it agrees
        view = world.job(1)
        assert sum(amount for _, amount in made.parts()) == view["deposit"], step
        assert all(amount >= 0 for _, amount in made.parts()), (step, made.parts())
        assert made.job.in_escrow == made.total("deposit") - sum(max(0, one.out) for one in made.movements), step
        states.append(made.job.state)
    parts = dict(made.parts())
    assert states[0] == "waiting"
    assert states[-1] == "closed"
    for name in ("paid to nodes", "protocol's share", "burned of withheld", "back: time not used"):
        assert parts[name], name
    for name in ("back: unmeasured time", "back: share of withheld", "back: empty or unproved"):
        assert parts[name], name


def test_statement__with_an_event_missing__is_refused(grown_old: World) -> None:
    whole = statement_events.read(grown_old.network, 1)
    for gone in range(len(whole.movements)):
        less = (*whole.movements[:gone], *whole.movements[gone + 1 :])
        with pytest.raises(Unreconciled, match="doesn't agree with the chain"):
            dataclasses.replace(whole, movements=less).reconcile()
    with pytest.raises(Unreconciled):
        dataclasses.replace(whole, served=whole.served[1:]).reconcile()


def test_csv__of_a_statement__adds_up_exactly(grown_old: World, tmp_path: Path) -> None:
    made = statement_events.read(grown_old.network, 1)
    path = tmp_path / "statement.csv"
    statement_csv.write(made, path)
    rows = list(csv.DictReader(path.open(encoding="utf-8")))
    assert len(rows) == len(made.movements)
    remains = Decimal(0)
    for row in rows:
        remains += Decimal(row["in"] or 0) - Decimal(row["out"] or 0)
        assert Decimal(row["in_escrow"]) == remains
    assert remains.scaleb(made.job.token.decimals) == made.job.in_escrow
    paid = [row for row in rows if row["what"] == "paid"]
    assert sum(int(row["earned_seconds"]) for row in paid) == made.job.view["tally"]["claimed"]


def test_report__of_a_statement__is_one_page_that_needs_nothing_else(grown_old: World, tmp_path: Path) -> None:
    path = tmp_path / "statement.html"
    statement_report.write(statement_events.read(grown_old.network, 1), path)
    text = path.read_text(encoding="utf-8")
    assert text.count("<svg") == 3
    for outside in ("<script", "<link", "src=", "@import", "url(http"):
        assert outside not in text
    assert "another node" not in text or "asked for" in text
    for told in ("withheld by the report of epoch 0", "the nodes missed the policy&#x27;s uptime", "licence 4 serves"):
        assert told in text


def test_report__of_a_new_job__has_no_empty_plots(world: World) -> None:
    world.create_job()
    text = statement_report.page(made := statement_events.read(world.network, 1))
    assert isinstance(made, Statement)
    assert text.count("<svg") == 1
