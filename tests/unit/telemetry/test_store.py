"""The bitmap store: what is kept, what is refused, what a failing disk leaves behind."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from pathlib import Path

import pytest

from oracle.ground.clock import EpochClock
from oracle.ground.errors import InvalidValue
from oracle.telemetry import store as store_module
from oracle.telemetry.store import BitmapStore, EpochRecord, JournalledObservation, StoreError

CLOCK = EpochClock(genesis=1000, length=200, tick=10)
A = "0x" + "aa" * 20
B = "0x" + "bb" * 20


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "store.db"


@pytest.fixture
def store(path: Path) -> Iterator[BitmapStore]:
    opened = BitmapStore(path, CLOCK, "net")
    yield opened
    opened.close()


def test_read__marks_of_every_kind__come_back(store: BitmapStore) -> None:
    store.mark(B, 3, 0, sequence=7)
    store.mark(A, 3, 19)
    store.mark(A, 3, 19)
    store.mark(A, 4, 1)
    store.mark_bits(A, 3, 0b110)
    store.mark_bits(B, 3, 0)
    store.observe(3, 0b111)
    store.observe(3, 0b1000)
    store.unseen(B, 3, 0b10)
    assert store.read(3) == EpochRecord(observed=0b1111, up={A: 1 << 19 | 0b110, B: 1}, unseen={B: 0b10})
    assert list(store.read(3).up) == [A, B]
    assert store.read(4) == EpochRecord(0, {A: 0b10}, {})
    assert store.read(5) == EpochRecord(0, {}, {})


def test_store__closed_and_opened__is_the_same(store: BitmapStore, path: Path) -> None:
    store.mark(A, 0, 5, sequence=2**64 - 1)
    store.mark(B, 0, 6, sequence=9)
    store.observe(0, 0b111)
    before = store.read(0)
    store.mark(B, 0, 7, sequence=8)
    store.close()
    again = BitmapStore(path, CLOCK, "net")
    assert again.read(0).up == {A: 1 << 5, B: 0b11 << 6}
    assert again.read(0).observed == before.observed
    assert (again.last_sequence(A), again.last_sequence(B)) == (2**64 - 1, 9)
    again.close()


def test_last_sequence__marked_but_not_committed__is_known(store: BitmapStore) -> None:
    assert store.last_sequence(A) == 0
    store.mark(A, 0, 0, sequence=5)
    store.mark(A, 0, 0, sequence=3)
    assert store.last_sequence(A) == 5


def test_fold__many_marks__happens_by_itself(store: BitmapStore, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(store_module, "FOLD_AFTER", 3)
    for tick in range(4):
        store.mark(A, 0, tick)
    store.commit()
    assert store._database.execute("SELECT count(*) FROM log").fetchone() == (0,)
    assert store.read(0).up == {A: 0b1111}


@pytest.mark.parametrize(
    ("node", "epoch", "tick", "sequence", "said"),
    [
        (A, -1, 0, 0, "epoch is -1"),
        (A, 2**31, 0, 0, "epoch is 2147483648"),
        (A, 0, -1, 0, "tick is -1, outside 0..19"),
        (A, 0, 20, 0, "tick is 20, outside 0..19"),
        (A, 0, 0, 2**64, "not a u64"),
        (A, 0, 0, -1, "not a u64"),
        ("0xAA" + "aa" * 19, 0, 0, 0, "lower case"),
        ("aa" * 21, 0, 0, 0, "0x and 40 hex"),
        ("0x" + "zz" * 20, 0, 0, 0, "0x and 40 hex"),
        ("0x" + "a " * 20, 0, 0, 0, "0x and 40 hex"),
        ("", 0, 0, 0, "0x and 40 hex"),
    ],
)
def test_mark__value_that_cant_be__refused_and_nothing_kept(
    store: BitmapStore, node: str, epoch: int, tick: int, sequence: int, said: str
) -> None:
    with pytest.raises(InvalidValue, match=said):
        store.mark(node, epoch, tick, sequence)
    assert not store.take()


@pytest.mark.parametrize("bits", [-1, 1 << 20])
def test_bits__beyond_the_epoch__refused(store: BitmapStore, bits: int) -> None:
    for note in (lambda: store.mark_bits(A, 0, bits), lambda: store.observe(0, bits), lambda: store.unseen(A, 0, bits)):
        with pytest.raises(InvalidValue):
            note()
    assert not store.take()


def test_write__disk_refuses__marks_wait_for_the_next_commit(
    store: BitmapStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Full:
        in_transaction = False

        def execute(self, *_: object) -> None:
            raise sqlite3.OperationalError("database or disk is full")

    store.mark(A, 0, 1)
    with monkeypatch.context() as patch:
        patch.setattr(store, "_database", Full())
        with pytest.raises(StoreError, match=r"store\.db: can't be written \(database or disk is full\); check"):
            store.commit()
    store.mark(B, 0, 2)
    assert store.read(0).up == {A: 0b10, B: 0b100}


def test_open__another_network_or_clock__refused(store: BitmapStore, path: Path) -> None:
    store.close()
    with pytest.raises(StoreError, match=r"another network .label 'net', not 'other'"):
        BitmapStore(path, CLOCK, "other")
    with pytest.raises(StoreError, match=r"another network .clock '1000/200/10', not '1000/200/20'"):
        BitmapStore(path, EpochClock(1000, 200, 20), "net")


def test_open__another_schema__refused(store: BitmapStore, path: Path) -> None:
    store.close()
    with sqlite3.connect(path) as database:
        database.execute("PRAGMA user_version = 99")
    database.close()
    with pytest.raises(StoreError, match="has schema 99, this version reads 1"):
        BitmapStore(path, CLOCK, "net")


def test_open__in_use__refused(store: BitmapStore, path: Path) -> None:
    with pytest.raises(StoreError, match=r"store\.db: is in use by another process; stop it"):
        BitmapStore(path, CLOCK, "net")


def test_open__not_a_store__refused_and_untouched(path: Path) -> None:
    path.write_bytes(b"a text that is long enough not to be taken for an empty database " * 50)
    before = path.read_bytes()
    with pytest.raises(StoreError, match="is not an oracle's store"):
        BitmapStore(path, CLOCK, "net")
    assert path.read_bytes() == before
    path.unlink()
    with sqlite3.connect(path) as database:
        database.execute("CREATE TABLE theirs (x)")
    database.close()
    before = path.read_bytes()
    with pytest.raises(StoreError, match="is a database but not an oracle's store"):
        BitmapStore(path, CLOCK, "net")
    assert path.read_bytes() == before


def test_open__no_folder__refused(tmp_path: Path) -> None:
    with pytest.raises(StoreError, match="can't be opened"):
        BitmapStore(tmp_path / "none" / "store.db", CLOCK, "net")


def test_read__damaged_bitmap__told(store: BitmapStore) -> None:
    store.mark(A, 0, 0)
    store.read(0)
    store._database.execute("UPDATE up SET bits = x'00'")
    with pytest.raises(StoreError, match=r"store\.db: is damaged \(bitmap has 1 bytes.*\); restore"):
        store.read(0)


def test_journal__same_content_again__first_signature_stands(store: BitmapStore, path: Path) -> None:
    held = store.journal_observation(4, 1, b"h" * 32, b"s" * 64, b"content")
    assert held == JournalledObservation(b"h" * 32, b"s" * 64, b"content")
    assert store.journal_observation(4, 1, b"h" * 32, b"t" * 64, b"content") == held
    store.close()
    again = BitmapStore(path, CLOCK, "net")
    assert again.observation(4, 1) == held
    assert again.observation(4, 2) is None
    again.close()


def test_journal__other_content__never_signed(store: BitmapStore) -> None:
    store.journal_observation(4, 1, b"h" * 32, b"s" * 64, b"content")
    with pytest.raises(StoreError, match="epoch 4, committee 1 is signed already with content 0x6868"):
        store.journal_observation(4, 1, b"i" * 32, b"s" * 64, b"other")
    store.journal_observation(4, 2, b"i" * 32, b"s" * 64, b"other")
    store.journal_observation(5, 1, b"i" * 32, b"s" * 64, b"other")


def test_state__put_twice__last_one_is_kept(store: BitmapStore, path: Path) -> None:
    assert store.get_state("ledger") is None
    store.put_state("ledger", b"one")
    store.put_state("ledger", b"two")
    store.close()
    again = BitmapStore(path, CLOCK, "net")
    assert again.get_state("ledger") == b"two"
    again.close()
