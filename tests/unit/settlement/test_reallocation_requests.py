# SPDX-License-Identifier: Apache-2.0
"""What an orchestrator's answer comes to, and how far a request has come."""

from __future__ import annotations

from dataclasses import replace

import pytest

from delivery.message import Message, State, Verdict
from settlement.reallocations.requests import NEVER, OnChain, Request, Stage, Standing, is_wanted, judge, stage_of

REQUEST = Request(b"i" * 32, 7 << 64 | 1, 7, 0, 2, 900, 1_000, 5, False)
OPEN = Standing(REQUEST, OnChain.OPEN, 1_000, "0x" + "11" * 20)
MESSAGE = Message("key", "c", "d", "l", b"", State.WAITING, 0, 1_000, 0, 0, 0, "")


@pytest.mark.parametrize(
    ("status", "body", "verdict"),
    [
        (202, b'{"status": "taken", "detail": ""}', Verdict.TAKEN),
        (202, b'{"status": "answered"}', Verdict.TAKEN),
        (200, b'{"status": "expired"}', Verdict.TAKEN),
        (202, b'{"status": "unknown"}', Verdict.LATER),
        (200, b"<html>a landing page</html>", Verdict.LATER),
        (200, b"[1]", Verdict.LATER),
        (200, b"[" * 100_000, Verdict.LATER),
        (200, b'{"status": ["taken"]}', Verdict.LATER),
        (503, b'{"status": "taken"}', Verdict.LATER),
        (400, b'{"status": "taken"}', Verdict.NEVER),
        (302, b"", Verdict.NEVER),
    ],
)
def test_judge__answer__is_taken_only_from_an_orchestrator_that_sees_it(
    status: int, body: bytes, verdict: Verdict
) -> None:
    assert judge(status, body).verdict is verdict


def test_stage__delivery_and_chain__chain_wins() -> None:
    unknown = replace(MESSAGE, told='HTTP 202: {"status": "unknown"}')
    taken = replace(MESSAGE, state=State.DELIVERED, told="HTTP 202")
    assert stage_of(OPEN, None) is Stage.REQUESTED
    assert stage_of(OPEN, replace(MESSAGE, told="HTTP 503")) is Stage.REQUESTED
    assert stage_of(OPEN, unknown) is Stage.DELIVERED
    assert stage_of(OPEN, taken) is Stage.ACKNOWLEDGED
    assert stage_of(replace(OPEN, state=OnChain.FORFEITED), taken) is Stage.FORFEITED
    assert stage_of(replace(OPEN, state=OnChain.ANSWERED), None) is Stage.ANSWERED


def test_wanted__open_up_to_its_deadline__inclusive() -> None:
    assert is_wanted(OPEN, 1_000)
    assert not is_wanted(OPEN, 1_001)
    assert is_wanted(replace(OPEN, deadline=NEVER), 10**9)
    assert not is_wanted(replace(OPEN, state=OnChain.ANSWERED), 1)
