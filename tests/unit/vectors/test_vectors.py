"""The shared vectors are what Python computes today, and what ethers and OpenZeppelin's package compute too."""

from __future__ import annotations

import json
import subprocess
from functools import cache
from typing import Any

import pytest

from oracle.committee import messages
from oracle.committee.observation import SignedObservation
from oracle.ground.address import checksummed
from oracle.ground.errors import InvalidValue
from oracle.ground.leaves import Leaf
from oracle.ground.merkle import InvalidProof, MalformedRange, Tree, verify, verify_range
from oracle.ground.typed_data import Domain, Heartbeat, NodeConsent, Observation, Receipt
from oracle.signing.compact import recover
from oracle.telemetry.wire import frames, heartbeat, receipt, session, workloads
from oracle.telemetry.wire.appeal import Appeal, gather
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


@pytest.mark.parametrize("name", ["merkle", "typed_data", "heartbeats", "protocol"])
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


def test_heartbeats__made_by_ethers__are_our_bytes() -> None:
    vectors = read("heartbeats.json")
    made = node("confirm_heartbeats.mjs", vectors)
    for name, found in made.items():
        for ours, theirs in zip(as_list(vectors[name]), as_list(found), strict=True):
            assert theirs == (ours if isinstance(theirs, str) else {key: ours[key] for key in theirs})


def test_heartbeats_file__read__has_its_fields_and_signers() -> None:
    vectors = read("heartbeats.json")
    domain = Heartbeat.domain(vectors["domain"]["chainId"], vectors["domain"]["verifyingContract"])
    challenge, secret = raws([vectors["challenge"], vectors["secrets"]["session"]])
    for case, raw in with_raw(vectors["signed"]):
        beat = heartbeat.decode(raw)
        assert (heartbeat.signed_by(beat, domain), beat.challenge) == (vectors["node"].lower(), challenge)
        assert (beat.oracle, *report(beat)) == (vectors["oracle"].lower(), *report_of(case))
    opening = session.decode_opening(bytes.fromhex(vectors["opening"]["raw"][2:]))
    who, opened = session.accept_session(opening, domain, secret)
    assert [who, "0x" + opened.key.hex()] == [vectors["node"].lower(), vectors["opening"]["key"]]
    for case, raw in with_raw(vectors["sealed"]):
        sealed = session.decode_sealed(raw)
        assert (sealed.session, *report(sealed)) == (opened.id, *report_of(case))
        assert session.tag(opened.key, challenge, sealed.head) == sealed.tag
    for case, raw in with_raw(vectors["receipts"]):
        given = receipt.decode(raw)
        assert receipt.signed_by(given, domain) == vectors["oracle"].lower()
        assert [tick for tick in range(given.bits.bit_length()) if given.bits >> tick & 1] == case["up"]
    for case, raw in with_raw(vectors["bodies"]):
        assert [len(frame) for frame in frames.split(raw)] == case["sizes"]


def test_protocol__made_by_ethers__is_our_bytes() -> None:
    vectors = read("protocol.json")
    made = node("confirm_protocol.mjs", vectors)
    for name, found in made.items():
        for ours, theirs in zip(as_list(vectors[name]), as_list(found), strict=True):
            assert theirs == (ours if isinstance(theirs, str) else {key: ours[key] for key in theirs})


def test_protocol_file__read__has_its_fields_and_signers() -> None:
    vectors = read("protocol.json")
    addresses = [bytes.fromhex(one[2:]) for one in vectors["oracles"]]
    domains = {name: Domain(*one.values()) for name, one in vectors["domains"].items()}
    for case in vectors["observations"]:
        signed = SignedObservation(*raws([case["content"], case["signature"]]))
        told = {each["assignment"]: (each["up"], each["observed"]) for each in case["ticks"]}
        assert signed.author(domains["reports"]) == addresses[case["signer"]]
        assert {str(key): (seen.up, seen.observed) for key, seen in signed.view().ticks.items()} == told
        told = {each["licence"]: (each["up"], each["observed"]) for each in case["licences"]}
        assert {str(key): (seen.up, seen.observed) for key, seen in signed.view().licences.items()} == told
    for case, raw in with_raw(vectors["messages"]):
        envelope = messages.Envelope.open(raw)
        assert envelope.sender(domains["reports"]) == addresses[case["signer"]]
        message = envelope.message()
        assert [str(message.epoch), str(message.committee), message.turn] == [
            case[name] for name in ("epoch", "committee", "turn")
        ]
        assert message.body.encode() == envelope.payload
    for case, raw in with_raw(vectors["appeals"]):
        appeal = Appeal.decode(raw)
        assert ["0x" + one.hex() for one in appeal.receipts] == case["receipts"]
        assert gather(appeal.node, appeal.epoch, appeal.receipts[::-1], domains["heartbeats"]).encode() == raw


def with_raw(cases: list[dict[str, Any]]) -> list[tuple[dict[str, Any], bytes]]:
    return [(case, bytes.fromhex(case["raw"][2:])) for case in cases]


def report(beat: heartbeat.SignedHeartbeat | session.SealedHeartbeat) -> tuple[int, Any]:
    return beat.sequence, workloads.decode(beat.workloads)


def report_of(case: dict[str, Any]) -> tuple[int, Any]:
    listed = tuple((int(each["assignment"]), each["health"]) for each in case["workloads"])
    return int(case["sequence"]), listed


def as_list(value: Any) -> list[Any]:
    return value if isinstance(value, list) else [value]


@pytest.mark.parametrize(
    "message",
    [
        Observation(2**64, 1, bytes(32)),
        Observation(-1, 1, bytes(32)),
        Observation(True, 1, bytes(32)),
        Observation(1, 1, bytes(31)),
        Heartbeat("0x12", 1, bytes(32), b""),
        Heartbeat(b"", 1, bytes(32), b""),  # type: ignore[arg-type]
        Heartbeat("0x" + "11" * 20, 1, bytes(32), "0x"),  # type: ignore[arg-type]
        Receipt("0x" + "11" * 20, 1, 2**32, b""),
        NodeConsent(2**256, "0x" + "11" * 20, "0x" + "11" * 20, 0, 0),
    ],
)
def test_digest__field_beyond_its_type__is_refused(message: Any) -> None:
    with pytest.raises(InvalidValue):
        message.digest(message.domain(1, "0x" + "11" * 20))


def test_digest__domain_of_another_purpose__is_refused() -> None:
    beat = Heartbeat("0x" + "11" * 20, 1, bytes(32), b"")
    with pytest.raises(InvalidValue, match="Epochal Heartbeat"):
        beat.digest(Observation.domain(1, "0x" + "11" * 20))


def test_digest__chain_or_contract_differs__differs() -> None:
    beat = Heartbeat("0x" + "11" * 20, 1, bytes(32), b"")
    places = [(1, "0x" + "11" * 20), (2, "0x" + "11" * 20), (1, "0x" + "22" * 20)]
    assert len({beat.digest(Heartbeat.domain(*place)) for place in places}) == 3
