"""Traces against a model that walks second by second, and files made of anything."""

from __future__ import annotations

import gzip
import lzma
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from oracle.ground.clock import EpochClock
from oracle.telemetry.traces.trace import Trace, TraceError, load

Row = tuple[int, int, str]
STATES = st.sampled_from(["up", "down", "unknown"])
PARTS = st.lists(st.tuples(st.integers(0, 25), st.integers(1, 40), STATES), min_size=1, max_size=12)
CLOCKS = st.builds(
    lambda genesis, tick, ticks: EpochClock(genesis, tick * ticks, tick),
    st.integers(0, 60),
    st.integers(1, 12),
    st.integers(1, 9),
)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("traces")


def rows_of(parts: list[tuple[int, int, str]]) -> list[Row]:
    rows, at = [], 0
    for gap, length, state in parts:
        rows.append((at + gap, at + gap + length, state))
        at += gap + length
    return rows


@settings(max_examples=150, deadline=None)
@given(data=st.data(), nodes=st.dictionaries(st.sampled_from("abc"), PARTS, min_size=1), clock=CLOCKS)
def test_bits__any_trace__as_walked_second_by_second(
    folder: Path, data: st.DataObject, nodes: dict[str, list[tuple[int, int, str]]], clock: EpochClock
) -> None:
    rows = {node: rows_of(parts) for node, parts in nodes.items()}
    order = data.draw(st.permutations([node for node in rows for _ in rows[node]]))
    left = {node: iter(rows[node]) for node in rows}
    lines = [",".join(map(str, (node, *next(left[node])))) for node in order]
    path = folder / "t.csv"
    path.write_text("node,start,end,state\n" + "\n".join(lines) + "\n")
    trace = load(path)
    assert trace.nodes == tuple(sorted(rows))
    assert trace.row_count == len(order)
    for node in rows:
        second = {t: state for start, end, state in rows[node] for t in range(start, end)}
        check_node(trace, node, clock, second)


def check_node(trace: Trace, node: str, clock: EpochClock, second: dict[int, str]) -> None:
    assert {t for start, end in trace.enrolments(node) for t in range(start, end)} == set(second)
    assert all(a[1] < b[0] for a, b in zip(trace.enrolments(node), trace.enrolments(node)[1:], strict=False))
    for epoch in range(max(0, max(second) - clock.genesis) // clock.length + 2):
        bits = trace.bits(node, clock, epoch)
        for i in range(clock.ticks_per_epoch):
            begin = clock.start(epoch) + i * clock.tick
            states = {second.get(t, "absent") for t in range(begin, begin + clock.tick)}
            assert bits.up >> i & 1 == (states == {"up"})
            assert bits.seen >> i & 1 == (states <= {"up", "down"})
        assert (bits.up | bits.seen).bit_length() <= clock.ticks_per_epoch


@settings(max_examples=150, deadline=None)
@given(
    raw=st.one_of(
        st.binary(max_size=300),
        st.text(alphabet='node,startupdw0123456789-."\r\n\0é', max_size=200).map(str.encode),
        st.lists(st.text(alphabet='ab,019-."\r\nupdown', max_size=30), max_size=6).map(
            lambda lines: "\n".join(["node,start,end,state", *lines]).encode()
        ),
    ),
    suffix=st.sampled_from(["", ".xz", ".gz"]),
    packed=st.booleans(),
)
def test_load__any_bytes__a_trace_or_one_line(folder: Path, raw: bytes, suffix: str, packed: bool) -> None:
    path = folder / f"fuzz.csv{suffix}"
    pack = {"": bytes, ".xz": lzma.compress, ".gz": gzip.compress}[suffix if packed else ""]
    path.write_bytes(pack(raw))
    check_outcome(path, rows_or_line(path))


@settings(max_examples=100, deadline=None)
@given(data=st.data(), suffix=st.sampled_from([".xz", ".gz"]))
def test_load__packing_damaged_anywhere__same_trace_or_one_line(folder: Path, data: st.DataObject, suffix: str) -> None:
    text = "node,start,end,state\n" + "".join(f"a,{10 * i},{10 * i + 5},up\n" for i in range(50))
    raw = (lzma.compress if suffix == ".xz" else gzip.compress)(text.encode())
    at = data.draw(st.integers(0, len(raw) - 1))
    bad = (
        raw[:at]
        if data.draw(st.booleans())
        else raw[:at] + bytes([raw[at] ^ 1 << data.draw(st.integers(0, 7))]) + raw[at + 1 :]
    )
    path = folder / f"damaged.csv{suffix}"
    path.write_bytes(bad)
    outcome = rows_or_line(path)
    check_outcome(path, outcome)
    assert isinstance(outcome, str) or outcome == 50


def rows_or_line(path: Path) -> int | str:
    try:
        return load(path).row_count
    except TraceError as error:
        return str(error)


def check_outcome(path: Path, outcome: int | str) -> None:
    if isinstance(outcome, str):
        assert outcome.startswith(str(path))
        assert outcome.isprintable()
    else:
        assert outcome > 0
