# SPDX-License-Identifier: Apache-2.0
"""How many signed heartbeats one core verifies, and whether the fast libraries do it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from time import process_time
from typing import Final

import coincurve
from eth_keys import KeyAPI

from benchmarks.closing_baselines import eth_account_signer, without_coincurve
from benchmarks.epoch import CONTRACT
from benchmarks.table import Line, per_second
from oracle.ground.ids import pack
from oracle.ground.keccak import keccak256
from oracle.ground.typed_data import Heartbeat
from oracle.signing import compact
from oracle.signing.signer import derive
from oracle.telemetry.wire import heartbeat
from oracle.telemetry.wire.workloads import Health

BEATS: Final = 5_000
RUNS: Final = 3


class WrongBackend(Exception):
    """Signatures or hashes are made by a slow library: figures of it would mean nothing."""


def require_native() -> str:
    """The libraries in use, in words. WrongBackend where one of them is pure Python."""
    if compact.PublicKey is not coincurve.PublicKey:
        raise WrongBackend(f"oracle.signing.compact recovers with {compact.PublicKey.__module__}, not with coincurve")
    chosen = KeyAPI().backend
    if type(chosen).__name__ != "CoinCurveECCBackend":
        raise WrongBackend(
            f"eth_keys chose {type(chosen).__name__}: pip install 'coincurve>=21', and unset $ECC_BACKEND_CLASS"
        )
    return f"signatures by coincurve (eth_keys: {type(chosen).__name__})"


def verifying() -> Line:
    """Who signed a heartbeat: as the intake asks, and as eth-account answers where coincurve is missing.

    WrongBackend unless the fast libraries are the ones in use.
    """
    require_native()
    signer = derive("benchmark", "node")
    domain = Heartbeat.domain(1, CONTRACT)
    challenge = keccak256(b"challenge")
    workloads = {pack(1, 0, 1): Health.HEALTHY}
    beats = [heartbeat.sign(signer, domain, CONTRACT, number, challenge, workloads) for number in range(BEATS)]
    node = signer.address.lower()
    fast = max(
        _rate(lambda raw: heartbeat.signed_by(heartbeat.decode(raw), domain) == node, beats) for _ in range(RUNS)
    )
    with without_coincurve():
        slow = _rate(lambda raw: eth_account_signer(heartbeat.decode(raw), domain) == signer.address, beats[:100])
    return Line(
        "verify a signed heartbeat: decode, digest, recover; one core",
        per_second(fast),
        "10,000 /s",
        fast >= 10_000,
        f"`eth_account` without coincurve: {per_second(slow)}",
        fast / slow,
    )


def _rate(check: Callable[[bytes], bool], beats: Sequence[bytes]) -> float:
    start = process_time()
    good = sum(map(check, beats))
    took = process_time() - start
    if good != len(beats):
        raise AssertionError(f"{len(beats) - good} of {len(beats)} heartbeats were refused")
    return len(beats) / took
