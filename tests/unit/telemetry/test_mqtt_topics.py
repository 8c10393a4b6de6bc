# SPDX-License-Identifier: Apache-2.0
"""Where an oracle answers over MQTT, and the question for a receipt."""

from __future__ import annotations

import pytest

from oracle.signing.signer import derive
from oracle.telemetry.store.memory import MAX_EPOCH
from oracle.telemetry.wire import mqtt_topics
from oracle.telemetry.wire.mqtt_topics import MalformedQuestion, Topics

ORACLE = derive("test", "oracle").address
TOPICS = Topics.of(1, ORACLE)


def test_may_answer_on__topic_below_its_own_answers__and_no_other() -> None:
    assert TOPICS.base == "epochal/v1/1/" + ORACLE.lower()
    assert TOPICS.may_answer_on(TOPICS.answers("node-7", "x"))
    other = Topics.of(2, ORACLE)
    for topic in (
        "",
        TOPICS.challenge,
        TOPICS.answers(),
        other.answers("x"),
        "$SYS/" + TOPICS.answers("x"),
        TOPICS.answers("+"),
        TOPICS.answers("x", "#"),
        TOPICS.answers("x\0"),
        TOPICS.answers("é" * 200),
    ):
        assert not TOPICS.may_answer_on(topic), topic


def test_receipt_question__there_and_back__and_no_other_length() -> None:
    raw = mqtt_topics.receipt_question(ORACLE, 7)
    assert mqtt_topics.read_receipt_question(raw) == (ORACLE.lower(), 7)
    for wrong in (b"", raw[:-1], raw + b"\0"):
        with pytest.raises(MalformedQuestion, match=f"has {len(wrong)} bytes: send 28"):
            mqtt_topics.read_receipt_question(wrong)


def test_receipt_question__of_an_epoch_that_no_store_can_hold__is_refused_with_a_reason() -> None:
    assert mqtt_topics.LAST_EPOCH == MAX_EPOCH
    last = mqtt_topics.receipt_question(ORACLE, MAX_EPOCH)
    assert mqtt_topics.read_receipt_question(last) == (ORACLE.lower(), MAX_EPOCH)
    for epoch in (MAX_EPOCH + 1, 2**64 - 1):
        with pytest.raises(MalformedQuestion, match=f"of epoch {epoch}: the last one is {MAX_EPOCH}"):
            mqtt_topics.read_receipt_question(last[:20] + epoch.to_bytes(8, "big"))


def test_group_and_clients__of_one_secret__the_same_for_its_workers_and_told_apart() -> None:
    secret = bytes(range(32))
    assert mqtt_topics.share_group(secret) == mqtt_topics.share_group(secret)
    assert mqtt_topics.share_group(secret) != mqtt_topics.share_group(bytes(32))
    assert mqtt_topics.worker_client(secret, "1") != mqtt_topics.worker_client(secret, "2")
