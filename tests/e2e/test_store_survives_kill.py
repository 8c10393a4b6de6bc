"""A store's writer is killed in the middle of its work, again and again: what it acknowledged is there."""

from __future__ import annotations

import subprocess
import sys
import time
from pathlib import Path

from oracle.ground.clock import EpochClock
from oracle.telemetry.store import BitmapStore
from tests.project import ROOT

CLOCK = EpochClock(genesis=0, length=100_000, tick=1)
NODES = ["0x" + c * 40 for c in "abc"]
WRITER = """
import sys
from oracle.ground.clock import EpochClock
from oracle.telemetry import store as module

module.FOLD_AFTER = 50
store = module.BitmapStore(sys.argv[1], EpochClock(0, 100_000, 1), "net")
tick = int(sys.argv[2])
while True:
    tick += 1
    for node in sys.argv[3:]:
        store.mark(node, 0, tick, tick)
    store.observe(0, 1 << tick)
    store.commit()
    store.journal_observation(tick, 0, tick.to_bytes(32, "big"), bytes(64), b"content")
    print(tick, flush=True)
"""


def test_store__writer_killed_at_any_moment__keeps_all_it_acknowledged(tmp_path: Path) -> None:
    path = tmp_path / "store.db"
    acknowledged = 0
    for lifetime in (0.1, 0.25, 0.4, 0.15):
        begun = acknowledged
        acknowledged = write_until_killed(path, acknowledged, lifetime)
        assert acknowledged > begun
        store = BitmapStore(path, CLOCK, "net")
        record = store.read(0)
        for node in NODES:
            assert store.last_sequence(node) in (acknowledged, acknowledged + 1)
            check(record.up[node], acknowledged)
        check(record.observed, acknowledged)
        for epoch in range(begun + 1, acknowledged + 1):
            assert store.observation(epoch, 0) is not None
        acknowledged = store.last_sequence(NODES[0])
        store.close()


def check(bits: int, acknowledged: int) -> None:
    """All ticks from 1 to the last acknowledged one, and at most the one that was under way."""
    assert bits in (2 ** (acknowledged + 1) - 2, 2 ** (acknowledged + 2) - 2)


def write_until_killed(path: Path, after: int, lifetime: float) -> int:
    """The last tick that the writer acknowledged before SIGKILL, `lifetime` seconds after its first one."""
    command = [sys.executable, "-c", WRITER, str(path), str(after), *NODES]
    with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True) as writer:
        assert writer.stdout is not None
        first = writer.stdout.readline()
        time.sleep(lifetime)
        writer.kill()
        said = (first + writer.stdout.read()).splitlines(keepends=True)
    assert writer.returncode == -9
    return int([line for line in said if line.endswith("\n")][-1])
