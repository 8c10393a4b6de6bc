# SPDX-License-Identifier: Apache-2.0
"""What running workloads is told: each wrong thing is named with its cure."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from node.errors import SettingsError
from node.running.offers import sign_offers
from node.running.settings import RunningSettings
from oracle.signing.compact import recover
from oracle.signing.signer import derive
from orchestrator.wire.intent_parts import Resources
from orchestrator.wire.typed_data import StandingOffer

GOOD: dict[str, Any] = {
    "orchestrator": "http://127.0.0.1:8800",
    "licence": 1,
    "placements": "0x" + "33" * 20,
    "capacity": "cpu=2000,memory=2048,storage=10000",
    "runs": Path("runs"),
    "host": "10.0.0.1",
    "any_price": True,
}


def test_settings__good__read() -> None:
    found = RunningSettings(**GOOD, tags=("gpu",), ports="2000-2001")
    assert found.resources() == Resources(2000, 2048, 10_000)
    assert list(found.port_range()) == [2000, 2001]
    priced = RunningSettings(**{**GOOD, "any_price": False}, least_prices=("0x" + "AB" * 20 + "=5",)).rules()
    assert priced.prices == {"0x" + "ab" * 20: 5}
    assert priced.policies is None


def test_offers__good_and_wrong__read_and_named(tmp_path: Path) -> None:
    offer = {
        "orchestrator": "0x" + "11" * 20,
        "token": "0x" + "22" * 20,
        "minPrice": "5",
        "policy": "0x" + "33" * 32,
        "capacity": 2,
        "expiry": 2_000_000_000,
    }
    file = tmp_path / "offers.json"
    file.write_text(json.dumps({"offers": [offer]}))
    (found,) = RunningSettings(**GOOD, offers=file).standing_offers()
    assert (found.licence, found.minPrice, found.nonce) == (1, 5, 0)
    signer = derive("test", "node")
    (signed,) = sign_offers((found,), signer, 31337, GOOD["placements"])
    assert recover(found.digest(StandingOffer.domain(31337, GOOD["placements"])), signed.signature) == bytes.fromhex(
        signer.address[2:]
    )
    for wrong, told in (({**offer, "capacity": 0}, "capacity is 0"), ({**offer, "price": "5"}, "price: the key is")):
        file.write_text(json.dumps({"offers": [wrong]}))
        with pytest.raises(SettingsError, match=f"--offers .*{told}"):
            RunningSettings(**GOOD, offers=file)


@pytest.mark.parametrize(
    ("changes", "told"),
    [
        ({"orchestrator": "ftp://x"}, "--orchestrator is 'ftp://x'"),
        ({"orchestrator": "http://user:secret@x"}, "--orchestrator"),
        ({"licence": 0}, "--licence is 0"),
        ({"placements": "0x1"}, "--placements"),
        ({"capacity": "cpu=1,memory=2"}, "--capacity is"),
        ({"capacity": "cpu=1,memory=2,storage=x"}, "--capacity is"),
        ({"capacity": "cpu=1,cpu=2,memory=2"}, "--capacity is"),
        ({"capacity": "cpu=1,memory=2,storage=3,cpu=4"}, "--capacity is"),
        ({"host": "a b"}, "--host is"),
        ({"any_price": False}, "either --least-price"),
        ({"least_prices": ("0x" + "ab" * 20 + "=5",)}, "either --least-price"),
        ({"any_price": False, "least_prices": ("5",)}, "--least-price is '5'"),
        ({"policies": ("0x12",)}, "--policy is '0x12'"),
        ({"tags": ("A B",)}, "--tag"),
        ({"ports": "80-90"}, "--ports is '80-90'"),
        ({"ports": "3000-2000"}, "--ports is"),
        ({"git_schemes": ("ext",)}, "--git-scheme is 'ext'"),
        ({"images": Path("/nowhere")}, "--images /nowhere"),
        ({"cgroup": Path("/nowhere")}, "--cgroup /nowhere"),
    ],
)
def test_settings__one_wrong__named(changes: dict[str, Any], told: str) -> None:
    with pytest.raises(SettingsError) as raised:
        RunningSettings(**{**GOOD, **changes})
    assert told in str(raised.value)
