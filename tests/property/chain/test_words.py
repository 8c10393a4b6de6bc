# SPDX-License-Identifier: Apache-2.0
"""The fast decoder of lists of structs says what web3 says, and refuses what web3 refuses."""

from __future__ import annotations

from typing import Any

import pytest
from eth_abi.abi import encode
from eth_abi.exceptions import DecodingError
from hypothesis import given
from hypothesis import strategies as st
from web3 import Web3

from chain import bindings
from chain.words import BadWords, StructList, uint_list

CODEC = Web3().codec
UINT_BITS = (8, 24, 40, 64, 96, 160, 256)
VALUES: dict[str, st.SearchStrategy[Any]] = {
    **{f"uint{bits}": st.integers(0, (1 << bits) - 1) for bits in UINT_BITS},
    **{f"bytes{size}": st.binary(min_size=size, max_size=size) for size in (1, 4, 31, 32)},
    "bool": st.booleans(),
    "address": st.binary(min_size=20, max_size=20).map(lambda raw: "0x" + raw.hex()),
}
LENS = bindings.abi("Lens")


def abi_of(kinds: list[str]) -> list[dict[str, Any]]:
    fields = [{"name": f"f{place}", "type": kind} for place, kind in enumerate(kinds)]
    return [{"type": "function", "name": "all", "outputs": [{"type": "tuple[]", "components": fields}]}]


@st.composite
def lists(draw: st.DrawFn) -> tuple[list[str], list[tuple[Any, ...]]]:
    kinds = draw(st.lists(st.sampled_from(sorted(VALUES)), min_size=1, max_size=5))
    return kinds, draw(st.lists(st.tuples(*(VALUES[kind] for kind in kinds)), max_size=4))


def by_web3(kinds: list[str], data: bytes) -> list[tuple[Any, ...]]:
    (rows,) = CODEC.decode([f"({','.join(kinds)})[]"], data)
    return list(rows)


@given(lists(), st.data())
def test_struct_list__whatever_a_contract_returns__is_what_web3_decodes(
    given_rows: tuple[list[str], list[tuple[Any, ...]]], data: st.DataObject
) -> None:
    kinds, rows = given_rows
    encoded = encode([f"({','.join(kinds)})[]"], [rows])
    order = data.draw(st.permutations(range(len(kinds))))
    taken = order[: data.draw(st.integers(1, len(kinds)))]
    fields = [f"f{place}" for place in taken]
    decoded = StructList(abi_of(kinds), "all", fields).decode(encoded)
    assert decoded == [tuple(row[place] for place in taken) for row in by_web3(kinds, encoded)]


@given(lists(), st.data())
def test_struct_list__bytes_changed__accepts_what_web3_would_write(
    given_rows: tuple[list[str], list[tuple[Any, ...]]], data: st.DataObject
) -> None:
    kinds, rows = given_rows
    encoded = bytearray(encode([f"({','.join(kinds)})[]"], [rows]))
    encoded[data.draw(st.integers(0, len(encoded) - 1))] = data.draw(st.integers(0, 255))
    changed = bytes(encoded[: data.draw(st.integers(0, len(encoded)))] if data.draw(st.booleans()) else encoded)
    fast = StructList(abi_of(kinds), "all", [f"f{place}" for place in range(len(kinds))])
    try:
        wanted = by_web3(kinds, changed)
    except (DecodingError, OverflowError):
        wanted = None
    canonical = wanted is not None and encode([f"({','.join(kinds)})[]"], [wanted]) == changed
    if canonical:
        assert fast.decode(changed) == wanted
    else:
        with pytest.raises(BadWords):
            fast.decode(changed)


@given(st.lists(st.integers(0, (1 << 256) - 1), max_size=5))
def test_uint_list__any_ids__are_encoded_as_web3_does(ids: list[int]) -> None:
    contract = Web3().eth.contract(abi=LENS)
    wanted = contract.encode_abi("assignmentsOf", [ids])
    assert uint_list(bytes.fromhex(wanted[2:10]), ids) == wanted


def test_struct_list__layout_it_cannot_read__is_refused_at_once() -> None:
    for kind in ("string", "int64", "uint256[]", "tuple"):
        with pytest.raises(ValueError, match=r"type of a single word|int\(\)"):
            StructList(abi_of([kind]), "all", ["f0"])
    with pytest.raises(ValueError, match="not a list of structs"):
        StructList(LENS, "jobOf", ["owner"])
