# SPDX-License-Identifier: Apache-2.0
"""docs/statuses.md has the table that tests/forge/StatusTable.t.sol tries."""

from __future__ import annotations

import re

from tests.project import ROOT

PAGE = (ROOT / "docs" / "statuses.md").read_text(encoding="utf-8")
TRIED = (ROOT / "tests" / "forge" / "StatusTable.t.sol").read_text(encoding="utf-8")
WORDS = {"y": "yes", "n": "no", "w": "waits"}
ACTIONS = {
    "Create": "create a job",
    "Grow": "extend or enlarge a job",
    "Refund": "refund the CSP",
    "Assign": "assign with an acceptance",
    "AssignByOffer": "assign by a standing offer",
    "CloseByAnyone": "close an assignment, as a stranger",
    "Claim": "claim an assignment's pay",
    "ClaimTo": "claim it to another recipient",
    "ClaimReward": "claim a licence's reward",
    "ClaimOraclePay": "claim an oracle's pay",
    "Link": "link a node",
    "Transfer": "transfer a licence",
    "WithdrawBond": "withdraw a licence's bond",
    "WithdrawOracleBond": "withdraw an oracle's bond",
    "SlashLate": "slash a licence's bond after the appeal",
    "SlashOracleLate": "slash an oracle's bond after the appeal",
    "NewCommittee": "sit in a new committee",
}


def test_page__cells__are_those_that_are_tried() -> None:
    tried = {
        (ACTIONS[action], subject.lower()): [WORDS[cell] for cell in cells]
        for action, subject, cells in re.findall(r'_row\(Action\.(\w+), Subject\.(\w+), "(\w{5})"\)', TRIED)
    }
    told = {}
    for row in re.findall(r"^\| (.+) \|$", PAGE, flags=re.MULTILINE)[1:]:
        what, whose, *cells, _ = row.split(" | ")
        for subject in whose.split(", "):
            told[what, subject.lower()] = cells
    assert tried
    assert told == tried


def test_page__errors__are_those_that_are_tried() -> None:
    for name in re.findall(r"`([A-Z]\w+_\w+)` \|$", PAGE, flags=re.MULTILINE):
        assert f".{name}.selector" in TRIED
