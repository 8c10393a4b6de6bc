# SPDX-License-Identifier: Apache-2.0
"""No contract refuses anything without words and a cure."""

from __future__ import annotations

from typing import Any

import pytest

from chain import bindings
from operations import refusals
from operations.refusal_words import WORDS

SAMPLES = {"address": "0x" + "11" * 20, "bytes32": bytes(32), "bytes4": bytes(4), "string": "a rule"}


def sample(kind: str) -> Any:
    return SAMPLES.get(kind, 1 if kind == "uint8" else 1_800_000_000)


def test_words__errors__are_those_of_the_contracts() -> None:
    assert sorted(WORDS) == sorted({one["name"] for one in bindings.errors()})


@pytest.mark.parametrize("error", bindings.errors(), ids=lambda error: error["name"])
def test_words__error_with_its_values__is_one_line_that_hides_no_field(error: dict[str, Any]) -> None:
    text = refusals.meaning(error["name"], {one["name"]: sample(one["type"]) for one in error["inputs"]})
    assert text
    assert "\n" not in text
    assert "{" not in text


def test_words__times_statuses_subjects_and_permissions__are_for_people() -> None:
    assert "until 2027-01-15 08:00:00 UTC" in refusals.meaning("Admission_Paused", {"until": 1_800_000_000})
    frozen = refusals.meaning("JobEscrow_MoneyFrozen", {"subject": 3 << 248 | 7})
    assert "CSP account 7" in frozen
    told = refusals.meaning("CspAccounts_NotPermitted", {"account": 1, "caller": "0x1", "permission": 3})
    assert "create and grow" in told
