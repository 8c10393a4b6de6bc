# SPDX-License-Identifier: Apache-2.0
"""Where a network's contracts are, as a file."""

from __future__ import annotations

import json
from pathlib import Path

from chain.network import Addresses

OLD = Addresses(31337, *(f"0x{digit * 40}" for digit in "123456"))


def test_addresses__saved__are_read_again(tmp_path: Path) -> None:
    new = Addresses(31337, *(f"0x{digit * 40}" for digit in "1234567"), first_block=7)
    new.save(tmp_path / "addresses.json")
    assert Addresses.load(tmp_path / "addresses.json") == new


def test_addresses__file_of_before_there_were_directories__is_read(tmp_path: Path) -> None:
    fields = ("chain_id", "authority", "attestations", "licences", "escrow", "burner", "token")
    path = tmp_path / "addresses.json"
    path.write_text(json.dumps({name: getattr(OLD, name) for name in fields}))
    assert Addresses.load(path) == OLD
    assert (OLD.directory, OLD.first_block) == ("", 0)
