"""What fits and what doesn't."""

import pytest
from eth_utils import to_checksum_address

from oracle.ground.address import checksummed, raw_address
from oracle.ground.errors import InvalidValue
from oracle.ground.ids import pack, unpack
from oracle.ground.leaves import Leaf

TOP64, TOP32 = 2**64 - 1, 2**32 - 1


@pytest.mark.parametrize("parts", [(0, 0, 1), (1, 2, 3), (TOP64, TOP32, TOP32)])
def test_pack__parts_in_their_widths__come_back(parts: tuple[int, int, int]) -> None:
    assert unpack(pack(*parts)) == parts


@pytest.mark.parametrize("parts", [(TOP64 + 1, 0, 1), (0, TOP32 + 1, 1), (0, 0, TOP32 + 1), (0, 0, 0), (-1, 0, 1)])
def test_pack__part_beyond_its_width__is_refused(parts: tuple[int, int, int]) -> None:
    with pytest.raises(InvalidValue):
        pack(*parts)


@pytest.mark.parametrize("number", [0, 1 << 32, 1 << 128, -1])
def test_unpack__no_assignment__is_refused(number: int) -> None:
    with pytest.raises(InvalidValue):
        unpack(number)


@pytest.mark.parametrize("fields", [(256, 0, 0, 0), (1, 1 << 256, 0, 0), (1, 1, 1 << 64, 0), (1, 1, 0, -1)])
def test_leaf__field_beyond_its_width__is_refused(fields: tuple[int, int, int, int]) -> None:
    with pytest.raises(InvalidValue):
        Leaf(*fields)


def test_leaves__sort__by_kind_then_id() -> None:
    leaves = [Leaf(2, 1, 0, 0), Leaf(1, 9, 0, 0), Leaf(1, 2, 9, 9)]
    assert [(leaf.kind, leaf.id) for leaf in sorted(leaves)] == [(1, 2), (1, 9), (2, 1)]


def test_address__raw_bytes__get_the_checksum_others_give() -> None:
    for seed in range(50):
        raw = seed.to_bytes(4, "big") * 5
        text = checksummed(raw)
        assert text == to_checksum_address("0x" + raw.hex())
        assert raw_address(text) == raw_address(text.lower()) == raw


@pytest.mark.parametrize(
    "text",
    [
        "",
        "0x",
        "52908400098527886E0F7030069857D2E4169EE7",
        "0x52908400098527886E0F7030069857D2E4169EE",
        "0x52908400098527886E0F7030069857D2E4169EEg",
        "0x" + " " * 40,
        "0x5290 8400098527886E0F7030069857D2E4169EE",
        "0x5aAeb6053F3E94C9b9A09f33669435E7Ef1BeAeD",
    ],
)
def test_address__mistyped__is_refused(text: str) -> None:
    with pytest.raises(InvalidValue):
        raw_address(text)
