# SPDX-License-Identifier: Apache-2.0
"""Settings of the oracle: where they come from, what is refused and how that is told, and the pages made of them."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path

import pytest

from oracle.service.errors import SettingsError
from oracle.service.logs import secrets_of
from oracle.service.oracle_settings import OracleSettings, load
from oracle.service.settings_docs import PAGES
from tests.project import ROOT

ENOUGH = {
    "EPOCHAL_ORACLE_DEPLOYMENT": "network.json",
    "EPOCHAL_ORACLE_STATE": "state",
    "EPOCHAL_ORACLE_RPC": "https://user:secret-1@a.example/v3/secret-2, http://b.example",
    "EPOCHAL_ORACLE_KEY_ENV": "EPOCHAL_ORACLE_SIGNING",
    "EPOCHAL_ORACLE_SIGNING": "0x" + "5e" * 32,
    "EPOCHAL_ORACLE_GAS_KEY_ENV": "PURSE",
}


def given(**changes: str) -> OracleSettings:
    return load(None, ENOUGH | {f"EPOCHAL_ORACLE_{name.upper()}": value for name, value in changes.items()})


def test_load__file_and_variables__variables_stand_above(tmp_path: Path) -> None:
    config = tmp_path / "oracle.toml"
    config.write_text(
        'deployment = "n.json"\nstate = "/var/x"\nrpc = ["http://a"]\ntick = 5\nintake_stores = ["i.sqlite"]'
    )
    environment = {"EPOCHAL_ORACLE_TICK": "2", "EPOCHAL_ORACLE_KEY_ENV": "K", "EPOCHAL_ORACLE_GAS_KEY_ENV": "G"}
    settings = load(config, {**environment, "EPOCHAL_ORACLE_ENDPOINT": "", "UNRELATED": "1"})
    assert (settings.tick, settings.deployment, settings.state) == (2, tmp_path / "n.json", Path("/var/x"))
    assert settings.store_location == "/var/x/oracle.sqlite"
    assert settings.intake_stores == (str(tmp_path / "i.sqlite"),)
    assert settings.endpoint is None


def test_load__the_sample__is_whole() -> None:
    settings = load(ROOT / "deploy" / "oracle.sample.toml", {})
    assert settings.rpc_agree is None
    assert settings.address("peer_listen") == ("127.0.0.1", 8610)


def test_load__the_sample_with_its_comments_taken_off__has_every_setting() -> None:
    text = (ROOT / "deploy" / "oracle.sample.toml").read_text(encoding="utf-8")
    told = tomllib.loads(re.sub(r"^# (?=[a-z_]+ = )", "", text, flags=re.MULTILINE))
    assert list(told) == list(OracleSettings.model_fields)
    for name in set(told) - {"key_env", "keystore", "remote_signer", "gas_key_env", "gas_keystore"}:
        assert name in OracleSettings.model_fields


@pytest.mark.parametrize(
    ("changes", "told"),
    [
        ({"tick": "0"}, "tick is 0: give whole seconds"),
        ({"tick": "1.5"}, "EPOCHAL_ORACLE_TICK is '1.5': give whole seconds"),
        ({"tik": "1"}, "EPOCHAL_ORACLE_TIK: no setting has this name; did you mean EPOCHAL_ORACLE_TICK? "),
        (
            {"state": ""},
            "EPOCHAL_ORACLE_STATE is missing: give the path of a folder, which is made if it is missing, or",
        ),
        ({"rpc": "http://a/,http://a"}, "EPOCHAL_ORACLE_RPC: its value (not shown) is wrong (one URL is there twice)"),
        ({"rpc": "ws://a.example/topsecret"}, "URL 1 of 1 is neither http:// nor https://"),
        ({"rpc_agree": "3"}, "rpc_agree is 3: give 1 to 2"),
        ({"peer_listen": "8610"}, "EPOCHAL_ORACLE_PEER_LISTEN is '8610': give HOST:PORT"),
        ({"health_listen": "127.0.0.1:8610"}, "127.0.0.1:8610 is told for two servers"),
        ({"endpoint": "https://u:topsecret@a.example"}, "EPOCHAL_ORACLE_ENDPOINT: its value (not shown)"),
        ({"endpoint": "ftp://a.example"}, "give an http:// or https:// URL of at most 200 bytes"),
        ({"bind_from": "localhost"}, "EPOCHAL_ORACLE_BIND_FROM is 'localhost': give an IP address"),
        ({"keystore": "k.json"}, "the oracle's key: key_env and keystore are given; give one of"),
        ({"password_file": "p"}, "keystore and password_file belong together"),
        ({"gas_key_env": "EPOCHAL_ORACLE_SIGNING"}, "the key that pays must be another one"),
        ({"remote_signer_ca_file": "ca.pem"}, "remote_signer_ca_file is of no use without remote_signer"),
        ({"max_priority_gwei": "201"}, "max_priority_gwei is 201: give whole gwei, 1 to max_fee_gwei"),
        ({"retain": "2"}, "retain is 2: give whole epochs, more than compact_after"),
        ({"max_clock_error": "10"}, "max_clock_error is 10.0: give seconds above 0, below a tick"),
        ({"log_level": "loud"}, "EPOCHAL_ORACLE_LOG_LEVEL is 'loud': give debug, info, warning or error"),
        ({"rehearsal_clock_offset": "nan"}, "rehearsal_clock_offset is nan: give seconds"),
    ],
    ids=lambda value: "-".join(value) if isinstance(value, dict) else "",
)
def test_load__what_cant_be__is_named_with_its_cure(changes: dict[str, str], told: str) -> None:
    with pytest.raises(SettingsError) as caught:
        given(**changes)
    assert told in str(caught.value)
    assert "topsecret" not in str(caught.value)
    assert "\n" not in str(caught.value)


def test_load__a_misspelt_name_in_the_file__is_refused(tmp_path: Path) -> None:
    config = tmp_path / "oracle.toml"
    config.write_text("tik = 1")
    with pytest.raises(SettingsError, match=r"no setting is named tik; did you mean tick\?"):
        load(config, ENOUGH)
    config.write_text("tick = ")
    with pytest.raises(SettingsError, match=r"is no TOML"):
        load(config, ENOUGH)
    with pytest.raises(SettingsError, match=r"No such file"):
        load(tmp_path / "none.toml", ENOUGH)


def test_load__to_watch__needs_no_keys_but_takes_whole_ones() -> None:
    keys = ("EPOCHAL_ORACLE_KEY_ENV", "EPOCHAL_ORACLE_GAS_KEY_ENV")
    bare = {name: value for name, value in ENOUGH.items() if name not in (*keys, "EPOCHAL_ORACLE_SIGNING")}
    settings = load(None, bare, watching=True)
    assert (settings.key_env, settings.gas_key_env) == (None, None)
    assert secrets_of(settings, bare)
    with pytest.raises(SettingsError, match="none is given"):
        load(None, bare)
    with pytest.raises(SettingsError, match="keystore and password_file belong together"):
        load(None, {**bare, "EPOCHAL_ORACLE_KEYSTORE": "k.json"}, watching=True)
    assert load(None, ENOUGH, watching=True).key_env == "EPOCHAL_ORACLE_SIGNING"


def test_check_chain__rehearsal_on_a_real_chain__is_refused() -> None:
    settings = given(rehearsal="liar")
    settings.check_chain(31_337)
    with pytest.raises(SettingsError, match=r"rehearsal is liar on chain 1: leave it out"):
        settings.check_chain(1)
    with pytest.raises(SettingsError, match="rehearsal_clock_offset"):
        given(rehearsal_clock_offset="-3").check_chain(10)


def test_secrets__of_keys_urls_and_stores__are_all_found() -> None:
    settings = given(store="postgresql://oracle:secret-3@db/x")
    found = secrets_of(settings, ENOUGH)
    assert {"5e" * 32, "secret-1", "v3/secret-2", "secret-3"} <= set(found)
    assert "a.example" not in " ".join(found)


@pytest.mark.parametrize("name", PAGES)
def test_page__made_of_the_code__is_the_committed_one(name: str) -> None:
    assert (ROOT / name).read_text(encoding="utf-8") == PAGES[name](), "run make settings-docs"
