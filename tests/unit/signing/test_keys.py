# SPDX-License-Identifier: Apache-2.0
"""A daemon's key: from a variable or a key file, and never told."""

from __future__ import annotations

import json
import traceback
from pathlib import Path

import pytest
from eth_account import Account

from oracle.signing.keys import KeyUnusable, load_key
from oracle.signing.signer import LocalSigner

KEY = "22" * 32
ADDRESS = LocalSigner(bytes.fromhex(KEY)).address


def test_load_key__environment__with_or_without_prefix() -> None:
    for text in (KEY, "0x" + KEY, f" 0x{KEY}\n"):
        assert load_key("NODE_KEY", None, None, {"NODE_KEY": text}).address == ADDRESS


@pytest.mark.parametrize("text", [KEY[:-1], KEY + "22", "zz" * 32, "00" * 32, "ff" * 32, "0X" + KEY])
def test_load_key__bad_variable__not_shown(text: str) -> None:
    with pytest.raises(KeyUnusable, match=r"--key-env NODE_KEY: its value \(not shown\) is no private key") as caught:
        load_key("NODE_KEY", None, None, {"NODE_KEY": text})
    assert text not in "".join(traceback.format_exception(caught.value))


def test_load_key__no_variable__told() -> None:
    with pytest.raises(KeyUnusable, match="the variable is not set"):
        load_key("NODE_KEY", None, None, {})


def test_load_key__remote_signer__not_asked_yet_and_alone(tmp_path: Path) -> None:
    assert load_key(None, None, None, {}, "https://signer:9000", ADDRESS.lower()).address == ADDRESS
    for given, told in (
        ((None, None, None, {}, None, ADDRESS), "give either --key-env NAME or --keystore FILE or --remote-signer URL"),
        (("NODE_KEY", None, None, {}, "http://signer", ADDRESS), "give either --key-env"),
        ((None, None, None, {}, "http://signer", None), "--remote-signer and --signer-address belong together"),
        ((None, None, None, {}, "http://signer", "0x12"), "--remote-signer and --signer-address: .*0x12"),
        ((None, None, None, {}, "mqtt://me:SECRET@signer", ADDRESS), r"address \(not shown\) is no URL"),
        ((None, None, None, {}, "http://me:SECRET@signer:x", ADDRESS), r"address \(not shown\) is no URL"),
        (("NODE_KEY", None, None, {}, None, None, tmp_path), "give either --key-env|--remote-signer-ca-file is for"),
        ((None, None, None, {}, "http://signer", ADDRESS, tmp_path / "ca"), "--remote-signer-ca-file .*can't be read"),
    ):
        with pytest.raises(KeyUnusable, match=told) as caught:
            load_key(*given)  # type: ignore[arg-type]
        assert "SECRET" not in str(caught.value)


def test_load_key__keystore__opened_with_the_first_line(tmp_path: Path) -> None:
    keystore, password = tmp_path / "key.json", tmp_path / "password"
    with pytest.raises(KeyUnusable, match=r"--keystore .*key\.json: can't be read"):
        load_key(None, keystore, password, {})
    keystore.write_text(json.dumps(Account.encrypt(KEY, "open sesame", kdf="pbkdf2", iterations=2)))
    with pytest.raises(KeyUnusable, match=r"--password-file .*password: can't be read"):
        load_key(None, keystore, password, {})
    password.write_text("open sesame\r\nnot this\n")
    assert load_key(None, keystore, password, {}).address == ADDRESS
    password.write_text("wrong")
    with pytest.raises(KeyUnusable, match=r"the password in .*password doesn't open it") as caught:
        load_key(None, keystore, password, {})
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
        with pytest.raises(KeyUnusable, match="is no key file"):
            load_key(None, keystore, password, {})
