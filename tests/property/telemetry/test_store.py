"""The store against a dictionary, whatever the order of marks, commits, folds and restarts."""

from __future__ import annotations

import itertools
from collections import defaultdict
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from oracle.ground.clock import EpochClock
from oracle.telemetry.store import BitmapStore

CLOCK = EpochClock(genesis=0, length=130, tick=10)
NODES = st.sampled_from(["0x" + c * 40 for c in "0ab"])
EPOCHS = st.integers(0, 2)
MASKS = st.integers(0, 2**13 - 1)
STEPS = st.one_of(
    st.tuples(st.just("mark"), NODES, EPOCHS, st.integers(0, 12), st.integers(0, 2**64 - 1)),
    st.tuples(st.just("bits"), NODES, EPOCHS, MASKS),
    st.tuples(st.just("observe"), EPOCHS, MASKS),
    st.tuples(st.just("unseen"), NODES, EPOCHS, MASKS),
    st.tuples(st.sampled_from(["commit", "fold", "reopen"])),
)
NUMBERS = itertools.count()


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("stores")


@settings(max_examples=40, deadline=None)
@given(steps=st.lists(STEPS, max_size=25))
def test_read__any_history__holds_every_mark(folder: Path, steps: list[tuple]) -> None:
    path = folder / f"{next(NUMBERS)}.db"
    store = BitmapStore(path, CLOCK, "net")
    up: dict = defaultdict(int)
    unseen: dict = defaultdict(int)
    observed: dict = defaultdict(int)
    sequences: dict = defaultdict(int)
    for what, *rest in steps:
        match what:
            case "mark":
                node, epoch, tick, sequence = rest
                store.mark(node, epoch, tick, sequence)
                up[epoch, node] |= 1 << tick
                sequences[node] = max(sequences[node], sequence)
            case "bits":
                node, epoch, bits = rest
                store.mark_bits(node, epoch, bits)
                up[epoch, node] |= bits
            case "observe":
                store.observe(*rest)
                observed[rest[0]] |= rest[1]
            case "unseen":
                node, epoch, bits = rest
                store.unseen(node, epoch, bits)
                unseen[epoch, node] |= bits
            case "commit":
                store.commit()
            case "fold":
                store.fold()
            case "reopen":
                store.close()
                store = BitmapStore(path, CLOCK, "net")
    for epoch in range(3):
        record = store.read(epoch)
        assert record.observed == observed[epoch]
        assert record.up == {node: bits for (e, node), bits in up.items() if e == epoch and bits}
        assert record.unseen == {node: bits for (e, node), bits in unseen.items() if e == epoch and bits}
    assert all(store.last_sequence(node) == sequence for node, sequence in sequences.items())
    store.close()
    path.unlink()
