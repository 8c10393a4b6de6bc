# SPDX-License-Identifier: Apache-2.0
"""What closing an epoch is compared with: Python sets, OpenZeppelin's npm package, eth-account without coincurve."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from time import process_time_ns
from typing import Final

from eth_account import Account
from eth_account.messages import encode_typed_data

from oracle.ground.bitmap import from_bytes
from oracle.ground.leaves import ENCODING, Leaf
from oracle.ground.typed_data import Domain, Heartbeat
from oracle.ground.uptime import Uptime
from oracle.telemetry.wire.heartbeat import SignedHeartbeat

SAMPLE: Final = 250
"""Nodes of each oracle whose ticks are put into sets: those of a whole network take a hundred gigabytes."""

SCRIPT: Final = Path(__file__).with_name("closing.mjs")


def uptimes_with_sets(views: Iterable[tuple[int, Sequence[bytes]]], ticks: int) -> tuple[float, int]:
    """(seconds, bytes) that the uptimes of (observed mask, nodes' bitmaps) take with sets of tick numbers.

    Measured on a sample of the nodes and scaled. Making the sets isn't counted.
    """
    seconds, size = 0.0, 0
    for mask, bitmaps in views:
        observed = _set_of(mask, ticks)
        for raw in bitmaps[:SAMPLE]:
            up = _set_of(from_bytes(raw, ticks), ticks)
            start = process_time_ns()
            Uptime(len(up & observed), len(observed))
            seconds += (process_time_ns() - start) / 1e9 * len(bitmaps) / SAMPLE
            size += sys.getsizeof(up) * len(bitmaps) // SAMPLE
    return seconds, size


def npm_tree(leaves: Sequence[Leaf], root: bytes) -> float:
    """Seconds that OpenZeppelin's package takes to build the tree of `leaves`, whose root must be `root`."""
    rows = [[str(leaf.kind), str(leaf.id), str(leaf.earned), str(leaf.accounted)] for leaf in leaves]
    question = json.dumps({"leaves": rows, "encoding": ENCODING})
    done = subprocess.run(["node", str(SCRIPT)], input=question, capture_output=True, text=True, check=True)
    found = json.loads(done.stdout)
    if found["root"] != "0x" + root.hex():
        raise AssertionError(f"the npm package finds the root {found['root']}, not 0x{root.hex()}")
    return float(found["milliseconds"]) / 1_000


def eth_account_signer(beat: SignedHeartbeat, domain: Domain) -> str:
    """Who signed a heartbeat, as eth-account finds it."""
    message = encode_typed_data(
        {
            "name": domain.name,
            "version": domain.version,
            "chainId": domain.chain_id,
            "verifyingContract": domain.contract,
        },
        {"Heartbeat": _HEARTBEAT_FIELDS},
        {
            "oracle": beat.oracle,
            "sequence": beat.sequence,
            "challenge": beat.challenge,
            "workloads": beat.workloads,
        },
    )
    packed = int.from_bytes(beat.signature[32:], "big")  # s, and the parity in the top bit
    s, v = packed & ~(1 << 255), 27 + (packed >> 255)
    signer = Account.recover_message(message, signature=beat.signature[:32] + s.to_bytes(32, "big") + bytes((v,)))
    return str(signer)


@contextmanager
def without_coincurve() -> Iterator[None]:
    """eth-account as it works where coincurve isn't installed."""
    os.environ["ECC_BACKEND_CLASS"] = "eth_keys.backends.NativeECCBackend"
    try:
        yield
    finally:
        del os.environ["ECC_BACKEND_CLASS"]


def _set_of(bits: int, ticks: int) -> set[int]:
    return {tick for tick in range(ticks) if bits >> tick & 1}


_HEARTBEAT_FIELDS: Final = [
    dict(zip(("type", "name"), member.split(" "), strict=True))
    for member in Heartbeat.TYPE.partition("(")[2].rstrip(")").split(",")
]
