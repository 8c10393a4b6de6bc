# SPDX-License-Identifier: Apache-2.0
"""Whatever an API answers is decoded or refused; and what is signed doesn't depend on the order of keys."""

from __future__ import annotations

import json
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from orchestrator.deeploy.errors import Refused, WrongAnswer
from orchestrator.deeploy.signing import canonical, older_text
from orchestrator.deeploy.statuses import STATUSES, decode_answer, online_apps

TEXT = st.text(st.characters(codec="utf-8"), max_size=8)
NAMES = (
    st.sampled_from(["status", "error", "request", "targets", "apps", "7", "online", "0xai_a", "node", "NODE"]) | TEXT
)
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.sampled_from([*STATUSES]) | TEXT,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(NAMES, inner, max_size=4),
    max_leaves=20,
)
FIELDS = ["status", "error", "request", "status_details", "apps", "targets", "app_id"]


@given(st.dictionaries(st.sampled_from(FIELDS), JSON), st.sampled_from([*STATUSES, None]))
def test_answer__of_any_json__is_decoded_or_refused(result: dict[str, Any], status: str | None) -> None:
    if status is not None:
        result = {**result, "status": status}
    try:
        answer = decode_answer({"result": result}).or_refused("it")
    except (WrongAnswer, Refused):
        return
    assert all(isinstance(node, str) for node in answer.answered | answer.stopped)
    assert all(nodes for nodes in online_apps(answer, 7).values())


@given(st.dictionaries(TEXT, JSON, max_size=6), st.randoms(use_true_random=False))
def test_signed_texts__of_shuffled_keys__are_the_same_and_read_back(request: dict[str, Any], random: Any) -> None:
    keys = [*request]
    random.shuffle(keys)
    shuffled = {key: request[key] for key in keys}
    assert canonical(shuffled) == canonical(request)
    assert older_text(shuffled) == older_text(request)
    assert json.loads(canonical(request)) == json.loads(older_text(request).partition(": ")[2])
