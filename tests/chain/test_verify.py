# SPDX-License-Identifier: Apache-2.0
"""`epochal verify`: reports recomputed by somebody who has the chain and a bundle, and trusts no oracle."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from click.testing import Result

from cli.verify import verify
from oracle.committee.agreement import Evidence
from oracle.committee.claimed_leaves import first_difference, tree_of_dump
from oracle.committee.observation import SignedObservation, View, commitment
from oracle.committee.verifying import WrongTick, check_tick
from oracle.ground.errors import Malformed, UserError
from oracle.ground.ids import pack
from oracle.ground.leaves import Leaf
from oracle.ground.merkle import Tree
from oracle.ground.uptime import Uptime
from oracle.service.evidence_source import EvidenceMissing, EvidenceSource
from oracle.service.reports_on_chain import NoReport
from oracle.service.verifying import Verifier
from tests.chain.history import History
from tests.chain.town import CLOCK, SIGNERS


def as_json(done: Result) -> dict[str, Any]:
    assert done.exception is None or isinstance(done.exception, SystemExit), done.exception
    found: dict[str, Any] = json.loads(done.stdout)
    assert (done.exit_code == 0) == found["verified"]
    return found


@pytest.mark.parametrize("epoch", range(3))
def test_verify__evidence_served__follows_part_by_part(history: History, epoch: int, tmp_path: Path) -> None:
    dump, save = tmp_path / "tree.json", tmp_path / "evidence"
    found = as_json(history.run(verify, str(epoch), "--dump", str(dump), "--save", str(save), "--json"))
    report = history.reports[epoch].draft.report
    assert found["verified"]
    assert found["recomputed_root"] == found["root"] == "0x" + report.root.hex()
    assert (found["standing"], found["source"], found["appeals"]) == ("final", history.url, int(epoch == 1))
    assert [one["part"] for one in found["checks"]] == (
        "hash format epoch committee anchor parent ledger observations appeals rules root".split()
    )
    assert len(found["signers"]) == 4
    assert ("recomputed from its own evidence" in found["parent"]["note"]) == (epoch > 0)
    assert tree_of_dump(json.loads(dump.read_text())).root == report.root
    again = history.run(verify, str(save), "--against", str(dump))
    assert again.stdout.splitlines()[-1] == f"OK: the report of epoch {epoch} follows from its evidence and the chain"
    assert again.exit_code == 0


def content(bundle: bytes) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(bundle)
    return found


def written(told: dict[str, Any]) -> bytes:
    return json.dumps(told, sort_keys=True, separators=(",", ":")).encode()


def flipped(text: str, at: int) -> str:
    """Another bit in one byte of a hex text."""
    raw = bytearray.fromhex(text)
    raw[at] ^= 1
    return raw.hex()


def signature(told: dict[str, Any]) -> None:
    one = told["observations"][0][1][2]
    one[1] = flipped(one[1], 40)


def observation(told: dict[str, Any]) -> None:
    one = told["observations"][0][1][1]
    one[0] = flipped(one[0], -5 - 24)  # of the second node's ticks up


def ledger(told: dict[str, Any]) -> None:
    told["ledger"] = flipped(told["ledger"], 32 + 16 + 7)  # of the first account's earned seconds


def until(told: dict[str, Any]) -> None:
    told["ledger"] = flipped(told["ledger"], 32 + 16 + 16 + 7)  # up to when the first account is counted


def anchor(told: dict[str, Any]) -> None:
    told["anchor"] = flipped(told["anchor"], 3)


def parent(told: dict[str, Any]) -> None:
    told["parent"] = flipped(told["parent"], 3)


def appeal(told: dict[str, Any]) -> None:
    told["appeals"][0] = flipped(told["appeals"][0], -1)


def judges(told: dict[str, Any]) -> None:
    told["committees"][0][2][0] = flipped(told["committees"][0][2][0], 0)


def member(told: dict[str, Any]) -> None:
    told["members"][3] = flipped(told["members"][3], 0)


def left_out(told: dict[str, Any]) -> None:
    del told["observations"][0][1][1:]


def shuffled(told: dict[str, Any]) -> None:
    told["observations"][0][1].reverse()


TAMPERED: list[tuple[Callable[[dict[str, Any]], None], str, str]] = [
    (signature, "observations", r"number 3 of 4 of epoch 1, content 0x\w{64}: (?!0x).*"),
    (
        observation,
        "observations",
        r"number 2 of 4 of epoch 1, content 0x\w{64}: its signature .* don't belong together",
    ),
    (ledger, "ledger", r"accounts of 1/0/1: Account\(earned=601, .*earned=600"),
    (until, "ledger", r"accounts of 1/0/1: .*until=\d+1, .*until=\d+0"),
    (anchor, "anchor", "the evidence names block"),
    (parent, "parent", "the last final report's, of epoch 0"),
    (appeal, "appeals", "number 1 of 1: appeal of 0x"),
    (judges, "appeals", "set of appealed epoch 0 isn't that on chain"),
    (member, "committee", "member 3 of set 1"),
    (left_out, "rules", "1 observations, a quorum is 3"),
    (shuffled, "rules", "aren't in order of their authors"),
]


@pytest.mark.parametrize(("change", "part", "text"), TAMPERED, ids=[one.__name__ for one, _, _ in TAMPERED])
def test_verify__file_tampered_with__names_the_part(
    history: History, tmp_path: Path, change: Callable[[dict[str, Any]], None], part: str, text: str
) -> None:
    told = content(history.reports[1].draft.evidence)
    change(told)
    file = tmp_path / "evidence"
    file.write_bytes(written(told))
    found = as_json(history.run(verify, str(file), "--oracle", history.url, "--json"))
    assert not found["verified"]
    assert [one["part"] for one in found["checks"] if not one["holds"]] == ["hash", part]
    assert found["differs"]["part"] == part
    with pytest.raises(AssertionError, match=text):
        raise AssertionError(found["differs"]["text"])


def test_verify__ledger_tampered_with_and_no_parent_to_compare__its_accounts_are_not_the_parent_s(
    history: History, tmp_path: Path
) -> None:
    told = content(history.reports[1].draft.evidence)
    ledger(told)
    file = tmp_path / "evidence"
    file.write_bytes(written(told))
    done = history.run(verify, str(file))
    assert done.exit_code == 1
    assert "checked by that alone" in done.stdout
    assert "\nDIFFERS: ledger: the ledger's accounts come to root 0x" in done.stdout


def test_verify__spaces_in_the_file__only_the_hash_and_the_form_differ(history: History, tmp_path: Path) -> None:
    file = tmp_path / "evidence"
    file.write_bytes(history.reports[1].draft.evidence + b" ")
    done = history.run(verify, str(file))
    assert (done.exit_code, "DIFFERS: format:" in done.stdout) == (1, True)


def test_verify__quorum_of_liars__is_found_out_by_who_recomputes(history: History, tmp_path: Path) -> None:
    town = history.town
    with history.undone():
        honest = history.drafted(3)
        town.timeline.reach(CLOCK.end(3) + town.network.timing.settle_delay)
        told = content(honest.evidence)
        signature(told)
        history.submit(replace(honest.report, evidence=history.shelf.put(written(told))))
        found = as_json(history.run(verify, "3", "--json"))
        assert (found["standing"], found["differs"]["part"]) == ("pending", "observations")
        assert found["checks"][0]["holds"]  # they signed its hash
        history.veto()
        assert as_json(history.run(verify, "3", "--json"))["standing"] == "vetoed"

        leaf = honest.tree.leaves[1]
        lie = replace(leaf, earned=leaf.earned - 7)
        tree = Tree.build([lie if one == leaf else one for one in honest.tree.leaves])
        dump = tmp_path / "theirs.json"
        dump.write_text(json.dumps(tree.dump()))
        history.shelf.put(honest.evidence)
        history.submit(replace(honest.report, root=tree.root))
        found = as_json(history.run(verify, "3", "--against", str(dump), "--json"))
        assert (found["standing"], found["differs"]["part"]) == ("pending", "root")
        assert found["first_leaf_that_differs"] == {
            "kind": 1,
            "id": str(pack(1, 1, 1)),
            "recomputed": {"earned": leaf.earned, "accounted": leaf.accounted},
            "claimed": {"earned": leaf.earned - 7, "accounted": leaf.accounted},
        }
        shown = history.run(verify, "3", "--against", str(dump)).stdout
        assert "leaf          assignment 1/1/1: recomputed earned 2,400 s of 2,400 s accounted; in " in shown
        *_, hint, last = history.run(verify, "3").stdout.splitlines()
        assert hint.endswith("is that what the network's oracles use (--tick)?")
        assert last.startswith("DIFFERS: root: ")


def test_verify__nothing_to_check__says_why(history: History, tmp_path: Path) -> None:
    def error(*arguments: str) -> BaseException:
        found = history.run(verify, *arguments).exception
        assert found is not None
        return found

    assert isinstance(error("7"), NoReport)
    assert "the newest is of epoch 2" in str(error("7"))
    nobody = error("1", "--oracle", "http://127.0.0.1:9")
    assert isinstance(nobody, EvidenceMissing)
    assert str(nobody).endswith(": http://127.0.0.1:9: connection refused")
    junk = tmp_path / "junk"
    junk.write_bytes(b"[" * 100_000)
    for wrong in (("nowhere.evidence",), (str(junk),), ("1", "--against", str(junk)), ("1", "--tick", "7")):
        assert isinstance(error(*wrong), UserError), wrong
    junk.write_bytes(history.reports[1].draft.evidence[:-9])
    assert str(error(str(junk))) == f"{junk}: cut off or no JSON; fetch it again"
    junk.write_bytes(b'{"format":1')
    assert "cut off or no JSON; give a dump" in str(error("1", "--against", str(junk)))


@pytest.mark.parametrize("epoch", [1, 2])
def test_verify__tick_longer_than_the_network_s__is_refused_with_the_one_that_fits(
    history: History, epoch: int
) -> None:
    wrong = history.run(verify, str(epoch), "--tick", "20").exception
    assert isinstance(wrong, WrongTick)
    assert isinstance(wrong, UserError)
    with pytest.raises(
        WrongTick,
        match=r"^0x\w{40} observed 60 ticks in an epoch of 600 s, which has 30 ticks of 20 s: give --tick 10$",
    ):
        raise wrong


def test_check_tick__as_many_as_may_lie_observed_too_much__is_no_reason_to_refuse(history: History) -> None:
    network = history.town.network
    found = Verifier(network, 10, EvidenceSource(network, (history.url,)))
    one = found.verify(found.reports.of_epoch(1))
    evidence = one.verification.evidence
    assert evidence is not None

    def lying(liars: int) -> Evidence:
        view = View(1, 1, {pack(1, 0, 1): Uptime(120, 120)})
        lie = commitment(1, 1, view.encode())
        lies = [
            SignedObservation(view.encode(), signer.sign_typed(lie, network.report_domain))
            for signer in SIGNERS[:liars]
        ]
        true = evidence.proposal.observations[1][liars:]
        return evidence._replace(proposal=replace(evidence.proposal, observations={1: (*lies, *true)}))

    check_tick(lying(1), one.facts)
    with pytest.raises(WrongTick, match=r"give --tick 5$"):
        check_tick(lying(2), one.facts)


def test_first_difference__one_leaf_missing_or_out_of_place__is_that_one() -> None:
    a, b, c = (Leaf(1, pack(1, slot, 1), 1, 2) for slot in range(3))
    assert first_difference((a, b, c), (a, b, c)) is None
    missing = first_difference((a, b), (a, b, c))
    assert missing is not None
    assert (missing.id, missing.recomputed, missing.claimed) == (c.id, None, c)
    moved = first_difference((a, b, c), (a, c, b))
    assert moved is not None
    assert moved.id == b.id


def test_tree_of_dump__leaves_and_root_differ__is_malformed() -> None:
    dump = Tree.build([Leaf(1, pack(1, 0, 1), 1, 2), Leaf(1, pack(1, 1, 1), 1, 2)]).dump()
    dump["values"][0]["value"][2] = "2"
    with pytest.raises(Malformed, match="come to root"):
        tree_of_dump(dump)
