# SPDX-License-Identifier: Apache-2.0
"""What a run of a network is blamed for: a judge that finds nothing would make every run a good one."""

from __future__ import annotations

import pytest

from oracle.committee.agreement import Committee, Proposal, draft
from oracle.committee.agreement import Evidence as Evidence
from oracle.committee.observation import SignedObservation, View, commitment
from oracle.ground.clock import EpochClock
from oracle.ground.ledger import Ledger
from oracle.ground.typed_data import EpochReport
from oracle.ground.uptime import Uptime
from oracle.signing.signer import derive
from scenario.network.judging import believed_lies, epoch_results, underpaid, unrecorded
from scenario.network.result import NodeSeconds
from scenario.network.watching import Mined, Told

pytestmark = pytest.mark.unit

MINED = Mined(epoch=1, root=b"r" * 32, evidence=b"e" * 32, members=0b1111, block=9, mined=1045, final=1047)
ENDS = {0: 1020, 1: 1040, 2: 1060}
DOMAIN = EpochReport.domain(31337, "0x" + "11" * 20)
KEY = 1 << 64 | 1


def told(*kinds: str) -> dict[int, Told]:
    return {epoch: Told(epoch, kind, "no quorum" if kind == "failed" else "") for epoch, kind in enumerate(kinds)}


def test_epoch_results__without_a_report__are_carried_by_the_next_one_or_failed() -> None:
    results = epoch_results(range(3), ENDS, {1: MINED}, {1: told("failed", "attested", "failed")})
    assert [(one.outcome, one.seconds, one.carried_by, one.why) for one in results] == [
        ("carried", None, 1, ("no quorum",)),
        ("attested", 5, None, ()),
        ("failed", None, None, ("no quorum",)),
    ]


@pytest.mark.parametrize(
    ("one_told", "blamed"),
    [
        (told("failed", "attested"), ""),
        (told("attested", "attested"), "calls it attested, the chain has no report"),
        (told("failed", "failed"), "calls it failed, the chain has its report"),
        (told("failed"), "was there and tells no outcome"),
        ({0: Told(0, "failed", ""), 1: Told(1, "attested", "")}, "tells no reason"),
        ({1: Told(1, "attested", "")}, "no oracle recorded that it failed"),
    ],
)
def test_unrecorded__what_an_oracle_tells__is_held_against_the_chain(one_told: dict[int, Told], blamed: str) -> None:
    results = epoch_results(range(2), ENDS, {1: MINED}, {3: one_told})
    problems = unrecorded(results, {3: one_told}, {3: {0, 1}})
    assert bool(problems) == bool(blamed)
    assert not blamed or any(blamed in one for one in problems)


@pytest.mark.parametrize(("lies", "believed"), [(1, False), (3, True)])
def test_believed_lies__as_many_liars__are_told_only_if_they_moved_the_median(lies: int, believed: bool) -> None:
    signers = sorted((derive("judging", str(index)) for index in range(4)), key=lambda one: int(one.address, 16))
    members = tuple(bytes.fromhex(one.address[2:]) for one in signers)
    observations = []
    for index, signer in enumerate(signers):
        content = View(0, 1, {KEY: Uptime(0 if index < lies else 18 + index % 2, 20)}).encode()
        signature = signer.sign_typed(commitment(0, 1, content), DOMAIN)
        observations.append(SignedObservation(content, signature))
    proposal = Proposal(0, bytes(32), b"a" * 32, {0: tuple(observations)})
    committee = Committee(1, members)
    made = draft(proposal, committee, DOMAIN, Ledger(), EpochClock(1_000, 20), [], 1)
    followed = {0: (Evidence(proposal, committee, Ledger(), {}), made)}
    problems = believed_lies(followed, set(members[lies:]), DOMAIN, tick=1)
    assert bool(problems) is believed


def test_underpaid__node_that_no_fault_hit__must_have_earned() -> None:
    seconds = [NodeSeconds("node-1", 100, 0), NodeSeconds("node-2", 50, 50), NodeSeconds("node-3", 0, 100)]
    assert len(underpaid(seconds, {"node-1", "node-2"})) == 1
