# SPDX-License-Identifier: Apache-2.0
"""Intents and what is signed: one form, one hash, and every mistake told with field, value and cure."""

from __future__ import annotations

import json
from typing import Any

import pytest
from eth_abi.abi import encode as abi_encode

from oracle.ground.errors import InvalidValue
from oracle.ground.keccak import keccak256
from oracle.ground.policy import Policy
from oracle.signing.signer import derive
from orchestrator.wire.canonical import decode, encode
from orchestrator.wire.intent import from_document, parse
from orchestrator.wire.intent_parts import Resources
from orchestrator.wire.polling import Poll, PollAnswer, Proposal, Running, Work, open_poll, sign_poll
from orchestrator.wire.reallocation import ReallocationNotice, read_notice
from orchestrator.wire.terms import terms_hash
from orchestrator.wire.typed_data import IntentUpdate, NodePoll, SlotMove, StandingOffer
from orchestrator.wire.wishes import open_move, open_update, sign_move, sign_update

pytestmark = pytest.mark.unit

CAR: dict[str, Any] = {
    "version": 1,
    "name": "hello",
    "service": "car",
    "replicas": 2,
    "resources": {"cpu_millis": 500, "memory_mb": 256, "storage_mb": 0},
    "policy": {"target_ppm": 950_000},
    "image": {"folder": "dir:///srv/hello"},
    "command": ["python3", "-m", "http.server"],
}
WAR = {k: v for k, v in CAR.items() if k != "image"} | {
    "service": "war",
    "source": {"repository": "file:///srv/hello.git"},
    "build": [["make"], ["make", "install"]],
}
NATIVE = {k: v for k, v in CAR.items() if k != "image"} | {
    "service": "native",
    "pipeline": {"name": "p", "plugins": [{"signature": "S", "instance": "i", "config": {"share": [1, True, "x"]}}]},
}
NODE = derive("intent tests", "node")
DOMAIN = NodePoll.domain(31_337, "0x" + "33" * 20)


@pytest.mark.parametrize("document", [CAR, WAR, NATIVE], ids=["car", "war", "native"])
def test_intent__any_order_of_keys__has_one_hash_that_others_compute(document: dict[str, Any]) -> None:
    shuffled = json.dumps(dict(reversed(document.items())), indent=3)
    intent = parse(shuffled)
    plain = json.dumps(document, sort_keys=True, separators=(",", ":")).encode()
    assert intent.canonical() == plain
    assert intent.hash == keccak256(plain)
    assert intent == from_document(document)


def test_intent__fields_left_out__take_their_defaults_and_stay_out_of_the_hash() -> None:
    intent = from_document(CAR)
    assert intent.policy == Policy(evidence="probe", target_ppm=950_000)
    assert (intent.restart.policy, intent.restart.max_restarts, intent.health.interval_seconds) == ("always", 5, 5)
    assert dict(intent.ports) == {"main": 0}
    assert from_document(WAR).source is not None
    assert from_document({**CAR, "tags": []}).hash != intent.hash


@pytest.mark.parametrize(
    ("changes", "evidence"),
    [
        ({"health": {"mode": "delay", "delay_seconds": 5}}, "health"),
        ({"policy": {"evidence": "liveness"}}, "liveness"),
        ({"health": {"mode": "tcp"}}, "probe"),
    ],
)
def test_intent__evidence_left_out__is_what_oracles_can_see_of_it(changes: dict[str, Any], evidence: str) -> None:
    assert from_document({**CAR, **changes}).policy.evidence == evidence


@pytest.mark.parametrize(
    ("changes", "told"),
    [
        ({"replica": 2}, "intent.replica: the key is unknown"),
        ({"replicas": 0}, "intent.replicas is 0: use a whole number from 1"),
        ({"replicas": True}, "intent.replicas is True"),
        ({"version": 2}, "intent.version is 2"),
        ({"name": "Hello"}, "intent.name is Hello"),
        ({"service": "vm"}, "intent.service is vm: use one of car, war, native"),
        ({"source": {}}, "intent.source: the key is unknown"),
        ({"resources": {"cpu_millis": 1, "memory_mb": 1}}, "intent.resources.storage_mb is missing"),
        ({"policy": {"evidence": "rumour"}}, "intent.policy: evidence is rumour"),
        ({"policy": {"goal": 1}}, "intent.policy: goal"),
        ({"targets": [1, 2], "spares": [2]}, "licence 2 is named twice"),
        ({"ports": {"web": 80}}, "intent.ports has no main"),
        ({"ports": {"main": 80, "web": 80}}, "two names have one port"),
        ({"env": {"PORT": "1"}}, "intent.env.PORT: the node sets this one itself"),
        ({"env": {"EPOCHAL_SLOT": "1"}}, "intent.env.EPOCHAL_SLOT"),
        ({"env": {"A": 1}}, "intent.env.A is 1"),
        ({"health": {"mode": "endpoint"}}, "intent.health.path is missing"),
        ({"health": {"port": "web"}}, "intent.health.port is 'web'"),
        ({"restart": {"backoff_seconds": 900}}, "intent.restart.backoff_seconds is 900"),
        ({"image": {"folder": "dir:///srv/../etc"}}, "intent.image.folder"),
        ({"image": {"folder": "../x"}}, "intent.image.folder"),
        ({"command": []}, "intent.command is []"),
        ({"command": "run"}, "intent.command is run"),
        ({"env": {"A": "x" * 32_000, "B": "y" * 32_000, "C": "z" * 32_000}}, "intent has 96"),
    ],
)
def test_intent__mistake__is_told_with_field_and_cure(changes: dict[str, Any], told: str) -> None:
    with pytest.raises(InvalidValue) as caught:
        from_document({**CAR, **changes})
    assert told in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ('{"a":1.5}', "1.5 is no whole number"),
        ('{"a":1,"a":2}', "'a' is given twice"),
        ('{"a":null}', "document.a is None"),
        ('{"a":NaN}', "NaN is no whole number"),
        ("[]", "is a list"),
        ("{", "not readable as JSON"),
        ('{"a":"\\ud800"}', "half a surrogate pair"),
        ('{"a":' * 40 + "1" + "}" * 40, "inside each other"),
        ('{"a":' * 100_000, "recursion|not readable|is no"),
    ],
)
def test_canonical__what_has_no_form__is_refused(text: str, told: str) -> None:
    with pytest.raises(InvalidValue, match=told):
        decode(text)


def test_canonical__text_beyond_ascii__is_utf_8() -> None:
    assert encode({"b": "é", "a": [1, True]}) == '{"a":[1,true],"b":"é"}'.encode()


def test_poll__signed_and_opened__is_the_same_and_bound_to_every_byte() -> None:
    running = Running(7 << 64 | 1, b"\x01" * 32, "running", True, ports={"main": 4_000})
    poll = Poll(NODE.address.lower(), 3, 1_700_000_000, "10.0.0.1", Resources(1, 2, 3), ("gpu",), (running,))
    body = sign_poll(poll, NODE, DOMAIN)
    assert open_poll(body, DOMAIN) == poll
    with pytest.raises(InvalidValue, match="signed"):
        open_poll(body.replace(b"4000", b"4001"), DOMAIN)
    with pytest.raises(InvalidValue, match="signed"):
        open_poll(body, NodePoll.domain(1, DOMAIN.contract))
    with pytest.raises(InvalidValue, match=r"poll\.extra"):
        open_poll(body.replace(b'"host"', b'"extra":1,"host"'), DOMAIN)


def test_answer__written_and_read__is_the_same() -> None:
    proposal = Proposal(1, 0, 2, b"\x02" * 32, 99, 10**24, "0x" + "44" * 20, b"\x03" * 32, Policy(missed_epochs=2))
    answer = PollAnswer(5, 2, (proposal,), (Work(1 << 64 | 2, "prepare", CAR, ("10.0.0.2:80",)),))
    assert PollAnswer.read(json.loads(json.dumps(answer.to_json()))) == answer


def test_wishes__signed__name_their_signer() -> None:
    update, move = IntentUpdate(1, b"\x05" * 32, 7, 99), SlotMove(1, 2, 2**200, 8, 99)
    assert open_update(sign_update(update, NODE, DOMAIN), DOMAIN) == (update, bytes.fromhex(NODE.address[2:]))
    assert open_move(sign_move(move, NODE, DOMAIN), DOMAIN) == (move, bytes.fromhex(NODE.address[2:]))


def test_notice__of_another_slot_than_its_assignment__is_refused() -> None:
    notice = ReallocationNotice(b"\x01" * 32, 7 << 64 | 1 << 32 | 3, 2, 10, 20, 1, "0x" + "55" * 20)
    assert read_notice(json.dumps(notice.to_json()).encode()) == notice
    with pytest.raises(InvalidValue, match="those of the assignment"):
        read_notice(json.dumps({**notice.to_json(), "slot": 2}).encode())


def test_terms_hash__and_types__are_the_contracts() -> None:
    token, policy, intent = "0x" + "66" * 20, b"\x07" * 32, b"\x08" * 32
    encoded = abi_encode(["address", "uint96", "bytes32", "bytes32"], [token, 10**20, policy, intent])
    assert terms_hash(token, 10**20, policy, intent) == keccak256(encoded)
    assert StandingOffer.TYPE == (
        "StandingOffer(uint256 licence,address orchestrator,address token,uint96 minPrice,bytes32 policy,"
        "uint32 capacity,uint64 nonce,uint64 expiry)"
    )
    assert NodePoll.TYPE == "NodePoll(address node,uint256 licence,uint64 time,bytes32 body)"
    assert SlotMove.TYPE == "SlotMove(uint64 job,uint32 slot,uint256 toLicence,uint64 sequence,uint64 expiry)"
    assert IntentUpdate.TYPE == "IntentUpdate(uint64 job,bytes32 intent,uint64 sequence,uint64 expiry)"
