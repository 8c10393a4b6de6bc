# SPDX-License-Identifier: Apache-2.0
"""A gateway before an oracle that answers anything: it never tells a node "accepted" that the oracle didn't."""

from __future__ import annotations

from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from node.relay import divide

SIZES = st.lists(st.integers(1, 4), min_size=1, max_size=6)
INDEXED = st.fixed_dictionaries({"index": st.integers(-1, 12)})
ANYTHING = st.none() | st.booleans() | st.integers(-2, 30) | st.text(max_size=3) | st.just({"index": 0})


@given(sizes=SIZES, data=st.data())
def test_divide__true_answer__each_gets_its_own(sizes: list[int], data: st.DataObject) -> None:
    total = sum(sizes)
    refused = data.draw(st.sets(st.integers(0, total - 1)))
    answer: dict[str, Any] = {
        "accepted": total - len(refused),
        "refused": [{"index": i, "reason": "bad_tag", "cure": str(i)} for i in sorted(refused)],
        "fenced": [{"index": i, "assignments": [str(i)]} for i in range(total) if i not in refused],
        "tick": 9,
    }
    parts = divide(200 if answer["accepted"] else 409, answer, sizes)
    start = 0
    for size, (status, part) in zip(sizes, parts, strict=True):
        own = {i - start for i in refused if start <= i < start + size}
        assert {entry["index"] for entry in part["refused"]} == own
        assert all(entry["cure"] == str(start + entry["index"]) for entry in part["refused"])
        assert {entry["index"] for entry in part.get("fenced", [])} == set(range(size)) - own
        assert all(entry["assignments"] == [str(start + entry["index"])] for entry in part.get("fenced", []))
        assert (part["accepted"], part["tick"]) == (size - len(own), 9)
        assert (status == 200) == (part["accepted"] > 0)
        start += size


@given(
    status=st.sampled_from([200, 204, 302, 400, 403, 413, 429, 500, 503]),
    answer=st.fixed_dictionaries(
        {},
        optional={
            "accepted": st.integers(0, 12) | ANYTHING,
            "refused": st.lists(INDEXED | ANYTHING, max_size=4) | ANYTHING,
            "fenced": st.lists(ANYTHING, max_size=2) | ANYTHING,
        },
    ),
    sizes=SIZES,
)
def test_divide__any_answer__accepts_no_more_than_the_oracle(
    status: int, answer: dict[str, Any], sizes: list[int]
) -> None:
    parts = divide(status, answer, sizes)
    assert len(parts) == len(sizes)
    accepted = sum(part["accepted"] for _, part in parts)
    assert accepted == 0 or (status == 200 and accepted == answer["accepted"])
    for (own, part), size in zip(parts, sizes, strict=True):
        assert own == 200 or part["accepted"] == 0
        assert part["accepted"] == 0 or part["accepted"] + len(part["refused"]) == size


def test_divide__reason_is_no_text__a_refusal_of_that_heartbeat_alone() -> None:
    answer = {"accepted": 1, "refused": [{"index": 0, "reason": [], "cure": {}}]}
    assert [status for status, _ in divide(200, answer, [1, 1])] == [400, 200]
