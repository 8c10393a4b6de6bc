# SPDX-License-Identifier: Apache-2.0
"""With any f liars in a committee of 4 or 7, all honest members draft the same, within what honest ones saw."""

from __future__ import annotations

from functools import cache

from hypothesis import given, settings
from hypothesis import strategies as st

from oracle.committee.agreement import Committee, Draft, Proposal, arranged, combine, draft
from oracle.committee.observation import SignedObservation, View, digest
from oracle.ground.clock import EpochClock
from oracle.ground.ids import pack
from oracle.ground.ledger import Ledger, Subject
from oracle.ground.median import fault_bound, measured_needs, quorum
from oracle.ground.policy import Policy
from oracle.ground.typed_data import EpochReport
from oracle.ground.uptime import ZERO, Uptime
from oracle.signing.signer import LocalSigner, derive

TICKS = 60
CLOCK = EpochClock(genesis=1_000, length=TICKS)
DOMAIN = EpochReport.domain(31_337, "0x" + "11" * 20)
KEYS = tuple(pack(1, slot, 1) for slot in range(3))
SUBJECTS = [Subject(key, slot, 1_000, 9_000, 1_000, 0, 0, False, Policy()) for slot, key in enumerate(KEYS, start=1)]
SEEN = st.tuples(st.integers(0, TICKS), st.integers(0, TICKS)).map(lambda pair: Uptime(min(pair), max(pair)))
LIES = st.tuples(st.integers(0, 2**32 - 1), st.integers(0, 2**32 - 1)).map(lambda p: Uptime(min(p), max(p)))
HONEST = st.fixed_dictionaries(dict.fromkeys(KEYS, SEEN))
LYING = st.dictionaries(st.one_of(st.sampled_from(KEYS), st.integers(0, 2**128 - 1)), st.one_of(SEEN, LIES), max_size=5)


@cache
def oracles(count: int) -> tuple[LocalSigner, ...]:
    made = (derive("committee tests", f"oracle {index}") for index in range(count))
    return tuple(sorted(made, key=lambda one: int(one.address, 16)))


@cache
def committee(count: int) -> Committee:
    return Committee(1, tuple(bytes.fromhex(one.address[2:]) for one in oracles(count)))


@st.composite
def rounds(draw: st.DrawFn) -> tuple[int, frozenset[int], list[dict[int, Uptime]]]:
    """Size of the committee, its liars, and what each member says it saw."""
    count = draw(st.sampled_from([4, 7]))
    liars = draw(st.frozensets(st.integers(0, count - 1), max_size=fault_bound(count)))
    return count, liars, [draw(LYING if index in liars else HONEST) for index in range(count)]


def signed(count: int, said: list[dict[int, Uptime]]) -> list[SignedObservation]:
    observations = []
    for signer, ticks in zip(oracles(count), said, strict=True):
        content = View(0, 1, ticks).encode()
        observations.append(SignedObservation(content, signer.sign(digest(DOMAIN, 0, 1, content))))
    return observations


def drafted(count: int, observations: tuple[SignedObservation, ...], subjects: list[Subject]) -> Draft:
    proposal = Proposal(0, bytes(32), b"\x22" * 32, {0: observations})
    return draft(proposal, committee(count), DOMAIN, Ledger(), CLOCK, subjects, appeal_epochs=2)


@settings(max_examples=60)
@given(rounds(), st.data())
def test_draft__any_f_liars_and_any_order_of_arrival__is_the_same_for_every_member(
    case: tuple[int, frozenset[int], list[dict[int, Uptime]]], data: st.DataObject
) -> None:
    count, _, said = case
    observations = signed(count, said)
    used = data.draw(st.integers(quorum(count), count), label="used")
    observations = data.draw(st.permutations(observations), label="leader's order")[:used]
    first, second = (
        drafted(count, arranged(order, committee(count), DOMAIN, 0), list(subjects))
        for order, subjects in (
            (observations, SUBJECTS),
            (data.draw(st.permutations(observations)), data.draw(st.permutations(SUBJECTS))),
        )
    )
    assert first.report == second.report
    assert first.evidence == second.evidence
    assert first.tree == second.tree
    assert first.ledger.encode() == second.ledger.encode()
    assert [leaf.id for leaf in first.tree.leaves] == list(KEYS)
    for leaf in first.tree.leaves:
        assert 0 <= leaf.earned <= leaf.accounted <= TICKS


@settings(max_examples=300)
@given(rounds(), st.data())
def test_combine__any_f_liars__stays_within_what_honest_members_saw(
    case: tuple[int, frozenset[int], list[dict[int, Uptime]]], data: st.DataObject
) -> None:
    count, liars, said = case
    proposed = data.draw(st.permutations(range(count)))[: data.draw(st.integers(quorum(count), count))]
    agreed = combine([View(0, 1, said[index]) for index in proposed], count, CLOCK.tick)
    for key in KEYS:
        seen = [said[index].get(key, ZERO) for index in proposed]
        if sum(1 for one in seen if one.observed) < measured_needs(count):
            assert agreed.get(key, ZERO) == ZERO
            continue
        honest = [said[index][key] for index in proposed if index not in liars and said[index][key].observed]
        up, observed = agreed[key].up, agreed[key].observed
        assert min(one.observed for one in honest) <= observed <= max(one.observed for one in honest)
        # up is a ratio of somebody's, times observed, rounded down.
        assert any(one.up * observed // one.observed <= up for one in honest)
        assert any(up * one.observed <= one.up * observed for one in honest)
        if len(set(honest)) == 1:
            assert agreed[key] == honest[0]


@given(rounds())
def test_combine__all_members_honest_and_alike__is_what_they_saw(
    case: tuple[int, frozenset[int], list[dict[int, Uptime]]],
) -> None:
    count, liars, said = case
    one = next(said[index] for index in range(count) if index not in liars)
    alike = [said[index] if index in liars else one for index in range(count)]
    agreed = combine([View(0, 1, ticks) for ticks in alike], count, CLOCK.tick)
    for key in KEYS:
        if one[key].observed:
            assert agreed[key] == one[key]


@settings(max_examples=300)
@given(rounds(), st.data())
def test_combine__conflicted_members__move_nothing_where_enough_others_saw(
    case: tuple[int, frozenset[int], list[dict[int, Uptime]]], data: st.DataObject
) -> None:
    count, liars, said = case
    members, bound = committee(count).members, fault_bound(count)
    conflicted = data.draw(st.frozensets(st.integers(0, count - 1), max_size=bound), label="conflicted")
    proposed = sorted(data.draw(st.permutations(range(count)))[: data.draw(st.integers(quorum(count), count))])
    left_out = {key: frozenset(members[index] for index in conflicted) for key in KEYS}

    def agreed(told: list[dict[int, Uptime]]) -> dict[int, Uptime]:
        views = [View(0, 1, told[index]) for index in proposed]
        return combine(views, count, CLOCK.tick, [members[index] for index in proposed], left_out)

    lie = data.draw(LYING, label="what the conflicted say")
    first, second = agreed(said), agreed([lie if index in conflicted else one for index, one in enumerate(said)])
    for key in KEYS:
        present = [index for index in proposed if said[index].get(key, ZERO).observed]
        if sum(index not in conflicted for index in present) >= measured_needs(count):
            assert first.get(key, ZERO) == second.get(key, ZERO)
        elif len(present) >= measured_needs(count):
            # With at most f conflicted nobody is left out then: whoever was measured without the rule still is.
            views = [View(0, 1, said[index]) for index in proposed]
            assert first[key] == combine(views, count, CLOCK.tick)[key]
        honest = [said[index][key] for index in present if index not in liars]
        if first.get(key, ZERO).observed:
            up, observed = first[key].up, first[key].observed
            assert min(one.observed for one in honest) <= observed <= max(one.observed for one in honest)
            assert any(one.up * observed // one.observed <= up for one in honest)
            assert any(up * one.observed <= one.up * observed for one in honest)
