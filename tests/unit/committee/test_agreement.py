# SPDX-License-Identifier: Apache-2.0
"""What a proposal must be for an oracle to draft a report from it."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence

import pytest

from oracle.committee.agreement import Committee, Draft, Proposal, arranged, combine, draft
from oracle.committee.errors import Disagreement
from oracle.committee.observation import SignedObservation, View, digest
from oracle.ground.clock import EpochClock
from oracle.ground.ids import pack
from oracle.ground.keccak import keccak256
from oracle.ground.leaves import EMPTY, Leaf
from oracle.ground.ledger import Ledger, Subject
from oracle.ground.policy import Policy
from oracle.ground.typed_data import EpochReport
from oracle.ground.uptime import ZERO, Uptime
from oracle.signing.signer import LocalSigner, derive

CLOCK = EpochClock(genesis=1_000, length=100, tick=10)
DOMAIN = EpochReport.domain(31_337, "0x" + "11" * 20)
ORACLES = sorted((derive("committee tests", f"oracle {i}") for i in range(4)), key=lambda one: int(one.address, 16))
STRANGER = derive("committee tests", "stranger")
COMMITTEE = Committee(1, tuple(bytes.fromhex(one.address[2:]) for one in ORACLES))
KEY = pack(1, 0, 1)
SUBJECT = Subject(KEY, 1, 1_000, 2_000, 1_000, 0, 0, False, Policy(target_ppm=500_000, floor_ppm=500_000))
ROOT, ANCHOR = bytes(32), b"\x22" * 32


def observed(signer: LocalSigner, up: int = 8, epoch: int = 0, committee: int = 1) -> SignedObservation:
    content = View(epoch, committee, {KEY: Uptime(up, 10)}).encode()
    return SignedObservation(content, signer.sign(digest(DOMAIN, epoch, committee, content)))


def of_all(epoch: int = 0, up: Sequence[int] = (8, 8, 8, 8)) -> tuple[SignedObservation, ...]:
    return tuple(observed(one, ticks, epoch) for one, ticks in zip(ORACLES, up, strict=True))


def drafted(epoch: int, observations: dict[int, tuple[SignedObservation, ...]], parent: Ledger | None = None) -> Draft:
    proposal = Proposal(epoch, ROOT, ANCHOR, observations)
    return draft(proposal, COMMITTEE, DOMAIN, parent or Ledger(), CLOCK, [SUBJECT], appeal_epochs=2)


def test_draft__all_agree__has_their_seconds_and_names_its_inputs() -> None:
    made = drafted(0, {0: of_all()})
    assert made.tree.leaves == (Leaf(1, KEY, 100, 100),)
    assert made.agreed == {0: {KEY: Uptime(80, 100)}}
    assert made.report == EpochReport(0, 1, made.tree.root, ROOT, ANCHOR, keccak256(made.evidence))


def test_draft__evidence__holds_every_observation() -> None:
    evidence = json.loads(drafted(0, {0: of_all()}).evidence)
    shown = [SignedObservation(*map(bytes.fromhex, each)) for each in evidence["observations"][0][1]]
    assert tuple(shown) == of_all()
    assert evidence["members"] == [member.hex() for member in COMMITTEE.members]


def test_draft__quorum_alone__is_enough() -> None:
    assert drafted(0, {0: of_all()[1:]}).tree.leaves == (Leaf(1, KEY, 100, 100),)


def test_draft__one_liar__is_not_heard() -> None:
    honest = drafted(0, {0: of_all()})
    for lie in (0, 10):
        for index in range(4):
            up = [8, 8, 8, 8]
            up[index] = lie
            assert drafted(0, {0: of_all(up=up)}).tree == honest.tree


def test_draft__skipped_epochs__enter_the_next_report() -> None:
    made = drafted(2, {epoch: of_all(epoch) for epoch in range(3)})
    assert made.tree.leaves == (Leaf(1, KEY, 300, 300),)


def test_draft__skipped_epoch_without_observations__stays_unmeasured() -> None:
    assert drafted(2, {0: of_all(0), 2: of_all(2)}).tree.leaves == (Leaf(1, KEY, 200, 200),)


def test_draft__nobody_is_assigned__is_the_empty_tree() -> None:
    proposal = Proposal(0, ROOT, ANCHOR, {0: of_all()})
    made = draft(proposal, COMMITTEE, DOMAIN, Ledger(), CLOCK, [], appeal_epochs=2)
    assert made.tree.leaves == (EMPTY,)


Change = Callable[[tuple[SignedObservation, ...]], tuple[SignedObservation, ...]]
REFUSED: dict[str, tuple[Change, str]] = {
    "too few": (lambda of: of[:2], "a quorum is 3"),
    "none": (lambda of: (), "a quorum is 3"),
    "unordered": (lambda of: of[::-1], "order of their authors"),
    "twice the same": (lambda of: (*of, of[0]), "comes twice"),
    "twice, different": (lambda of: (*of, observed(ORACLES[0], 3)), "comes twice"),
    "foreign": (lambda of: (*of[:3], observed(STRANGER)), "isn't of committee 1"),
    "forged author": (
        lambda of: (*of[:3], SignedObservation(observed(ORACLES[3], 3).content, of[3].signature)),
        "of committee|no valid one",
    ),
    "no signature": (lambda of: (*of[:3], SignedObservation(of[3].content, bytes(64))), "no valid one"),
    "no view": (lambda of: (*of[:3], SignedObservation(b"junk", of[3].signature)), "no valid one"),
    "wrong epoch": (lambda of: (*of[:3], observed(ORACLES[3], epoch=1)), "observed epoch 1"),
    "wrong committee": (lambda of: (*of[:3], observed(ORACLES[3], committee=2)), "for committee 2"),
}


@pytest.mark.parametrize("name", REFUSED)
def test_draft__bad_observation__is_refused(name: str) -> None:
    change, told = REFUSED[name]
    with pytest.raises(Disagreement, match=told):
        drafted(0, {0: change(of_all())})


@pytest.mark.parametrize("name", [name for name in REFUSED if name not in ("too few", "none", "unordered")])
def test_arranged__bad_observation__is_refused(name: str) -> None:
    with pytest.raises(Disagreement):
        arranged(REFUSED[name][0](of_all()), COMMITTEE, DOMAIN, 0)


def test_arranged__any_order__is_by_author() -> None:
    assert arranged(of_all()[::-1], COMMITTEE, DOMAIN, 0) == of_all()


def test_draft__without_observations_of_its_epoch__is_refused() -> None:
    for observations in ({}, {0: of_all(0)}):
        with pytest.raises(Disagreement, match="no observations of it"):
            drafted(1, observations)


def test_draft__observations_outside_its_epochs__are_refused() -> None:
    with pytest.raises(Disagreement, match="isn't between"):
        drafted(0, {0: of_all(), 1: of_all(1)})
    with pytest.raises(Disagreement, match="isn't between"):
        drafted(1, {0: of_all(), 1: of_all(1)}, parent=Ledger(epoch=0))


def test_combine__too_few_saw_a_subject__is_unmeasured() -> None:
    views = [View(0, 1, {KEY: Uptime(1, 10)})] * 2 + [View(0, 1, {})] * 2
    assert combine(views, members=4, tick=10) == {KEY: ZERO}


def test_combine__half_blind_oracle_and_liar__do_not_halve_the_day() -> None:
    views = [View(0, 1, {KEY: seen}) for seen in (Uptime(10, 10), Uptime(10, 10), Uptime(5, 5), Uptime(0, 10))]
    assert combine(views, members=4, tick=10) == {KEY: Uptime(100, 100)}
