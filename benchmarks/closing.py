# SPDX-License-Identifier: Apache-2.0
"""`python -m benchmarks.closing` closes an epoch of the whole licensed network, prints how long each phase took beside
the baselines of the same run, and writes docs/performance.md."""

from __future__ import annotations

import gc
import json
import random
import resource
import subprocess
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from time import perf_counter
from typing import Final

from eth_account import Account
from eth_account.messages import encode_typed_data
from eth_keys.backends import NativeECCBackend
from rich.console import Console
from rich.table import Table

from oracle.ground.bitmap import from_bytes, span, to_bytes
from oracle.ground.clock import EpochClock
from oracle.ground.ids import pack
from oracle.ground.keccak import keccak256
from oracle.ground.leaves import ENCODING, Leaf
from oracle.ground.ledger import Ledger, Subject, advance
from oracle.ground.median import agree, measured_needs
from oracle.ground.merkle import Tree
from oracle.ground.policy import Policy
from oracle.ground.typed_data import EpochReport, Heartbeat
from oracle.ground.uptime import Uptime, measure
from oracle.signing.signer import derive
from oracle.telemetry import heartbeat

ROOT: Final = Path(__file__).resolve().parents[1]
PAGE: Final = ROOT / "docs" / "performance.md"

NODES: Final = 46_724
CLOCK: Final = EpochClock(genesis=1_700_000_000, length=86_400, tick=10)
TICKS: Final = CLOCK.ticks_per_epoch
ORACLES: Final = 4
RUNS: Final = 5
CONTRACT: Final = "0x" + "11" * 20

OK, OVER = "ok", "OVER"
HEADINGS: Final = ("what", "measured", "gate", "", "baseline, from the same run", "ratio")
Line = tuple[str, str, str, str, str, str]


@dataclass(frozen=True, slots=True)
class Seen:
    """What one oracle stored of one epoch: its own blindness, and each node's ticks as they lie at rest."""

    observed: int
    up: Sequence[bytes]


def main() -> None:
    """Measure, print, write."""
    lines = [*_closing(), *_heartbeats()]
    PAGE.write_text(_markdown(lines), encoding="utf-8")
    _print(lines)
    if any(OVER in line for line in lines):
        sys.exit(1)


def _closing() -> list[Line]:
    """The epoch's phases, the memory they took, and what sets and the npm package take for the same."""
    network = _network()
    subjects = _subjects()
    everywhere = [Uptime(CLOCK.length, CLOCK.length)] * NODES
    keys = [subject.assignment_id for subject in subjects]
    # The second epoch is the steady state: all accounts exist.
    before, _ = advance(Ledger(), CLOCK, 0, subjects, {0: dict(zip(keys, everywhere, strict=True))}, 7)

    names = ("bitmaps", "medians", "ledger", "tree", "digest")
    times: dict[str, list[float]] = {name: [] for name in (*names, "all")}
    for _ in range(RUNS):
        gc.collect()
        marks = [perf_counter()]
        views = [_uptimes(seen) for seen in network]
        marks.append(perf_counter())
        agreed = [agree(seen, measured_needs(ORACLES)).scaled(CLOCK.tick) for seen in zip(*views, strict=True)]
        marks.append(perf_counter())
        ledger, leaves = advance(before, CLOCK, 1, subjects, {1: dict(zip(keys, agreed, strict=True))}, 7)
        marks.append(perf_counter())
        tree = Tree.build(leaves)
        marks.append(perf_counter())
        report = EpochReport(ledger.epoch, 1, tree.root, bytes(32), bytes(32), bytes(32))
        report.digest(EpochReport.domain(1, CONTRACT))
        marks.append(perf_counter())
        for name, start, end in zip(names, marks, marks[1:], strict=False):
            times[name].append(end - start)
        times["all"].append(marks[-1] - marks[0])
        views, agreed = [], []
    peak = _peak_bytes()
    took = {name: median(values) for name, values in times.items()}

    sets, set_bytes = _with_sets(network)
    npm = _npm(leaves, tree.root)
    whole_baseline = sets + npm
    return [
        (
            f"close an epoch: {NODES:,} nodes, {TICKS:,} ticks, {ORACLES} oracles",
            _ms(took["all"]),
            "1 s",
            _verdict(took["all"] < 1),
            f"sets of ticks and the npm tree: {whole_baseline:,.0f} s",
            _times(whole_baseline / took["all"]),
        ),
        (
            "- bitmaps to uptimes, all oracles'",
            _ms(took["bitmaps"]),
            "",
            "",
            f"Python sets: {sets:,.0f} s",
            _times(sets / took["bitmaps"]),
        ),
        (f"- medians of {ORACLES}", _ms(took["medians"]), "", "", "", ""),
        ("- ledger", _ms(took["ledger"]), "", "", "", ""),
        (
            f"- leaves and tree of {NODES:,}",
            _ms(took["tree"]),
            "500 ms",
            _verdict(took["tree"] < 0.5),
            f"`@openzeppelin/merkle-tree`, same root: {npm:,.1f} s",
            _times(npm / took["tree"]),
        ),
        ("- report and digest", _ms(took["digest"]), "", "", "", ""),
        (
            f"peak memory of the process, {ORACLES} oracles' bitmaps included",
            _mb(peak),
            "500 MB",
            _verdict(peak < 500_000_000),
            f"Python sets: {_mb(set_bytes)}",
            _times(set_bytes / peak),
        ),
    ]


def _heartbeats() -> list[Line]:
    """Checking who signed a heartbeat: coincurve, and eth-account as it is where coincurve is missing."""
    signer, oracle = derive("benchmark", "node"), CONTRACT
    domain = Heartbeat.domain(1, CONTRACT)
    challenge = keccak256(b"challenge")
    beats = [heartbeat.sign(signer, domain, oracle, number, challenge) for number in range(5_000)]

    def ours(raw: bytes) -> bool:
        return heartbeat.signed_by(heartbeat.decode(raw), domain) == signer.address.lower()

    account = Account()
    account.set_key_backend(NativeECCBackend())
    fields = [{"name": kind_name, "type": kind} for kind, kind_name in _members(Heartbeat.TYPE)]

    def theirs(raw: bytes) -> bool:
        beat = heartbeat.decode(raw)
        message = encode_typed_data(
            {"name": domain.name, "version": domain.version, "chainId": 1, "verifyingContract": CONTRACT},
            {"Heartbeat": fields},
            {"oracle": beat.oracle, "sequence": beat.sequence, "challenge": beat.challenge},
        )
        high = int.from_bytes(beat.signature[32:], "big")
        s, parity = high & ~(1 << 255), high >> 255
        signature = beat.signature[:32] + s.to_bytes(32, "big") + bytes((27 + parity,))
        return bool(account.recover_message(message, signature=signature) == signer.address)

    fast, slow = _rate(ours, beats), _rate(theirs, beats[:60])
    return [
        (
            "verify a heartbeat: decode, digest, recover; one core",
            f"{fast:,.0f} /s",
            "10,000 /s",
            _verdict(fast >= 10_000),
            f"`eth_account` without coincurve: {slow:,.0f} /s",
            _times(fast / slow),
        )
    ]


def _network() -> list[Seen]:
    """Nodes with an outage now and then, oracles that are blind for a while and miss a heartbeat here and there."""
    dice = random.Random(46_724)
    everything = span(range(TICKS))
    truth = []
    for _ in range(NODES):
        up = everything
        for _ in range(dice.choice((0, 0, 0, 1, 2))):
            length = dice.randrange(1, 600)
            up &= ~(((1 << length) - 1) << dice.randrange(TICKS - length))
        truth.append(up)
    views = []
    for number in range(ORACLES):
        observed = everything & ~(((1 << 60 * number) - 1) << dice.randrange(TICKS - 600))
        heard = [up & observed & ~(1 << dice.randrange(TICKS)) for up in truth]
        views.append(Seen(observed, [to_bytes(bits, TICKS) for bits in heard]))
    return views


def _subjects() -> list[Subject]:
    """A year's jobs of four slots, one assignment for each node, in their second day."""
    stop, policy = CLOCK.end(364), Policy()
    return [
        Subject(pack(1 + i // 4, i % 4, 1), i + 1, CLOCK.genesis, stop, CLOCK.genesis, 0, 0, False, policy)
        for i in range(NODES)
    ]


def _uptimes(seen: Seen) -> list[Uptime]:
    whole = range(TICKS)
    return [measure(from_bytes(raw, TICKS), seen.observed, whole) for raw in seen.up]


def _with_sets(network: Sequence[Seen], sample: int = 250) -> tuple[float, int]:
    """(seconds, bytes) for the same uptimes with sets of tick numbers, from a sample of nodes times the rest.

    The sets of the whole network would take a hundred gigabytes; their making isn't timed, only their use.
    """
    seconds = 0.0
    size = 0
    for seen in network:
        observed = {tick for tick in range(TICKS) if seen.observed >> tick & 1}
        for raw in seen.up[:sample]:
            bits = from_bytes(raw, TICKS)
            up = {tick for tick in range(TICKS) if bits >> tick & 1}
            start = perf_counter()
            Uptime(len(up & observed), len(observed))
            seconds += perf_counter() - start
            size += sys.getsizeof(up)
    return seconds * NODES / sample, size * NODES // sample


def _npm(leaves: Sequence[Leaf], root: bytes) -> float:
    """Seconds that OpenZeppelin's package takes to build the same tree."""
    rows = [[str(leaf.kind), str(leaf.id), str(leaf.earned), str(leaf.accounted)] for leaf in leaves]
    done = subprocess.run(
        ["node", str(Path(__file__).with_suffix(".mjs"))],
        input=json.dumps({"leaves": rows, "encoding": ENCODING}),
        capture_output=True,
        text=True,
        check=True,
    )
    found = json.loads(done.stdout)
    if found["root"] != "0x" + root.hex():
        raise AssertionError(f"the npm package finds the root {found['root']}, not 0x{root.hex()}")
    return float(found["milliseconds"]) / 1_000


def _rate(check: Callable[[bytes], bool], beats: Sequence[bytes]) -> float:
    start = perf_counter()
    good = sum(map(check, beats))
    took = perf_counter() - start
    if good != len(beats):
        raise AssertionError(f"{len(beats) - good} of {len(beats)} heartbeats were refused")
    return len(beats) / took


def _members(type_string: str) -> list[tuple[str, str]]:
    """(type, name) of the fields of `Name(type name,...)`."""
    inside = type_string.partition("(")[2].rstrip(")")
    return [(kind, name) for kind, _, name in (member.partition(" ") for member in inside.split(","))]


def _peak_bytes() -> int:
    unit = 1 if sys.platform == "darwin" else 1_024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit


def _ms(seconds: float) -> str:
    return f"{seconds * 1_000:,.0f} ms" if seconds >= 0.01 else f"{seconds * 1_000:,.2f} ms"


def _mb(size: int) -> str:
    return f"{size / 1_000_000:,.0f} MB"


def _times(ratio: float) -> str:
    return f"{ratio:,.0f} x"


def _verdict(holds: bool) -> str:
    return OK if holds else OVER


def _markdown(lines: Sequence[Line]) -> str:
    rows = "\n".join("| " + " | ".join(line) + " |" for line in lines)
    return f"""# Performance

Written by `make bench`; don't edit. Gas is in `docs/gas.md`.

Times are medians of {RUNS} runs in one process, on one core, and say most as ratios to the baseline beside them, taken
in the same run. The epoch is closed from bitmaps as they lie at rest; an oracle reads its own and gets the other
oracles' uptimes signed, so it does a {ORACLES}th of the first phase. Nodes have outages of up to 100 minutes, oracles
blind spells and lost heartbeats, so most medians are of different observations. The sets' figures are those of 250
nodes, scaled; their making isn't counted.

| {" | ".join(HEADINGS)} |
|---|---:|---:|---|---|---:|
{rows}
"""


def _print(lines: Sequence[Line]) -> None:
    shown = Table(title="Closing an epoch", title_justify="left")
    for i, heading in enumerate(HEADINGS):
        shown.add_column(heading, justify="right" if i in (1, 2, 5) else "left")
    for line in lines:
        shown.add_row(*line, style="red" if OVER in line else None)
    console = Console()
    if not console.is_terminal:  # a pipe has no width
        console = Console(width=200)
    console.print(shown)
    console.print(f"written: {PAGE.relative_to(ROOT)}")


if __name__ == "__main__":
    main()
