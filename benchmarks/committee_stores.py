# SPDX-License-Identifier: Apache-2.0
"""What oracles saw of a network in one epoch, written into their stores as if they had heard it."""

from __future__ import annotations

import os
import random
from collections.abc import Sequence
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from pathlib import Path
from typing import Final

from benchmarks.epoch import CLOCK, eyesight, heard, truth
from oracle.telemetry.store.opening import open_store
from oracle.telemetry.store.records import Kind

_COMMIT: Final = 4_096


def fill(stores: Sequence[Path], label: str, nodes: Sequence[bytes], epoch: int) -> None:
    """Each oracle saw the same truth with eyes of its own: it was blind for a while, and lost a heartbeat of each."""
    with ProcessPoolExecutor(os.cpu_count(), mp_context=get_context("spawn")) as pool:
        work = [pool.submit(_fill, path, label, nodes, epoch, number) for number, path in enumerate(stores)]
        for each in work:
            each.result()


def _fill(path: Path, label: str, nodes: Sequence[bytes], epoch: int, number: int) -> None:
    store = open_store(path, CLOCK, label)
    own = random.Random(number)
    way, observed = store.way("http"), eyesight(number, own)
    store.observe(way, epoch, observed)
    for place, up in enumerate(truth(len(nodes), random.Random(len(nodes)))):
        store.mark_bits(store.track(Kind.LIVENESS, nodes[place]), epoch, heard(up, observed, own), way)
        if place % _COMMIT == _COMMIT - 1:
            store.commit()
    store.fold()
    store.close()
