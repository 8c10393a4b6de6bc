# SPDX-License-Identifier: Apache-2.0
"""Five oracles as processes, started shortly before an epoch's end, watched until its report is on chain."""

from __future__ import annotations

import json
import os
import time
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any, Final
from urllib.error import URLError
from urllib.request import urlopen

from prometheus_client.parser import text_string_to_metric_families

from benchmarks.epoch import CLOCK
from chain.network import Network
from oracle.ground.errors import EpochalError
from oracle.service.logs import Event
from oracle.service.metrics import Series
from scenario.market import oracle_key
from scenario.network.fleet import GAS_KEY, KEY, Ports, to_toml
from scenario.network.world import GWEI, gas_key
from scenario.processes import OracleProcess

ORACLES: Final = 5
_PATIENCE: Final = 240.0
_LOOK: Final = 0.5
_BLOCKS_BEFORE: Final = 4
"""Blocks before the epoch's end; any earlier would only take anvil's memory."""


class RoundFailed(EpochalError):
    """The processes didn't come to a report."""


@dataclass(frozen=True, slots=True)
class Oracle:
    """One of the processes.

    times: UNIX seconds by the network's clock, by step; only who submits takes that one. sent, received: bytes to and
    from peers, without what it served. cpu: processor seconds from the epoch's end until all knew of the report; 0
    where the system doesn't tell.
    """

    times: Mapping[str, float]
    sent: int
    received: int
    cpu: float


@dataclass(frozen=True, slots=True)
class Round:
    """What came of it. mined: the block's time, UNIX seconds of the network."""

    oracles: tuple[Oracle, ...]
    root: bytes
    mined: int
    signatures: int


def run_round(
    network: Network, end: int, epoch: int, folders: Sequence[Path], ports: Sequence[Ports], lead: float, interval: int
) -> Round:
    """Start an oracle on each folder, `lead` seconds before `end`, by clocks that are wrong all alike; the chain makes
    a block each `interval` seconds. RoundFailed."""
    chain = network.chain
    before = chain.block("latest").number
    offset = end - lead - time.time()
    chain.rpc("anvil_setNextBlockBaseFeePerGas", hex(GWEI))
    chain.rpc("evm_setTime", int(end - lead))
    network.addresses.save(folders[0].parent / "addresses.json")
    with ExitStack() as stack:
        processes = []
        for number, (folder, port) in enumerate(zip(folders, ports, strict=True), 1):
            processes.append(_start(network, number, folder, port, offset))
            stack.callback(processes[-1].close)
        first_block = end - offset - _BLOCKS_BEFORE * interval
        _wait_until_all_are_up(processes, folders, ports, first_block)
        time.sleep(max(0.0, first_block - time.time()))
        chain.rpc("evm_setIntervalMining", interval)
        time.sleep(max(0.0, end - offset - time.time()))
        used = [_cpu(one.pid) for one in processes]
        _wait_for_the_outcome(processes, folders, ports, epoch, end)
        found = [
            Oracle(_times(port, epoch) | _gathered(folder, epoch, offset), *_bytes(port), _cpu(one.pid) - cpu)
            for one, folder, port, cpu in zip(processes, folders, ports, used, strict=True)
        ]
    submitted = network.attestations.events.ReportSubmitted
    (log,) = [
        one for one in chain.logs(submitted, before + 1, chain.block("latest").number) if one["args"]["epoch"] == epoch
    ]
    block = chain.block(log["blockNumber"])
    return Round(tuple(found), bytes(log["args"]["root"]), block.timestamp, log["args"]["members"].bit_count())


def _start(network: Network, number: int, folder: Path, port: Ports, offset: float) -> OracleProcess:
    settings: dict[str, object] = {
        "deployment": str((folder.parent / "addresses.json").absolute()),
        "rpc": [network.chain.url],
        "state": str(folder.absolute()),
        "heartbeat_listen": "",
        "peer_listen": f"127.0.0.1:{port.peers}",
        "health_listen": f"127.0.0.1:{port.health}",
        "endpoint": f"http://127.0.0.1:{port.peers}",
        "key_env": KEY,
        "gas_key_env": GAS_KEY,
        "tick": CLOCK.tick,
        "compact_after": 0,
        "rehearsal_clock_offset": offset,
    }
    config = folder / "oracle.toml"
    config.write_text(to_toml(settings), encoding="utf-8")
    keys = {KEY: oracle_key(number - 1), GAS_KEY: gas_key(number)}
    return OracleProcess(f"oracle-{number}", config.absolute(), keys, _log(folder))


def _wait_until_all_are_up(
    processes: Sequence[OracleProcess], folders: Sequence[Path], ports: Sequence[Ports], end: float
) -> None:
    waiting = list(zip(processes, folders, ports, strict=True))
    while waiting:
        waiting = [one for one in waiting if _reports(one[2]) is None]
        _check_alive(processes, folders)
        if waiting and time.time() > end:
            raise RoundFailed(
                f"{waiting[0][0].name} wasn't up before the epoch's end: {_last_line(waiting[0][1])}; "
                "give it longer with --lead"
            )
        time.sleep(_LOOK)


def _wait_for_the_outcome(
    processes: Sequence[OracleProcess], folders: Sequence[Path], ports: Sequence[Ports], epoch: int, end: int
) -> None:
    until = time.time() + _PATIENCE
    while True:
        missing = [
            (one, folder)
            for one, folder, port in zip(processes, folders, ports, strict=True)
            if "attested" not in _times(port, epoch)
        ]
        if not missing:
            return
        _check_alive(processes, folders)
        if time.time() > until:
            raise RoundFailed(
                f"{missing[0][0].name} knows of no report {_PATIENCE:.0f} s after the epoch's end: "
                f"{_last_line(missing[0][1])}"
            )
        time.sleep(_LOOK)


def _check_alive(processes: Sequence[OracleProcess], folders: Sequence[Path]) -> None:
    for one, folder in zip(processes, folders, strict=True):
        if not one.running:
            raise RoundFailed(f"{one.name} ended with status {one.status}: {_last_line(folder)}")
        bug = next((each["exception"] for each in _logged(folder) if each["event"] == Event.BUG), None)
        if bug is not None:
            raise RoundFailed(f"{one.name} ran into a bug: {str(bug).splitlines()[-1]}; its log has all of it (--keep)")


def _reports(port: Ports) -> list[dict[str, Any]] | None:
    try:
        with urlopen(f"http://127.0.0.1:{port.peers}/v1/reports", timeout=20) as answer:
            found: list[dict[str, Any]] = json.load(answer)
            return found
    except (URLError, TimeoutError, ConnectionError, ValueError):
        return None


def _times(port: Ports, epoch: int) -> dict[str, float]:
    return next((one["times"] for one in _reports(port) or [] if one["epoch"] == epoch), {})


def _gathered(folder: Path, epoch: int, offset: float) -> dict[str, float]:
    """When an oracle had the observations of all, by its log; nothing where it went on without some."""
    came: dict[str, float] = {}
    for one in _logged(folder):
        if one["event"] in (Event.OBSERVED, Event.OBSERVATION_RECEIVED) and one["epoch"] == epoch:
            author = one["text"] if one["event"] == Event.OBSERVATION_RECEIVED else "itself"
            came.setdefault(author, datetime.fromisoformat(one["time"]).timestamp() + offset)
    return {"gathered": max(came.values())} if len(came) == ORACLES else {}


def _bytes(port: Ports) -> tuple[int, int]:
    """(sent, received)."""
    with urlopen(f"http://127.0.0.1:{port.health}/metrics", timeout=20) as answer:
        text = answer.read().decode()
    found = {
        sample.labels["direction"]: int(sample.value)
        for family in text_string_to_metric_families(text)
        for sample in family.samples
        if sample.name == Series.PEER_BYTES.metric
    }
    return found["sent"], found["received"]


def _cpu(pid: int) -> float:
    """Processor seconds of a process so far."""
    try:
        fields = Path(f"/proc/{pid}/stat").read_text(encoding="ascii").rpartition(")")[2].split()
    except OSError:
        return 0.0
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def _log(folder: Path) -> Path:
    return folder / "oracle.log"


def _logged(folder: Path) -> list[dict[str, Any]]:
    """The events in an oracle's log."""
    lines = _log(folder).read_text(encoding="utf-8").splitlines()
    return [json.loads(line) for line in lines if line[:1] == "{" and line[-1:] == "}"]


def _last_line(folder: Path) -> str:
    lines = _log(folder).read_text(encoding="utf-8", errors="replace").splitlines()
    return next((line for line in reversed(lines) if line.strip()), "its log is empty")
