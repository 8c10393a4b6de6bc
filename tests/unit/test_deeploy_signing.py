# SPDX-License-Identifier: Apache-2.0
"""What is signed for a Deeploy API, against hashes that Ratio1 publishes and signatures that eth_account makes."""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import Any

import pytest
from eth_account import Account
from eth_account.messages import encode_defunct

from oracle.ground.errors import InvalidValue
from oracle.signing.signer import LocalSigner
from orchestrator.deeploy.addresses import NodeAddresses, derived
from orchestrator.deeploy.requests import CreatePipeline, DeletePipeline, NodeSpecs
from orchestrator.deeploy.signing import (
    NOT_SIGNED,
    Form,
    canonical,
    newer_text,
    older_text,
    personal_sign,
    request_hash,
    sign_request,
    text_to_sign,
)

VECTORS = json.loads((Path(__file__).parents[1] / "vectors" / "deeploy_requests.json").read_text(encoding="utf-8"))
SIGNER = LocalSigner(bytes.fromhex(VECTORS["key"][2:]))
REQUESTS = [pytest.param(each, id=each["name"]) for each in VECTORS["requests"]]


@pytest.mark.parametrize("vector", REQUESTS)
def test_newer_form__of_published_requests__has_their_hash_and_lines(vector: dict[str, Any]) -> None:
    assert request_hash(vector["request"]) == vector["hash"]
    text = newer_text(vector["type"], vector["request"])
    assert text == vector["newer"]
    assert personal_sign(text, SIGNER) == vector["newer_signature"]


def test_older_form__of_a_request__is_its_text_and_signature() -> None:
    vector = VECTORS["requests"][1]
    assert older_text(vector["request"]) == vector["older"]
    assert personal_sign(vector["older"], SIGNER) == vector["older_signature"]


@pytest.mark.parametrize("form", list(Form))
@pytest.mark.parametrize("vector", REQUESTS)
def test_signed_request__recovered_by_eth_account__is_the_senders(vector: dict[str, Any], form: Form) -> None:
    signed = sign_request(vector["request"], vector["type"], 1_700_000_000_123, SIGNER, form)
    assert (signed["nonce"], signed["EE_ETH_SENDER"]) == (hex(1_700_000_000_123), VECTORS["sender"])
    assert ("EE_HASH" in signed) == (form is Form.NEWER)
    text = encode_defunct(text=text_to_sign(signed, vector["type"], form))
    assert Account.recover_message(text, signature=signed["EE_ETH_SIGN"]) == VECTORS["sender"]


@pytest.mark.parametrize("name", sorted(NOT_SIGNED))
def test_canonical__of_fields_that_no_signature_covers__leaves_them_out(name: str) -> None:
    assert canonical({"b": [1, 2.5, None, True], "a": "ü", name: "x"}) == '{"a":"ü","b":[1,2.5,null,true]}'


@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf])
def test_canonical__of_no_number__is_null_and_sent_so(value: float) -> None:
    assert canonical({"a": {"b": [value]}}) == '{"a":{"b":[null]}}'
    assert sign_request({"a": value}, "get apps", 1, SIGNER, Form.NEWER)["a"] is None


@pytest.mark.parametrize("value", [{1: "a"}, {"a": b"x"}, {"a": "\ud800"}, {"a": object()}])
def test_request__that_json_cannot_write__is_refused(value: Any) -> None:
    with pytest.raises(InvalidValue):
        canonical(value)


@pytest.mark.parametrize(
    ("request_fields", "lines"),
    [
        ({"target_nodes": ["0xai_a"], "target_nodes_count": 7}, "Nodes: 1"),
        ({"target_nodes": [], "target_nodes_count": 7}, "Nodes: 7"),
        ({"plugins": [], "job_id": 1}, "Plugins: 0\nNodes: 0"),
        ({"plugins": None}, "Nodes: 0"),
    ],
)
def test_lines__of_nodes_and_plugins__count_what_is_named(request_fields: dict[str, Any], lines: str) -> None:
    text = newer_text("get apps", request_fields)
    assert text.startswith(f"Please sign this Deeploy request:\n\nRequest type: get apps\n{lines}\nRequest hash: ")


def test_request_without_a_type_in_words__is_signed_in_the_older_form() -> None:
    request = NodeSpecs(("0xai_a",))
    signed = sign_request(request.body(), request.request_type, 5, SIGNER, Form.NEWER)
    assert "EE_HASH" not in signed
    assert text_to_sign(signed, None, Form.NEWER) == older_text({"target_nodes": ["0xai_a"], "nonce": "0x5"})


def test_node__of_a_published_pair__has_that_evm_address() -> None:
    name, address = VECTORS["node"]["name"], VECTORS["node"]["address"]
    assert derived(name) == address
    assert NodeAddresses().evm(name) == address
    assert NodeAddresses({name: "0x" + "11" * 20}).evm(name) == "0x" + "11" * 20
    assert NodeAddresses({name: address}).name(address.lower()) == name


@pytest.mark.parametrize("name", ["", "0xai_", "0xai_a b", "0xab_abc", "0xai_" + "a" * 200, "0xai_node_a", "0xai_ä"])
def test_node__of_a_name_that_is_no_key__is_refused_with_the_cure(name: str) -> None:
    with pytest.raises(InvalidValue, match=r"give 0xai_|\[nodes\]"):
        NodeAddresses().evm(name)


def test_table__with_one_address_twice__is_refused() -> None:
    with pytest.raises(InvalidValue, match="more than one name"):
        NodeAddresses({"0xai_a": "0x" + "11" * 20, "0xai_b": "0x" + "11" * 20})


def test_deletion__without_nodes__cannot_be_made() -> None:
    # The API would stop the app everywhere.
    with pytest.raises(InvalidValue, match="give one of both"):
        DeletePipeline("shop_1234567", ())


def test_creation__on_nodes_and_a_number_of_nodes__cannot_be_made() -> None:
    with pytest.raises(InvalidValue, match="give one of both"):
        CreatePipeline(1, "shop", "0x12", ({"plugin_signature": "X"},), ("0xai_a",), 2)
