"""Traces: what a good file says, and the one line that each bad file gets."""

from __future__ import annotations

import gzip
import lzma
from pathlib import Path

import pytest

from oracle.ground.clock import EpochClock
from oracle.telemetry.traces.trace import TickBits, Trace, TraceError, load

HEADER = "node,start,end,state\n"
CLOCK = EpochClock(genesis=1000, length=100, tick=10)


def write(folder: Path, text: str | bytes, name: str = "t.csv") -> Path:
    path = folder / name
    raw = text.encode() if isinstance(text, str) else text
    pack = {".xz": lzma.compress, ".gz": gzip.compress}.get(path.suffix, bytes)
    path.write_bytes(pack(raw))
    return path


def trace(folder: Path, rows: str) -> Trace:
    return load(write(folder, HEADER + rows))


@pytest.mark.parametrize("name", ["t.csv", "t.csv.xz", "t.csv.gz", "t"])
def test_load__each_packing__same_trace(tmp_path: Path, name: str) -> None:
    loaded = load(write(tmp_path, HEADER + "b,1000,1100,up\na,1000,1050,down\n", name))
    assert loaded.nodes == ("a", "b")
    assert loaded.row_count == 2
    assert (loaded.first_start, loaded.last_end) == (1000, 1100)


@pytest.mark.parametrize(
    "text",
    [
        "\ufeff" + HEADER + "a,1,2,up\n",
        (HEADER + "a,1,2,up\n").replace("\n", "\r\n"),
        HEADER + "a,1,2,up",
        HEADER + '"a",1,2,"up"\n',
        HEADER + "a,1,2,up\n\n\n",
    ],
    ids=["bom", "crlf", "no last newline", "quoted", "empty lines at the end"],
)
def test_load__harmless_spelling__accepted(tmp_path: Path, text: str) -> None:
    assert load(write(tmp_path, text)).enrolments("a") == ((1, 2),)


def test_load__nodes_interleaved__accepted(tmp_path: Path) -> None:
    loaded = trace(tmp_path, "a,1,2,up\nb,5,6,up\na,2,4,down\nb,7,8,up\n")
    assert loaded.enrolments("a") == ((1, 4),)
    assert loaded.enrolments("b") == ((5, 6), (7, 8))


def test_bits__rows_meet_inside_a_tick__up_needs_one_state_seen_does_not(tmp_path: Path) -> None:
    loaded = trace(tmp_path, "a,1000,1005,up\na,1005,1030,up\na,1030,1035,down\na,1035,1062,up\na,1062,1075,unknown\n")
    assert loaded.bits("a", CLOCK, 0) == TickBits(up=0b110111, seen=0b111111)
    assert loaded.bits("a", CLOCK, 1) == TickBits(0, 0)


def test_bits__row_spans_epochs__clipped_to_each(tmp_path: Path) -> None:
    loaded = trace(tmp_path, "a,995,1215,up\n")
    assert [loaded.bits("a", CLOCK, epoch).up for epoch in range(4)] == [1023, 1023, 1, 0]


def test_bits__unknown_node__named(tmp_path: Path) -> None:
    with pytest.raises(TraceError, match=r"t\.csv: has no node 'z\\x1b'; use one of its 1"):
        trace(tmp_path, "a,1,2,up\n").bits("z\x1b", CLOCK, 0)


@pytest.mark.parametrize(
    ("rows", "said"),
    [
        ("a,1,2\n", r":2: 3 columns where 4 are needed; write node,start,end,state"),
        ("a,1,2,up,x\n", r":2: 5 columns"),
        ("a,1,2,up\n\na,2,3,up\n", r":3: the line is empty but rows follow; delete it"),
        ("a,x,2,up\n", r":2: start is 'x', not a whole number; write UNIX seconds"),
        ("a,1,,up\n", r":2: end is '', not a whole number"),
        ("a, 1,2,up\n", r":2: start is ' 1', not a whole"),
        ("a,-5,2,up\n", r":2: start is '-5', a negative number"),
        ("a,1.5,2,up\n", r":2: start is '1.5', not a whole number; seconds are whole"),
        ("a,1,٣,up\n", r":2: end is '\\u0663', not a whole"),
        ("a,1,1_0,up\n", r":2: end is '1_0', not a whole"),
        ("a,1,1770508824000,up\n", r":2: end is '1770508824000', above 1099511627776; .* not milliseconds"),
        ("a,1," + "9" * 4000 + ",up\n", r":2: end is '9{40}\.\.\.', above"),
        ("a,5,5,up\n", r":2: end 5 is not after start 5"),
        ("a,5,4,up\n", r":2: end 4 is not after start 5"),
        ("a,1,2,UP\n", r":2: state is 'UP'; write up, down or unknown"),
        ("a,1,5,up\nb,1,9,up\na,4,6,up\n", r":4: \[4, 6\) of node 'a' overlaps line 2, \[1, 5\)"),
        ("a,1,5,up\na,1,5,up\n", r":3: \[1, 5\) of node 'a' overlaps line 2"),
        ("a,5,9,up\na,1,4,up\n", r":3: start 1 of node 'a' is before line 2's 5; sort"),
        (",1,2,up\n", r":2: the node's name is empty"),
        (" a,1,2,up\n", r":2: the node's name ' a' has space at an edge"),
        ("a\u00a0,1,2,up\n", r":2: the node's name 'a\\xa0' has space at an edge"),
        ("a\x1b[31m,1,2,up\n", r":2: the node's name 'a\\x1b\[31m' has a character that can't be printed"),
        ("x" * 300 + ",1,2,up\n", r":2: the node's name has 300 characters; use at most 256"),
        ("x" * 5000 + ",1,2,up\n", r":2: the line is longer than 4096 bytes"),
        ('"a,1,2,up\n', r":2: not a CSV line"),
        ("a,1,2,up\rb,1,2,up\n", r":2: a carriage return stands inside the line"),
        ("a,1,2,u\0p\n", r":2: the line holds a NUL byte"),
    ],
)
def test_load__bad_row__names_line_and_cure(tmp_path: Path, rows: str, said: str) -> None:
    for name in ("t.csv", "t.csv.xz"):
        with pytest.raises(TraceError, match=said) as caught:
            load(write(tmp_path, HEADER + rows, name))
        assert str(caught.value).startswith(f"{tmp_path / name}:")
        assert str(caught.value).isprintable()


@pytest.mark.parametrize(
    ("raw", "said"),
    [
        (b"", "the file is empty; it needs"),
        (b"\xef\xbb\xbf", "the header is ''"),
        (b"\n", "the header is ''"),
        (HEADER.encode(), "has a header but no rows"),
        (b"a,1,2,up\n", r":1: the header is 'a,1,2,up'; the first line must be node,start,end,state"),
        (b"node,start,end,State\na,1,2,up\n", ":1: the header is"),
        (b"start,node,end,state\n", ":1: the header is"),
        (HEADER.encode() + b"\xff\xfe,1,2,up\n", ":2: the line is not UTF-8; save"),
        ((HEADER + "a,1,2,up\n").encode("utf-16"), ":1: the line"),
        (lzma.compress(b"x"), "is xz data, against its name; rename it"),
        (gzip.compress(b"x", mtime=0), "is gz data, against its name; rename it"),
    ],
)
def test_load__not_a_trace__told_in_one_line(tmp_path: Path, raw: bytes, said: str) -> None:
    with pytest.raises(TraceError, match=said):
        load(write(tmp_path, raw))


@pytest.mark.parametrize("suffix", [".xz", ".gz"])
def test_load__broken_packing__told_in_one_line(tmp_path: Path, suffix: str) -> None:
    good = write(
        tmp_path, HEADER + "".join(f"n{i},{i * 7919},{i * 7919 + 5},up\n" for i in range(3000)), f"t.csv{suffix}"
    )
    raw = good.read_bytes()
    for bad in (raw[:-1], raw[: len(raw) // 2], raw[:8], raw[:2000] + b"spoilt" + raw[2006:]):
        good.write_bytes(bad)
        with pytest.raises(TraceError, match=r":\d+: the compressed data is cut off or corrupt \(.*\); fetch"):
            load(good)
    good.write_text(HEADER)
    with pytest.raises(TraceError, match=f"is not {suffix[1:]} data, against its name"):
        load(good)
    good.write_bytes(b"")
    with pytest.raises(TraceError, match="the file is empty"):
        load(good)


def test_load__no_such_file_or_a_directory__told_in_one_line(tmp_path: Path) -> None:
    with pytest.raises(TraceError, match="no such file; check the path"):
        load(tmp_path / "t.csv")
    with pytest.raises(TraceError, match="is a directory; name the trace file in it"):
        load(tmp_path)
