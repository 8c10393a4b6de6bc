"""The files of a replay: rows of each epoch, CSVs, reports, the summary. Formats are told in docs/replay.md."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from oracle.committee.agreement import Draft, leaves_by_id
from oracle.committee.in_process import SignedReport
from oracle.ground.clock import EpochClock
from oracle.ground.ids import pack
from oracle.ground.leaves import Leaf
from oracle.ground.uptime import ZERO, Uptime
from scenario.audit import NotConserved, Totals
from scenario.checkpoint import write_whole
from scenario.options import Span
from settlement.money import Rates, statement

UPTIME = ("node", "epoch", "up_seconds", "observed_seconds")
SETTLEMENT = (
    "job",
    "slot",
    "assignment",
    "node",
    "epoch",
    "earned_seconds",
    "withheld_seconds",
    "unmeasured_seconds",
)
PAYOUTS = ("node", "earned", "withheld", "refunded", "burned")


def epoch_rows(
    made: Draft,
    before: Mapping[int, Leaf],
    job: int,
    spans: Sequence[Span],
    clock: EpochClock,
    stop_of_job: int,
    window_epochs: int,
    last_epoch: int,
) -> dict[str, list[list[Any]]]:
    """The rows of uptime.csv and settlement.csv that a report adds.

    before: the leaves of the report before it, of epoch `last_epoch` (−1: none).
    """
    epoch = made.report.epoch
    start, end = clock.start(epoch), clock.end(epoch)
    agreed = made.agreed.get(epoch, {})
    after = leaves_by_id(made.tree.leaves)
    uptime: dict[str, Uptime] = {}
    settled: list[list[Any]] = []
    for span in spans:
        if span.start >= end or span.end <= start:
            continue
        key = pack(job, span.slot, span.generation)
        uptime[span.node] = uptime.get(span.node, ZERO) + agreed.get(key, ZERO)
        was, now = before.get(key), after.get(key)
        earned = (now.earned if now else 0) - (was.earned if was else 0)
        accounted = (now.accounted if now else 0) - (was.accounted if was else 0)
        stop = min(span.end, stop_of_job)
        through = max(span.start, clock.settled_until(window_epochs, stop, epoch))
        counted = (
            span.start if last_epoch < 0 else max(span.start, clock.settled_until(window_epochs, stop, last_epoch))
        )
        unmeasured = through - counted - accounted
        settled.append([job, span.slot, key, span.node, epoch, earned, accounted - earned, unmeasured])
    return {
        "uptime": [[node, epoch, seen.up, seen.observed] for node, seen in sorted(uptime.items())],
        "settlement": settled,
    }


def report_json(signed: SignedReport, domain: Mapping[str, Any], committee: Sequence[str]) -> str:
    """A report, its signatures and its tree, as reports/EPOCH.json holds them."""
    report = signed.draft.report
    signatures = signed.signatures
    return (
        json.dumps(
            {
                "domain": dict(domain),
                "report": {
                    "epoch": report.epoch,
                    "committee": report.committee,
                    "root": "0x" + report.root.hex(),
                    "parent": "0x" + report.parent.hex(),
                    "anchor": "0x" + report.anchor.hex(),
                    "evidence": "0x" + report.evidence.hex(),
                },
                "committee": list(committee),
                "signers": signed.signers,
                "signatures": ["0x" + signatures[i : i + 64].hex() for i in range(0, len(signatures), 64)],
                "tree": signed.draft.tree.dump(),
            },
            indent=1,
        )
        + "\n"
    )


def payouts(settlement: Iterable[Sequence[Any]], rates: Rates, nodes: Sequence[str], totals: Totals) -> list[list[Any]]:
    """The rows of payouts.csv; the last one, without a node, is what slots cost while they stood empty, and rounding.

    Raises NotConserved unless the seconds come to what the chain paid and burned.
    """
    seconds: dict[int, list[int]] = {}
    owner: dict[int, str] = {}
    for _, _, key, node, _, earned, withheld, unmeasured in settlement:
        sums = seconds.setdefault(key, [0, 0, 0])
        owner[key] = node
        for index, value in enumerate((earned, withheld, unmeasured)):
            sums[index] += value
    by_node = {node: [0, 0, 0, 0] for node in nodes}
    for key, (earned, withheld, unmeasured) in seconds.items():
        one = statement(rates, earned, withheld, unmeasured)
        for index, value in enumerate((one.paid, one.withheld, one.refunded, one.burned)):
            by_node[owner[key]][index] += value
    rows: list[list[Any]] = [[node, *by_node[node]] for node in sorted(by_node)]
    paid, refunded, burned = (sum(row[index] for row in rows) for index in (1, 3, 4))
    whole = rates.burned(*(sum(one[index] for one in seconds.values()) for index in (0, 1)))
    if (paid, whole, totals.deposits - paid - whole) != (totals.paid, totals.burned, totals.refunded):
        raise NotConserved(f"the seconds come to {paid} paid and {whole} burned, but the chain has {totals}")
    rows.append(["", 0, 0, totals.refunded - refunded, totals.burned - burned])
    return rows


def to_csv(header: Sequence[str], rows: Iterable[Sequence[Any]]) -> str:
    """CSV text with a header line and LF ends."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(header)
    writer.writerows(rows)
    return text.getvalue()


def write_csv(path: Path, header: Sequence[str], rows: Iterable[Sequence[Any]]) -> None:
    """Write a CSV whole or not at all."""
    write_whole(path, to_csv(header, rows))
