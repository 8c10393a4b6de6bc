# SPDX-License-Identifier: Apache-2.0
"""`epochal explain` with a network: what oracles signed, what came of it, and the money, from evidence and chain."""

from __future__ import annotations

import json
from typing import Any

import pytest

from cli.explain import explain
from oracle.committee.explaining import Verdict, verdict
from oracle.committee.verifying import WrongTick
from oracle.ground.errors import InvalidValue, UserError
from oracle.ground.ids import pack
from oracle.ground.policy import Policy
from oracle.ground.uptime import Uptime
from oracle.service.explaining_report import OtherEpoch
from oracle.service.reports_on_chain import NoReport
from settlement.books import Token
from tests.chain.history import History
from tests.chain.town import SIGNERS, SPEC

PRICE, LENGTH = SPEC.price, 600


def told(history: History, node: int, *arguments: str) -> dict[str, Any]:
    done = history.run(explain, history.town.at.nodes[node].address, *arguments, "--json")
    assert done.exit_code == 0, done.exception
    found: dict[str, Any] = json.loads(done.stdout)
    return found


def test_explain__epoch_that_was_appealed__sights_median_verdict_appeal_and_money(history: History) -> None:
    report = told(history, 2, "0")["report"]
    (one,) = report["assignments"]
    assert (report["carries"], report["standing"], report["source"]) == ([0, 0], "final", history.url)
    ticks = {"ticks": {"up": 0, "observed": 30}, "conflicted": False}
    assert one["oracles"] == [{"oracle": each.address, **ticks} for each in SIGNERS]
    assert (one["agreed"], one["assigned"], one["verdict"]) == ({"up": 0, "observed": 300}, 300, "none")
    withheld = {"paid": "0", "withheld": str(PRICE * 300 // LENGTH), "refunded": str(PRICE * 300 // LENGTH * 8 // 10)}
    added = one["added"]
    assert (added["earned"], added["withheld"], added["unmeasured"]) == (0, 300, 0)
    assert withheld.items() <= added["amounts"].items()
    assert [(each["report"], each["acknowledged"], each["raised"], each["upheld"]) for each in one["appeals"]] == [
        (1, 300, 300, True)
    ]
    # The keeper settled all three reports: the appeal made it earned.
    booked = one["booked"]
    assert (booked["earned"], booked["withheld"], booked["held"], booked["claimable"]) == (
        1_500,
        0,
        0,
        str(PRICE * 1_500 // LENGTH),
    )
    shown = history.run(explain, history.town.at.nodes[2].address, "0").stdout
    assert "  policy: at or below the floor, so all observed seconds are withheld\n" in shown
    assert "upheld: that report gave back 300 s" in " ".join(shown.split())
    assert f"{SIGNERS[0].address}  up 0 of 300 s observed (0.00 %)\n" in shown
    assert all(len(line) <= 100 for line in shown.splitlines())


def test_explain__store_and_network__strip_by_the_job_s_policy_and_the_report(history: History) -> None:
    store = str(history.town.folder / "0.sqlite")
    found = told(history, 1, "1", "--store", store)
    assert found["tracks"][0]["up"] == 57
    assert found["tracks"][0]["by_policy"] == {"earned": 600, "withheld": 0, "unmeasured": 0}
    (one,) = found["report"]["assignments"]
    assert (one["assignment"], one["agreed"]) == (str(pack(1, 1, 1)), {"up": 570, "observed": 600})
    assert (one["added"]["earned"], one["total"]["earned"], one["verdict"]) == (600, 1_200, "all")
    assert told(history, 1, "--store", store)["epoch"] == 2


def test_explain__evidence_in_a_file__needs_no_oracle_and_says_what_it_could_not_look_up(
    history: History, tmp_path: Any
) -> None:
    file = tmp_path / "evidence"
    file.write_bytes(history.reports[0].draft.evidence)
    report = told(history, 2, "0", "--evidence", str(file))["report"]
    assert report["source"] == "--evidence"
    assert "report of epoch 1 took an appeal isn't known" in report["notes"][0]
    address = history.town.at.nodes[2].address
    assert isinstance(history.run(explain, address, "1", "--evidence", str(file)).exception, OtherEpoch)
    file.write_bytes(b"{")
    damaged = history.run(explain, address, "0", "--evidence", str(file)).exception
    assert isinstance(damaged, InvalidValue)
    assert str(damaged) == "--evidence: cut off or no JSON; fetch it again"


def test_explain__nothing_to_tell__says_why(history: History) -> None:
    address = history.town.at.nodes[0].address
    assert isinstance(history.run(explain, address, "3").exception, NoReport)
    assert isinstance(history.run(explain, "0x12", "1").exception, UserError)
    shown = history.run(explain, SIGNERS[0].address.lower(), "1").stdout.splitlines()
    assert shown[0] == f"node {SIGNERS[0].address}, epoch 1"
    assert shown[-1] == "By the chain the node served nothing in epoch 1."


def test_explain__tick_longer_than_the_network_s__is_refused_with_the_one_that_fits(history: History) -> None:
    wrong = history.run(explain, history.town.at.nodes[0].address, "1", "--tick", "30").exception
    assert isinstance(wrong, WrongTick)
    assert str(wrong).endswith("which has 20 ticks of 30 s: give --tick 10")


@pytest.mark.parametrize(
    ("up", "observed", "wanted"),
    [
        (0, 0, Verdict.UNMEASURED),
        (99, 99, Verdict.UP_TIME),
        (900, 1_000, Verdict.ALL),
        (899, 1_000, Verdict.PART),
        (501, 1_000, Verdict.PART),
        (500, 1_000, Verdict.NONE),
    ],
)
def test_verdict__at_the_policy_s_bounds__is_its_rule(up: int, observed: int, wanted: Verdict) -> None:
    policy = Policy(target_ppm=900_000, floor_ppm=500_000, min_observed_seconds=100)
    assert verdict(policy, Uptime(up, observed)) is wanted


def test_token_show__any_amount__is_exact() -> None:
    token = Token("0x", "LUSD", 6)
    assert [token.show(each) for each in (0, 1, 1_234_567_890, -5)] == [
        "0.000000 LUSD",
        "0.000001 LUSD",
        "1,234.567890 LUSD",
        "-0.000005 LUSD",
    ]
    assert Token("0x", "units", 0).show(12_345) == "12,345 units"
