# SPDX-License-Identifier: Apache-2.0
"""A store against dictionaries, whatever the order of marks, commits, folds, failures, crashes and restarts."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable
from copy import deepcopy
from dataclasses import dataclass, field

import pytest
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from oracle.ground.clock import EpochClock
from oracle.telemetry.store import bitmaps as module
from oracle.telemetry.store.bitmaps import BitmapStore
from oracle.telemetry.store.errors import StoreError
from oracle.telemetry.store.opening import open_store
from oracle.telemetry.store.records import EpochRecord, Kind

TICKS = 416  # a bitmap of 52 bytes: up to four bits are worth a mark each
CLOCK = EpochClock(genesis=0, length=10 * TICKS, tick=10)
EVERY = range(4)
NAMES = [(Kind.LIVENESS, bytes([one]) * 20) for one in range(4)] + [(Kind.PROBE, b"\7" * 16)]
WAYS = ("http", "mqtt")
TRACKS = st.sampled_from(NAMES)
EPOCHS = st.integers(0, EVERY[-1])
MASKS = st.one_of(st.integers(0, 2**TICKS - 1), st.integers(0, TICKS - 1).map(lambda tick: 1 << tick), st.just(0))


@dataclass
class Seen:
    """What a store has, by (epoch, kind, name) or by (epoch, way)."""

    up: dict = field(default_factory=lambda: defaultdict(int))
    seen: dict = field(default_factory=lambda: defaultdict(int))
    by: dict = field(default_factory=lambda: defaultdict(set))
    observed: dict = field(default_factory=dict)
    journal: dict = field(default_factory=dict)

    def holds(self, other: Seen) -> bool:
        """Whether all that the other one has is here."""
        return (
            all(self.up[key] | bits == self.up[key] for key, bits in other.up.items())
            and all(self.seen[key] | bits == self.seen[key] for key, bits in other.seen.items())
            and all(self.by[key] >= names for key, names in other.by.items())
            and all(
                key in self.observed and self.observed[key] | bits == self.observed[key]
                for key, bits in other.observed.items()
            )
        )


def seen_in(record: EpochRecord, into: Seen) -> None:
    for kind, lines in record.lines.items():
        assert list(lines) == sorted(lines)
        for name, line in lines.items():
            key = (record.epoch, kind, name)
            into.up[key], into.seen[key] = line.up, line.seen
            into.by[key] = {way for place, (way, _) in enumerate(record.ways) if line.ways >> place & 1}
            assert line.ways < 1 << len(record.ways)
    for way, observed in record.ways:
        into.observed[record.epoch, way] = observed


def seen_by(store: BitmapStore) -> Seen:
    found = Seen()
    for epoch in EVERY:
        seen_in(store.read(epoch), found)
    return found


class StoreMachine(RuleBasedStateMachine):
    """Subclasses say in `begin` where the store is, and in `crash` what a kill leaves of it."""

    place: str

    def __init__(self) -> None:
        super().__init__()
        self.patch = pytest.MonkeyPatch()
        self.patch.setattr(module, "FOLD_BYTES", 100)
        self.patch.setattr(module, "OLD_BYTES", 100)
        self.patch.setattr(module, "_SLICE_ROWS", 1)
        self.patch.setattr(module, "SLICE_SECONDS", 0.0)
        self.patch.setattr(module, "_AT_ONCE", 2)
        self.store: BitmapStore | None = None

    @initialize()
    def start(self) -> None:
        self.begin()
        self.store = self.open()
        self.now = Seen()
        self.durable = Seen()

    def begin(self) -> None:
        raise NotImplementedError

    def crash(self) -> None:
        raise NotImplementedError

    def open(self) -> BitmapStore:
        return open_store(self.place, CLOCK, "net")

    @rule(
        track=TRACKS, epoch=EPOCHS, tick=st.integers(0, TICKS - 1), way=st.sampled_from(WAYS), times=st.integers(1, 3)
    )
    def mark(self, track: tuple, epoch: int, tick: int, way: str, times: int) -> None:
        number, by = self.store.track(*track), self.store.way(way)
        for later in range(times):
            bit = 1 << (tick + later) % TICKS
            news = self.store.mark(number, epoch, bit.bit_length() - 1, by)
            assert news or self.now.up[epoch, *track] & bit
            self.now.up[epoch, *track] |= bit
            self.now.by[epoch, *track].add(way)
            self.now.observed.setdefault((epoch, way), 0)
            assert not self.store.mark(number, epoch, bit.bit_length() - 1, by)

    @rule(tracks=st.lists(TRACKS), epoch=EPOCHS, tick=st.integers(0, TICKS - 1), way=st.sampled_from(WAYS))
    def mark_all(self, tracks: list, epoch: int, tick: int, way: str) -> None:
        by = self.store.way(way)
        self.store.mark_all([self.store.track(*track) for track in tracks], epoch, tick, by)
        for track in tracks:
            assert not self.store.mark(self.store.track(*track), epoch, tick, by)
            self.now.up[epoch, *track] |= 1 << tick
            self.now.by[epoch, *track].add(way)
            self.now.observed.setdefault((epoch, way), 0)

    @rule(track=TRACKS, epoch=EPOCHS, bits=MASKS, way=st.sampled_from([*WAYS, None]))
    def mark_bits(self, track: tuple, epoch: int, bits: int, way: str | None) -> None:
        by = None if way is None else self.store.way(way)
        self.store.mark_bits(self.store.track(*track), epoch, bits, by)
        if bits:
            self.now.up[epoch, *track] |= bits
            if way is not None:
                self.now.by[epoch, *track].add(way)
                self.now.observed.setdefault((epoch, way), 0)

    @rule(track=TRACKS, epoch=EPOCHS, bits=MASKS)
    def see(self, track: tuple, epoch: int, bits: int) -> None:
        self.store.see(self.store.track(*track), epoch, bits)
        self.now.seen[epoch, *track] |= bits

    @rule(way=st.sampled_from(WAYS), epoch=EPOCHS, bits=MASKS)
    def observe(self, way: str, epoch: int, bits: int) -> None:
        self.store.observe(self.store.way(way), epoch, bits)
        self.now.observed[epoch, way] = self.now.observed.get((epoch, way), 0) | bits

    @rule(epoch=EPOCHS, committee=st.integers(1, 2), content=st.binary(max_size=3))
    def journal(self, epoch: int, committee: int, content: bytes) -> None:
        held = self.now.journal.setdefault((epoch, committee), content)
        if held == content:
            self.store.journal_observation(epoch, committee, content, b"", content)
        else:
            with pytest.raises(StoreError, match="is signed already"):
                self.store.journal_observation(epoch, committee, content, b"", content)

    @rule()
    def commit(self) -> None:
        self.store.commit()
        self.durable = deepcopy(self.now)

    @rule()
    def fold_a_little(self) -> None:
        self.store._fold_slice(0.0)

    @rule()
    def fold(self) -> None:
        self.store.fold()
        assert self.store.logged == 0
        self.durable = deepcopy(self.now)

    @rule(fails_at=st.integers(0, 3), act=st.sampled_from(["commit", "_fold_slice", "compact"]))
    def fail(self, fails_at: int, act: str) -> None:
        """The database fails at one of its statements, inside a transaction."""
        database = self.store._database
        left = [fails_at]

        def failing(whole: Callable) -> Callable:
            def run(*values: object) -> None:
                if not left[0]:
                    raise StoreError("database or disk is full")
                left[0] -= 1
                whole(*values)

            return run

        done = True
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(database, "run", failing(database.run))
            patch.setattr(database, "run_many", failing(database.run_many))
            try:
                getattr(self.store, act)(*{"commit": (), "_fold_slice": (0.0,), "compact": (3,)}[act])
            except StoreError:
                done = False
        if done and act != "_fold_slice":
            self.durable = deepcopy(self.now)

    @rule(before=EPOCHS)
    def compact(self, before: int) -> None:
        self.store.compact(before)
        self.durable = deepcopy(self.now)

    @rule(before=st.integers(0, 2))
    def forget(self, before: int) -> None:
        self.store.forget(before)
        for held in (self.now.up, self.now.seen, self.now.by, self.now.observed):
            for key in [key for key in held if key[0] < before]:
                del held[key]
        self.durable = deepcopy(self.now)

    @rule()
    def reopen(self) -> None:
        self.store.close()
        self.store = self.open()
        self.durable = deepcopy(self.now)

    @rule()
    def kill(self) -> None:
        self.crash()
        self.store = self.open()
        left = seen_by(self.store)
        assert left.holds(self.durable)
        assert self.now.holds(left)
        left.journal = self.now.journal
        self.now = left
        self.durable = deepcopy(left)

    @rule()
    def read_beside(self) -> None:
        reading = open_store(self.place, CLOCK, "net", read_only=True)
        found = seen_by(reading)
        assert found.holds(self.durable)
        assert self.now.holds(found)
        assert set(reading.epochs()) <= set(EVERY)
        reading.close()

    @rule()
    def read(self) -> None:
        found = seen_by(self.store)
        assert found.holds(self.now)
        assert self.now.holds(found)
        self.durable = deepcopy(self.now)

    @invariant()
    def bits_are_what_was_marked(self) -> None:
        if self.store is None:
            return
        for epoch in EVERY:
            number = self.store.track(*NAMES[0])
            assert self.store.bits(number, epoch) == self.now.up[epoch, *NAMES[0]]
        for (epoch, committee), content in self.now.journal.items():
            held = self.store.observation(epoch, committee)
            assert held is not None
            assert held.content == content

    def teardown(self) -> None:
        self.patch.undo()
        if self.store is not None:
            self.store.close()
