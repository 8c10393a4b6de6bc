# SPDX-License-Identifier: Apache-2.0
"""The queue against a model of it: whatever happens in whatever order, and however often the file is opened again."""

from __future__ import annotations

import shutil
import sqlite3
import tempfile
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from delivery.errors import NoSuchMessage, QueueFull, QueueUnusable, SenderRunning
from delivery.message import MAX_BODY, Draft, Message, Outcome, State, Verdict
from delivery.queue import Bounds, Queue
from delivery.rules import Backoff, after
from oracle.ground.errors import InvalidValue

KEYS = st.sampled_from([f"key {number}" for number in range(8)])
WAITING = 4
BACKOFF = Backoff(first=1, longest=50)


@dataclass
class Held:
    state: State
    body: bytes
    deadline: float
    attempts: int = 0


@dataclass
class Clock:
    time: float = 1_000.0

    def __call__(self) -> float:
        return self.time


@dataclass
class Model:
    held: dict[str, Held] = field(default_factory=dict)

    def waiting(self) -> set[str]:
        return {key for key, one in self.held.items() if one.state is State.WAITING}


class QueueMachine(RuleBasedStateMachine):
    def __init__(self) -> None:
        super().__init__()
        self.folder = Path(tempfile.mkdtemp())
        self.clock = Clock()
        self.model = Model()
        self.queue = self.opened()

    def opened(self) -> Queue:
        return Queue(self.folder / "queue.sqlite", Bounds(waiting=WAITING), self.clock)

    def teardown(self) -> None:
        self.queue.close()
        shutil.rmtree(self.folder)

    @rule(key=KEYS, body=st.binary(max_size=20), seconds=st.integers(1, 200))
    def put(self, key: str, body: bytes, seconds: int) -> None:
        draft = Draft(key, "http", f"to {key[-1]}", "label", body, self.clock.time + seconds)
        known = self.model.held.get(key)
        if known is not None and known.state is not State.WITHDRAWN:
            assert not self.queue.put(draft)
        elif len(self.model.waiting()) >= WAITING:
            with pytest.raises(QueueFull, match=key):
                self.queue.put(draft)
        else:
            assert self.queue.put(draft)
            self.model.held[key] = Held(State.WAITING, body, draft.deadline)

    @rule(verdict=st.sampled_from(Verdict))
    def send(self, verdict: Verdict) -> None:
        for message in self.queue.due():
            held = self.model.held[message.key]
            held.attempts += 1
            assert self.queue.begin(message) == held.attempts
            found = after(Outcome(verdict, "told"), held.attempts, held.deadline, self.clock.time, BACKOFF, 0.5)
            self.queue.settle(message.key, found)
            held.state = found.state

    @rule(key=KEYS)
    def withdraw(self, key: str) -> None:
        held = self.model.held.get(key)
        waits = held is not None and held.state is State.WAITING
        assert self.queue.withdraw([key], "not needed") == waits
        if waits and held:
            held.state = State.WITHDRAWN

    @rule(key=KEYS)
    def settle_late(self, key: str) -> None:
        """An attempt that ended after somebody else decided changes nothing."""
        held = self.model.held.get(key)
        if held is None or held.state is not State.WAITING:
            self.queue.settle(key, after(Outcome(Verdict.TAKEN, "late"), 1, 10**6, self.clock.time, BACKOFF, 0))

    @rule(key=KEYS)
    def resend(self, key: str) -> None:
        held = self.model.held.get(key)
        if held is not None and held.state is State.DEAD:
            found = self.queue.resend(key, self.clock.time + 100)
            held.state, held.attempts, held.deadline = State.WAITING, 0, self.clock.time + 100
            assert found.body == held.body
        else:
            with pytest.raises(NoSuchMessage, match=key):
                self.queue.resend(key, self.clock.time + 100)

    @rule(seconds=st.integers(1, 60))
    def pass_time(self, seconds: int) -> None:
        self.clock.time += seconds

    @rule()
    def open_again(self) -> None:
        self.queue.close()
        self.queue = self.opened()

    @precondition(lambda self: self.model.waiting())
    @rule()
    def look_when_next(self) -> None:
        self.clock.time = max(self.clock.time, self.queue.next_due() or 0)
        assert self.queue.due()

    @invariant()
    def holds_what_it_should(self) -> None:
        for key, held in self.model.held.items():
            found: Message | None = self.queue.find(key)
            assert found is not None
            assert (found.state, found.attempts) == (held.state, held.attempts)
            if held.state in (State.WAITING, State.DEAD):
                assert found.body == held.body
        assert self.queue.keys(State.WAITING) == self.model.waiting()
        assert sum(self.queue.counts().values()) == len(self.model.held)


TestQueue = QueueMachine.TestCase
TestQueue.settings = settings(max_examples=40, stateful_step_count=30, deadline=None)


def test_hold__two_senders__second_is_refused_until_the_first_is_gone(tmp_path: Path) -> None:
    first, second = Queue(tmp_path / "q"), Queue(tmp_path / "q")
    first.hold()
    first.hold()
    with pytest.raises(SenderRunning, match="another process"):
        second.hold()
    assert second.put(Draft("key", "http", "there", "label", b"", 1))
    first.close()
    second.hold()
    second.close()


def test_settled__beyond_the_bound__oldest_delivered_go_before_dead(tmp_path: Path) -> None:
    queue = Queue(tmp_path / "q", Bounds(settled=3))
    for number, verdict in enumerate([Verdict.NEVER, *[Verdict.TAKEN] * 5]):
        queue.put(Draft(f"{number}", "http", "there", "label", b"x", 10**12))
        queue.settle(f"{number}", after(Outcome(verdict, ""), 1, 10**12, 0, BACKOFF, 0))
    kept = [one.key for state in State for one in queue.listed(state)]
    assert sorted(kept) == ["0", "4", "5"]
    queue.close()


def test_open__other_database__is_refused(tmp_path: Path) -> None:
    with sqlite3.connect(tmp_path / "other") as database:
        database.execute("CREATE TABLE mine (a)")
    database.close()
    with pytest.raises(QueueUnusable, match="another program"):
        Queue(tmp_path / "other")
    (tmp_path / "text").write_text("no database " * 100)
    with pytest.raises(QueueUnusable):
        Queue(tmp_path / "text")


def test_draft__too_large_or_unprintable__is_refused() -> None:
    with pytest.raises(InvalidValue, match="at most"):
        Draft("key", "http", "there", "label", bytes(MAX_BODY + 1), 1)
    with pytest.raises(InvalidValue, match="printable"):
        Draft("key\n", "http", "there", "label", b"", 1)
