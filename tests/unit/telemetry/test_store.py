# SPDX-License-Identifier: Apache-2.0
"""The bitmap store in SQLite: all that any store does, and what its files may suffer."""

from __future__ import annotations

import itertools
import random
import shutil
import sqlite3
import sys
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, suppress
from pathlib import Path

import pytest

from oracle.ground.clock import EpochClock
from oracle.ground.errors import InvalidValue
from oracle.telemetry.store import rows
from oracle.telemetry.store.bitmaps import BitmapStore
from oracle.telemetry.store.errors import StoreError
from oracle.telemetry.store.opening import open_store
from oracle.telemetry.store.records import Kind, Line
from tests.store_suite import *  # noqa: F403
from tests.store_suite import BULK, A, B, opened


@pytest.fixture
def place(tmp_path: Path) -> str:
    return str(tmp_path / "a store?#%.db")


@pytest.fixture
def elsewhere(tmp_path: Path) -> Callable[[], str]:
    numbers = itertools.count()
    return lambda: str(tmp_path / f"restored-{next(numbers)}.db")


def test_open__another_schema__refused(store: BitmapStore, place: str) -> None:
    store.close()
    with sqlite3.connect(place) as database:
        database.execute("UPDATE meta SET value = '99' WHERE key = 'schema'")
    database.close()
    with pytest.raises(StoreError, match="has schema 99, this version reads 2"):
        opened(place)


@pytest.mark.parametrize("read_only", [False, True])
def test_open__not_a_store__refused_and_untouched(tmp_path: Path, read_only: bool) -> None:
    path = tmp_path / "theirs"
    path.write_bytes(b"a text that is long enough not to be taken for an empty database " * 50)
    before = path.read_bytes()
    with pytest.raises(StoreError, match="is not an oracle's store"):
        opened(str(path), read_only=read_only)
    assert path.read_bytes() == before
    path.unlink()
    with sqlite3.connect(path) as database:
        database.execute("CREATE TABLE theirs (x)")
    database.close()
    before = path.read_bytes()
    with pytest.raises(StoreError, match="is a database but not an oracle's store"):
        opened(str(path), read_only=read_only)
    assert path.read_bytes() == before


def test_open__no_folder__refused(tmp_path: Path) -> None:
    with pytest.raises(StoreError, match="can't be opened"):
        opened(str(tmp_path / "none" / "store.db"))


def test_read__damaged_bitmap_or_log__told(store: BitmapStore, place: str) -> None:
    track, way = store.track(Kind.LIVENESS, A), store.way("http")
    store.mark(track, 0, 0, way)
    store.fold()
    with store._database.transaction():
        store._database.run("UPDATE line SET bits = ? WHERE key = ?", rows.row(track, 1, bytes(63))[:-1] + b"\1", track)
    with pytest.raises(StoreError, match=r"is damaged \(bitmap 64: its checksum is wrong\); restore it from a backup"):
        store.read(0)
    with store._database.transaction():
        store._database.run("DELETE FROM line WHERE key = ?", track)
    store.mark(track, 0, 1, way)
    store.commit()
    with store._database.transaction():
        store._database.run("UPDATE log SET marks = ?", b"torn")
    with pytest.raises(
        StoreError, match=r"is damaged \(log segment 2: its checksum is wrong\); restore it from a backup"
    ):
        opened(place, read_only=True).read(0)


def killed(place: str, to: Path) -> str:
    """The files of a store as a kill at this moment would leave them."""
    for suffix in ("", "-wal"):
        shutil.copy(place + suffix, str(to) + suffix)
    return str(to)


@pytest.mark.parametrize("cut", [1, 20, 3000, 32_000, 70_000])
def test_open__log_torn_by_a_power_cut__has_all_that_was_acknowledged(
    store: BitmapStore, place: str, tmp_path: Path, cut: int
) -> None:
    track, way = store.track(Kind.LIVENESS, A), store.way("http")
    for tick in range(5):
        store.mark(track, 0, tick, way)
        store.commit()
    acknowledged = Path(place + "-wal").stat().st_size
    store.mark_bits(track, 1, BULK, way)
    store.commit()
    torn = killed(place, tmp_path / "torn")
    whole = Path(torn + "-wal").read_bytes()
    assert len(whole) > acknowledged
    Path(torn + "-wal").write_bytes(whole[: max(acknowledged, len(whole) - cut)])
    again = opened(torn)
    assert again.read(0).line(Kind.LIVENESS, A).up == 0b11111
    assert again.read(1).lines == {}
    again.mark(track, 0, 7, way)
    again.close()


def filled(place: str) -> int:
    """A store of 400 nodes, closed; returns its bytes."""
    store = opened(place)
    way = store.way("http")
    for number in range(400):
        store.mark_bits(store.track(Kind.LIVENESS, number.to_bytes(20, "big")), 0, BULK, way)
    store.close()
    return Path(place).stat().st_size


@pytest.mark.parametrize("tenths", range(10))
def test_open__main_file_cut_short__is_told(place: str, tenths: int) -> None:
    size = filled(place)
    with Path(place).open("r+b") as file:
        file.truncate(size * tenths // 10 + tenths % 2)
    with pytest.raises(StoreError, match="restore it from a backup"):
        opened(place)


@pytest.mark.parametrize("tenths", range(10))
def test_read__hole_in_the_main_file__is_told_or_costs_nothing(place: str, tenths: int) -> None:
    """What a disk loses is never taken for a node's silence."""
    size = filled(place)
    with Path(place).open("r+b") as file:
        file.seek(size * tenths // 10 + 100)
        file.write(bytes(512))
    found, told = told_of(place)
    assert "restore it from a backup" in told or found == [BULK] * 400


def told_of(place: str) -> tuple[list[int], str]:
    """What a store has of its nodes, or why it can't tell."""
    try:
        store = opened(place)
        try:
            return [line.up for line in store.read(0).lines[Kind.LIVENESS].values()], ""
        finally:
            store.close()
    except StoreError as error:
        return [], str(error)


def test_fold__new_track_not_yet_durable__keeps_its_row_from_the_disk(
    store: BitmapStore, place: str, tmp_path: Path
) -> None:
    """A row on the disk before its track would be another track's after a kill."""
    a, way = store.track(Kind.LIVENESS, A), store.way("http")
    store.mark(a, 0, 1, way)
    store.commit()
    b = store.track(Kind.LIVENESS, B)
    store.mark(b, 0, 2, way)
    store._fold_slice(1.0)
    assert store.logged == 0
    again = opened(killed(place, tmp_path / "killed"))
    other = again.track(Kind.LIVENESS, b"\xcc" * 20)
    assert other == b
    again.mark(other, 0, 3, way)
    assert again.read(0).lines[Kind.LIVENESS] == {A: Line(0b10, 0, 1), b"\xcc" * 20: Line(0b1000, 0, 1)}
    again.close()


def test_size__a_day_in_ten_second_ticks__is_within_its_budget(place: str) -> None:
    """Bytes per node and epoch: 1,080 are the bare bits."""
    clock, nodes = EpochClock(0, 86_400, 10), 300
    whole = (1 << 8640) - 1
    store = open_store(place, clock, "net")
    empty = store.size()
    way = store.way("http")
    chance = random.Random(7)
    for epoch in range(3):
        store.observe(way, epoch, whole)
        for number in range(nodes):
            # One beat in a hundred is lost, and each node is away for a while; one in ten is a coin.
            lost = sum(1 << chance.randrange(8640) for _ in range(86)) | ((1 << chance.randrange(400)) - 1) << 1000
            bits = chance.getrandbits(8640) if number % 10 == 0 else whole & ~lost
            store.mark_bits(store.track(Kind.LIVENESS, number.to_bytes(20, "big")), epoch, bits, way)
    store.commit()
    assert (store.size() - empty) / nodes / 3 < 1.1 * 1080
    before = store.read(1)
    store.compact(3)
    assert (store.size() - empty) / nodes / 3 < 400
    assert store.read(1) == before
    store.close()


def test_rows__of_either_form__come_back_and_damage_is_seen() -> None:
    plain = rows.row(64, 3, bytes(range(62)) + b"\xff")
    full = rows.packed(rows.row(64, 3, b"\xff" * 63))
    assert len(full) < 30
    assert rows.packed(plain) == plain  # not worth it
    assert rows.packed(full) == full
    assert rows.bits(64, 3, full, 8 * 63) == (1 << 8 * 63) - 1
    for key, ways in ((65, 3), (64, 2)):
        with pytest.raises(InvalidValue, match="checksum"):
            rows.bits(key, ways, plain, 8 * 63)
    for whole in (plain, full):
        for place_ in range(len(whole)):
            damaged = whole[:place_] + bytes([whole[place_] ^ 4]) + whole[place_ + 1 :]
            with pytest.raises(InvalidValue, match="bitmap"):
                rows.bits(64, 3, damaged, 8 * 63)


DAY = EpochClock(1000, 86_400, 10)


def test_track__asked_for_by_several_threads_at_once__has_one_number(tmp_path: Path) -> None:
    names = [number.to_bytes(20, "big") for number in range(3_000)]
    kept = sys.getswitchinterval()
    sys.setswitchinterval(1e-6)
    try:
        with closing(open_store(tmp_path / "store.db", DAY, "net")) as store, ThreadPoolExecutor(3) as threads:
            found = list(threads.map(lambda _: [store.track(Kind.LIVENESS, name) for name in names], range(3)))
    finally:
        sys.setswitchinterval(kept)
    assert found[0] == found[1] == found[2]
    assert len(set(found[0])) == len(names)


def test_close__while_another_thread_compacts__waits_for_it(tmp_path: Path) -> None:
    path = tmp_path / "store.db"
    store = open_store(path, DAY, "net")
    for epoch in range(20):
        for number in range(100):
            track = store.track(Kind.LIVENESS, number.to_bytes(20, "big"))
            store.mark_bits(track, epoch, (1 << DAY.ticks_per_epoch) - 1)
    store.commit()
    with ThreadPoolExecutor(1) as thread:
        compacting = thread.submit(store.compact, 19)
        store.close()
        with suppress(StoreError):
            compacting.result()
    with closing(open_store(path, DAY, "net")) as again:
        assert all(len(again.read(epoch).lines[Kind.LIVENESS]) == 100 for epoch in range(20))
