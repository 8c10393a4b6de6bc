# SPDX-License-Identifier: Apache-2.0
"""`epochal exposure` as a user meets it: the figure and its terms, what is apart, and what to do about wrong input."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from chain.addresses import Addresses
from operations import exposure as lies
from tests.chain.csp_world import EPOCH, Terminal
from tests.chain.licence_world import PRICE, USD, LicenceWorld

CANCEL = ("--cancel", "5m")


def exact(run: Terminal, world: LicenceWorld, units: int) -> str:
    """An amount as people are shown it."""
    return lies.of_jobs(world.network, 0).jobs[0].job.token.show(units)


def test_exposure__jobs_at_work__tells_terms_totals_and_caps(world: LicenceWorld, run: Terminal) -> None:
    number = world.linked(world.holder, "node")
    job, idle = world.job(slots=2), world.job()
    served = world.assign(job, 0, number, "node")
    opened = world.opened_at(served)
    subject = 1 << 248 | number
    bonds, token = world.network.bonds, world.network.token.functions
    world.mint(world.holder.address, 50 * USD)
    world.do(world.holder, token.approve(bonds.address, 50 * USD))
    world.do(world.holder, bonds.functions.deposit(subject, world.network.addresses.token, USD))
    open_time = world.end_of(world.epoch_of(world.now)) - opened
    world.reported({served: (open_time - 60, open_time)})

    told = run.done("exposure", *CANCEL, "--json").json
    view = world.network.lens.functions.assignmentOf(served).call()
    through, unsettled = view[7], told["time"] - view[7]
    assert through == opened + open_time
    reaction = world.network.timing.activation_delay + 300
    assert (told["activation_seconds"], told["cancel_seconds"]) == (reaction - 300, 300)
    at_work, other = told["jobs"]
    units = [int(at_work[name]) for name in ("unsettled", "held", "coming")]
    assert units == [PRICE * seconds // EPOCH for seconds in (unsettled, 60, 2 * reaction)]
    assert at_work["total"] == str(sum(units))
    assert (other["job"], other["unsettled"], other["held"]) == (idle, "0", "0")
    assert other["coming"] == str(PRICE * reaction // EPOCH), "its slot may be given to somebody"
    assert told["totals"] == [{"token": at_work["token"], "total": str(sum(units) + int(other["coming"]))}]
    apart = {one["what"]: (int(one["at_risk"]), int(one["cap"])) for one in told["apart"]}
    assert apart["arrears"] == (0, int(at_work["arrears"]))
    assert apart["arrears"][1] == PRICE * (open_time - 60) // EPOCH * 95 // 100
    assert apart["bonds"] == (USD, USD), "half of the figure is more than is in them"
    assert 0 < apart["emission"][0] < apart["emission"][1]

    # No block has been mined since.
    text = run.done("exposure", *CANCEL).out
    assert text.startswith("all oracles lie from now on; that is final after ")
    assert ", and each job stopped 5 m later:\n" in text
    assert f" = {exact(run, world, units[0])} not settled + {exact(run, world, units[1])} held + " in text
    assert f"job {idle}: " in text
    assert "all jobs: " in text
    assert "apart, each with its cap:\n  arrears: none of " in text
    assert "  bonds: at most 1 LUSD of 1 LUSD; penalties" in text

    one = run.done("exposure", "--job", str(idle), *CANCEL).out
    assert f"job {idle}: " in one
    assert f"job {job}: " not in one
    assert "all jobs" not in one


def test_exposure__wrong_input__names_the_cure(world: LicenceWorld, run: Terminal, tmp_path: Path) -> None:
    assert run.done("exposure").out.startswith("there are no jobs: no deposit can be lost\n")
    run.refused("there is no job 9", "exposure", "--job", "9")
    run.refused("0 is not in the range", "exposure", "--job", "0", status=2)
    run.refused("--cancel is 'soon': give a span like 90s", "exposure", "--cancel", "soon", status=2)
    run.refused("none.json", "exposure", "--network", "none.json", status=2)
    job = world.job()
    world.assign(job, 0, world.linked(world.holder, "node"), "node")
    addresses = Addresses.load(world.file)
    late = replace(addresses, first_block=world.chain.block("latest").number + 1)
    late.save(tmp_path / "late.json")
    cure = "keeps the logs of all blocks since the network's first"
    run.refused(cure, "exposure", "--network", str(tmp_path / "late.json"), status=2)
