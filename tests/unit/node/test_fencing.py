# SPDX-License-Identifier: Apache-2.0
"""Whom a node believes that an assignment isn't its own any more."""

from __future__ import annotations

from node.fencing import FenceQuorum

TICK = 10.0


def rounds(quorum: FenceQuorum, words: dict[str, bool], first: int, count: int) -> list[int]:
    """In which of these ticks the assignment 7 is believed to be fenced, when each oracle says this of it."""
    believed = []
    for number in range(first, first + count):
        for place, (oracle, said) in enumerate(words.items()):
            if quorum.hear(oracle, [7], [7] if said else [], TICK, number * TICK + place):
                believed.append(number)
    return believed


def test_quorum__one_liar_of_four__never_believed_even_alone() -> None:
    quorum = FenceQuorum(4)
    assert not rounds(quorum, {"liar": True, "a": False, "b": False, "c": False}, 0, 20)
    assert not rounds(quorum, {"liar": True}, 20, 100)  # the others don't answer


def test_quorum__half_of_four__not_believed() -> None:
    assert not rounds(FenceQuorum(4), {"a": True, "b": True, "c": False, "d": False}, 0, 20)


def test_quorum__more_than_half_of_those_that_answer__believed_after_two_ticks() -> None:
    assert rounds(FenceQuorum(4), {"a": True, "b": True, "c": True, "d": False}, 0, 4)[0] == 2
    quorum = FenceQuorum(4)
    assert not rounds(quorum, {"a": True, "b": True, "c": False, "d": False}, 0, 5)
    assert rounds(quorum, {"a": True, "b": True}, 5, 10)[0] > 6  # once the others' word has grown old


def test_quorum__majority_for_a_moment__not_believed() -> None:
    quorum = FenceQuorum(3)
    # The first to answer after a start is no majority of all.
    assert not rounds(quorum, {"liar": True}, 0, 1)
    assert not rounds(quorum, {"liar": True, "a": False, "b": False}, 1, 20)


def test_quorum__only_oracle__believed() -> None:
    assert rounds(FenceQuorum(1), {"a": True}, 0, 4)[0] == 2


def test_quorum__only_what_was_reported__counts() -> None:
    quorum = FenceQuorum(1)
    for number in range(10):
        assert not quorum.hear("a", [8], [7], TICK, number * TICK)


def test_quorum__one_liar_of_three_with_a_short_tick__doesnt_make_the_others_words_stale() -> None:
    quorum = FenceQuorum(3)
    for second in range(100):
        assert not quorum.hear("liar", [7], [7], 1.0, second)
        if second % 10 == 0:
            assert not quorum.hear("a", [7], [], TICK, second) + quorum.hear("b", [7], [], TICK, second)
