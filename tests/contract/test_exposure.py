# SPDX-License-Identifier: Apache-2.0
"""All oracles lie as much as the contracts let them: that gets them what `epochal exposure` said, not much less."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from click.testing import CliRunner

from cli.exposure import exposure as command
from operations import exposure as lies
from oracle.ground.leaves import Leaf
from settlement.exposure import Exposure, Open, of_job
from settlement.money import Rates
from tests.contract.world import EPOCH, GENESIS, PRICE, SETTLE_WINDOW, TIMING, World, end_of, leaf

CANCEL = 700
MOST = 2**63


def figure(world: World, job: int) -> lies.JobExposure:
    (found,) = lies.of_jobs(world.network, CANCEL, job)
    return found


def earned_by(world: World, job: int) -> int:
    rates = figure(world, job).job.rates
    return rates.gross(world.job(job)["tally"]["earned"])


@pytest.mark.parametrize("withheld", [0, 100])
def test_of_jobs__every_oracle_lies_until_the_csp_has_left__takes_the_figure_and_no_more(
    world: World, withheld: int
) -> None:
    job = world.create_job()
    ids = world.assign_all(job, GENESIS)
    tree = world.publish(0, [leaf(one, EPOCH - withheld, EPOCH) for one in ids])
    for place in range(3):
        world.settle(0, tree, place)
    # No seconds are settled when the lie is told, for an epoch that is over and a half of the next.
    world.wait_until(end_of(1) + EPOCH // 2)
    before, said = earned_by(world, job), figure(world, job).exposure
    held = withheld * 3
    assert said.held == -(-PRICE * held // EPOCH)

    def lie(epoch: int) -> None:
        false: list[Leaf] = [leaf(one, MOST, MOST) for one in ids]
        told = world.publish(epoch, false)
        for place in range(3):
            world.settle(epoch, told, place)

    lie(1)
    world.at(end_of(1) + EPOCH // 2 + TIMING.activation_delay + CANCEL).stop(job)
    for epoch in (2, 3):
        lie(epoch)
    taken = earned_by(world, job) - before
    assert taken <= said.total
    assert taken * 10 > said.total * 9, "the figure is no empty bound"
    world.wait_until(world.now + SETTLE_WINDOW)
    world.close_job(job)
    assert figure(world, job).exposure == Exposure(0, 0, 0)


def test_of_job__any_assignments__counts_each_second_once_and_none_of_the_future_after_the_stop() -> None:
    rates = Rates(1_000, 1_000, 0, 0)
    running, stopped, old = Open(100, 10_000, 5), Open(100, 150, 0), Open(90, 90, 7)
    assert of_job(rates, False, [running, stopped, old], 200, 50) == Exposure(100 + 50, 12, 50)
    assert of_job(rates, False, [Open(100, 220, 0)], 200, 50) == Exposure(100, 0, 20)
    assert of_job(rates, False, [Open(300, 400, 0)], 200, 150) == Exposure(0, 0, 50), "settled ahead counts from there"
    assert of_job(rates, True, [running, old], 200, 50) == Exposure(0, 12, 0)
    assert of_job(Rates(1, 1_000, 0, 0), False, [running], 200, 0) == Exposure(1, 1, 0), "rounded up"


def test_command__figure_and_what_is_apart__are_told(world: World, tmp_path: Path) -> None:
    job = world.create_job()
    ids = world.assign_all(job, GENESIS)
    world.settle(0, world.publish(0, [leaf(one, 900, 1_000) for one in ids]))
    world.network.addresses.save(tmp_path / "addresses.json")
    options = ["--network", str(tmp_path / "addresses.json"), "--rpc", world.chain.url, "--cancel", "10m"]
    told = json.loads(CliRunner().invoke(command, [*options, "--json"], catch_exceptions=False).stdout)
    (one,) = told["jobs"]
    said = lies.of_jobs(world.network, 600)[0]
    assert (one["job"], one["total"]) == (job, str(said.exposure.total))
    assert int(one["arrears"]) == said.arrears > 0
    assert [each["what"] for each in told["apart"]] == ["arrears", "bonds", "emission"]
    text = CliRunner().invoke(command, options, catch_exceptions=False).stdout
    assert f"job {job}: " in text
    assert "not settled" in text
    assert "at most, if all oracles lied" in text
