# SPDX-License-Identifier: Apache-2.0
"""What is told, when, and under which id."""

from __future__ import annotations

from dataclasses import replace

from hypothesis import given
from hypothesis import strategies as st

from notify import rules
from notify.facts import Credential, Job, Presence, Serving, Window
from notify.notice import About, Kind, Notice
from notify.presence import Voices, presence_of, tally, window_of
from notify.rules import Interest, Spans, recipients
from oracle.ground.clock import EpochClock
from oracle.ground.ids import pack
from oracle.ground.median import fault_bound
from oracle.ground.policy import PPM, Policy
from settlement.books import Token
from settlement.money import Rates

CLOCK = EpochClock(1_000, 600, 10)
TOKEN = Token("0x" + "11" * 20, "EUR", 6)
JOB = Job(7, 3, 2, 100_000, False, Policy(target_ppm=900_000, floor_ppm=800_000), Rates(10**6, 600, 0, PPM), TOKEN)
ONE = Serving(pack(7, 0, 1), 5, "0x" + "22" * 20, 1_000, JOB)
SPANS = Spans(down=60, repeat=600, funds=4_000, credential=4_000)
MASKS = st.integers(0, (1 << 60) - 1)


def down(heard: int | None, now: int, **changes: object) -> list[Notice]:
    return rules.node_down([ONE], replace(Presence(True, 1_000, heard), **changes), now, SPANS)  # type: ignore[arg-type]


@given(st.lists(MASKS, max_size=8), st.integers(1, 8), st.integers(0, 8))
def test_tally__any_masks__a_tick_counts_if_more_than_f_signed_it(said: list[int], asked: int, answered: int) -> None:
    faults = fault_bound(asked)
    found = tally(said, answered, asked)
    for tick in range(60):
        assert (found.ticks >> tick & 1) == (sum(one >> tick & 1 for one in said) > faults)
    assert found.known == (answered >= asked - faults and answered > 0)


@given(st.one_of(st.none(), st.integers(1_000, 5_000)), st.integers(0, 20_000))
def test_node_down__silence_of_any_length__told_once_each_repeat(heard: int | None, silent: int) -> None:
    since = 1_000 if heard is None else heard
    found = down(heard, since + silent)
    assert bool(found) == (silent >= SPANS.down)
    if found:
        (notice,) = found
        assert notice.about == About(frozenset({3}), frozenset({5}), frozenset({7}))
        assert notice.id == f"node_down:5:{since}:{silent // SPANS.repeat}"
        (again,) = down(heard, since + silent // SPANS.repeat * SPANS.repeat + max(SPANS.down, silent % SPANS.repeat))
        assert again.id == notice.id


def test_node_down__too_few_oracles_answer__nothing_is_told() -> None:
    assert not down(None, 50_000, known=False)
    assert not rules.node_down([], Presence(True, 0, None), 50_000, SPANS)


def test_node_down__never_heard_in_what_was_asked__counts_from_there() -> None:
    assert not down(None, 9_030, asked_from=9_000)
    assert down(None, 9_060, asked_from=9_000)


@given(MASKS, MASKS, st.integers(0, 60), st.booleans())
def test_presence__two_epochs__newest_tick_counts(earlier: int, later: int, ticks: int, known: bool) -> None:
    found = presence_of([(3, Voices(earlier, True)), (4, Voices(later, known))], CLOCK)
    ends = [CLOCK.start(3) + 10 * (tick + 1) for tick in range(60) if earlier >> tick & 1]
    ends += [CLOCK.start(4) + 10 * (tick + 1) for tick in range(60) if later >> tick & 1]
    assert found.heard == max(ends, default=None)
    assert found.known == known


@given(MASKS, st.integers(0, 600), st.integers(0, 700))
def test_window__any_ticks__lost_are_whole_ticks_without_heartbeats(ticks: int, opened: int, now: int) -> None:
    start, end = CLOCK.start(4) + opened, CLOCK.end(4)
    found = window_of([(4, Voices(ticks, True))], CLOCK, start, end, CLOCK.start(4) + now)
    lost = [tick for tick in range(60) if tick * 10 >= opened and (tick + 1) * 10 <= now - 20 and not ticks >> tick & 1]
    assert found is not None
    assert found.lost == 10 * len(lost)
    assert window_of([(4, Voices(ticks, False))], CLOCK, start, end, now) is None


@given(st.integers(0, 700))
def test_at_risk__lost_seconds__told_at_half_and_at_all_of_what_is_allowed(lost: int) -> None:
    found = rules.at_risk(ONE, Window(1_000, 1_600, 1_500, lost))
    if lost <= 30:  # the target leaves 60 of 600 s
        assert not found
        return
    (notice,) = found
    assert notice.id == f"at_risk:{ONE.assignment}:1000:{'missed' if lost > 60 else 'half'}"
    assert notice.facts["withheldSeconds"] == min(600, 0 if lost <= 60 else 600 if lost >= 120 else (lost - 60) * 10)


@given(st.lists(st.integers(-10_000, 200_000), min_size=1, max_size=30), st.booleans())
def test_funds__job_looked_at_often__told_twice_at_most_and_only_before_its_end(times: list[int], over: bool) -> None:
    job = replace(JOB, over=over)
    told = [(now, one) for now in sorted(times) for one in rules.funds(job, now, SPANS)]
    assert all(job.stop - SPANS.funds <= now < job.stop for now, _ in told)
    assert len({one.id for _, one in told}) <= (0 if over else 2)
    assert len(told) == (0 if over else sum(job.stop - SPANS.funds <= now < job.stop for now in times))


@given(st.integers(0, 10_000), st.integers(1, 10_000))
def test_credential__any_time__told_before_and_after_its_end(until: int, now: int) -> None:
    found = rules.credential(Credential(3, until), now, SPANS)
    assert bool(found) == (until > 0 and until - now <= SPANS.credential)
    for notice in found:
        assert notice.about == About(accounts=frozenset({3}))
        assert ("has run out" in notice.title) == (until <= now)


NUMBERS = st.frozensets(st.integers(1, 4), max_size=2)
ABOUT = st.builds(About, NUMBERS, NUMBERS, NUMBERS)
KINDS = st.frozensets(st.sampled_from(Kind), min_size=1)
INTERESTS = st.builds(Interest, st.lists(st.sampled_from("abc"), min_size=1).map(tuple), KINDS, ABOUT, st.booleans())


@given(st.lists(INTERESTS, max_size=5), ABOUT, st.sampled_from(Kind))
def test_recipients__any_subscriptions__each_who_hears_it_once(all_: list[Interest], about: About, kind: Kind) -> None:
    notice = Notice("id", kind, 0, about, "", "", "", "")
    found = recipients(notice, all_)
    assert len(found) == len(set(found))
    expected = set()
    for one in all_:
        pairs = (one.about.accounts, about.accounts), (one.about.licences, about.licences), (one.about.jobs, about.jobs)
        if kind in one.kinds and (one.everything or about == About() or any(mine & its for mine, its in pairs)):
            expected |= set(one.to)
    assert set(found) == expected


def test_texts__every_notice__says_what_happened_costs_and_to_do() -> None:
    found = [*down(1_500, 9_000), *rules.funds(JOB, 99_000, SPANS), *rules.credential(Credential(3, 100), 90, SPANS)]
    for notice in found:
        assert "What it costs:" in notice.text
        assert "What to do:" in notice.text
        assert max(map(len, notice.title.splitlines())) < 80
        assert notice.body("net") == notice.body("net")
    assert "up to 6.000000 EUR for job 7" in found[0].text
