# SPDX-License-Identifier: Apache-2.0
"""Who has a part in an assignment, and whose observation of it then counts."""

from __future__ import annotations

from oracle.committee.agreement import combine
from oracle.committee.conflicts import conflicts, heard
from oracle.committee.observation import View
from oracle.ground.ids import pack
from oracle.ground.uptime import ZERO, Uptime

CSP, HOLDER, COLD, OPERATOR = (bytes([each]) * 20 for each in (0xC5, 0x40, 0xC0, 0x0B))
A, B, C, D, E = (bytes([each]) * 20 for each in range(1, 6))
KEY, OTHER = pack(1, 0, 1), pack(2, 0, 1)


def test_conflicts__operator_or_member_is_csp_or_holder__has_a_part() -> None:
    operators = {A: (COLD, CSP), B: (HOLDER, OPERATOR), C: (A, OPERATOR), D: (bytes(20), bytes(20))}
    found = conflicts(operators, [(KEY, CSP, HOLDER), (OTHER, COLD, E)])
    assert found == {KEY: {A, B}, OTHER: {A}}


def test_conflicts__strangers_signers_and_nobody__have_none() -> None:
    operators = {A: (COLD, OPERATOR), B: (bytes(20), OPERATOR)}
    assert conflicts(operators, [(KEY, CSP, bytes(20)), (OTHER, A, HOLDER)]) == {}


def ups(*seen: int | None) -> list[tuple[bytes, Uptime]]:
    return [(author, ZERO if up is None else Uptime(up, 10)) for author, up in zip((A, B, C, D, E), seen, strict=False)]


def test_heard__enough_others__conflicted_do_not_count() -> None:
    assert heard(ups(1, 2, 3, 4), frozenset({A}), 4) == [Uptime(up, 10) for up in (2, 3, 4)]


def test_heard__too_few_others__up_to_f_conflicted_count() -> None:
    assert heard(ups(1, 2, 3), frozenset({A}), 4) == [Uptime(up, 10) for up in (2, 3, 1)]
    # Of two, only the first: f is 1.
    assert heard(ups(1, 2, 3, 4), frozenset({A, B}), 4) == [Uptime(up, 10) for up in (3, 4, 1)]
    assert heard(ups(1, None, 3, 4), frozenset({A, B}), 4) == [Uptime(up, 10) for up in (3, 4, 1)]


def test_heard__another_claims_to_be_blind__does_not_leave_the_node_unmeasured() -> None:
    seen = ups(7, 7, None, 7)
    views = [View(0, 1, {KEY: each} if each.observed else {}) for _, each in seen]
    agreed = combine(views, 4, 10, [A, B, C, D], {KEY: frozenset({A})})
    assert agreed == {KEY: Uptime(70, 100)}


def test_combine__conflicted_liar_and_another__change_nothing() -> None:
    # f is 1 of 4: with the conflicted one left out, the median bears another liar.
    for lie in (0, 10):
        views = [View(0, 1, {KEY: Uptime(up, 10), OTHER: Uptime(up, 10)}) for up in (lie, 7, 7, lie)]
        agreed = combine(views, 4, 10, [A, B, C, D], {KEY: frozenset({A})})
        assert agreed[KEY] == Uptime(70, 100)


def test_combine__most_are_conflicted__is_unmeasured() -> None:
    views = [View(0, 1, {KEY: Uptime(7, 10)})] * 4
    conflicted = {KEY: frozenset({A, B, C})}
    assert combine(views, 4, 10, [A, B, C, D], conflicted) == {KEY: ZERO}
