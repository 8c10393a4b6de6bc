"""Writes the JSON files of this folder: what Python computes, for others to agree with.

Run `python -m tests.vectors.generate` after a change; a unit test compares the files with what this makes and
has ethers and OpenZeppelin's npm package confirm them. Numbers are decimal texts: JSON readers round large ones.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final

from oracle.ground.ids import KIND_ASSIGNMENT, KIND_LICENCE, KIND_ORACLE, pack
from oracle.ground.keccak import keccak256
from oracle.ground.leaves import EMPTY, Leaf
from oracle.ground.merkle import InvalidProof, MalformedRange, Tree, split_ranges, verify_range
from oracle.ground.typed_data import (
    Acceptance,
    Announcement,
    Credential,
    EpochReport,
    Heartbeat,
    NodeConsent,
    Observation,
    PeerMessage,
    ReallocationBatch,
    Receipt,
    Session,
    TypedStruct,
)
from oracle.signing.signer import Signer, derive
from tests.vectors.heartbeats import heartbeats
from tests.vectors.protocol import protocol

HERE: Final = Path(__file__).resolve().parent
SIZES: Final = (1, 2, 3, 4, 5, 8, 13, 53)
SEED: Final = "Epochal test vectors"
STRANGER: Final = Leaf(KIND_ASSIGNMENT, pack(99, 0, 1), 86_400, 86_400)
"""A leaf that is in no tree."""


def main() -> None:
    for made in (merkle, typed_data, heartbeats, protocol):
        (HERE / f"{made.__name__}.json").write_text(text(made()), encoding="utf-8")


def text(content: object) -> str:
    """The one text of a vector file."""
    return json.dumps(content, indent=1) + "\n"


def merkle() -> dict[str, Any]:
    """Trees with proofs of leaves and ranges, and forged ranges with the refusal each must meet."""
    trees = [tree_of(size) for size in SIZES]
    return {"trees": [_tree(each) for each in trees], "forged": list(_forged(trees[-1], trees[1], trees[2]))}


def tree_of(size: int) -> Tree:
    """A tree as a network of some jobs, licences and oracles has it; of one leaf, an empty network's."""
    if size == 1:
        return Tree.build([EMPTY])
    days = 86_400
    last = [Leaf(KIND_LICENCE, 7, 30 * days, 31 * days), Leaf(KIND_ORACLE, 1, 2**64 - 1, 2**64 - 1)]
    jobs = [
        Leaf(KIND_ASSIGNMENT, pack(1 + i // 10, i % 10 // 2, 1 + i % 2), i * 1_000, i * 1_111)
        for i in range(size - len(last))
    ]
    return Tree.build(jobs + last)


def _tree(tree: Tree) -> dict[str, Any]:
    size = len(tree.leaves)
    return {
        "size": size,
        "root": _hex(tree.root),
        "leaves": [{**_leaf(leaf), "hash": _hex(leaf.hash())} for leaf in tree.leaves],
        "proofs": [_hexes(tree.proof(number)) for number in range(size)],
        "ranges": [_range(tree, first, last) for first, last in _ranges(size)],
    }


def _ranges(size: int) -> list[tuple[int, int]]:
    """Whole depths, single leaves at their ends, and ranges whose edges are left or right children."""
    found = {(n, n) for n in (0, size // 2, size - 1)}
    for depth in split_ranges(size, 0, size - 1):
        found |= {(max(depth[0] + a, depth[0]), min(depth[1] - b, depth[1])) for a in (0, 1) for b in (0, 1)}
        middle = sum(depth) // 2
        found |= {(middle - a, middle + b) for a in (0, 1, 3) for b in (0, 1, 4)}
    inside = [pair for pair in found if 0 <= pair[0] <= pair[1] < size]
    return sorted(pair for pair in inside if split_ranges(size, *pair) == (pair,))


def _range(tree: Tree, first: int, last: int) -> dict[str, Any]:
    proof = tree.range_proof(first, last)
    verify_range(tree.root, [leaf.hash() for leaf in tree.leaves[first : last + 1]], proof.tree_index, proof.proof)
    return {"first": first, "last": last, "treeIndex": proof.tree_index, "proof": _hexes(proof.proof)}


def _forged(large: Tree, two: Tree, three: Tree) -> list[dict[str, Any]]:
    """Ranges to refuse: "malformed" by their shape alone, "invalid" by the root they end at."""
    first, last = 10, 20
    real, edge = list(large.leaves[first : last + 1]), large.range_proof(first, last)
    deep, shallow = split_ranges(len(large.leaves), 0, len(large.leaves) - 1)
    across = list(large.leaves[deep[1] : shallow[0] + 1])
    at, proof = edge.tree_index, edge.proof
    raised = Leaf(real[3].kind, real[3].id, real[3].earned + 1, real[3].accounted)
    cases = [
        ("empty range", large, [], at, proof),
        ("empty range at the root", large, [], 0, ()),
        ("start below zero after the last leaf", two, [*two.leaves, STRANGER], 1, two.proof(1)),
        ("real leaf and a stranger at the root's index", two, [two.leaves[1], STRANGER], 1, two.proof(1)),
        ("stranger beside the only leaf", tree_of(1), [EMPTY, STRANGER], 0, ()),
        ("stranger before the only leaf", tree_of(1), [STRANGER, EMPTY], 1, ()),
        ("range across depths", three, list(three.leaves[1:]), 3, three.proof(1)),
        ("range across depths, of a large tree", large, across, 104 - deep[1], large.proof(deep[1])),
        ("index one too high", large, real, at + 1, proof),
        ("index one too low", large, real, at - 1, proof),
        ("index of the level below", large, real, 2 * at + 1, proof),
        ("index of the level above", large, real, (at - 1) // 2, proof),
        ("index far outside", large, real, 2**200, proof),
        ("element too many", large, real, at, (*proof, proof[0])),
        ("element too few", large, real, at, proof[:-1]),
        ("no elements", large, real, at, ()),
        ("elements in another order", large, real, at, proof[::-1]),
        ("leaf with a second more earned", large, [*real[:3], raised, *real[4:]], at, proof),
        ("leaf twice", large, [*real[:3], real[3], real[3], *real[5:]], at, proof),
        ("leaf left out", large, [*real[:3], *real[4:]], at, proof),
        ("leaf missing at the end", large, real[:-1], at, proof),
        ("stranger in the middle", large, [*real[:5], STRANGER, *real[6:]], at, proof),
        ("stranger at the end", large, [*real, STRANGER], at, proof),
        ("leaves in reverse", large, real[::-1], at, proof),
        ("root of another tree", three, real, at, proof),
        ("stranger alone with an empty proof", large, [STRANGER], 0, ()),
    ]
    return [
        {
            "name": name,
            "refusal": _refusal(tree.root, leaves, index, siblings),
            "root": _hex(tree.root),
            "leaves": [_leaf(leaf) for leaf in leaves],
            "treeIndex": str(index),
            "proof": _hexes(siblings),
        }
        for name, tree, leaves, index, siblings in cases
    ]


def _refusal(root: bytes, leaves: Sequence[Leaf], index: int, proof: Sequence[bytes]) -> str:
    try:
        verify_range(root, [leaf.hash() for leaf in leaves], index, proof)
    except MalformedRange:
        return "malformed"
    except InvalidProof:
        return "invalid"
    raise AssertionError(f"the forged range of {len(leaves)} leaves at {index} was accepted")


def typed_data() -> list[dict[str, Any]]:
    """Every signed message, once as it comes and once at the widest its fields go, with a signature."""
    signer = derive(SEED, "signer")
    contract, holder, node = (derive(SEED, label).address for label in ("contract", "holder", "node"))
    a, b, c, d = (keccak256(letter) for letter in (b"a", b"b", b"c", b"d"))
    zero, top32, top64, top256 = bytes(32), 2**32 - 1, 2**64 - 1, 2**256 - 1
    ones, nobody, everybody = b"\xff" * 32, "0x" + "00" * 20, "0x" + "ff" * 20
    messages: list[TypedStruct] = [
        EpochReport(17, 2, a, b, c, d),
        EpochReport(top64, top64, ones, zero, ones, zero),
        Observation(17, 2, a),
        Observation(top64, 0, ones),
        NodeConsent(46_724, holder, node, 3, 1_900_000_000),
        NodeConsent(top256, everybody, nobody, top256, top64),
        Acceptance(5, 1, 2, 46_724, b, 1_900_000_000),
        Acceptance(top64, top32, top32, top256, ones, top64),
        Heartbeat(node, 8_640, c, b""),
        Heartbeat(everybody, top64, zero, ones + b"\0"),
        Session(node, c, b"\2" + a, b"\3" + b),
        Session(everybody, zero, b"", ones * 3),
        Receipt(node, 17, 0, b"\xff\x7f"),
        Receipt(everybody, top64, top32, b""),
        PeerMessage(1, 17, 2, 0, b"\1\2"),
        PeerMessage(255, top64, top64, top32, b""),
        Announcement(node, "https://oracle-1.example:8610", 1_800_000_000),
        Announcement(everybody, "http://ä", top64),
        Credential(holder, 1, d, 1_800_000_000, 1_900_000_000),
        Credential(everybody, 255, zero, top64, top64),
        ReallocationBatch(2, 17, a, 1_800_000_000),
        ReallocationBatch(top64, top64, ones, top64),
    ]
    return [_message(message, signer, contract) for message in messages]


def _message(message: TypedStruct, signer: Signer, contract: str) -> dict[str, Any]:
    domain = message.domain(31_337, contract)
    name, members = message.TYPE.rstrip(")").split("(")
    kinds = [member.split(" ") for member in members.split(",")]
    digest = message.digest(domain)
    return {
        "primaryType": name,
        "domain": {
            "name": domain.name,
            "version": domain.version,
            "chainId": domain.chain_id,
            "verifyingContract": contract,
        },
        "types": {name: [{"name": field, "type": kind} for kind, field in kinds]},
        "value": {field: _plain(getattr(message, field)) for _, field in kinds},
        "typeHash": _hex(message.TYPE_HASH),
        "domainSeparator": _hex(domain.separator()),
        "digest": _hex(digest),
        "signer": signer.address,
        "signature": _hex(signer.sign(digest)),
    }


def _leaf(leaf: Leaf) -> dict[str, str]:
    return {
        "kind": str(leaf.kind),
        "id": str(leaf.id),
        "earned": str(leaf.earned),
        "accounted": str(leaf.accounted),
    }


def _plain(value: int | bytes | str) -> str:
    return _hex(value) if isinstance(value, bytes) else str(value)


def _hex(raw: bytes) -> str:
    return "0x" + raw.hex()


def _hexes(raws: Sequence[bytes]) -> list[str]:
    return [_hex(raw) for raw in raws]


if __name__ == "__main__":
    main()
