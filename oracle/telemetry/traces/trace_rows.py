"""The text of a trace file, row by row: everything that can be wrong with one line is caught here.

A trace is CSV with the header `node,start,end,state`, plain or compressed as its name says (`.csv`,
`.csv.xz`, `.csv.gz`), in UTF-8, with LF or CRLF line ends and an optional BOM. Nothing is guessed and
nothing is skipped: a file that is not exactly this is refused with one line that names the file, the line,
the value and the cure.
"""

from __future__ import annotations

import csv
import gzip
import io
import lzma
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, NamedTuple

from oracle.ground.errors import UserError

HEADER = ["node", "start", "end", "state"]
STATES = ("up", "down", "unknown")
LATEST = 2**40
"""Whole UNIX seconds above this (the year 36812) are taken for a mistake, such as milliseconds."""

_LONGEST_LINE = 4096
_LONGEST_NAME = 256
_MAGIC = {".xz": b"\xfd7zXZ\x00", ".gz": b"\x1f\x8b"}
_BOM = b"\xef\xbb\xbf"


class TraceError(UserError):
    """A trace file can't be used. The text is one line: `file:line: what is wrong; the cure`."""


class Row(NamedTuple):
    """One line of a trace: `node` was in `state` through `[start, end)`, in whole UNIX seconds."""

    line: int
    node: str
    start: int
    end: int
    state: str


def rows(path: Path) -> Iterator[Row]:
    """Yield the rows of the file in its order. TraceError at the first line that is not well formed."""
    with _opened(path) as stream:
        reader = csv.reader(_lines(path, stream), strict=True)
        line = 0
        blank = 0
        known: set[str] = set()
        while True:
            try:
                cells = next(reader)
            except StopIteration:
                break
            except csv.Error as error:
                raise _wrong(path, line + 1, f"not a CSV line ({error})", "write one row a line") from error
            line += 1
            if line == 1:
                _check_header(path, cells)
                continue
            if not cells:
                blank = blank or line
                continue
            if blank:
                raise _wrong(path, blank, "the line is empty but rows follow", "delete it")
            if len(cells) != len(HEADER):
                raise _wrong(
                    path,
                    line,
                    f"{len(cells)} columns where {len(HEADER)} are needed",
                    "write node,start,end,state",
                )
            node, start, end, state = cells
            if node not in known:
                _check_name(path, line, node)
                known.add(node)
            if state not in STATES:
                raise _wrong(path, line, f"state is {show(state)}", "write up, down or unknown")
            row = Row(line, node, _second(path, line, "start", start), _second(path, line, "end", end), state)
            if row.end <= row.start:
                raise _wrong(
                    path,
                    line,
                    f"end {row.end} is not after start {row.start}",
                    "spans are [start, end) and not empty",
                )
            yield row
        if line == 0:
            raise TraceError(f"{path}: the file is empty; it needs the header node,start,end,state and rows")
        if not known:
            raise TraceError(f"{path}: the trace has a header but no rows; add a row for each span of a node")


def show(value: str) -> str:
    """`value` quoted for an error: printable, in one line and at most 40 characters of it."""
    return ascii(value if len(value) <= 40 else value[:40] + "…").replace("\\u2026", "...")


def _wrong(path: Path, line: int, what: str, cure: str) -> TraceError:
    return TraceError(f"{path}:{line}: {what}; {cure}")


@contextmanager
def _opened(path: Path) -> Iterator[IO[bytes]]:
    """The file's decompressed bytes: its name tells the compression, its first bytes must agree."""
    try:
        with path.open("rb") as raw:
            begin = raw.peek(8)[:8]
            if not begin:
                raise TraceError(f"{path}: the file is empty; it needs the header node,start,end,state and rows")
            told = path.suffix if path.suffix in _MAGIC else ""
            found = next((suffix for suffix, magic in _MAGIC.items() if begin.startswith(magic)), "")
            if told != found:
                kind = found.removeprefix(".") or f"not {told.removeprefix('.')}"
                raise TraceError(f"{path}: is {kind} data, against its name; rename it or fetch it again")
            if told == ".xz":
                with lzma.LZMAFile(raw) as unpacked:
                    yield io.BufferedReader(unpacked)
            elif told == ".gz":
                with gzip.GzipFile(fileobj=raw) as unzipped:
                    yield io.BufferedReader(unzipped)
            else:
                yield raw
    except IsADirectoryError as error:
        raise TraceError(f"{path}: is a directory; name the trace file in it, such as trace.csv.xz") from error
    except FileNotFoundError as error:
        raise TraceError(f"{path}: no such file; check the path") from error
    except OSError as error:
        raise TraceError(f"{path}: can't be read ({error.strerror or error}); check the file") from error


def _lines(path: Path, stream: IO[bytes]) -> Iterator[str]:
    """The text lines of the stream without their ends. TraceError for bytes that are no text."""
    number = 0
    while True:
        number += 1
        try:
            raw = stream.readline(_LONGEST_LINE + 1)
        except (EOFError, lzma.LZMAError, gzip.BadGzipFile, zlib.error) as error:
            raise _wrong(
                path, number, f"the compressed data is cut off or corrupt ({error})", "fetch the file again"
            ) from error
        if not raw:
            return
        if number == 1:
            raw = raw.removeprefix(_BOM)
        if len(raw) > _LONGEST_LINE:
            raise _wrong(path, number, f"the line is longer than {_LONGEST_LINE} bytes", "is this a trace?")
        if b"\0" in raw:
            raise _wrong(path, number, "the line holds a NUL byte", "is this text? save it as UTF-8 CSV")
        try:
            text = raw.decode("utf-8")
        except UnicodeDecodeError as error:
            raise _wrong(path, number, "the line is not UTF-8", "save the file as UTF-8") from error
        text = text.removesuffix("\n").removesuffix("\r")
        if "\r" in text:
            raise _wrong(path, number, "a carriage return stands inside the line", "end lines with LF or CRLF")
        yield text


def _check_header(path: Path, cells: list[str]) -> None:
    if cells != HEADER:
        raise _wrong(path, 1, f"the header is {show(','.join(cells))}", "the first line must be node,start,end,state")


def _check_name(path: Path, line: int, node: str) -> None:
    if not node:
        raise _wrong(path, line, "the node's name is empty", "name the node in the first column")
    if node != node.strip():
        raise _wrong(path, line, f"the node's name {show(node)} has space at an edge", "remove it")
    if not node.isprintable():
        raise _wrong(path, line, f"the node's name {show(node)} has a character that can't be printed", "remove it")
    if len(node) > _LONGEST_NAME:
        raise _wrong(path, line, f"the node's name has {len(node)} characters", f"use at most {_LONGEST_NAME}")


def _second(path: Path, line: int, column: str, text: str) -> int:
    """`text` as whole UNIX seconds in `0..LATEST`."""
    if not (text.isascii() and text.isdigit()):
        what, cure = f"{column} is {show(text)}, not a whole number", "write UNIX seconds in digits"
        if text[:1] == "-" and text[1:].isdigit():
            what, cure = f"{column} is {show(text)}, a negative number", "write seconds since 1970"
        elif "." in text and text.replace(".", "", 1).isdigit():
            cure = "seconds are whole: round it"
        raise _wrong(path, line, what, cure)
    if len(text) > 20 or int(text) > LATEST:
        raise _wrong(path, line, f"{column} is {show(text)}, above {LATEST}", "write seconds, not milliseconds")
    return int(text)
