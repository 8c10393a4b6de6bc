# SPDX-License-Identifier: Apache-2.0
"""Whatever oracles tell: what is chosen proves, and nobody's rubbish hides what others tell."""

from __future__ import annotations

from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from operations.equivocations_told import choose
from oracle.ground.typed_data import Observation
from oracle.signing.compact import recover
from tests.unit.operations.test_equivocations_told import DOMAIN, KEYS, REAL, STRANGER, A, B, C, entry, members, signed

JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=9), inner, max_size=4),
    max_leaves=12,
)
PATHS = [(), ("author",), ("epoch",), ("committee",), ("observations",)]
PATHS += [("observations", 0), ("observations", 1, "contentHash"), ("observations", 0, "signature")]


@st.composite
def spoiled(draw: st.DrawFn) -> Any:
    """The real entry with one of its parts in place of which something else stands."""
    return _put(REAL, list(draw(st.sampled_from(PATHS))), draw(JSON))


def _put(value: Any, path: list[Any], new: Any) -> Any:
    if not path:
        return new
    place, *rest = path
    changed = list(value) if isinstance(value, list) else dict(value)
    changed[place] = _put(value[place], rest, new)
    return changed


@st.composite
def entries(draw: st.DrawFn) -> Any:
    """Well-formed ones: of members and strangers, true and lying, of few epochs and contents."""
    epoch = draw(st.integers(7, 8))
    signer = st.sampled_from([*KEYS, STRANGER])
    said = [
        signed(draw(signer), draw(st.sampled_from([A, B, C])), draw(st.sampled_from([epoch, 7])))
        for _ in range(draw(st.integers(2, 3)))
    ]
    return entry(*said, by=draw(signer), epoch=epoch)


@given(st.lists(JSON | spoiled(), max_size=6), st.booleans())
def test_choose__rubbish__raises_nothing_and_hides_nothing(rubbish: list[Any], before: bool) -> None:
    assert not choose({"bad": rubbish}, DOMAIN, members).proofs
    told = {"bad": rubbish, "good": [REAL]} if before else {"good": [REAL], "bad": rubbish}
    assert len(choose(told, DOMAIN, members).proofs) == 1
    assert len(choose({"one": [*rubbish, REAL]}, DOMAIN, members).proofs) == 1


@given(st.dictionaries(st.sampled_from(["one", "two", "three"]), st.lists(entries(), max_size=5)))
def test_choose__anything_signed__each_proof_holds_and_all_are_found(told: dict[str, list[Any]]) -> None:
    found = choose(told, DOMAIN, members).proofs
    for one in found:
        assert one.first.content_hash < one.second.content_hash
        assert one.key in members(one.committee)
        for each in (one.first, one.second):
            digest = Observation(one.epoch, one.committee, each.content_hash).digest(DOMAIN)
            assert recover(digest, each.signature) == one.key
    by: dict[tuple[int, bytes], set[str]] = {}
    for value in (each for listed in told.values() for each in listed):
        for said in value["observations"]:
            digest = Observation(value["epoch"], value["committee"], bytes.fromhex(said["contentHash"][2:])).digest(
                DOMAIN
            )
            key = recover(digest, bytes.fromhex(said["signature"][2:]))
            by.setdefault((value["epoch"], key), set()).add(said["contentHash"])
    proves = {about for about, said in by.items() if len(said) > 1 and about[1] in members(3)}
    assert {(one.epoch, one.key) for one in found} == proves
    assert choose(dict(reversed(told.items())), DOMAIN, members).proofs == found
