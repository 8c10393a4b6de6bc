# SPDX-License-Identifier: Apache-2.0
"""What proves a double signature, of all that oracles may tell."""

from __future__ import annotations

from typing import Any

import pytest

from operations.equivocations_told import MAX_TOLD, Chosen, choose
from oracle.ground.address import raw_address
from oracle.ground.typed_data import EpochReport, Observation
from oracle.signing.signer import LocalSigner, derive

DOMAIN = EpochReport.domain(31_337, "0x" + "11" * 20)
ELSEWHERE = EpochReport.domain(31_337, "0x" + "22" * 20)
KEYS = [derive("told", f"oracle {place}") for place in range(4)]
STRANGER = derive("told", "stranger")
COMMITTEE = 3
A, B, C = (bytes([one]) * 32 for one in (1, 2, 3))


def members(version: int) -> list[bytes]:
    return [raw_address(one.address) for one in KEYS] if version == COMMITTEE else []


def signed(
    signer: LocalSigner, content: bytes, epoch: int = 7, committee: int = COMMITTEE, domain: Any = DOMAIN
) -> dict[str, Any]:
    signature = signer.sign_typed(Observation(epoch, committee, content), domain)
    return {"contentHash": "0x" + content.hex(), "signature": "0x" + signature.hex()}


def entry(*observations: dict[str, Any], by: LocalSigner = KEYS[0], **changes: Any) -> dict[str, Any]:
    told = {"author": by.address, "epoch": 7, "committee": COMMITTEE, "observations": list(observations)}
    return {**told, **changes}


REAL = entry(signed(KEYS[0], A), signed(KEYS[0], B))


def chosen(*entries: Any, **others: list[Any]) -> Chosen:
    return choose({"https://one.example": list(entries), **others}, DOMAIN, members)


def contents(found: Chosen) -> list[tuple[int, bytes, bytes, bytes]]:
    return [(one.epoch, one.key, one.first.content_hash, one.second.content_hash) for one in found.proofs]


def test_choose__two_contents_of_one_key__prove() -> None:
    found = chosen(REAL)
    assert contents(found) == [(7, raw_address(KEYS[0].address), A, B)]
    assert found.proofs[0].committee == COMMITTEE
    assert found.problems == ()
    one = found.proofs[0].first
    assert one.abi_values() == (A, one.signature[:32], one.signature[32:])


def test_choose__same_proof_of_several_oracles__counts_once() -> None:
    turned = entry(*reversed(REAL["observations"]))
    assert chosen(REAL, turned, two=[REAL], three=[turned]) == chosen(REAL)


def test_choose__three_observations__any_two_that_differ_prove() -> None:
    a, b, c = (signed(KEYS[0], one) for one in (A, B, C))
    assert contents(chosen(entry(c, b, a))) == contents(chosen(REAL))
    assert contents(chosen(entry(a, a, b))) == contents(chosen(REAL))
    forged = {**c, "signature": a["signature"]}
    found = chosen(entry(forged, b, a))
    assert contents(found) == contents(chosen(REAL))
    assert "[0].observations[0].signature: is by 0x" in found.problems[0]


def test_choose__different_pairs_of_several_oracles__make_one_proof() -> None:
    a, b, c = (signed(KEYS[0], one) for one in (A, B, C))
    assert contents(chosen(entry(b, c), two=[entry(a, c)])) == contents(chosen(REAL))


def test_choose__epochs_committees_and_keys__are_apart() -> None:
    second = entry(signed(KEYS[1], A), signed(KEYS[1], B), by=KEYS[1])
    later = entry(signed(KEYS[0], A, 8), signed(KEYS[0], B, 8), epoch=8)
    found = chosen(later, second, REAL)
    assert {(one.epoch, one.key) for one in found.proofs} == {
        (7, raw_address(KEYS[0].address)),
        (7, raw_address(KEYS[1].address)),
        (8, raw_address(KEYS[0].address)),
    }
    assert [one.epoch for one in found.proofs] == [7, 7, 8]


@pytest.mark.parametrize(
    ("told", "why"),
    [
        (entry(signed(KEYS[0], A), signed(KEYS[0], A)), "[0].observations: all have one contentHash"),
        (entry(signed(KEYS[0], A), signed(KEYS[1], B)), f"not by the author {KEYS[0].address.lower()}"),
        (
            entry(signed(STRANGER, A), signed(STRANGER, B), by=STRANGER),
            f"is by {STRANGER.address.lower()}, which is no key of committee 3",
        ),
        (
            entry(signed(KEYS[0], A, committee=9), signed(KEYS[0], B, committee=9), committee=9),
            "which is no key of committee 9",
        ),
        (entry(signed(KEYS[0], A, 8), signed(KEYS[0], B, 8)), "which is no key of committee 3"),
        (entry(signed(KEYS[0], A), signed(KEYS[0], B, domain=ELSEWHERE)), "which is no key of committee 3"),
        (
            entry(signed(KEYS[0], A), {**signed(KEYS[0], B), "signature": "0x" + "00" * 64}),
            "[0].observations[1].signature: signature has an r or s out of range",
        ),
    ],
)
def test_choose__what_proves_nothing__is_told_with_its_place(told: Any, why: str) -> None:
    found = chosen(told)
    assert found.proofs == ()
    assert why in found.problems[0]
    assert found.problems[0].startswith("https://one.example: /v1/equivocations: [0].observations")


@pytest.mark.parametrize(
    ("told", "why"),
    [
        (None, ": isn't an object"),
        ([REAL], ": isn't an object"),
        ({key: REAL[key] for key in REAL if key != "committee"}, ".committee: is missing"),
        (entry(*REAL["observations"], epoch="7"), ".epoch: is '7', no whole number below 2^64"),
        (entry(*REAL["observations"], epoch=True), ".epoch: is True, no whole"),
        (entry(*REAL["observations"], epoch=7.0), ".epoch: is 7.0, no whole"),
        (entry(*REAL["observations"], epoch=-1), ".epoch: is -1, no whole"),
        (entry(*REAL["observations"], epoch=1 << 64), ".epoch: is 18446744073709551616, no whole"),
        (entry(*REAL["observations"], epoch=10**4_000), ".epoch: is a int, no whole"),
        (entry(*REAL["observations"], committee=1 << 32), ".committee: is 4294967296, no whole number below 2^32"),
        (entry(*REAL["observations"], author="0x12"), ".author: is '0x12', not 0x and 40 hexadecimal digits"),
        (entry(*REAL["observations"], author="0x" + "é" * 40), ".author: is '0x\\xe9"),
        (entry(*REAL["observations"], author=["\x1b[2J"]), ".author: is a list, not 0x"),
        (entry(REAL["observations"][0]), ".observations: isn't a list of 2 to 3"),
        (entry(*REAL["observations"], *REAL["observations"]), ".observations: isn't a list of 2 to 3"),
        (entry(observations={"0": REAL}), ".observations: isn't a list of 2 to 3"),
        (entry(REAL["observations"][0], {"contentHash": "0x"}), ".observations[1].signature: is missing"),
        (
            entry({**REAL["observations"][0], "contentHash": "0x" + "1" * 63}, REAL["observations"][1]),
            ".observations[0].contentHash: is '0x1111",
        ),
        (
            entry(REAL["observations"][0], {**REAL["observations"][1], "signature": "0X" + "11" * 64}),
            ".observations[1].signature: is '0X11",
        ),
    ],
)
def test_choose__malformed__names_oracle_and_field_and_keeps_no_other_out(told: Any, why: str) -> None:
    found = chosen(told, two=[REAL])
    assert contents(found) == contents(chosen(REAL))
    (problem,) = found.problems
    assert problem.startswith(f"https://one.example: /v1/equivocations: [0]{why}")
    assert problem.isascii()
    assert problem.isprintable()
    assert len(problem) < 300


def test_choose__far_too_many__reads_the_first_and_tells_one_line() -> None:
    found = choose({"one": [None] * 10**5, "two": [*[5] * (MAX_TOLD - 1), REAL]}, DOMAIN, members)
    assert contents(found) == contents(chosen(REAL))
    assert len(found.problems) == 2
    assert f"[0]: isn't an object (and {MAX_TOLD} more)" in found.problems[0]
