# SPDX-License-Identifier: Apache-2.0
"""New keys in encrypted files."""

from __future__ import annotations

from pathlib import Path

import pytest

from oracle.service.errors import SettingsError
from oracle.service.keygen import make_key
from oracle.signing.keys import load_key


def test_keygen__new_key__is_loaded_again_and_never_overwritten(tmp_path: Path) -> None:
    keystore, password = tmp_path / "oracle.json", tmp_path / "oracle.password"
    address = make_key(keystore, password)
    assert load_key(None, keystore, password, {}).address == address
    assert {path.stat().st_mode & 0o777 for path in (keystore, password)} == {0o600}
    before = keystore.read_bytes(), password.read_bytes()
    with pytest.raises(SettingsError, match=r"oracle\.password: is there already"):
        make_key(keystore, password)
    with pytest.raises(SettingsError, match=r"oracle\.json: is there already"):
        make_key(keystore, tmp_path / "other.password")
    assert (keystore.read_bytes(), password.read_bytes()) == before
    assert not (tmp_path / "other.password").exists()
