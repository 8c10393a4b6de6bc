# SPDX-License-Identifier: Apache-2.0
"""The settings of agent and gateway: each mistake is told by its option."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from node.settings import GatewaySettings, NodeSettings, SettingsError

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
        ({"oracles": ("mqtt://broker",)}, "end a broker's URL with its oracle's address"),
        ({"oracles": ("mqtts://u@broker/0x" + "22" * 20,)}, "without query, fragment or user"),
        ({"workloads": ("7/0/1",)}, "--workload is '7/0/1': give ASSIGNMENT=TARGET"),
        ({"workloads": ("7/0/1=ftp://x",)}, "--workload 7/0/1=ftp://x: target is"),
        ({"workloads": ("7/0/1=exec:a", "7/0/1=exec:b")}, "is named twice"),
        ({"workloads": ("7/0/1=exec:a",), "workloads_file": Path("f")}, "in one place"),
        ({"on_fenced": "stop 'it"}, "--on-fenced is .*quotes don't match"),
        ({"on_fenced": " "}, "--on-fenced is empty"),
        ({"mqtt_username": "n"}, "belong together"),
    ],
)
def test_settings__mistake__named_by_its_option(changed: dict[str, Any], said: str) -> None:
    with pytest.raises(SettingsError, match=said):
        NodeSettings(**{**GOOD, **changed})


def test_settings__broker_behind_an_oracles_address__accepted() -> None:
    url = "mqtts://broker:8883/0x" + "22" * 20
    settings = NodeSettings(**{**GOOD, "oracles": (url,), "mqtt_username": "n", "mqtt_password_env": "PASSWORD"})
    access = settings.broker_access({"PASSWORD": "sesame"})
    assert (access.username, access.password) == ("n", "sesame")
    assert "sesame" not in repr(access)
    assert settings.secrets() == ("NODE_KEY", "PASSWORD")
    with pytest.raises(SettingsError, match="--mqtt-password-env PASSWORD: the variable is not set"):
        settings.broker_access({})


@pytest.mark.parametrize(
    ("changed", "said"),
    [
        ({"oracles": ("mqtt://broker/0x" + "22" * 20,)}, "--oracle is"),
        ({"listen": "8700"}, "--listen is '8700': give host:port"),
        ({"listen": "h:99999"}, "give host:port"),
        ({"listen": "h:1/path"}, "give host:port"),
        ({"batch_ms": float("nan")}, "--batch-ms is nan"),
        ({"batch_ms": 1001.0}, "--batch-ms is"),
        ({"queue": 10}, "--queue is 10"),
    ],
)
def test_gateway_settings__mistake__named_by_its_option(changed: dict[str, Any], said: str) -> None:
    with pytest.raises(SettingsError, match=said):
        GatewaySettings(**{"oracles": ("http://h",), **changed})


def test_gateway_settings__ipv6__taken_apart() -> None:
    assert GatewaySettings(("http://h",), "[::1]:8700").address() == ("::1", 8700)
