# SPDX-License-Identifier: Apache-2.0
"""A keeper on a real chain: a job's whole life, and what disturbs it."""

from __future__ import annotations

from pathlib import Path

import pytest

from chain.journal import State
from oracle.ground.merkle import Tree
from settlement.planning import PlanSettings
from tests.chain.keeping import Keeping, assignments, escrow_balance, reported
from tests.chain.town import EPOCHS, Town

pytestmark = pytest.mark.chain


def over(town: Town, trees: dict[int, Tree], keeper: Keeping) -> list[str]:
    """From the job's last epoch until everything found its place."""
    labels = []
    for epoch in range(EPOCHS - 1, EPOCHS + 3):
        reported(town, epoch, trees)
        labels += keeper.until_idle()
        town.timeline.reach(town.timeline.now + town.network.settle_window)
        labels += keeper.until_idle()
    return labels


def test_keeper__of_a_whole_life__leaves_nothing_in_the_escrow(town: Town, tmp_path: Path) -> None:
    trees: dict[int, Tree] = {}
    keeper = Keeping(town, tmp_path / "keeper", trees)
    assert keeper.until_idle() == []
    first = None
    for epoch in range(EPOCHS - 1):
        reported(town, epoch, trees)
        first = first or keeper.until_idle()
        keeper.until_idle()
    labels = over(town, trees, keeper)

    assert first
    assert all(one.startswith(("settle", "pay")) for one in first)
    assert "release held seconds of 1/2/1" in labels
    assert "close job 1" in labels
    assert "refund job 1" in labels
    assert escrow_balance(town) == 0
    job = town.network.job(town.at.job)
    assert job["closed"]
    assert job["refundable"] == job["burnable"] == job["protocolDue"] == 0
    books = town.keeper.booked(assignments(town))
    assert all(one.claimed == one.earned > 0 and not one.held for one in books.values())
    licences = town.network.licences.functions
    assert all(licences.openAssignments(node.licence).call() == 0 for node in town.at.nodes)
    counts = keeper.journal.status.counts
    assert counts[State.FAILED] == counts[State.REFUSED] == counts[State.DROPPED] == 0


def test_keeper__without_the_newest_tree__neither_closes_nor_releases(town: Town, tmp_path: Path) -> None:
    trees: dict[int, Tree] = {}
    keeper = Keeping(town, tmp_path / "keeper", {})
    for epoch in range(EPOCHS):
        reported(town, epoch, trees)
    town.timeline.reach(town.timeline.now + town.network.settle_window)
    assert all("end " in one for one in keeper.until_idle())
    waiting = keeper.executor.look(1.0)[1].waiting
    assert any("nobody gave its evidence" in one for one in waiting)
    keeper.source.trees = trees
    labels = keeper.until_idle()
    assert labels[0].startswith("settle")
    assert "close job 1" in labels
    again = Keeping(town, tmp_path / "another", trees, "another", settings=PlanSettings())
    assert again.until_idle() == []
