"""The shared vectors are what Python computes today, and what ethers and OpenZeppelin's package compute too."""

from __future__ import annotations

import json
import subprocess
from functools import cache
from typing import Any

import pytest

from oracle.ground.address import checksummed
from oracle.ground.errors import InvalidValue
from oracle.ground.leaves import Leaf
from oracle.ground.merkle import InvalidProof, MalformedRange, Tree, verify, verify_range
from oracle.ground.typed_data import Heartbeat, NodeConsent, Observation
from oracle.signing.compact import recover
from tests.project import ROOT
from tests.vectors import generate

FOLDER = ROOT / "tests" / "vectors"
LARGE = tuple(Leaf(1, 10**20 + i * i, 86_400 * i, 86_401 * i) for i in range(300))


def node(script: str, stdin: object) -> Any:
    """What a script prints, as JSON."""
    command = ["node", str(FOLDER / script)]
    done = subprocess.run(command, input=json.dumps(stdin), capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


@cache
def read(name: str) -> Any:
    return json.loads((FOLDER / name).read_text(encoding="utf-8"))


def raws(texts: list[str]) -> list[bytes]:
    return [bytes.fromhex(text[2:]) for text in texts]


def leaves_of(case: dict[str, Any]) -> list[Leaf]:
    fields = ("kind", "id", "earned", "accounted")
    return [Leaf(*(int(leaf[field]) for field in fields)) for leaf in case["leaves"]]


@pytest.mark.parametrize("name", ["merkle", "typed_data"])
def test_files__committed__are_what_the_generator_makes(name: str) -> None:
    made = generate.text(getattr(generate, name)())
    committed = (FOLDER / f"{name}.json").read_text(encoding="utf-8")
    assert made == committed, "run python -m tests.vectors.generate and look at the difference"


def test_trees__loaded_by_the_npm_package__have_our_root_leaves_and_proofs() -> None:
    trees = [generate.tree_of(size) for size in generate.SIZES] + [Tree.build(LARGE)]
    findings = node("confirm_merkle.mjs", [tree.dump() for tree in trees])
    for tree, found in zip(trees, findings, strict=True):
        assert raws([found["root"], found["rebuilt"]]) == [tree.root] * 2
        assert raws(found["hashes"]) == [leaf.hash() for leaf in tree.leaves]
        assert [tuple(raws(proof)) for proof in found["proofs"]] == [
            tree.proof(number) for number in range(len(tree.leaves))
        ]
        assert found["verified"] is True


def test_merkle_file__proofs_and_ranges__verify() -> None:
    for case in read("merkle.json")["trees"]:
        root, leaves = bytes.fromhex(case["root"][2:]), leaves_of(case)
        assert all(verify(root, leaf.hash(), raws(p)) for leaf, p in zip(leaves, case["proofs"], strict=True))
        for each in case["ranges"]:
            hashes = [leaf.hash() for leaf in leaves[each["first"] : each["last"] + 1]]
            verify_range(root, hashes, each["treeIndex"], raws(each["proof"]))


@pytest.mark.parametrize("case", read("merkle.json")["forged"], ids=lambda case: case["name"])
def test_merkle_file__forged_range__meets_its_refusal(case: dict[str, Any]) -> None:
    refusal = {"malformed": MalformedRange, "invalid": InvalidProof}[case["refusal"]]
    hashes = [leaf.hash() for leaf in leaves_of(case)]
    with pytest.raises(refusal):
        verify_range(bytes.fromhex(case["root"][2:]), hashes, int(case["treeIndex"]), raws(case["proof"]))


def test_messages__hashed_by_ethers__have_our_digests_and_signers() -> None:
    vectors = read("typed_data.json")
    findings = node("confirm_typed_data.mjs", vectors)
    for vector, found in zip(vectors, findings, strict=True):
        assert found == {key: vector[key] for key in found}
        digest, signature = raws([vector["digest"], vector["signature"]])
        assert len(signature) == 64
        assert checksummed(recover(digest, signature)) == vector["signer"]


@pytest.mark.parametrize(
    "message",
    [
        Observation(2**64, 1, bytes(32)),
        Observation(-1, 1, bytes(32)),
        Observation(True, 1, bytes(32)),
        Observation(1, 1, bytes(31)),
        Heartbeat("0x12", 1, bytes(32)),
        Heartbeat(b"", 1, bytes(32)),  # type: ignore[arg-type]
        NodeConsent(2**256, "0x" + "11" * 20, "0x" + "11" * 20, 0, 0),
    ],
)
def test_digest__field_beyond_its_type__is_refused(message: Any) -> None:
    with pytest.raises(InvalidValue):
        message.digest(message.domain(1, "0x" + "11" * 20))


def test_digest__domain_of_another_purpose__is_refused() -> None:
    beat = Heartbeat("0x" + "11" * 20, 1, bytes(32))
    with pytest.raises(InvalidValue, match="Epochal Heartbeat"):
        beat.digest(Observation.domain(1, "0x" + "11" * 20))


def test_digest__chain_or_contract_differs__differs() -> None:
    beat = Heartbeat("0x" + "11" * 20, 1, bytes(32))
    places = [(1, "0x" + "11" * 20), (2, "0x" + "11" * 20), (1, "0x" + "22" * 20)]
    assert len({beat.digest(Heartbeat.domain(*place)) for place in places}) == 3
