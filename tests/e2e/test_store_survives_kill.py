# SPDX-License-Identifier: Apache-2.0
"""A store's writer is killed in the middle of its work, again and again, or its disk is full: what it acknowledged is
there."""

from __future__ import annotations

import itertools
import subprocess
import sys
import time
from pathlib import Path

import pytest

from oracle.ground.clock import EpochClock
from oracle.telemetry.store.backup import backup, restore
from oracle.telemetry.store.bitmaps import BitmapStore
from oracle.telemetry.store.errors import StoreError
from oracle.telemetry.store.opening import open_store
from oracle.telemetry.store.records import Kind
from tests.project import ROOT
from tests.services import Postgres, postgres  # noqa: F401

CLOCK = EpochClock(genesis=0, length=10_000, tick=1)
NODES = [bytes([one]) * 20 for one in range(1, 9)]
# Eight nodes; folds that never end, a row a commit, and bitmaps that are compressed meanwhile.
WRITER = """
import sys
from oracle.ground.clock import EpochClock
from oracle.telemetry.store import bitmaps
from oracle.telemetry.store.opening import open_store
from oracle.telemetry.store.records import Kind

bitmaps.FOLD_BYTES, bitmaps._SLICE_ROWS, bitmaps.SLICE_SECONDS = 1, 3, 0.0
store = open_store(sys.argv[1], EpochClock(0, 10_000, 1), "net")
store._memory.sizes = lambda: (0, 0)
tick = int(sys.argv[2])
tracks = [store.track(Kind.LIVENESS, bytes([one]) * 20) for one in range(1, 9)]
way = store.way("http")
while True:
    tick += 1
    for track in tracks:
        store.mark(track, tick // 10_000, tick % 10_000, way)
    store.observe(way, tick // 10_000, 1 << tick % 10_000)
    store.commit()
    store.journal_observation(tick, 0, tick.to_bytes(32, "big"), bytes(64), b"content")
    print(tick, flush=True)
    if tick % 40 == 0:
        store.compact(1)
"""
FULL = """
import resource, signal, sys
from oracle.ground.clock import EpochClock
from oracle.telemetry.store import bitmaps
from oracle.telemetry.store.errors import StoreError
from oracle.telemetry.store.opening import open_store
from oracle.telemetry.store.records import Kind

signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
resource.setrlimit(resource.RLIMIT_FSIZE, (3_000_000, resource.RLIM_INFINITY))
bitmaps.FOLD_BYTES = 20_000
store = open_store(sys.argv[1], EpochClock(0, 10_000, 1), "net")
tracks = [store.track(Kind.LIVENESS, i.to_bytes(20, "big")) for i in range(2000)]
way = store.way("http")
refused = 0
for tick in range(100):
    for track in tracks:
        store.mark(track, 0, tick, way)
    try:
        store.commit()
    except StoreError as error:
        assert "check the disk, its space and rights" in str(error), error
        refused += 1
        if refused == 5:
            break
    else:
        print("kept", tick, flush=True)
assert refused == 5, refused
print("waiting", store.backlog, flush=True)
resource.setrlimit(resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
if sys.argv[2] == "space again":
    store.commit()
    print("kept", tick, flush=True)
sys.stdout.flush()
import os
os._exit(0)
"""


@pytest.mark.parametrize("backend", ["sqlite", "postgresql"])
def test_store__writer_killed_at_any_moment__keeps_all_it_acknowledged(
    backend: str, tmp_path: Path, request: pytest.FixtureRequest
) -> None:
    if backend == "sqlite":
        place = str(tmp_path / "store.db")
    else:
        server: Postgres = request.getfixturevalue("postgres")
        place = server.fresh() + "?schema=one"
    acknowledged = 0
    for lifetime in (0.1, 0.3, 0.5, 0.2):
        begun = acknowledged
        acknowledged = write_until_killed(place, acknowledged, lifetime)
        assert acknowledged > begun
        store = open_store(place, CLOCK, "net")
        record = store.read(0)
        for node in NODES:
            check(record.line(Kind.LIVENESS, node).up, acknowledged)
        check(record.ways[0][1], acknowledged)
        for epoch in range(begun + 1, acknowledged + 1):
            assert store.observation(epoch, 0) is not None
        acknowledged = record.line(Kind.LIVENESS, NODES[0]).up.bit_length() - 1
        store.close()


def check(bits: int, acknowledged: int) -> None:
    """All ticks from 1 to the last acknowledged one, and at most the one that was under way."""
    assert bits in (2 ** (acknowledged + 1) - 2, 2 ** (acknowledged + 2) - 2)


def write_until_killed(place: str, after: int, lifetime: float) -> int:
    """The last tick that the writer acknowledged before SIGKILL, `lifetime` seconds after its first one."""
    command = [sys.executable, "-c", WRITER, place, str(after)]
    with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True) as writer:
        assert writer.stdout is not None
        first = writer.stdout.readline()
        time.sleep(lifetime)
        writer.kill()
        said = (first + writer.stdout.read()).splitlines(keepends=True)
    assert writer.returncode == -9
    return int([line for line in said if line.endswith("\n")][-1])


def test_backup__of_a_writer_at_work_then_killed__restores_all_acknowledged_before_it(tmp_path: Path) -> None:
    place = tmp_path / "store.db"
    command = [sys.executable, "-c", WRITER, str(place), "0"]
    with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True) as writer:
        assert writer.stdout is not None
        before = int(writer.stdout.readline())
        backup(place, tmp_path / "backup")
        with pytest.raises(StoreError, match="is in use by another process"):
            open_store(place, CLOCK, "net")
        writer.kill()
        after = int((writer.stdout.read().rpartition("\n")[0] or str(before)).split()[-1])
    restore(tmp_path / "backup", tmp_path / "restored.db", now=CLOCK.start(1))
    store = open_store(tmp_path / "restored.db", CLOCK, "net")
    ups = [store.read(0).line(Kind.LIVENESS, node).up for node in NODES]
    assert len(set(ups)) == 1
    assert before <= ups[0].bit_length() - 1 <= after + 1
    assert store.journal_floor >= before
    store.close()


@pytest.mark.parametrize("then", ["space again", "killed"])
def test_commit__disk_full__is_refused_and_nothing_acknowledged_is_lost(then: str, tmp_path: Path) -> None:
    place = tmp_path / "store.db"
    ran = subprocess.run(
        [sys.executable, "-c", FULL, str(place), then], cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert ran.returncode == 0, ran.stderr
    words = ran.stdout.split()
    kept = [int(tick) for word, tick in itertools.pairwise(words) if word == "kept"]
    assert int(words[words.index("waiting") + 1]) == 5 * 2000 * 13
    store: BitmapStore = open_store(place, CLOCK, "net")
    lines = store.read(0).lines[Kind.LIVENESS]
    assert len(lines) == 2000
    wanted = 2 ** (kept[-1] + 1) - 1
    assert all(line.up & wanted == wanted for line in lines.values())
    store.close()
