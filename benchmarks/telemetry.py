# SPDX-License-Identifier: Apache-2.0
"""`python -m benchmarks.telemetry` measures what telemetry takes in, keeps and closes, prints it beside its gates and
the baselines of the same run, and writes docs/performance-telemetry.md."""

from __future__ import annotations

import argparse
import os
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Final

from benchmarks import growth
from benchmarks.at_rest import SAMPLE, rows_of_heartbeats
from benchmarks.fleet import NETWORK
from benchmarks.growth import HEADINGS, SIZES, Size, Stored
from benchmarks.intake_process import ROOT, scratch
from benchmarks.intake_rates import BATCH, CONNECTIONS, ROTATIONS, HttpRates, Rate, commit_each, over_http
from benchmarks.load_mqtt import measure as over_mqtt
from benchmarks.table import Line, markdown, mb, ms, per_second, show
from benchmarks.verifying import WrongBackend, require_native, verifying

PAGE: Final = ROOT / "docs" / "performance-telemetry.md"
NEEDED: Final = NETWORK / 10
"""Heartbeats a second of the whole network: each node beats each 10 s."""
SINGLE_GATE: Final = 6_000
BATCH_GATE: Final = 500_000
REST_GATE: Final = 1_080


def main() -> None:
    """Measure, print, write. Exits with 1 where a slow library would verify."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--largest", type=int, default=SIZES[-1], help="network up to which growth is measured")
    given = parser.parse_args()
    try:
        libraries = require_native()
    except WrongBackend as error:
        sys.exit(str(error))
    lines = [verifying()]
    _say("durable intake over HTTP")
    http, alone = over_http(), commit_each()
    lines += intake_lines(http, alone)
    _say("durable intake over MQTT")
    lines += mqtt_lines()
    _say("the network's epoch at rest, and closing it")
    lines += rest_lines(growth.stored(NETWORK))
    sizes = []
    for nodes in (size for size in SIZES if size <= given.largest):
        _say(f"a network of {nodes:,} nodes")
        sizes.append(growth.measure(nodes))
    PAGE.write_text(page(lines, sizes, libraries), encoding="utf-8")
    show("Telemetry", lines)
    print(grown(sizes))
    print(f"written: {PAGE.relative_to(ROOT)}")


def intake_lines(http: HttpRates, alone: float) -> list[Line]:
    """Rates over HTTP."""
    need = f"the whole network needs {per_second(NEEDED)}"
    again = f"after a restart all {NETWORK:,} nodes have one again in {NETWORK / http.opened.beats:,.0f} s"
    return [
        _rate_line("signed heartbeats over HTTP, one a request", http.signed, SINGLE_GATE, need, NEEDED),
        _rate_line("sealed heartbeats over HTTP, one a request", http.sealed, SINGLE_GATE, need, NEEDED),
        _rate_line(
            f"signed heartbeats over HTTP, {BATCH:,} a request",
            http.signed_batches,
            0,
            f"a commit for each, no network: {per_second(alone)}",
            alone,
        ),
        _rate_line(
            f"sealed heartbeats over HTTP, {BATCH:,} a request",
            http.sealed_batches,
            BATCH_GATE,
            f"a commit for each, no network: {per_second(alone)}",
            alone,
        ),
        Line("- the fastest tick of these", per_second(http.sealed_batches.fastest)),
        Line("sessions opened over HTTP", per_second(http.opened.beats), baseline=again),
        Line("middle latency at those rates, signed, one a request", ms(http.signed.middle)),
        Line(
            "- of one processor: intake and its commits; senders",
            f"{http.signed.intake:.0%}; {http.signed.senders:.0%}",
        ),
    ]


def mqtt_lines() -> list[Line]:
    """Rates over MQTT: they go up to where broker, load and oracle fill the machine together."""
    with tempfile.TemporaryDirectory(dir=scratch(), prefix="mqtt-") as folder:
        measured = over_mqtt(Path(folder), say=lambda _: None)
    lines = []
    for one in measured:
        need = f"the whole network needs {per_second(NEEDED)}"
        alone = f"; a processor of the oracle's own: {per_second(one.beats / one.cpu)}"
        rate = one.beats / one.seconds
        lines.append(Line(f"over MQTT: {one.what}", per_second(rate), baseline=need + alone, ratio=rate / NEEDED))
    return lines


def rest_lines(network: Stored) -> list[Line]:
    """At rest, and closing from there."""
    rows, closing = rows_of_heartbeats(), network.closing
    told = f"a row for each heartbeat: {rows:,.0f} B"
    fresh, kept = network.fresh / network.nodes, network.compacted / network.nodes
    return [
        Line("at rest, a node's epoch: the day's rows", f"{fresh:,.0f} B", "", True, told, rows / fresh),
        Line(
            "at rest, a node's epoch: compacted",
            f"{kept:,.0f} B",
            f"{REST_GATE:,} B",
            kept <= REST_GATE,
            told,
            rows / kept,
        ),
        Line(
            f"close the epoch of {network.nodes:,} nodes from the store, with three oracles' counts",
            ms(closing["all"]),
            "1 s",
            closing["all"] < 1,
            f"by the wall: {ms(closing['wall'])}",
        ),
        Line("- read the store", ms(closing["read"])),
        Line("- ticks in which nearly all nodes were silent", ms(closing["dark"])),
        Line("- uptimes", ms(closing["uptimes"])),
        Line("- medians, ledger, leaves and tree", ms(closing["medians"] + closing["ledger"] + closing["tree"])),
        Line("- peak memory", mb(closing["peak"]), "500 MB", closing["peak"] < 500_000_000),
    ]


def _rate_line(what: str, rate: Rate, gate: int, told: str, compared: float) -> Line:
    gated = per_second(gate) if gate else ""
    return Line(what, per_second(rate.beats), gated, rate.beats >= gate, told, rate.beats / compared)


def grown(sizes: Sequence[Size]) -> str:
    """The growth as a table, and in words what grows worse than the network does."""
    rows = "\n".join("| " + " | ".join(size.cells()) + " |" for size in sizes)
    remarks = growth.remarks(list(sizes)) or ["nothing grows worse than linearly by more than a quarter"]
    return (
        f"| {' | '.join(HEADINGS)} |\n|{'---:|' * len(HEADINGS)}\n{rows}\n\n"
        + "\n".join(f"- {remark[0].upper()}{remark[1:]}." for remark in remarks)
        + "\n"
    )


def page(lines: Sequence[Line], sizes: Sequence[Size], libraries: str) -> str:
    """The page that `make bench-telemetry` writes."""
    return f"""# Performance of telemetry

Written by `make bench-telemetry`; don't edit. `make soak-telemetry` brings the network's rate for minutes and compares
the store with what was acknowledged; `make crash-telemetry` kills the intake again and again under load.

Measured on {os.cpu_count()} processors, which the intake shared with those who sent; {libraries}.
The intake is one process of `epochal oracle intake` on SQLite, on the disk that holds the repository: each heartbeat
is verified and on disk before its answer. {CONNECTIONS} connections send single ones as fast as they are answered,
those of {NETWORK:,} nodes, the best of three runs. Sealed batches are those of sites' gateways: all nodes beat once in
each tick of {ROTATIONS} rotations of the challenge; the figure is that of the best whole rotation. Times of closing are
processor seconds, the best of three runs in a fresh process, with the garbage collector set as in the intake
(`oracle/service/garbage.py`). The row for each heartbeat is that of {SAMPLE} nodes.

{markdown(lines)}
## As the network grows

Each line is of fresh processes. An epoch has 8,640 ticks. Of the intake every node has been heard once, and the signed
heartbeats are single ones or {BATCH:,} in a request.

{grown(sizes)}"""


def _say(what: str) -> None:
    print(f"measuring: {what}", file=sys.stderr, flush=True)


if __name__ == "__main__":
    main()
