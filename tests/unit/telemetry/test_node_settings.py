"""The agent's settings and key: each mistake is told by its option, and no secret is ever told."""

from __future__ import annotations

import json
import traceback
from pathlib import Path
from typing import Any

import pytest
from eth_account import Account

from node.keys import load_signer
from node.settings import NodeSettings, SettingsError
from oracle.signing.signer import LocalSigner

KEY = "22" * 32
ADDRESS = LocalSigner(bytes.fromhex(KEY)).address
GOOD: dict[str, Any] = {
    "oracles": ("http://127.0.0.1:8600", "https://oracle.example/epochal"),
    "chain_id": 31337,
    "attestations": "0x" + "11" * 20,
    "key_env": "NODE_KEY",
}


@pytest.mark.parametrize(
    ("changed", "said"),
    [
        ({"oracles": ()}, "--oracle is missing"),
        ({"oracles": ("localhost:1",)}, "--oracle is 'localhost:1': give a URL such as"),
        ({"oracles": ("http://",)}, "give a URL such as"),
        ({"oracles": ("http://[::1",)}, "give a URL such as"),
        ({"oracles": ("http://h:99999",)}, "give a URL such as"),
        ({"oracles": ("ftp://h",)}, "give a URL such as"),
        ({"oracles": ("http://u:p@h",)}, "without query, fragment or user"),
        ({"oracles": ("http://h?x=1",)}, "without query, fragment or user"),
        ({"oracles": ("http://h", "http://h/")}, "names one URL twice"),
        ({"chain_id": 0}, "--chain-id is 0"),
        ({"chain_id": True}, "--chain-id is True"),
        ({"attestations": "0x12"}, "--attestations: address is '0x12'"),
        ({"tick": 0.0}, r"--tick is 0\.0"),
        ({"tick": float("nan")}, "--tick is nan"),
        ({"tick": 1e9}, "--tick is"),
        ({"key_env": None}, "either --key-env NAME or --keystore FILE"),
        ({"keystore": Path("k"), "password_file": Path("p")}, "either --key-env NAME or --keystore FILE"),
        ({"key_env": None, "keystore": Path("k")}, "belong together"),
        ({"password_file": Path("p")}, "belong together"),
    ],
)
def test_settings__mistake__named_by_its_option(changed: dict[str, Any], said: str) -> None:
    with pytest.raises(SettingsError, match=said):
        NodeSettings(**{**GOOD, **changed})


def test_load_signer__environment__with_or_without_prefix() -> None:
    for text in (KEY, "0x" + KEY, f" 0x{KEY}\n"):
        assert load_signer(NodeSettings(**GOOD), {"NODE_KEY": text}).address == ADDRESS


@pytest.mark.parametrize("text", [KEY[:-1], KEY + "22", "zz" * 32, "00" * 32, "ff" * 32, "0X" + KEY])
def test_load_signer__bad_variable__not_shown(text: str) -> None:
    with pytest.raises(SettingsError, match=r"--key-env NODE_KEY: its value \(not shown\) is no private key") as caught:
        load_signer(NodeSettings(**GOOD), {"NODE_KEY": text})
    assert text not in "".join(traceback.format_exception(caught.value))


def test_load_signer__no_variable__told() -> None:
    with pytest.raises(SettingsError, match="the variable is not set"):
        load_signer(NodeSettings(**GOOD), {})


def test_load_signer__keystore__opened_with_the_first_line(tmp_path: Path) -> None:
    keystore, password = tmp_path / "key.json", tmp_path / "password"
    settings = NodeSettings(**{**GOOD, "key_env": None, "keystore": keystore, "password_file": password})
    with pytest.raises(SettingsError, match=r"--keystore .*key\.json: can't be read"):
        load_signer(settings, {})
    keystore.write_text(json.dumps(Account.encrypt(KEY, "open sesame", kdf="pbkdf2", iterations=2)))
    with pytest.raises(SettingsError, match=r"--password-file .*password: can't be read"):
        load_signer(settings, {})
    password.write_text("open sesame\r\nnot this\n")
    assert load_signer(settings, {}).address == ADDRESS
    password.write_text("wrong")
    with pytest.raises(SettingsError, match=r"the password in .*password doesn't open it") as caught:
        load_signer(settings, {})
    assert "wrong" not in str(caught.value)
    for content in (
        "",
        "[]",
        "{}",
        '{"version": 3}',
        '{"version": 1, "crypto": {}}',
        "null",
        '{"version": 3, "crypto": 1}',
    ):
        keystore.write_text(content)
        with pytest.raises(SettingsError, match="is no key file"):
            load_signer(settings, {})
