# SPDX-License-Identifier: Apache-2.0
"""What a store does on any backend: test modules import all of this and say in the fixture `place` where stores are."""

from __future__ import annotations

import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from oracle.ground.clock import EpochClock
from oracle.ground.errors import InvalidValue
from oracle.telemetry.store import bitmaps as module
from oracle.telemetry.store.backup import backup, restore
from oracle.telemetry.store.bitmaps import BitmapStore
from oracle.telemetry.store.errors import JournalFloor, StoreError
from oracle.telemetry.store.journal import JournalledObservation
from oracle.telemetry.store.opening import open_store
from oracle.telemetry.store.records import EpochRecord, Kind, Line

CLOCK = EpochClock(genesis=1000, length=5000, tick=10)
TICKS = 500
A, B = b"\xaa" * 20, b"\xbb" * 20
JOB = b"\x01" * 16
SERVED = A + JOB
BULK = (1 << TICKS) - 1
"""More bits than are worth a mark each."""


def opened(place: str, **options: Any) -> BitmapStore:
    return open_store(place, CLOCK, "net", **options)


@pytest.fixture
def store(place: str) -> Iterator[BitmapStore]:
    held = opened(place)
    yield held
    held.close()


@contextmanager
def failing_transactions(store: BitmapStore, patch: pytest.MonkeyPatch) -> Iterator[None]:
    """Within, the database refuses whatever it is given."""

    def refuse(*_: object, **__: object) -> None:
        raise StoreError("database or disk is full")

    with patch.context() as here:
        here.setattr(store._database, "transaction", refuse)
        yield


def test_read__marks_of_every_kind__come_back(store: BitmapStore) -> None:
    a, b = store.track(Kind.LIVENESS, A), store.track(Kind.LIVENESS, B)
    health, probe = store.track(Kind.HEALTH, SERVED), store.track(Kind.PROBE, JOB)
    http, mqtt = store.way("http"), store.way("mqtt")
    store.way("never used")
    assert store.mark(b, 3, 0, http)
    assert store.mark(a, 3, 499, http)
    assert not store.mark(a, 3, 499, http)
    assert not store.mark(a, 3, 499, mqtt)  # no news, but another way that brings it
    store.mark(a, 4, 1, mqtt)
    store.mark(health, 3, 7, http)
    store.mark_bits(probe, 3, 0b110)
    store.see(probe, 3, BULK)
    store.mark_bits(b, 3, BULK, mqtt)
    store.observe(http, 3, 0b111)
    store.observe(http, 3, BULK << 4 & BULK)
    assert store.read(3) == EpochRecord(
        3,
        TICKS,
        (("http", BULK ^ 0b1000), ("mqtt", 0)),
        {
            Kind.LIVENESS: {A: Line(1 << 499, 0, 0b11), B: Line(BULK, 0, 0b11)},
            Kind.HEALTH: {SERVED: Line(1 << 7, 0, 0b1)},
            Kind.PROBE: {JOB: Line(0b110, BULK, 0)},
        },
    )
    assert store.read(4) == EpochRecord(4, TICKS, (("mqtt", 0),), {Kind.LIVENESS: {A: Line(0b10, 0, 0b1)}})
    assert store.read(5) == EpochRecord(5, TICKS)
    assert store.epochs() == [3, 4]


def test_read__way_that_observed_nothing__is_told(store: BitmapStore) -> None:
    """A node that nobody heard of is not known to be down where one of the ways was blind."""
    http, mqtt = store.way("http"), store.way("mqtt")
    store.observe(http, 0, BULK)
    store.observe(mqtt, 0, 0)
    assert store.read(0).ways == (("http", BULK), ("mqtt", 0))
    assert store.read(0).observable(A) == 0


def test_store__closed_and_opened__is_the_same(store: BitmapStore, place: str) -> None:
    tracks = [store.track(Kind.LIVENESS, name) for name in (A, B)]
    way = store.way("http")
    store.mark(tracks[0], 0, 5, way)
    store.fold()
    store.mark(tracks[1], 0, 6, way)
    store.mark(tracks[1], 1, 6, way)
    before = [store.read(epoch) for epoch in range(3)]
    store.close()
    again = opened(place)
    assert [again.read(epoch) for epoch in range(3)] == before
    assert again.track(Kind.LIVENESS, B) == tracks[1]
    assert again.way("http") == way
    assert not again.mark(tracks[0], 0, 5, way)
    assert not again.mark(tracks[1], 1, 6, way)
    again.close()


def test_bits__before_and_after_commits_and_folds__are_all_there(store: BitmapStore) -> None:
    track, way = store.track(Kind.LIVENESS, A), store.way("http")
    for act in (store.commit, store.fold, lambda: store.compact(9), lambda: None):
        store.mark(track, 0, 5, way)
        store.mark_bits(track, 1, BULK >> 3)
        assert store.bits(track, 0) == 1 << 5
        assert store.bits(track, 1) == BULK >> 3
        act()
    taken = store.take()
    store.mark_bits(track, 1, BULK)
    later = store.take()
    assert store.bits(track, 1) == BULK  # taken, and not yet written
    store.write(taken)
    store.write(later)
    assert store.bits(track, 1) == BULK


def test_fold__due__goes_on_with_each_commit_and_empties_the_log(
    store: BitmapStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "FOLD_BYTES", 1)
    monkeypatch.setattr(module, "_SLICE_ROWS", 1)
    monkeypatch.setattr(module, "SLICE_SECONDS", 0.0)
    tracks = [store.track(Kind.LIVENESS, bytes([number]) * 20) for number in range(40)]
    way = store.way("http")
    for tick in range(8):
        for track in tracks:
            store.mark(track, 0, tick, way)
    commits = 0
    while store.logged > 100 or not commits:
        store.mark(tracks[commits % 40], 0, 100 + commits, way)  # a fold doesn't wait for marks to end
        store.commit()
        commits += 1
        assert commits < 100
    assert commits > 40  # a row at a time
    record = store.read(0)
    assert all(record.line(Kind.LIVENESS, bytes([number]) * 20).up & 0b1111 == 0b1111 for number in range(40))


def test_memory__many_epochs__stays_flat(store: BitmapStore, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "FOLD_BYTES", 1)
    tracks = [store.track(Kind.LIVENESS, bytes([number]) * 20) for number in range(50)]
    way = store.way("http")
    for epoch in [*range(10), 3, 9, 10]:  # and a clock that was set back
        for tick in range(3):
            for track in tracks:
                store.mark(track, epoch, tick, way)
            store.observe(way, epoch, 1 << tick)
            store.commit()
        assert len(store._memory._rows) <= 3 * 51
    for epoch in range(11):
        record = store.read(epoch)
        assert len(record.lines[Kind.LIVENESS]) == 50
        assert set(record.lines[Kind.LIVENESS].values()) == {Line(0b111, 0, 1)}


def test_memory__row_of_an_old_epoch__is_dropped_when_the_disk_has_it_and_comes_back(store: BitmapStore) -> None:
    a, b, way = store.track(Kind.LIVENESS, A), store.track(Kind.LIVENESS, B), store.way("http")
    held = store._memory._rows
    for track in (a, b):
        store.mark(track, 0, 0, way)
    store.mark(a, 1, 0, way)
    store.fold()
    store.mark(a, 0, 1, way)  # late, after the fold: not on the disk
    store.mark(b, 1, 0, way)
    assert a in held
    assert b not in held
    assert not store.mark(b, 0, 0, way)
    assert store.mark(b, 0, 1, way)
    store.fold()
    assert {line.up for line in store.read(0).lines[Kind.LIVENESS].values()} == {0b11}


@pytest.mark.parametrize(
    ("track", "epoch", "tick", "way", "said"),
    [
        (64, -1, 0, 0, "epoch is -1"),
        (64, 2**31, 0, 0, "epoch is 2147483648"),
        (64, 0, -1, 0, "tick is -1, outside 0..499"),
        (64, 0, 500, 0, "tick is 500, outside 0..499"),
        (65, 0, 0, 0, "track is 65, which this store never gave"),
        (64, 0, 0, 64, "way is 64"),
    ],
)
def test_mark__value_that_cant_be__refused_and_nothing_kept(
    store: BitmapStore, track: int, epoch: int, tick: int, way: int, said: str
) -> None:
    assert store.track(Kind.LIVENESS, A) == 64
    store.commit()
    with pytest.raises(InvalidValue, match=said):
        store.mark(track, epoch, tick, way)
    with pytest.raises(InvalidValue, match=said):
        store.mark_all([track], epoch, tick, way)
    assert not store.take()


@pytest.mark.parametrize("bits", [-1, 1 << TICKS])
def test_bits__beyond_the_epoch__refused(store: BitmapStore, bits: int) -> None:
    track, way = store.track(Kind.LIVENESS, A), store.way("http")
    store.commit()
    for note in (store.mark_bits, store.see):
        with pytest.raises(InvalidValue):
            note(track, 0, bits)
    with pytest.raises(InvalidValue):
        store.observe(way, 0, bits)
    assert not store.take()


def test_track__name_of_a_wrong_size__refused(store: BitmapStore) -> None:
    with pytest.raises(InvalidValue, match="HEALTH is named 'aaaa"):
        store.track(Kind.HEALTH, A)


def test_way__a_64th__refused(store: BitmapStore) -> None:
    assert [store.way(str(number)) for number in range(63)] == list(range(63))
    track = store.track(Kind.LIVENESS, A)
    store.mark(track, 0, 0, 62)
    with pytest.raises(InvalidValue, match="at most 63"):
        store.way("one more")
    store.fold()
    assert store.read(0).ways == (("62", 0),)


def test_write__database_refuses__marks_wait_for_the_next_commit(
    store: BitmapStore, place: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    a, way = store.track(Kind.LIVENESS, A), store.way("http")
    store.mark(a, 0, 1, way)
    store.mark_bits(a, 1, BULK)
    with failing_transactions(store, monkeypatch), pytest.raises(StoreError):
        store.commit()
    assert store.backlog > 13
    b = store.track(Kind.LIVENESS, B)
    store.mark(b, 0, 2, way)
    assert store.bits(a, 1) == BULK
    lines = store.read(0).lines[Kind.LIVENESS]
    assert (lines[A].up, lines[B].up) == (0b10, 0b100)
    assert store.read(1).line(Kind.LIVENESS, A).up == BULK
    assert opened_reads(place) == store.read(0)
    assert store.backlog == 0


def test_commit__while_a_batch_taken_earlier_waits__takes_it_along(
    store: BitmapStore, place: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Else marks would be durable before the track that they name, and after a kill another one's."""
    way = store.way("http")
    store.mark(store.track(Kind.LIVENESS, A), 0, 1, way)
    earlier = store.take()
    store.mark(store.track(Kind.LIVENESS, A), 0, 2, way)
    store.mark(store.track(Kind.LIVENESS, B), 0, 3, way)
    store.commit()
    assert {name: line.up for name, line in opened_reads(place).lines[Kind.LIVENESS].items()} == {A: 0b110, B: 0b1000}
    store.write(earlier)
    assert store.logged == 3
    store.mark(store.track(Kind.LIVENESS, A), 0, 4, way)
    earlier = store.take()
    with failing_transactions(store, monkeypatch), pytest.raises(StoreError, match="full"):
        store.commit()
    with pytest.raises(StoreError, match="an earlier commit took these marks along and failed; commit again"):
        store.write(earlier)  # it isn't durable, and must not be acknowledged
    store.commit()
    assert opened_reads(place).line(Kind.LIVENESS, A).up == 0b10110


def test_write__only_the_fold_fails__marks_are_durable_and_the_fold_is_made_later(
    store: BitmapStore, place: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "FOLD_BYTES", 1)
    track, way = store.track(Kind.LIVENESS, A), store.way("http")
    store.fold()

    def refuse(*_: object) -> None:
        raise StoreError("database or disk is full")

    store.mark(track, 0, 1, way)
    with monkeypatch.context() as patch:
        patch.setattr(store._database, "run_many", refuse)  # which a fold needs, and a log doesn't
        store.commit()
        store.mark_bits(track, 0, 0b1111000)
        store.commit()
        store.mark_bits(track, 0, 0b1111 << 20)
        store.commit()
        assert store.logged == 9
        reading = opened(place, read_only=True)
        assert reading.read(0).line(Kind.LIVENESS, A).up == 0b1111 << 20 | 0b1111010
        reading.close()
    store.commit()
    store.commit()
    assert store.logged == 0
    assert opened_reads(place).line(Kind.LIVENESS, A).up == 0b1111 << 20 | 0b1111010


def test_open__another_network_or_clock__refused(store: BitmapStore, place: str) -> None:
    store.close()
    with pytest.raises(StoreError, match=r"another network .label 'net', not 'other'"):
        open_store(place, CLOCK, "other")
    with pytest.raises(StoreError, match=r"another network .clock '1000/5000/10', not '1000/5000/20'"):
        open_store(place, EpochClock(1000, 5000, 20), "net")


def test_open__second_writer__refused_until_the_first_closes(store: BitmapStore, place: str) -> None:
    with pytest.raises(StoreError, match="is in use by another process; stop it"):
        opened(place)
    store.mark(store.track(Kind.LIVENESS, A), 0, 0, store.way("http"))
    store.commit()
    store.close()
    opened(place).close()


def test_read_only__beside_the_writer__sees_what_is_committed_and_writes_nothing(
    store: BitmapStore, place: str
) -> None:
    track, way = store.track(Kind.LIVENESS, A), store.way("http")
    store.mark(track, 0, 0, way)
    store.commit()
    reading = opened(place, read_only=True)
    store.mark(track, 0, 1, way)
    assert reading.read(0).line(Kind.LIVENESS, A) == Line(0b1, 0, 1)
    store.commit()
    store.mark(track, 2, 1, way)
    store.commit()
    assert reading.bits(track, 0) == 0b11
    for act in (lambda: None, store.fold, lambda: store.compact(2)):
        act()
        assert reading.read(0).line(Kind.LIVENESS, A) == Line(0b11, 0, 1)
        assert reading.epochs() == [0, 2]
    with pytest.raises(StoreError):
        reading.put_state("x", b"")
    reading.close()
    assert opened_reads(place) == store.read(0)


def opened_reads(place: str) -> EpochRecord:
    reading = opened(place, read_only=True)
    try:
        return reading.read(0)
    finally:
        reading.close()


def test_read_only__no_store__refused(place: str) -> None:
    with pytest.raises(StoreError, match="doesn't exist; name the store of an oracle"):
        opened(place, read_only=True)


def test_compact__epochs_before__read_as_before_and_take_late_bits(store: BitmapStore, place: str) -> None:
    track, way = store.track(Kind.LIVENESS, A), store.way("http")
    for epoch in range(3):
        store.mark_bits(track, epoch, BULK >> 5, way)
        store.observe(way, epoch, BULK)
    before = [store.read(epoch) for epoch in range(3)]
    assert store.compact(2) == 4
    assert store.compact(2) == 0
    assert [store.read(epoch) for epoch in range(3)] == before
    store.mark(track, 0, 499, way)  # a clock that was set back, say
    assert store.read(0).line(Kind.LIVENESS, A).up == BULK >> 5 | 1 << 499
    assert store.compact(2) == 1
    store.close()
    again = opened(place)
    assert again.read(0).line(Kind.LIVENESS, A).up == BULK >> 5 | 1 << 499
    again.close()


def test_forget__epochs_before__are_gone_for_good_and_nothing_else(store: BitmapStore, place: str) -> None:
    track, way = store.track(Kind.LIVENESS, A), store.way("http")
    for epoch in range(4):
        store.mark(track, epoch, epoch, way)
        store.mark_bits(track, epoch, BULK >> 5)
    store.journal_observation(0, 1, b"h" * 32, b"s" * 64, b"content")
    store.compact(1)
    assert store.forget(3) == 3
    for held in (store, None):
        now = held or opened(place)
        assert now.epochs() == [3]
        assert now.read(2) == EpochRecord(2, TICKS)
        assert now.read(3).line(Kind.LIVENESS, A).up == BULK >> 5 | 1 << 3
        assert now.observation(0, 1) is not None
        now.close()


def test_journal__same_content_again__first_signature_stands(store: BitmapStore, place: str) -> None:
    held = store.journal_observation(4, 1, b"h" * 32, b"s" * 64, b"content")
    assert held == JournalledObservation(b"h" * 32, b"s" * 64, b"content")
    assert store.journal_observation(4, 1, b"h" * 32, b"t" * 64, b"content") == held
    store.close()
    again = opened(place)
    assert again.observation(4, 1) == held
    assert again.observation(4, 2) is None
    again.close()


def test_journal__other_content__never_signed(store: BitmapStore) -> None:
    store.journal_observation(4, 1, b"h" * 32, b"s" * 64, b"content")
    with pytest.raises(StoreError, match="epoch 4, committee 1 is signed already with content 0x6868"):
        store.journal_observation(4, 1, b"i" * 32, b"s" * 64, b"other")
    store.journal_observation(4, 2, b"i" * 32, b"s" * 64, b"other")
    store.journal_observation(5, 1, b"i" * 32, b"s" * 64, b"other")


def test_journal__at_or_below_the_floor__signs_only_what_it_holds(store: BitmapStore, place: str) -> None:
    assert store.journal_floor == -1
    held = store.journal_observation(3, 1, b"h" * 32, b"s" * 64, b"content")
    store.set_journal_floor(4)
    store.set_journal_floor(2)  # it only rises
    store.close()
    again = opened(place)
    assert again.journal_floor == 4
    assert again.journal_observation(3, 1, b"h" * 32, b"t" * 64, b"content") == held
    for epoch, committee in ((3, 2), (4, 1)):
        with pytest.raises(JournalFloor, match=f"may have signed epoch {epoch}; this oracle abstains up to epoch 4"):
            again.journal_observation(epoch, committee, b"h" * 32, b"s" * 64, b"content")
    again.journal_observation(5, 1, b"h" * 32, b"s" * 64, b"content")
    again.close()


def test_state__put_twice__last_one_is_kept(store: BitmapStore, place: str) -> None:
    assert store.get_state("ledger") is None
    store.put_state("ledger", b"one")
    store.put_state("ledger", b"two")
    for key in ("a:1", "a:2", "a:3", "B:1"):
        store.put_state(key, b"")
    store.drop_state("a:1", "a:3")
    store.close()
    again = opened(place)
    assert again.get_state("ledger") == b"two"
    assert [again.get_state(key) for key in ("a:1", "a:2", "a:3", "B:1")] == [None, None, b"", b""]
    again.close()


def test_restore__backup_made_under_load__is_the_store_with_a_floor(
    store: BitmapStore, elsewhere: Callable[[], str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "FOLD_BYTES", 2000)
    tracks = [store.track(Kind.LIVENESS, bytes([number]) * 20) for number in range(20)]
    way = store.way("http")
    store.mark_bits(tracks[0], 0, BULK, way)
    store.compact(1)
    signed = store.journal_observation(1, 1, b"h" * 32, b"s" * 64, b"content")
    store.put_state("ledger", b"one")
    done = threading.Event()
    acknowledged = [-1]

    def load() -> None:
        for tick in range(TICKS):
            for track in tracks:
                store.mark(track, 2, tick, way)
            store.commit()
            acknowledged[0] = tick
            if done.is_set():
                return

    writing = threading.Thread(target=load)
    writing.start()
    while acknowledged[0] < 3:
        done.wait(0.01)
    copies = []
    for name in ("one", "two"):
        before = acknowledged[0]
        backup(store.location, tmp_path / name)
        copies.append((tmp_path / name, before, acknowledged[0] + 1))
    done.set()
    writing.join()
    assert sorted(path.name for path in tmp_path.iterdir() if path.name.startswith(("one", "two"))) == ["one", "two"]
    for copy, before, after in copies:
        where = elsewhere()
        assert restore(copy, where, now=CLOCK.end(2)) == 2
        again = opened(where)
        assert again.read(0) == store.read(0)
        record = again.read(2)
        for number in range(20):
            up = record.line(Kind.LIVENESS, bytes([number]) * 20).up
            assert up & up + 1 == 0
            assert before < up.bit_length() <= after + 1
        assert again.observation(1, 1) == signed
        assert again.get_state("ledger") == b"one"
        with pytest.raises(JournalFloor):
            again.journal_observation(2, 1, b"h" * 32, b"s" * 64, b"content")
        again.journal_observation(3, 1, b"h" * 32, b"s" * 64, b"content")
        assert again.track(Kind.LIVENESS, b"new" + bytes(17)) == tracks[-1] + 1
        again.close()
        with pytest.raises(StoreError, match="exists; name"):
            restore(copy, where, now=CLOCK.end(2))
    with pytest.raises(StoreError, match="exists; name"):
        backup(store.location, copies[0][0])


def test_restore__clock_is_wrong__floor_is_what_the_backup_knows_to_be_over(
    store: BitmapStore, elsewhere: Callable[[], str], tmp_path: Path
) -> None:
    store.mark_bits(store.track(Kind.LIVENESS, A), 7, BULK, store.way("http"))
    store.journal_observation(6, 1, b"h" * 32, b"s" * 64, b"content")
    store.commit()
    backup(store.location, tmp_path / "backup")
    assert restore(tmp_path / "backup", elsewhere(), now=0) == 6


def test_restore__not_finished__is_not_opened(store: BitmapStore, place: str) -> None:
    with store._database.transaction():
        store._database.run("INSERT INTO meta VALUES ('unfinished', 'this restoration')")
    store.close()
    with pytest.raises(StoreError, match="this restoration was not finished; remove it and begin again"):
        opened(place)


def test_mark__while_another_thread_commits_and_folds__loses_nothing(
    store: BitmapStore, place: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "FOLD_BYTES", 1)
    monkeypatch.setattr(module, "_SLICE_ROWS", 3)
    tracks = [store.track(Kind.LIVENESS, bytes([number]) * 20) for number in range(30)]
    way = store.way("http")
    over = threading.Event()

    def write() -> None:
        while not over.is_set():
            store.commit()

    writing = threading.Thread(target=write)
    writing.start()
    interval = sys.getswitchinterval()
    sys.setswitchinterval(1e-5)
    try:
        for epoch in range(6):
            for tick in range(TICKS):
                for track in tracks:
                    store.mark(track, epoch, tick, way)
                time.sleep(0)
    finally:
        over.set()
        writing.join()
        sys.setswitchinterval(interval)
    store.commit()
    check_all_up(opened(place, read_only=True))
    store.fold()
    check_all_up(opened(place, read_only=True))


@pytest.mark.parametrize("many", [False, True])
@pytest.mark.parametrize("when", ["before", "after"])
def test_mark__whole_fold_by_another_thread_around_its_last_step__loses_nothing(
    store: BitmapStore, place: str, when: str, many: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The marking thread is held up while it appends to the log; the other one commits, folds and deletes the log."""
    track, way = store.track(Kind.LIVENESS, A), store.way("http")
    store.mark(track, 0, 0, way)
    store.fold()
    append = store._memory._append

    def held_up(mark: bytes) -> None:
        if when == "after":
            append(mark)
        store.fold()
        if when == "before":
            append(mark)

    with monkeypatch.context() as patch:
        patch.setattr(store._memory, "_append", held_up)
        if many:
            store.mark_all([track], 0, 1, way)
        else:
            store.mark(track, 0, 1, way)
    store.commit()
    store._fold_slice(1.0)
    store._database.close()  # as a kill would
    store._reader.close()
    assert opened_reads(place).line(Kind.LIVENESS, A).up == 0b11
    store.close = lambda: None  # nothing more that the fixture could do


def check_all_up(reading: BitmapStore) -> None:
    for epoch in range(6):
        lines = reading.read(epoch).lines[Kind.LIVENESS]
        assert [line.up for line in lines.values()] == [BULK] * 30
    reading.close()
